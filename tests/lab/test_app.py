"""The program itself: on a virtual screen, and where there is none."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lab.app import make_window
from lab.settings import Settings

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
PROGRAM = 100
"""Seconds until the program is there, or has ended; a test waits for it twice at most."""
SIZE = (1400, 900)
PANEL_DARK = (0x1B, 0x1F, 0x26)
ACCENT_DARK = (0x4E, 0xA1, 0xFF)


class Screen:
    """An X server that draws into a file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "Xvfb_screen0"
        reader, writer = os.pipe()
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "-fbdir", str(folder),
             "-nolisten", "tcp"],
            pass_fds=(writer,), stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(writer)
        with os.fdopen(reader) as pipe:
            self.display = f":{pipe.readline().strip()}"

    def pixels(self) -> np.ndarray:
        """What is on the screen: (height, width, 3)."""
        data = self.file.read_bytes()
        header = np.frombuffer(data[:100], ">u4")
        width, height, line, colors = int(header[4]), int(header[5]), int(header[12]), int(header[19])
        start = int(header[0]) + 12 * colors
        raw = np.frombuffer(data, np.uint8, line * height, start).reshape(height, line)
        return raw[:, : width * 4].reshape(height, width, 4)[:, :, 2::-1]

    def share(self, color: tuple[int, int, int]) -> float:
        """How much of the screen has a colour."""
        return float((np.abs(self.pixels()[::4, ::4].astype(int) - color).max(axis=2) <= 2).mean())

    def close(self) -> None:
        self._server.terminate()
        self._server.wait()


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    folder = tmp_path / "screen"
    folder.mkdir()
    found = Screen(folder)
    yield found
    found.close()


def environment(home: Path, **values: str) -> dict[str, str]:
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("QT_", "WAYLAND", "DISPLAY", "XDG_S"))
    }
    return kept | {"DESCENT_HOME": str(home)} | values


def test_the_window_paints_on_a_screen_and_ends_on_a_signal(screen: Screen, home: Path) -> None:
    from lab.display import missing_libraries

    if missing_libraries():
        pytest.skip("libraries of Qt's X11 plugin are missing")
    settings = Settings(home / "window.ini")
    settings.theme = "dark"
    settings.sync()
    program = subprocess.Popen(
        [sys.executable, "-m", "lab"], cwd=ROOT, env=environment(home, DISPLAY=screen.display),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + PROGRAM
        while time.monotonic() < deadline and program.poll() is None:
            if screen.share(PANEL_DARK) > 0.3 and screen.share(ACCENT_DARK) > 0.001:
                break
            time.sleep(0.2)
        painted = screen.share(PANEL_DARK), screen.share(ACCENT_DARK)
        colors = len(np.unique(screen.pixels()[::3, ::3].reshape(-1, 3), axis=0))
        program.send_signal(signal.SIGTERM)
        output, _ = program.communicate(timeout=PROGRAM)
    finally:
        if program.poll() is None:
            program.kill()
            program.communicate()
    assert painted[0] > 0.3 and painted[1] > 0.001 and colors > 50, output
    assert program.returncode == 0 and output == ""
    assert (home / "window.ini").is_file() and not list((home / "recovery").glob("*"))


def test_without_a_screen_there_is_a_sentence(home: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux has machines without a screen")
    done = subprocess.run(
        [sys.executable, "-m", "lab"],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=PROGRAM,
    )
    assert done.returncode == 2 and "there is no screen here" in done.stderr and "Traceback" not in done.stderr


def test_a_screen_that_does_not_answer_is_told(home: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("X11 is asked on Linux only")
    done = subprocess.run(
        [sys.executable, "-m", "lab"], cwd=ROOT, env=environment(home, DISPLAY=":9876"), capture_output=True, text=True,
        timeout=PROGRAM,
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "DISPLAY=:9876 does not answer" in done.stderr or "apt-get install" in done.stderr


def test_a_window_of_a_person_keeps_runs_in_the_data_folder(qtbot, home: Path) -> None:
    window = make_window(None, Settings())
    window.show()
    qtbot.waitUntil(lambda: not window.jobs.busy)
    assert window.session.store.folder == home and window.keeper.recovery is not None
    assert window.document.report.ok and not window.document.dirty
    window.close()
    assert window.ended
    window.deleteLater()
