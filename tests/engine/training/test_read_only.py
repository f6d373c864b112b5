"""A store on a disk that may only be read, and a folder that is none."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from engine.training import database
from engine.training.store import RunStore, StoreError
from engine.training.trainer import Trainer
from tests.support.examples import blobs


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """A store with one run."""
    store = RunStore(tmp_path / "st%re?")
    Trainer(blobs(epochs=2), store=store, device="cpu").run()
    return store


@pytest.fixture
def read_only(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """SQLite as it is where no file can be made beside the database; gathers how it was asked."""
    asked: list[str] = []
    real = sqlite3.connect

    def connect(name: Any, **options: Any) -> sqlite3.Connection:
        asked.append(str(name))
        if "immutable=1" not in str(name):
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        return real(name, **options)

    monkeypatch.setattr(database.sqlite3, "connect", connect)
    return asked


def test_what_is_kept_can_be_read(store: RunStore, read_only: list[str]) -> None:
    (run,) = store.list()
    reader = store.open(store.resolve("last"))
    assert run.epochs == 2 and len(reader.epochs()) == 2 and reader.experiment.name == "Blobs"
    assert reader.last_checkpoint() is not None
    assert [name.rpartition("?")[2] for name in read_only[1:3]] == ["mode=ro", "mode=ro&immutable=1"]


def test_writing_is_refused_in_words(store: RunStore, read_only: list[str]) -> None:
    with pytest.raises(StoreError, match="cannot be written: permission denied, or the disk is read-only"):
        store.rename(store.resolve("last"), "Other")


def test_changes_that_were_not_brought_in_are_not_passed_over(store: RunStore, read_only: list[str]) -> None:
    log = store.database.with_name("runs.db-wal")
    log.write_bytes(b"")
    assert len(store.list()) == 1
    log.write_bytes(b"changes")
    with pytest.raises(StoreError, match=r"Copy the folder .* to a disk that may be written"):
        store.list()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_without_permission_to_write(store: RunStore) -> None:
    store.folder.chmod(0o555)
    try:
        assert len(store.list()) == 1
    finally:
        store.folder.chmod(0o755)


def test_a_store_that_is_not_there_is_not_made_up(tmp_path: Path, read_only: list[str]) -> None:
    with pytest.raises(StoreError, match="cannot be opened"), database.database_errors(tmp_path / "none.db"):
        database.connect(tmp_path / "none.db")


def test_a_file_is_no_folder_of_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "inside"):
        store = RunStore(folder)
        for ask in (store.list, lambda store=store: store.open("x"), lambda store=store: store.resolve("last")):
            with pytest.raises(StoreError, match="is not a folder: no runs can be kept there"):
                ask()
