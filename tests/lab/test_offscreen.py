"""Qt without a screen, and what is said where it cannot be loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab import offscreen
from lab.offscreen import QtError, application, import_qt

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError("No module named 'PySide6'"), "Qt is not installed"),
        (ImportError("libEGL.so.1: cannot open shared object file"), "apt-get install libgl1 libegl1"),
    ],
)
def test_a_missing_library_is_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, error: ImportError, words: str
) -> None:
    def fail(name: str, *arguments: Any, **options: Any) -> Any:
        raise error

    with pytest.raises(QtError) as caught, monkeypatch.context() as patch:
        patch.setattr("builtins.__import__", fail)
        import_qt()
    assert words in str(caught.value)
    assert str(error) in str(caught.value)


def test_an_application_that_is_there_is_used(qapp: Any) -> None:
    assert application("dark") is qapp
    assert offscreen.application("light") is qapp


def test_an_application_is_made_without_a_screen() -> None:
    code = (
        "import os; os.environ.pop('QT_QPA_PLATFORM', None); os.environ.pop('DISPLAY', None)\n"
        "from lab.offscreen import application; print(application().platformName())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "offscreen\n"
