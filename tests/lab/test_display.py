"""Whether there is a screen is found out before Qt ends the process."""

from __future__ import annotations

import ctypes
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from lab import display
from lab.offscreen import QtError

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has to be asked")


def test_platforms_without_a_screen_need_none() -> None:
    display.check({"QT_QPA_PLATFORM": "offscreen"})
    display.check({"QT_QPA_PLATFORM": "minimal:enable_fonts"})


def test_no_screen_at_all() -> None:
    with pytest.raises(QtError, match="neither DISPLAY nor WAYLAND_DISPLAY"):
        display.check({})


def test_the_commands_that_need_no_screen_are_named_as_they_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_COMMAND", "python3 run.py --")
    with pytest.raises(QtError, match=r"“python3 run\.py -- train”.* xvfb-run python3 run\.py --\.$"):
        display.check({})


def test_missing_libraries_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, *_: Any, **__: Any) -> Any:
        if name in ("libxcb-cursor.so.0", "libxkbcommon-x11.so.0"):
            raise OSError(name)
        return object()

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert display.missing_libraries() == ["libxcb-cursor.so.0", "libxkbcommon-x11.so.0"]
    with pytest.raises(QtError, match="apt-get install libxcb-cursor0 libxkbcommon-x11-0"):
        display.check({"DISPLAY": ":0"})


def test_wayland_counts_when_it_answers(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        path = tmp_path / "wl"
        server.bind(str(path))
        server.listen()
        display.check({"WAYLAND_DISPLAY": str(path)})
        display.check({"WAYLAND_DISPLAY": "wl", "XDG_RUNTIME_DIR": str(tmp_path), "XDG_SESSION_TYPE": "wayland"})
    with pytest.raises(QtError, match="no screen"):
        display.check({"WAYLAND_DISPLAY": str(tmp_path / "gone")})
