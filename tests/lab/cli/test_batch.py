"""What `descent batch` shows of a step's samples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from engine.data import Batches, load
from engine.files import save
from tests.support.command import complaint, descent
from tests.support.examples import blobs, make


def write(folder: Path, *augmentation: object) -> Path:
    base = blobs()
    save(replace(base, data=replace(base.data, augmentation=augmentation)), folder / "x.dlab")
    return folder / "x.dlab"


def test_the_batch_of_a_step_as_json(tmp_path: Path) -> None:
    file = write(tmp_path, make("augmentation", "gaussian_noise", deviation=0.5))
    called = descent("batch", file, "--step", "2", "--json")
    assert (called.status, called.err) == (0, "")
    found = called.json
    assert (found["input"], found["step"], found["steps_per_epoch"]) == ("x", 2, 3)
    dataset = load(blobs().data)
    rows = Batches(48, 16, seed=blobs().seed).indices(1)
    assert [item["sample"] for item in found["samples"]] == dataset.train.indices[rows].tolist()
    before, after = (np.array([item[key] for item in found["samples"]]) for key in ("before", "after"))
    np.testing.assert_allclose(before, dataset.train.arrays["x"][rows], rtol=1e-6)
    assert 0.3 < (after - before).std() < 0.8


def test_mixed_targets_are_listed_with_their_shares(tmp_path: Path) -> None:
    called = descent("batch", write(tmp_path, make("augmentation", "mixup", alpha=2.0, each="sample")))
    assert called.status == 0
    lines = called.out.splitlines()
    assert lines[0].split()[:2] == ["SAMPLE", "TARGET"] and len(lines) == 17
    assert any(" %, " in line for line in lines)


def test_fields_can_be_changed_first(tmp_path: Path) -> None:
    file = write(tmp_path)
    changes = ("--set", "data.augmentation=gaussian_noise,mixup", "--set", "data.augmentation[0].deviation=0")
    found = descent("batch", file, *changes, "--set", "data.augmentation[1].probability=0", "--json").json["samples"]
    assert all(item["before"] == item["after"] for item in found)
    noisy = descent("batch", file, *changes[:2], "--json").json["samples"]
    assert all(item["before"] != item["after"] for item in noisy)
    assert "did you mean “mixup”?" in complaint("batch", file, "--set", "data.augmentation=mixap")


def test_a_run_trains_on_what_was_set(tmp_path: Path) -> None:
    file = write(tmp_path)
    losses = [
        descent("train", file, "--out", tmp_path / name, "--json", *options).out.splitlines()[-1]
        for name, options in (("plain", ()), ("mixed", ("--set", "data.augmentation=mixup")))
    ]
    plain, mixed = (json.loads(line)["train_loss"] for line in losses)
    assert plain != mixed and mixed > 0


def test_a_picture(tmp_path: Path) -> None:
    from PIL import Image

    file = write(tmp_path, make("augmentation", "gaussian_noise"))
    assert descent("batch", file, "--out", tmp_path / "batch.png").status == 0
    picture = Image.open(tmp_path / "batch.png").convert("RGB")
    assert len(picture.getcolors(1 << 20)) > 8


def test_an_input_that_there_is_none_of(tmp_path: Path) -> None:
    assert "there is no input “z”; the inputs are x" in complaint("batch", write(tmp_path), "--input", "z")
