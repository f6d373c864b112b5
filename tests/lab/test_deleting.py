"""Runs that are deleted from the list, and those that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.training.database import StoreError
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from lab.window import Window
from tests.support.examples import blobs

MakeWindow = Callable[..., Window]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """Three short runs."""
    store = RunStore(tmp_path / "store")
    for _ in range(3):
        Trainer(blobs(epochs=1), store=store, device="cpu").run()
    return store


def listed(make_window: MakeWindow, qtbot: Any, store: RunStore) -> Window:
    window = make_window(fake=False, store=store)
    qtbot.waitUntil(lambda: len(window.runs.summaries) == 3)
    return window


def test_what_can_be_deleted_is_and_the_rest_is_told(make_window: MakeWindow, qtbot: Any, store: RunStore) -> None:
    window = listed(make_window, qtbot, store)
    newest, middle, oldest = (run.id for run in window.runs.summaries)
    lock = store._lock(newest)
    try:
        window.runs.delete_runs([newest, middle, oldest])
        qtbot.waitUntil(lambda: len(window.runs.summaries) == 1)
        assert [run.id for run in store.list()] == [newest]
        (said,) = window.notices.texts
        assert said == f"2 of 3 runs were deleted. The run {newest} is going on in another window or program."
    finally:
        lock.release()


def test_many_reasons_are_not_all_told(
    make_window: MakeWindow, qtbot: Any, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = listed(make_window, qtbot, store)

    def refuse(run_id: str) -> None:
        raise StoreError(f"Not {run_id}.")

    monkeypatch.setattr(store, "delete", refuse)
    window.runs.delete_runs(["a", "b", "c", "d", "d", "e"])
    qtbot.waitUntil(lambda: bool(window.notices.texts))
    assert window.notices.texts == ["0 of 6 runs were deleted. Not a. Not b. Not c. And 2 more."]


def test_the_run_that_is_shown_goes_only_when_it_is_deleted(
    make_window: MakeWindow, qtbot: Any, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = listed(make_window, qtbot, store)
    shown, other = (run.id for run in window.runs.summaries[:2])
    window.runs.open_run(shown)
    qtbot.waitUntil(lambda: window.session.run_id == shown)
    window.runs.overlay(other, True)
    qtbot.waitUntil(lambda: other in window.session.overlays)

    def refuse(run_id: str) -> None:
        raise StoreError("The disk is read-only.")

    with monkeypatch.context() as patched:
        patched.setattr(store, "delete", refuse)
        window.runs.delete_runs([shown])
        qtbot.waitUntil(lambda: "The run was not deleted. The disk is read-only." in window.notices.texts)
    assert window.session.run_id == shown and len(window.session.live.epochs) == 1
    window.runs.delete_runs([shown, other])
    qtbot.waitUntil(lambda: len(window.runs.summaries) == 1)
    assert window.session.run_id is None and not window.session.overlays
