"""Focus on a real X11 screen, where Qt hands it on as it does before a person's eyes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.timeout(300)
def test_quick_add_keeps_the_selection_on_a_screen(tmp_path: Path) -> None:
    from lab.display import missing_libraries

    if shutil.which("Xvfb") is None or missing_libraries():
        pytest.skip("Xvfb or the libraries of Qt's X11 plugin are missing")
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1200x800x24", "-nolisten", "tcp"],
        pass_fds=(writer,), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writer)
    try:
        with os.fdopen(reader) as pipe:
            display = f":{pipe.readline().strip()}"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'inner'}",
             "--timeout=75", "tests/lab/canvas/test_view_keys.py", "-k", "focus or quick_add_says"],
            cwd=ROOT, env=os.environ | {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb"},
            capture_output=True, text=True, timeout=240,
        )  # fmt: skip
    finally:
        server.terminate()
        server.wait()
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout
