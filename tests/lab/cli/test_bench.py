"""`descent bench`: figures of a file or a preset."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine import compilation, devices, executors, peak
from engine.backend import Device
from engine.devices import Devices, Trouble
from engine.executors import ExecutorKind
from engine.roofline import Level, Machine
from lab.cli import bench
from tests.support.command import complaint, descent
from tests.support.examples import blobs
from tests.support.failing_gpu import FailingGpu


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose limits are known."""
    known = Machine(2, 1e12, (Level(1 << 20, 1e11),), "told")
    monkeypatch.setattr(peak, "measure", lambda threads: known)
    return known


def test_an_experiment_is_measured(file: Path) -> None:
    called = descent("bench", file, "--executor", "array", "--seconds", "0.1")
    assert (called.status, called.err) == (0, "")
    lines = called.out.splitlines()
    assert lines[0].startswith("Blobs: batch 16, ")
    assert lines[1] == "This machine: 1000 GFLOP/s and 100 GB/s with 2 threads"
    assert lines[3].split("  ")[0] == "EXECUTOR"
    assert lines[4].startswith("NumPy")
    place = next(index for index, line in enumerate(lines) if line.startswith("The slowest operations, NumPy"))
    assert lines[place + 1].split() == ["OPERATION", "NODE", "PHASE", "MS", "SHARE", "GFLOP/S"]
    assert len(lines[place + 2 :]) == 10


def test_the_same_as_json(file: Path, machine: Machine) -> None:
    called = descent("bench", file, "--executor", "array", "--seconds", "0.1", "--json")
    found = called.json
    (arrays,) = found["executors"]
    assert (arrays["executor"], found["batch"]) == ("array", 16)
    step = arrays["seconds"]["median"]
    assert arrays["samples_per_second"] == pytest.approx(16 / step)
    assert arrays["share_of_peak"] == pytest.approx(found["flops"] / step / machine.flops)
    assert arrays["observed"] > 1
    assert arrays["fallbacks"] == []
    assert {"name", "node", "phase", "seconds", "flops"} == set(arrays["operations"][0])
    assert found["bound"]["limit"] in ("arithmetic", "memory")


def test_a_preset_goes_by_its_name() -> None:
    called = descent("bench", "spiral-mlp", "--executor", "array", "--seconds", "0.1", "--json")
    assert called.json["experiment"] == "Spiral, MLP"


def test_without_the_compiled_executor_arrays_are_measured_and_the_reason_is_said(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "unavailable", lambda: "It needs numba.")
    called = descent("bench", file, "--seconds", "0.1", "--json")
    assert [item["executor"] for item in called.json["executors"]] == ["array"]
    assert called.err == "descent: It needs numba.\n"
    assert complaint("bench", file, "--executor", "cpu") == "It needs numba. Use --executor array"


def test_kernels_that_cannot_be_compiled_are_told_in_words(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("DESCENT_CACHE", str(blocked))
    monkeypatch.delenv(compilation.SWITCH, raising=False)
    monkeypatch.setattr(compilation, "COMMAND", (sys.executable, "-c", "raise SystemExit('There is no room.')"))
    called = descent("bench", file, "--seconds", "0.1", "--json")
    assert [item["executor"] for item in called.json["executors"]] == ["array"]
    assert "There is no room." in called.err
    refused = descent("bench", file, "--executor", "cpu")
    assert refused.status == 2
    assert refused.err.splitlines()[-1].endswith("There is no room. Use --executor array")


@pytest.mark.parametrize("seconds", ["0", "nan", "4000", "x"])
def test_seconds_are_a_number_above_0(file: Path, seconds: str) -> None:
    assert "expected" in complaint("bench", file, "--seconds", seconds)


def test_what_is_neither_a_file_nor_a_preset_is_refused() -> None:
    assert "there is no such file" in complaint("bench", "spirl-mlp", "--executor", "array")


# -- a GPU -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FailingGpu:
    monkeypatch.setattr(executors, "unavailable", lambda: "It needs numba.")
    return FailingGpu().install(monkeypatch)


def test_a_gpu_is_measured_beside_the_processor(file: Path, gpu: FailingGpu) -> None:
    called = descent("bench", file, "--seconds", "0.1", "--precision", "tf32")
    assert called.status == 0 and "It needs numba." in called.err
    first, second = called.out.splitlines()[4:6]
    assert first.startswith("CUDA · Pretended GPU") and " – " in first and second.startswith("NumPy")
    assert gpu.chosen == [("cuda", "cuda", "tf32"), ("cpu", "array", "float32")]
    alone = descent("bench", file, "--seconds", "0.1", "--executor", "cuda", "--device", "cuda:0", "--json").json
    (figures,) = alone["executors"]
    assert (figures["executor"], figures["share_of_peak"]) == ("cuda", None)


def test_which_are_measured(gpu: FailingGpu) -> None:
    def kinds(asked: ExecutorKind, device: Device) -> list[ExecutorKind]:
        return bench._kinds(asked, device, "float32", blobs())

    assert kinds("auto", "auto") == kinds("auto", "cuda:0") == ["cuda", "array"]
    assert kinds("auto", "cpu") == kinds("array", "auto") == ["array"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--executor", "array", "--device", "cuda"), "measured on the processor"),
        (("--executor", "array", "--precision", "bf16"), "only a GPU computes so"),
    ],
)
def test_what_cannot_be_measured(file: Path, gpu: FailingGpu, options: tuple[str, ...], words: str) -> None:
    assert words in complaint("bench", file, *options)


def test_a_gpu_that_cannot_be_had(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_found", Devices(trouble=Trouble("There is no driver.", "Install one.")))
    assert complaint("bench", file, "--executor", "cuda") == "There is no driver. Install one."
    assert complaint("bench", file, "--device", "cuda:1") == "There is no driver. Install one."
    # At once: what the processor needs is not made ready before.
    monkeypatch.setattr(bench, "_processor_kinds", None)
    refusal = "--precision tf32: only a GPU computes so"
    assert complaint("bench", file, "--precision", "tf32") == f"{refusal}. There is no driver. Install one."
    assert complaint("bench", file, "--precision", "tf32", "--executor", "cpu") == f"{refusal}, and none is measured"
