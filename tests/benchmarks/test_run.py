"""The command: what it refuses, and one small measurement from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import run
from benchmarks.losses import Mismatch


@pytest.fixture(autouse=True)
def threads_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command decides on the threads of its process; this process has other tests to run."""
    monkeypatch.setattr(run, "hold", lambda threads: None)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["W99"], 2, "There is no workload “W99”; there are W1, W2"),
        (["W1", "--peers", "keras"], 1, "There is no peer “keras”; there are torch, "),
        (["W1", "--peers", "numpy", "--sections", "speed"], 1, "There is no section “speed”; there are steps, "),
    ],
)
def test_a_wrong_call_is_answered_in_words(
    arguments: list[str], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(arguments) == status
    assert words in capsys.readouterr().err


def test_a_peer_that_is_missing_is_left_out_with_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.peers.installed", lambda name: name != "jax")
    assert run._peers(["jax", "numpy"]) == ["numpy"]
    assert "JAX jit is left out: " in (said := capsys.readouterr().err)
    assert "-m pip install jax==" in said


def test_sides_that_differ_fail_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(*arguments: object) -> None:
        raise Mismatch("W1: not the same")

    monkeypatch.setattr("benchmarks.steps.measure", wrong)
    assert run.main(["W1", "--peers", "numpy", "--executor", "array", "--sections", "steps"]) == 1
    assert "W1: not the same" in capsys.readouterr().err


def test_a_measurement_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["W1", "--peers", "numpy", "--executor", "array", "--rounds", "2", "--sections", "steps"]
    kept, picture = tmp_path / "r.json", tmp_path / "c.svg"
    assert run.main([*arguments, "--json", str(kept), "--svg", str(picture)]) == 0
    assert "Time of a training step" in capsys.readouterr().out
    (row,) = json.loads(kept.read_text())["steps"]
    assert row["differences"]["array"] < 1e-6 and row["reference"] == "numpy"
    assert 0.01 < row["ratios"]["array"]["numpy"] < 100
    assert picture.read_text().startswith("<svg")
