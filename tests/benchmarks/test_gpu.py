"""Measuring on a GPU: what the command refuses, its tables, and a run of all its parts on the processor."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu
from benchmarks.gpu_names import LABELS, OURS
from benchmarks.gpu_tables import document, machine_of, tables
from benchmarks.gpu_workloads import LARGE, NAMES, gpu_workload
from benchmarks.tables import text
from benchmarks.workloads import workload
from engine.backend import MathMode
from engine.device_errors import DeviceLost
from engine.optimizers import Adam
from engine.training.result import TrainingError


def times(seconds: float) -> dict[str, float]:
    return {"median": seconds, "low": seconds, "high": seconds, "least": seconds}


def row(name: str, math: str, **medians: float) -> dict[str, Any]:
    """A row where the engine takes 2 ms, alone 3 ms, and observed 4.5 ms."""
    sides = {OURS: 0.002, **medians}
    return {
        "name": name,
        "title": f"network {name}",
        "math": math,
        "work": {"flops": 10**10, "bytes": 10**8, "resident": 10**8},
        "steps_a_call": 25,
        "times": {
            side: times(value) for side, value in {**sides, f"{OURS}/single": 0.003, f"{OURS}/observed": 0.0045}.items()
        },
        "ratios": {side: 0.002 / value for side, value in medians.items()},
        "observed": 1.5,
        "differences": dict.fromkeys(sides, 2e-6) | {OURS: 1e-7},
        "reference": [1.0],
        "left_out": {},
    }


@pytest.fixture
def results() -> dict[str, Any]:
    """Two networks, one of them in two ways, on a card of 10 TFLOP/s and 100 GB/s."""
    machine = dict.fromkeys(("cpu", "cores", "memory", "system", "python", "torch"), "?") | {
        "card": "NVIDIA Example 9000", "card_memory": "24 GiB", "multiprocessors": "80", "capability": "9.0",
        "driver": "580.1", "cuda": "13.0", "cudnn": "91000", "cupy": "14.2", "commit": "abc", "date": "2026-01-02",
    }  # fmt: skip
    levels = [{"size": 12 << 20, "rate": 1e12}, {"size": 1536 << 20, "rate": 1e11}]
    w4 = row("W4", "float32", eager=0.004) | {"differences": {}}
    return {
        "machine": machine,
        "rounds": 15,
        "mode": "max-autotune",
        "peers": list(LABELS)[1:],
        "limits": {"flops": {"float32": 1e13, "tf32": 8e13}, "levels": levels, "method": "products"},
        "rows": [row("W7", "float32", eager=0.008, graph=0.0025), row("W7", "tf32", eager=0.001), w4],
        "skipped": [],
        "mismatches": 0,
        "cadence": [{"preset": "mnist-mlp", "executor": "cuda", "share": 0.021}],
    }


def cells(results: dict[str, Any], title: str) -> list[tuple[str, ...]]:
    (found,) = (table for table in tables(results) if table.title == title)
    assert all(len(line) == len(found.heads) for line in found.rows)
    return [found.heads, *found.rows]


def test_times_stand_beside_one_another(results: dict[str, Any]) -> None:
    heads, first, *_ = cells(results, "Time of a training step")
    shown = dict(zip(heads, first, strict=True))
    assert (shown["engine, ms"], shown["PyTorch eager, ms"], shown["PyTorch tuned, ms"]) == ("2.00", "8.00", "–")
    assert (shown["one a call"], shown["steps a call"], shown["products"]) == ("3.00", "25", "float32")


def test_ratios_and_their_means_by_the_way_to_multiply(results: dict[str, Any]) -> None:
    heads, *rows = cells(results, "The engine's time as a part of PyTorch's")
    assert heads == ("", "products", "PyTorch eager", "PyTorch graph", "losses", "PyTorch's losses")
    assert rows == [
        ("W7", "float32", "0.25", "0.80", "1e-07", "2e-06"),
        ("W7", "tf32", "2.00", "–", "1e-07", "2e-06"),
        ("W4", "float32", "0.50", "–", "–", "–"),
        ("all", "float32", "0.35", "0.80", "", ""),
        ("all", "tf32", "2.00", "–", "", ""),
    ]


def test_the_share_of_what_the_card_can_do(results: dict[str, Any]) -> None:
    heads, first, second, _ = cells(results, "The share of it that a step reaches")
    shown = dict(zip(heads, first, strict=True))
    # 10 GFLOP at 10 TFLOP/s and 100 MB at 100 GB/s take a millisecond each, of two.
    assert (shown["bound, ms"], shown["by"], shown["of the bound"]) == ("1.00", "arithmetic", "50%")
    assert (shown["TFLOP/s"], shown["PyTorch's best"]) == ("5.00", "40%")
    assert dict(zip(heads, second, strict=True))["by"] == "memory"
    assert machine_of(results["limits"], "tf32").flops == 8e13
    assert cells(results, "What the card can do")[1] == ("10.0", "80.0", "1000", "100")


def test_what_instruments_cost(results: dict[str, Any]) -> None:
    assert cells(results, "What it costs to look inside")[1] == ("W7", "float32", "3.00", "4.50", "1.50")
    assert cells(results, "The share of a run's time that instruments take")[1] == ("mnist-mlp", "2.1%")


def test_what_is_missing_says_why(results: dict[str, Any]) -> None:
    results["rows"][0]["left_out"]["compile"] = "RuntimeError: no compiler"
    results["skipped"].append(["G1", "G1 is left out: too large"])
    assert cells(results, "Sides that could not be measured")[1][2:] == ("torch.compile", "RuntimeError: no compiler")
    assert cells(results, "What was not compared")[1] == ("G1", "G1 is left out: too large")


def test_without_peers_there_are_times_alone(results: dict[str, Any]) -> None:
    results["rows"] = [row("W1", "float32")]
    assert "The engine's time as a part of PyTorch's" not in [table.title for table in tables(results)]
    assert cells(results, "The share of it that a step reaches")[1][-1] == "–"


def test_results_are_kept_by_date_and_card(results: dict[str, Any], tmp_path: Path) -> None:
    kept, page = gpu.write(copy.deepcopy(results), tmp_path)
    assert (kept.name, page.name) == ("2026-01-02-gpu-example-9000.json", "2026-01-02-gpu-example-9000.md")
    assert json.loads(kept.read_text()) == results
    said = page.read_text()
    assert said == document(results)
    for words in ("NVIDIA Example 9000", "driver 580.1", "CUDA 13.0", "Commit abc", "max-autotune", "## Time of a"):
        assert words in said
    assert all(text(table) for table in tables(results))


@pytest.mark.parametrize("name", NAMES)
def test_workloads_have_a_batch_for_every_step(name: str) -> None:
    found = gpu_workload(name, dry=True)
    assert found.name == name and found.training
    assert found.batches.shape[1] == found.batch and found.batches.max() < len(found.arrays["x"])
    if name in LARGE:
        assert found.arrays["x"].size < 1e6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["W99"], "There is no workload “W99”; there are W1, W2"),
        (["--products", "fp8"], "There is no way to multiply “fp8”; there are float32, tf32, bf16"),
        (["--peers", "jax"], "There is no peer “jax”; there are eager, tuned, graph, compile"),
        (["--rounds", "0"], "--rounds is at least 1"),
    ],
)
def test_a_wrong_call_is_answered_in_words(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu.main(arguments) == 2
    assert words in capsys.readouterr().err


def test_without_pytorch_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    assert gpu.main(["W1"]) == 1
    assert "PyTorch is not installed" in (said := capsys.readouterr().err) and "-m pip install torch" in said


@pytest.mark.parity
def test_without_a_gpu_it_says_why(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from engine import backend

    def none(device: str) -> None:
        raise backend.BackendError("no driver")

    monkeypatch.setattr(backend, "choose", none)
    assert gpu.main(["W1"]) == 1
    assert "There is no GPU to measure: no driver" in capsys.readouterr().err


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's compiler, about PyTorch
def test_every_part_runs_on_the_processor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    kept: list[dict[str, Any]] = []
    whole = gpu.write
    monkeypatch.setattr(gpu, "write", lambda results, folder: kept.append(results) or whole(results, folder))
    assert gpu.main(["--dry", "W1", "G2", "--products", "float32,bf16"]) == 0
    assert "Every part was run on the processor, 3 rows; nothing was measured. Failed: 0." in capsys.readouterr().out
    (results,) = kept
    assert [(row["name"], row["math"]) for row in results["rows"]] == [
        *(("W1", "float32"), ("G2", "float32"), ("G2", "bf16"))
    ]
    for found in results["rows"]:
        assert set(found["ratios"]) == set(gpu.PEERS) == set(found["differences"]) - {OURS}
        assert found["differences"][OURS] < 1e-4
    # Automatic mixed precision rounds, so that the others differ from float32 there, and only there.
    assert results["rows"][1]["differences"]["graph"] < 1e-4 < results["rows"][2]["differences"]["graph"]


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_peer_that_fails_is_told_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import gpu_peers

    def broken(*arguments: object) -> None:
        raise RuntimeError("no compiler\nand more")

    monkeypatch.setitem(gpu_peers.PEERS, "compile", broken)
    assert gpu.main(["--dry", "W1", "--products", "float32", "--peers", "eager,compile"]) == 1
    captured = capsys.readouterr()
    assert "W1 (float32): torch.compile failed: RuntimeError: no compiler\n" in captured.err
    assert "Failed: 1." in captured.out


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("math", ["float32", "tf32"])
def test_the_engine_s_side_is_the_cuda_executor(monkeypatch: pytest.MonkeyPatch, math: MathMode) -> None:
    from benchmarks import gpu_sides
    from benchmarks.gpu_device import Processor
    from tests.support import pretended_gpu

    class Pretended(Processor):
        name = "cuda"

    made = pretended_gpu.install(monkeypatch)
    stepper_on = gpu_sides._stepper
    monkeypatch.setattr(gpu_sides, "_stepper", lambda device, *given: stepper_on(Pretended(), *given))
    found = workload("P", "small", [("dense", {"units": 5}), ("relu", {}), ("dense", {"units": 3})], (4,), 3, 8, Adam())
    row = gpu_sides.measure(found, math, Processor(), "cuda", ["eager"], 1, None, lambda what: None)
    assert len(made) == 1
    # The pretended device rounds as a real one does; PyTorch's processor does not.
    low, high = (0.0, 1e-5) if math == "float32" else (1e-5, 1e-2)
    assert low <= row["differences"][OURS] < high and row["steps_a_call"] >= 1
    assert row["ways"] and all(row["ways"].values())
    assert {OURS, f"{OURS}/single", f"{OURS}/observed", "eager"} == set(row["times"])


class OutOfMemoryError(MemoryError):
    """As CuPy's own."""


