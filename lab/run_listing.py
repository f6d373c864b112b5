"""The list of runs as it is read from the store, off the window's thread: what there is, and how runs differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.differences import Change, LiveChange, differences, during
from engine.training.result import words

if TYPE_CHECKING:
    from engine.experiment import Experiment
    from engine.training.store import RunStore, RunSummary

__all__ = ["Listing", "ListReader", "delete_runs"]

COMPARED = 300
"""The newest so many runs are compared with the ones before them."""


class Listing(NamedTuple):
    """The runs, what each has otherwise than the one before it of the same name, and what was changed while it ran."""

    runs: list[RunSummary]
    changes: dict[str, tuple[Change, ...]]
    live: dict[str, tuple[LiveChange, ...]]


class ListReader:
    """Reads the list again and again, and of each run what is new."""

    def __init__(self) -> None:
        self._experiments: dict[str, Experiment | None] = {}
        self._changed: dict[str, tuple[Any, tuple[LiveChange, ...]]] = {}

    def read(self, store: RunStore) -> Listing:
        """Off the window's thread. The experiment of a run never changes, so that each is read once; what was changed
        while it ran is read again only of a run that has gone on since."""
        summaries = store.list()
        changes: dict[str, tuple[Change, ...]] = {}
        later: dict[str, str] = {}
        for run in summaries[:COMPARED]:
            if run.id not in self._experiments:
                try:
                    self._experiments[run.id] = store.open(run.id).experiment
                except Exception:  # deleted meanwhile, or of another version: opening it says why
                    self._experiments[run.id] = None
            newer = later.get(run.name)
            old, new = self._experiments[run.id], self._experiments.get(newer) if newer is not None else None
            if newer is not None and old is not None and new is not None:
                changes[newer] = differences(old, new)
            later[run.name] = run.id
        return Listing(summaries, changes, {run.id: self._read_live(store, run) for run in summaries[:COMPARED]})

    def _read_live(self, store: RunStore, run: RunSummary) -> tuple[LiveChange, ...]:
        mark = (run.status, run.steps, run.finished)
        known, live = self._changed.get(run.id, (None, ()))
        experiment = self._experiments.get(run.id)
        if known != mark and experiment is not None:
            try:
                live = during(experiment, *store.open(run.id).changes())
            except Exception:  # deleted meanwhile, or locked: the next reading tries again
                return live
            self._changed[run.id] = mark, live
        return live


def delete_runs(store: RunStore, run_ids: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Remove runs for good. Returns the ids of those that are gone, and in words why others are not."""
    deleted, refusals = [], []
    for run_id in run_ids:
        try:
            store.delete(run_id)
            deleted.append(run_id)
        except Exception as error:  # told in words; the others are none the worse for it
            refusals.append(words(error))
    return tuple(deleted), tuple(dict.fromkeys(refusals))
