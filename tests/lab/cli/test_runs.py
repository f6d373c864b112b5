"""The list of runs, and the ways to name one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cli.common import UserError
from lab.cli.runs import find_run
from tests.support.command import complaint, descent


def test_before_the_first_run_it_says_how_to_make_one(home: Path) -> None:
    assert descent("runs").out == "There are no runs yet: “descent train FILE” makes one.\n"
    assert descent("runs", "--json").json == []
    assert not home.exists()


def test_runs_are_listed_the_newest_first(file: Path) -> None:
    first = descent("train", file, "--json", "--epochs", 1).lines[-1]
    second = descent("train", file, "--json", "--epochs", 2).lines[-1]
    found = descent("runs", "--json").json
    assert [item["run"] for item in found] == [second["run"], first["run"]]
    assert [item["epochs"] for item in found] == [2, 1]
    assert found[0]["val_loss"] == second["val_loss"]
    heading, *rows = descent("runs").out.splitlines()
    assert heading.split()[:3] == ["RUN", "NAME", "STATUS"]
    assert rows[0].split()[:5] == [second["run"], "Blobs", "done", "2", "6"]


def test_a_run_is_named_by_id_beginning_last_or_path(
    finished: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, run = finished
    for text in (str(folder), f"{folder}/{run}", f"{folder}/last", f"{folder}/{run[:20]}"):
        assert find_run(text).run == run
    monkeypatch.setenv("DESCENT_HOME", str(folder))
    for text in (run, run[:20], "last"):
        assert find_run(text).run == run


def test_a_folder_without_runs(tmp_path: Path) -> None:
    assert complaint("runs", tmp_path) == f"{tmp_path}: there are no runs in that folder"
    with pytest.raises(UserError, match="there are no runs in that folder"):
        find_run(f"{tmp_path}/x")
