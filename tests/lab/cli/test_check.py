"""What `check` and `program` say of experiments, right and wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from engine import edits
from engine.experiment import Experiment
from engine.files import save
from engine.presets import presets
from tests.support.command import complaint, descent
from tests.support.examples import blobs, make


def write(path: Path, experiment: Experiment) -> Path:
    save(experiment, path / "x.dlab")
    return path / "x.dlab"


def test_shapes_parameters_and_operations(file: Path) -> None:
    called = descent("check", file, "--json")
    assert (called.status, called.err) == (0, "")
    found = called.json
    assert found["ok"] is True and found["diagnostics"] == []
    assert found["parameters"] == 2 * 8 + 8 + 8 * 3 + 3
    assert found["order"] == [node["id"] for node in found["nodes"]]
    dense = found["nodes"][1]
    assert (dense["id"], dense["type"], dense["inputs"]) == ("dense_1", "dense", ["input_1"])
    assert (dense["input_shapes"], dense["shape"], dense["parameters"]) == ([[2]], [8], 24)
    assert dense["arrays"] == {"weight": [2, 8], "bias": [8]}
    assert dense["flops"] == 2 * 2 * 8 + 8
    assert found["flops"] == sum(node["flops"] for node in found["nodes"])


def test_the_same_as_text(file: Path) -> None:
    called = descent("check", file)
    assert called.status == 0
    lines = called.out.splitlines()
    assert lines[0].split() == ["NODE", "LAYER", "OUTPUT", "PARAMETERS", "FLOPS"]
    assert lines[2].split() == ["dense_1", "Dense", "8", "8", "24", "40"]
    assert "51 parameters" in called.out


def test_an_error_is_named_with_its_remedy_and_status_1(tmp_path: Path) -> None:
    value = edits.disconnect(blobs(), "input_1", "dense_1")
    called = descent("check", write(tmp_path, value), "--json")
    assert called.status == 1
    assert called.json["ok"] is False
    errors = [item for item in called.json["diagnostics"] if item["severity"] == "error"]
    assert errors[0]["node"] == "dense_1"
    assert set(errors[0]) == {"node", "field", "severity", "message", "fix"}
    text = descent("check", write(tmp_path, value))
    assert text.status == 1
    assert f"error: dense_1.{errors[0]['field']}: {errors[0]['message']}" in text.out


def test_data_that_cannot_be_read_are_a_finding(tmp_path: Path) -> None:
    missing = replace(blobs().data, source=make("source", "csv", path=str(tmp_path / "none.csv"), target="y"))
    called = descent("check", write(tmp_path, replace(blobs(), data=missing)), "--json")
    assert called.status == 1
    (found,) = (item for item in called.json["diagnostics"] if item["severity"] == "error")
    assert found["field"] == "data.source.path" and "none.csv" in found["message"]


def test_a_bypassed_node_is_marked(tmp_path: Path) -> None:
    called = descent("check", write(tmp_path, edits.bypass(blobs(), ["relu_1"])))
    assert "(bypassed)" in called.out


@pytest.mark.parametrize("name", [item.name for item in presets()])
def test_nothing_is_wrong_with_a_preset(tmp_path: Path, name: str) -> None:
    descent("new", name, "--out", tmp_path / "x.dlab")
    called = descent("check", tmp_path / "x.dlab", "--json")
    assert (called.status, called.json["diagnostics"]) == (0, [])


def test_a_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert complaint("check", "none.dlab") == "none.dlab: there is no such file"
    made = "there is no such file; “spiral-mlp” is a preset: descent new spiral-mlp --out spiral-mlp.dlab"
    assert complaint("check", "spiral-mlp") == f"spiral-mlp: {made}"


def test_the_program_is_listed(file: Path) -> None:
    called = descent("program", file)
    assert called.status == 0
    assert "batch 16" in called.out
    for phase in ("forward", "backward", "update"):
        assert phase in called.out
    assert "dense_1" in called.out and "matmul" in called.out


def test_the_program_names_the_kernel_of_each_group(file: Path) -> None:
    plain = descent("program", file).out.splitlines()
    called = descent("program", file, "--executor", "cpu")
    assert called.status == 0
    heading = next(line for line in called.out.splitlines() if line.endswith("  kernel"))
    groups = [line for line in plain if line[:4].strip().isdigit()]
    named = [line for line in called.out.splitlines() if line[:4].strip().isdigit()]
    assert [line[: len(heading) - len("kernel")].rstrip() for line in named] == [line.rstrip() for line in groups]
    kernels = [line[len(heading) - len("kernel") :] for line in named]
    assert all(kernels) and any("matmul" in kernel for kernel in kernels)


def test_the_program_names_what_a_gpu_is_asked_for(file: Path) -> None:
    called = descent("program", file, "--executor", "cuda")
    assert called.status == 0
    heading = next(line for line in called.out.splitlines() if line.endswith("  kernel"))
    kernels = [line[len(heading) - len("kernel") :] for line in called.out.splitlines() if line[:4].strip().isdigit()]
    assert any(kernel.startswith("update_adam") for kernel in kernels)
    assert "softmax_cross_entropy" in kernels and all(kernels)


def test_a_gpu_is_asked_for_float32_alone(tmp_path: Path) -> None:
    value = blobs()
    double = replace(value, training=replace(value.training, precision="float64"))
    assert "computes float32" in complaint("program", write(tmp_path, double), "--executor", "cuda")


def test_without_numba_the_kernels_cannot_be_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.executors.unavailable", lambda: "The compiled executor needs numba.")
    assert "needs numba" in complaint("program", file, "--executor", "cpu")


def test_a_network_with_errors_has_no_program(tmp_path: Path) -> None:
    value = edits.disconnect(blobs(), "input_1", "dense_1")
    assert "dense_1: " in complaint("program", write(tmp_path, value))
