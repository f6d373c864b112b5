"""A run store that is damaged, of another program or of a newer version: told in words, and the rest is read."""

import contextlib
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.training import events, writer
from engine.training.store import RunStore, StoreError
from tests.support.runs import arrays, epoch, experiment, frame, write


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "store")


def test_a_damaged_blob_leaves_the_rest(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "TAIL", 1)
    with store.create(experiment(), "CPU") as run:
        for first in (1, 11, 21):
            write(run, first, first + 9)
            run.flush()
        run.epoch(epoch(1, 10))
    connection = sqlite3.connect(store.database)
    connection.execute("UPDATE rows SET data = x'00' WHERE id = 2")
    connection.execute("UPDATE events SET data = x'00'")
    connection.commit()
    connection.close()
    reader = store.open(run.run)
    assert reader.steps()["step"].tolist() == [*range(1, 11), *range(21, 31)]
    assert reader.epochs() == [] and len(reader.problems) == 2


def test_a_file_that_is_no_database(store: RunStore) -> None:
    store.folder.mkdir()
    store.database.write_bytes(b"not a database at all, but long enough to look at" * 40)
    with pytest.raises(StoreError, match=r"damaged. Move the file away"):
        store.list()
    with pytest.raises(StoreError, match="damaged"):
        store.create(experiment(), "CPU")


def test_a_database_of_somebody_else(store: RunStore) -> None:
    store.folder.mkdir()
    connection = sqlite3.connect(store.database)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="not a run store"):
        store.list()


def test_a_newer_store_is_named(store: RunStore) -> None:
    store.create(experiment(), "CPU").finish("done")
    connection = sqlite3.connect(store.database)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer Descent Lab"):
        store.list()


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be"):
        RunStore(tmp_path / "file").create(experiment(), "CPU")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of a store with one run."""
    store = RunStore(tmp_path_factory.mktemp("written"))
    run = store.create(experiment(), "CPU")
    write(run, 1, 300)
    run.frame(frame(3))
    run.epoch(epoch(1, 10))
    run.event(events.Paused(run=run.run, step=1))
    run.checkpoint(arrays(), {"step": 10}, best=True)
    run.finish("done")
    return store.database.read_bytes()


@settings(
    deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_damage_to_the_database_is_told_in_words_or_passed_over(
    store: RunStore, written: bytes, data: st.DataObject
) -> None:
    content = bytearray(written)
    for _ in range(data.draw(st.integers(1, 4))):
        # Half of the hits go where there is something.
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            at = next((i for i in range(at, len(content)) if content[i]), at)
        content[at] = data.draw(st.integers(0, 255))
    store.folder.mkdir(exist_ok=True)
    for path in store.folder.glob("runs.db*"):
        path.unlink()
    store.database.write_bytes(content)
    with contextlib.suppress(StoreError):
        for summary in store.list():
            with contextlib.suppress(StoreError):
                reader = store.open(summary.id)
                for read in (reader.steps, reader.epochs, reader.events, reader.frames, reader.checkpoints):
                    with contextlib.suppress(StoreError):
                        read()
                with contextlib.suppress(StoreError):
                    _ = reader.experiment
