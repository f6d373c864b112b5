"""What `descent data` says of an experiment's data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from engine.data import load
from engine.experiment import DataSpec
from engine.files import save
from tests.support.command import complaint, descent
from tests.support.examples import blobs, make


def write(folder: Path, **changes: object) -> Path:
    base = blobs()
    save(replace(base, data=replace(base.data, **changes)), folder / "x.dlab")
    return folder / "x.dlab"


def test_every_stage_as_json(tmp_path: Path) -> None:
    steps = (make("preprocessing", "standardize"), make("preprocessing", "pca", components=1.0))
    file = write(tmp_path, preprocessing=steps)
    called = descent("data", file, "--json")
    assert (called.status, called.err) == (0, "")
    found = called.json
    dataset = load(DataSpec(source=blobs().data.source, preprocessing=steps))
    x = dataset.raw.inputs["x"][dataset.train.indices].astype(float)
    assert found["input"] == "x" and found["samples"] == {"train": 48, "validation": 12, "test": 0}
    assert [stage["label"] for stage in found["stages"]] == ["in the source", "1 Standardize", "2 Principal components"]
    assert [stage["shape"] for stage in found["stages"]] == [[2], [2], [1]]
    np.testing.assert_allclose(found["stages"][0]["mean"], x.mean(axis=0))
    assert found["stages"][0]["condition"] == pytest.approx(np.linalg.cond(np.cov(x.T)), rel=1e-9)
    np.testing.assert_allclose(found["stages"][1]["deviation"], [1, 1])
    assert sum(found["class_counts"]["train"]) == 48 and len(found["class_names"]) == 3


def test_the_same_as_text(tmp_path: Path) -> None:
    called = descent("data", write(tmp_path, preprocessing=(make("preprocessing", "standardize"),)))
    assert called.status == 0
    lines = called.out.splitlines()
    assert lines[0].split() == ["TRAIN", "VALIDATION", "TEST"]
    assert lines[1].split() == ["samples", "48", "12", "0"]
    assert any(line.startswith("1 Standardize") and " 0 " in line and " 1 " in line for line in lines)
    assert "Of 48 of 48 training samples" in called.out
    assert [line.split()[0] for line in lines if line.startswith("x")] == ["x1", "x2", "x1", "x2"]


def test_missing_values_and_images(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 4, 4))
    x[5] = np.nan
    np.savez(tmp_path / "holes.npz", x=x, y=np.arange(30) % 2)
    file = write(
        tmp_path,
        source=make("source", "npz", path=str(tmp_path / "holes.npz"), missing="keep"),
        preprocessing=(make("preprocessing", "fill_missing"),),
    )
    called = descent("data", file)
    assert "without missing values" in called.out
    assert "4 × 4 × 1" in called.out and "infinite" not in called.out
    assert called.status == 0


def test_mistakes_are_said_in_words(file: Path, tmp_path: Path) -> None:
    assert "there is no such input" in complaint(descent("data", file, "--input", "z"))
    wrong = write(tmp_path, preprocessing=(make("preprocessing", "pca", components=3.0),))
    assert "data.preprocessing[0].components: 3 components are wanted" in complaint(descent("data", wrong))
