"""Pictures of the window: real, of exactly the size asked for, in the midst of a run."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import qInstallMessageHandler, qWarning
from PySide6.QtGui import QImage

from engine import files
from engine.training.result import TrainingError
from lab.cli.common import UserError
from lab.screenshots import take
from tests.support.examples import blobs
from widgets import theme


@pytest.fixture(autouse=True)
def messages(qapp: Any) -> Iterator[None]:
    """`take` puts a message handler in place."""
    before = qInstallMessageHandler(None)
    qInstallMessageHandler(before)
    yield
    qInstallMessageHandler(before)
    theme.apply(qapp, "dark")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "blobs.dlab"
    files.save(blobs(epochs=30), path)
    return path


def share(image: QImage, color: str) -> float:
    wanted = theme.color(color).rgb()
    pixels = [image.pixel(x, y) for x in range(0, image.width(), 5) for y in range(0, image.height(), 5)]
    return sum(pixel == wanted for pixel in pixels) / len(pixels)


@pytest.mark.parametrize(("name", "size"), [("dark", (1280, 800)), ("light", (1600, 1000))])
def test_a_picture_of_the_window(file: Path, tmp_path: Path, home: Path, name: str, size: tuple[int, int]) -> None:
    out = tmp_path / "out.png"
    take(file, out, size=size, theme=name, train_steps=40)
    image = QImage(str(out))
    assert (image.width(), image.height()) == size
    look = theme.DARK if name == "dark" else theme.LIGHT
    assert share(image, look.panel) > 0.2 and share(image, look.accent) > 0.001
    assert not home.exists(), "nothing is kept of it"


def test_a_picture_of_one_panel_shows_the_run(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "loss.png"
    take(file, out, size=(700, 400), train_steps=40, panel="loss")
    image = QImage(str(out))
    assert (image.width(), image.height()) == (700, 400)
    blank = tmp_path / "blank.png"
    take(file, blank, size=(700, 400), panel="loss")
    qWarning("Something that should be known")
    assert capsys.readouterr().err == "Something that should be known\n", "not what the platform cannot do"
    assert share(image, theme.DARK.series[0]) > 5 * share(QImage(str(blank)), theme.DARK.series[0])


def test_what_cannot_be_drawn_is_told(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no panel “nothing”; the panels are loss, "):
        take(file, tmp_path / "out.png", panel="nothing")
    with pytest.raises(UserError, match=r"needs at least \d+x\d+ pixels"):
        take(file, tmp_path / "out.png", size=(400, 300))
    from engine import edits

    files.save(edits.disconnect(blobs(), "relu_1", "dense_2"), file)
    with pytest.raises(TrainingError):
        take(file, tmp_path / "out.png", train_steps=3)
    assert not (tmp_path / "out.png").exists()


def test_a_picture_that_cannot_be_written_leaves_the_older_one(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(b"older")

    def full(path: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(files, "write_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        take(file, out, size=(1280, 800))
    assert out.read_bytes() == b"older"


def test_more_steps_than_the_run_has_show_its_end(file: Path, tmp_path: Path) -> None:
    take(file, tmp_path / "out.png", train_steps=10**6)
    assert (tmp_path / "out.png").stat().st_size > 10_000
