"""What the window remembers, also when the file was written by somebody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QByteArray

from lab.settings import Settings


@pytest.mark.parametrize("kept", [True, False])
def test_values_come_back(tmp_path: Path, kept: bool) -> None:
    path = tmp_path / "window.ini"
    settings = Settings(path if kept else None)
    settings.theme, settings.device, settings.executor, settings.math = "light", "cuda:1", "array", "tf32"
    settings.set("views", {"loss": {"log_x": True}})
    settings.set_bytes("state", QByteArray(b"\x00\xff state"))
    settings.sync()
    again = Settings(path) if kept else settings
    assert (again.theme, again.device, again.executor, again.math) == ("light", "cuda:1", "array", "tf32")
    assert again.get("views") == {"loss": {"log_x": True}}
    assert again.bytes("state") == QByteArray(b"\x00\xff state")
    assert again.get("nothing", 7) == 7 and again.bytes("nothing") is None


def test_nonsense_counts_as_nothing(tmp_path: Path) -> None:
    path = tmp_path / "window.ini"
    path.write_text(
        '[General]\ntheme="purple"\ndevice=12\nexecutor="quantum"\nmath="fp8"\nrecent="not a list"\nviews={{{\n'
    )
    settings = Settings(path)
    assert (settings.theme, settings.device, settings.executor, settings.math) == ("system", "auto", "auto", "float32")
    assert settings.recent == ()
    assert settings.get("views") is None


def test_recent_files_are_ten_and_the_last_comes_first(tmp_path: Path) -> None:
    settings = Settings()
    for i in range(12):
        settings.add_recent(tmp_path / f"{i}.dlab")
    settings.add_recent(tmp_path / "5.dlab")
    assert [path.stem for path in settings.recent] == ["5", "11", "10", "9", "8", "7", "6", "4", "3", "2"]
    settings.forget_recent(tmp_path / "5.dlab")
    assert settings.recent[0].stem == "11"
    settings.forget_recent()
    assert settings.recent == ()