@pytest.mark.parity
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TrainingError("A batch needs too much."), "A batch needs too much."),
        (OutOfMemoryError("Out of memory allocating 2,048 bytes (allocated so far: 1,024 bytes)."), "memory is full"),
        (DeviceLost("The GPU does not answer any more."), "The GPU does not answer any more."),
    ],
)
def test_a_card_that_is_too_small_or_fails_is_told_in_words(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import gpu_sides

    def refused(*arguments: object, **options: object) -> None:
        raise error

    kept: list[dict[str, Any]] = []
    whole = gpu.write
    monkeypatch.setattr(gpu, "write", lambda results, folder: kept.append(results) or whole(results, folder))
    monkeypatch.setattr(gpu_sides, "measure", refused)
    assert gpu.main(["--dry", "W1", "--products", "float32"]) == 1
    said = capsys.readouterr().err
    assert words in (kept[0]["skipped"][0][1] if kept else said)


@pytest.mark.parity
def test_a_slip_of_ours_is_not_taken_for_a_small_card(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import gpu_sides

    def wrong(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(gpu_sides, "measure", wrong)
    with pytest.raises(ZeroDivisionError):
        gpu.main(["--dry", "W1", "--products", "float32"])


@pytest.mark.parity
def test_sides_that_differ_fail_the_command_and_the_rest_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, results: dict[str, Any]
) -> None:
    from benchmarks import gpu_device, gpu_sides
    from benchmarks.losses import Mismatch

    def measured(found: Any, math: str, *arguments: object, **options: object) -> dict[str, Any]:
        if found.name == "W1":
            raise Mismatch("W1: not the same")
        return results["rows"][0] | {"name": found.name}

    monkeypatch.setattr(gpu_sides, "measure", measured)
    monkeypatch.setattr(gpu, "_device", lambda options: (gpu_device.Processor(), "array"))
    monkeypatch.setattr("benchmarks.gpu_limits.SIDE", 64)
    monkeypatch.setattr("benchmarks.gpu_limits.SIZES", (1 << 12, 1 << 14))
    monkeypatch.setattr(gpu, "PRESETS", ("spiral-mlp",))
    monkeypatch.setattr(gpu, "CADENCE", 0.1)
    kept = tmp_path / "r.json"
    assert gpu.main(["W1", "W2", "--products", "float32", "--json", str(kept)]) == 1
    captured = capsys.readouterr()
    assert "1 comparisons failed" in captured.err and "W1: not the same" in captured.out
    assert "The share of a run's time that instruments take" in captured.out
    assert [row["name"] for row in json.loads(kept.read_text())["rows"]] == ["W2"]
