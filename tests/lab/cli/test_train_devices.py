"""Training on a GPU from the command line: which is taken, what is said, and what becomes of a run that loses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine import executors
from engine.files import save
from engine.training.recovery import read_counters
from engine.training.store import RunStore
from tests.support.command import complaint, descent
from tests.support.examples import blobs
from tests.support.failing_gpu import FailingGpu
from tests.support.patience import WAIT

ROOT = Path(__file__).parents[3]

SCRIPT = """
import sys
import pytest
from engine import executors
from lab.cli import main
from tests.support.failing_gpu import FailingGpu

FailingGpu(9).install(pytest.MonkeyPatch())
executors.compiled = lambda: False
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU it is the array executor that trains."""
    monkeypatch.setattr(executors, "compiled", lambda: False)
    monkeypatch.setenv("DESCENT_COMPILE", "off")


def losses(lines: list[Any]) -> list[float]:
    return [item["train_loss"] for item in lines]


def test_options_reach_the_run(file: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FailingGpu().install(monkeypatch)
    called = descent("train", file, "--json", "--device", "cuda:0", "--executor", "cuda", "--precision", "tf32")
    assert called.status == 0, called.err
    assert called.lines[-1]["device"] == gpu.label and gpu.chosen == [("cuda", "cuda", "tf32")]
    run = RunStore(home).open(called.lines[-1]["run"])
    found = run.last_checkpoint()
    assert found is not None and read_counters(found[1]).math == "tf32"
    descent("train", "--resume", "last", "--epochs", 4, "--json")
    assert gpu.chosen[1] == ("cuda", "auto", "tf32"), "it is kept"


@pytest.mark.usefixtures("arrays")
@pytest.mark.parametrize("as_json", [True, False])
def test_a_run_that_loses_its_gpu_goes_on_and_says_so(
    file: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    expected = descent("train", file, "--json", "--device", "cpu", "--executor", "array")
    FailingGpu(5).install(monkeypatch)
    called = descent("train", file, *(["--json"] if as_json else []))
    assert called.status == 0
    (line,) = called.err.splitlines()
    assert line.startswith("descent: The GPU does not answer any more (cudaErrorLaunchFailure). The run goes on from ")
    assert " on the processor (NumPy · " in line
    if as_json:
        assert losses(called.lines) == losses(expected.lines)
    else:
        assert "on NumPy" in called.out.splitlines()[-1]


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.usefixtures("arrays")
def test_a_run_that_lost_its_gpu_and_was_killed_goes_on(tmp_path: Path, home: Path) -> None:
    save(blobs(epochs=100_000), tmp_path / "x.dlab")
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "train", str(tmp_path / "x.dlab"), "--json"],
        cwd=ROOT,
        env={**os.environ, "DESCENT_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    assert "The run goes on from" in process.stderr.readline()
    while RunStore(home).list()[0].steps <= 30:
        assert process.stdout.readline()
    process.kill()
    process.communicate(timeout=WAIT / 1000)
    (summary,) = descent("runs", "--json").json
    assert summary["status"] == "interrupted" and summary["steps"] > 30
    steps = summary["steps"] + 5
    called = descent("train", "--resume", "last", "--steps", steps, "--json")
    assert called.status == 0 and called.lines[-1]["steps"] == steps
    whole = descent(
        "train", tmp_path / "x.dlab", "--steps", steps, "--device", "cpu", "--executor", "array", "--json",
        "--out", tmp_path / "whole",
    )  # fmt: skip
    one, two = (
        RunStore(folder).open(run.lines[-1]["run"]).last_checkpoint()
        for folder, run in ((home, called), (tmp_path / "whole", whole))
    )
    assert one is not None and two is not None
    assert all(one[0][name].tobytes() == two[0][name].tobytes() for name in two[0])


@pytest.mark.usefixtures("arrays")
def test_a_run_on_another_device_is_told_of(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FailingGpu().install(monkeypatch)
    descent("train", file, "--steps", 4, "--json")
    called = descent("train", "--resume", "last", "--device", "cpu", "--json")
    (line,) = called.err.splitlines()
    assert "on an NVIDIA GPU by the CUDA executor until now" in line and "last digits" in line
    assert line.endswith("The run goes on from step 4.")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--device", "cuda:x"), "argument --device: there is no device “cuda:x”"),
        (("--device", "cpu", "--precision", "bf16"), "Matrix products in bf16 are computed by the executor “cuda”"),
        (("--precision", "fp8"), "argument --precision: invalid choice"),
        (("--device", "cpu", "--executor", "cuda"), "The CUDA executor computes float32 on an NVIDIA GPU"),
    ],
)
def test_what_cannot_be(file: Path, options: tuple[str, ...], words: str) -> None:
    assert words in complaint("train", file, *options)


def test_kernels_are_not_compiled_for_a_run_on_a_gpu(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[str] = []

    class Background:
        def start(self) -> None:
            orders.append("start")

        def cancel(self) -> None:
            """Nothing was begun."""

        def leave(self) -> bool:
            return False

    monkeypatch.setattr("engine.compilation.Compilation", Background)
    monkeypatch.setattr("engine.devices.driver_version", lambda: 13000)
    with monkeypatch.context() as there:
        FailingGpu().install(there)
        assert descent("train", file, "--json").status == 0
    assert orders == []
    monkeypatch.setattr(executors, "compiled", lambda: False)
    monkeypatch.setattr("engine.devices._found", type("None", (), {"usable": ()}))
    assert descent("train", file, "--json").status == 0
    assert orders == ["start"], "for a run that found none after all"
