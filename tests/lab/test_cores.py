"""A core is left to the window, unless somebody said otherwise, and before NumPy is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import cores

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("count", "threads"), [(1, "1"), (2, "1"), (8, "7")])
def test_one_core_is_left(monkeypatch: pytest.MonkeyPatch, count: int, threads: str) -> None:
    monkeypatch.setattr(cores, "usable_cores", lambda: count)
    environment: dict[str, str] = {"HOME": "/"}
    cores.leave_one_core(environment)
    assert environment == {"HOME": "/"} | dict.fromkeys(cores.THREADS, threads)


@pytest.mark.parametrize("name", cores.THREADS)
def test_whoever_sets_a_variable_decides(name: str) -> None:
    environment = {name: "3"}
    cores.leave_one_core(environment)
    assert environment == {name: "3"}


@pytest.mark.parametrize(
    "call", ["lab.cli._dispatch(['x.dlab'])", "lab.cli._dispatch(['screenshot', 'x.dlab', '--out', 'x.png'])"]
)
def test_it_is_done_before_numpy_is_imported(tmp_path: Path, call: str) -> None:
    (tmp_path / "x.dlab").write_text("{}")
    code = (
        "import sys, lab.cli, lab.cores\n"
        "def look(): print('numpy' in sys.modules); raise SystemExit\n"
        "lab.cores.leave_one_core = look\n"
        f"{call}"
    )
    environment = {key: value for key, value in os.environ.items() if key not in cores.THREADS}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "False\n", done.stderr
