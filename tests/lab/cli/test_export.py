"""What a run is exported to: weights, tables and pictures."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from engine.export.weights import load_weights, read_metadata
from engine.files import save
from engine.training.store import RunStore
from tests.support.command import complaint, descent
from tests.support.examples import blobs


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_the_weights_of_the_last_checkpoint(finished: tuple[Path, str], tmp_path: Path, suffix: str) -> None:
    folder, run = finished
    path = tmp_path / f"weights{suffix}"
    called = descent("export", f"{folder}/{run}", "--weights", path)
    assert (called.status, called.out, called.err) == (0, f"{path}: written\n", "")
    arrays = load_weights(path)
    assert {name: array.shape for name, array in arrays.items()} == {
        "dense_1/weight": (2, 8), "dense_1/bias": (8,), "dense_2/weight": (8, 3), "dense_2/bias": (3,),
    }  # fmt: skip
    checkpoint = RunStore(folder).open(run).last_checkpoint()
    assert checkpoint is not None
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, checkpoint[0][f"parameter/{name}"])


def test_averaged_weights_on_request(tmp_path: Path) -> None:
    save(blobs(epochs=2), tmp_path / "blobs.dlab")
    done = descent(
        "train", tmp_path / "blobs.dlab", "--set", "training.averaging=ema", "--out", tmp_path / "runs", "--json"
    )
    run = done.lines[-1]["run"]
    path = tmp_path / "weights.npz"
    assert descent("export", f"{tmp_path}/runs/{run}", "--weights", path, "--averaged").status == 0
    checkpoint = RunStore(tmp_path / "runs").open(run).last_checkpoint()
    assert checkpoint is not None and read_metadata(path)["averaged"] == "yes"
    np.testing.assert_array_equal(load_weights(path)["dense_1/weight"], checkpoint[0]["average/dense_1/weight"])


def test_a_run_without_averages_says_so(finished: tuple[Path, str], tmp_path: Path) -> None:
    folder, run = finished
    words = complaint("export", f"{folder}/{run}", "--weights", tmp_path / "w.npz", "--averaged")
    assert "keeps no average" in words
    assert "--weights FILE as well" in complaint("export", f"{folder}/{run}", "--csv", tmp_path / "t.csv", "--averaged")


def test_the_table_holds_every_step_and_every_epoch(finished: tuple[Path, str], tmp_path: Path) -> None:
    folder, run = finished
    path = tmp_path / "history.csv"
    assert descent("export", f"{folder}/{run}", "--csv", path).status == 0
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    reader = RunStore(folder).open(run)
    steps, epochs = reader.steps(), reader.epochs()
    assert [int(row["step"]) for row in rows] == list(range(1, 10))
    assert [float(row["loss"]) for row in rows] == steps["loss"].tolist()
    assert [float(row["learning_rate"]) for row in rows] == steps["learning_rate"].tolist()
    filled = {int(row["step"]): float(row["validation_loss"]) for row in rows if row["validation_loss"]}
    assert filled == {epoch.step: epoch.validation_loss for epoch in epochs}
    assert float(rows[8]["validation_accuracy"]) == epochs[-1].validation_metrics["accuracy"]


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_picture_of_every_panel_with_something_to_show(
    finished: tuple[Path, str], tmp_path: Path, qapp: object, suffix: str, magic: bytes
) -> None:
    folder, run = finished
    called = descent("export", f"{folder}/{run}", "--plots", tmp_path / "plots", "--format", suffix)
    assert (called.status, called.err) == (0, "")
    files = sorted((tmp_path / "plots").iterdir())
    assert {path.suffix for path in files} == {f".{suffix}"}
    assert f"loss.{suffix}" in {path.name for path in files}
    assert len(files) >= 5
    for path in files:
        assert path.read_bytes().startswith(magic)
        assert path.stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "nothing to export: give --weights FILE, --plots DIR or --csv FILE"),
        (("--weights", "w.pt"), "expected a name that ends in .npz or .safetensors"),
        (("--csv", "h.txt"), "expected a name that ends in .csv"),
        (("--csv", "no/h.csv"), "the folder does not exist"),
        (("--plots", "taken"), "is a file, not a folder"),
        (("--plots", ""), "expected the name of a folder, got “”"),
        (("--weights", ""), "expected the name of a file that ends in .npz or .safetensors, got “”"),
        (("--plots", "p", "--format", "pdf"), "argument --format: invalid choice: 'pdf'"),
    ],
)
def test_what_cannot_be_exported_is_said_before_anything_is_written(
    finished: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken").touch()
    assert words in complaint("export", f"{finished[0]}/{finished[1]}", *options)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_pictures_that_cannot_be_saved(finished: tuple[Path, str], tmp_path: Path, qapp: object) -> None:
    (tmp_path / "loss.png").mkdir()
    (tmp_path / "taken").touch()
    run = f"{finished[0]}/{finished[1]}"
    place = tmp_path / "taken" / "pictures"
    assert complaint("export", run, "--plots", place) == f"The pictures cannot be saved in {place}: not a directory."
    assert f"The pictures cannot be saved in {tmp_path}: is a directory." in complaint(
        "export", run, "--plots", tmp_path
    )


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    assert "There is no run “nothing”" in complaint("export", "nothing", "--csv", tmp_path / "h.csv")
    assert "expected a run's id" in complaint("export", "", "--csv", tmp_path / "h.csv")
