"""The list of runs as it is read: what there is, how runs differ, and what is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.paths import set_path
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from lab.run_listing import ListReader, delete_runs
from tests.engine.training.experiments import spiral


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)


def train(store: RunStore, rate: float) -> str:
    experiment = set_path(spiral(epochs=1), "training.optimizer.learning_rate", rate)
    return Trainer(experiment, device="cpu", store=store).run().run


def test_a_run_is_compared_with_the_one_before_it(store: RunStore) -> None:
    first, second = train(store, 0.1), train(store, 0.2)
    listing = ListReader().read(store)
    assert [run.id for run in listing.runs] == [second, first]
    assert list(listing.changes) == [second] and len(listing.changes[second]) == 1
    assert listing.live == {first: (), second: ()}


def test_what_cannot_be_removed_is_said_and_the_others_go(store: RunStore) -> None:
    first, second = train(store, 0.1), train(store, 0.2)
    with store.create(spiral(), "CPU") as running:
        deleted, refusals = delete_runs(store, [first, running.run, second, "nobody"])
        assert deleted == (first, second)
        assert len(refusals) == 2 and "going on" in refusals[0] and "no run" in refusals[1]
        assert [run.id for run in store.list()] == [running.run]


def test_a_run_that_was_deleted_meanwhile_is_listed_without_differences(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(store, 0.1)
    train(store, 0.2)

    def gone(run_id: str) -> None:
        raise OSError(run_id)

    monkeypatch.setattr(store, "open", gone)
    listing = ListReader().read(store)
    assert len(listing.runs) == 2 and listing.changes == {}
