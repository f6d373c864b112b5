"""An experiment file and a finished run, shared by the tests of the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.files import save
from tests.support.command import descent
from tests.support.examples import blobs


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small experiment: 3 epochs of 3 steps."""
    path = tmp_path / "blobs.dlab"
    save(blobs(epochs=3), path)
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder of runs, and the id of the finished run in it."""
    folder = tmp_path_factory.mktemp("finished")
    save(blobs(epochs=3), folder / "blobs.dlab")
    called = descent("train", folder / "blobs.dlab", "--out", folder / "runs", "--json")
    assert called.status == 0, called.err
    return folder / "runs", called.lines[-1]["run"]
