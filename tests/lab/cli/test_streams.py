"""Standard streams that are closed, narrow, full or read no longer."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.training.store import RunStore

ROOT = Path(__file__).parents[3]
LAB = f"{sys.executable} -m lab"
FULL = Path("/dev/full")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a shell's redirections")


def shell(command: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"DESCENT_HOME": str(home)} | environment,
    )


def test_closed_streams_swallow_what_is_written(tmp_path: Path) -> None:
    assert (done := shell(f"{LAB} presets >&-", tmp_path)).returncode == 0, done.stderr
    done = shell(f"{LAB} check nothing.dlab 2>&-", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_a_narrow_encoding_gets_plain_characters(tmp_path: Path, file: Path) -> None:
    done = shell(f"{LAB} train {file} --steps 2", tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert re.search(r" on (NumPy|Compiled) - \d", done.stdout)
    done = shell(f"{LAB} train {file} --steps 2 --json", tmp_path, PYTHONIOENCODING="ascii")
    assert "·" in json.loads(done.stdout)["device"]
    done = shell(f"{LAB} check 'ü“.dlab'", tmp_path, PYTHONIOENCODING="ascii")
    assert done.stderr == 'descent: ?".dlab: there is no such file\n'


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["presets", "runs", "train FILE --json", "train FILE"])
def test_output_that_cannot_be_written_is_said(tmp_path: Path, file: Path, command: str) -> None:
    done = shell(f"{LAB} {command.replace('FILE', str(file))} > {FULL}", tmp_path)
    assert done.returncode == 2
    assert done.stderr == "descent: the output cannot be written: no space left on device\n"


def test_training_stops_when_nobody_reads_on(tmp_path: Path, file: Path) -> None:
    done = shell(f"{LAB} train {file} --epochs 100000 --json | head -n 1", tmp_path)
    assert json.loads(done.stdout)["epoch"] == 1
    (run,) = RunStore(tmp_path).list()
    assert run.status == "stopped" and run.resumable
    assert done.stderr == f"descent: stopped after step {run.steps}; go on with: descent train --resume {run.id}\n"
