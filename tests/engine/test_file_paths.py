"""Paths to data: absolute in memory, relative to the file where the data lie beside it."""

import json
import os
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine import data, files
from engine.data.sources.csv_file import CsvFile
from engine.data.sources.npz_file import NpzFile
from engine.experiment import DataSpec, Experiment
from engine.file_paths import anchored, portable
from tests.support.examples import blobs


def reading(**paths: str) -> Experiment:
    source = NpzFile(**paths) if "targets_path" in paths else CsvFile(**paths)
    return replace(blobs(), data=DataSpec(source=source))


def path_of(experiment: Experiment) -> str:
    return str(experiment.data.source.path)  # type: ignore[attr-defined]


def stored_path(file: Path) -> str:
    return str(json.loads(file.read_text())["experiment"]["data"]["source"]["path"])


def test_a_relative_path_starts_at_the_folder() -> None:
    found = anchored(reading(path="tables/a.csv"), "/data")
    assert Path(path_of(found)) == Path(os.path.abspath("/data")) / "tables" / "a.csv"
    assert anchored(found, "/elsewhere") is found


@pytest.mark.parametrize("text", ["", "~/a.csv"])
def test_what_is_empty_or_in_the_home_folder_stays(text: str) -> None:
    experiment = reading(path=text)
    assert anchored(experiment, "/data") is experiment
    assert portable(experiment, Path.home()) is experiment


def test_every_path_of_a_source_is_treated() -> None:
    found = anchored(reading(path="x.npy", targets_path="y.npy"), "/data").data.source
    assert isinstance(found, NpzFile)
    assert (Path(found.path).name, Path(found.targets_path).name) == ("x.npy", "y.npy")
    assert os.path.isabs(found.path) and os.path.isabs(found.targets_path)


def test_only_what_lies_in_the_folder_becomes_relative(tmp_path: Path) -> None:
    inside, outside = tmp_path / "course" / "data" / "a.csv", tmp_path / "a.csv"
    assert path_of(portable(reading(path=str(inside)), tmp_path / "course")) == "data/a.csv"
    assert path_of(portable(reading(path=str(outside)), tmp_path / "course")) == str(outside)


def test_a_source_without_files_is_left_alone() -> None:
    experiment = blobs()
    assert anchored(experiment, "/data") is experiment and portable(experiment, "/data") is experiment


def test_a_folder_with_an_experiment_and_its_data_can_be_moved(tmp_path: Path) -> None:
    course = tmp_path / "course"
    course.mkdir()
    rows = "\n".join(f"{i % 7},{i % 5},{'ab'[i % 2]}" for i in range(40))
    (course / "table.csv").write_text(f"u,v,label\n{rows}\n")
    experiment = reading(path=str(course / "table.csv"))
    files.save(experiment, course / "first.dlab")
    assert stored_path(course / "first.dlab") == "table.csv"
    assert files.load(course / "first.dlab") == experiment

    shutil.move(course, tmp_path / "moved")
    loaded = files.load(tmp_path / "moved" / "first.dlab")
    assert Path(path_of(loaded)) == tmp_path / "moved" / "table.csv"
    assert data.load(loaded.data).train.size > 0
    files.save(loaded, tmp_path / "moved" / "second.dlab")
    assert (tmp_path / "moved" / "second.dlab").read_bytes() == (tmp_path / "moved" / "first.dlab").read_bytes()


def test_a_path_typed_relative_means_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "saved").mkdir()
    files.save(reading(path="table.csv"), tmp_path / "saved" / "it.dlab")
    assert Path(stored_path(tmp_path / "saved" / "it.dlab")) == tmp_path / "table.csv"


def test_a_name_that_begins_like_a_home_folder_stays_a_name(tmp_path: Path) -> None:
    experiment = reading(path=str(tmp_path / "~backup.csv"))
    files.save(experiment, tmp_path / "it.dlab")
    assert stored_path(tmp_path / "it.dlab") == "./~backup.csv"
    assert files.load(tmp_path / "it.dlab") == experiment


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_way_over_a_link_is_not_shortened(tmp_path: Path) -> None:
    (tmp_path / "course").mkdir()
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "course" / "link").symlink_to(tmp_path / "far" / "away")
    (tmp_path / "far" / "data.csv").write_text("u,v\n1,2\n")
    found = path_of(anchored(reading(path="link/../data.csv"), tmp_path / "course"))
    assert Path(found).read_text().startswith("u,v")
    files.save(reading(path=found), tmp_path / "course" / "it.dlab")
    assert stored_path(tmp_path / "course" / "it.dlab") == "link/../data.csv"


def test_a_path_of_another_system_is_left_alone() -> None:
    experiment = reading(path="C:\\data\\a.csv")
    assert anchored(experiment, "/data") is experiment and portable(experiment, "/data") is experiment


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be removed there")
def test_whoever_works_in_a_folder_that_is_gone_can_still_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    experiment = reading(path=str(tmp_path / "table.csv"))
    files.save(experiment, tmp_path / "it.dlab")
    assert files.load(tmp_path / "it.dlab") == experiment
