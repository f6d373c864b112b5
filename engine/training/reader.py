"""A run of the store to look at: rows, events, pictures and checkpoints, as far as they are written.

Every method reads the store anew, so that a run which goes on shows what is there by now.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

from engine import migrations
from engine.experiment import Experiment, experiment_from_plain
from engine.schema import SchemaError
from engine.training.checkpoint import CheckpointError, read_checkpoint
from engine.training.codec import CodecError, decode
from engine.training.database import StoreError
from engine.training.events import Changed, EpochEnd, Event, Frame, Started
from engine.training.history import HistoryError, join, unpack, valid_until

if TYPE_CHECKING:
    from engine.training.store import RunStore, RunSummary

__all__ = ["PROGRESS", "CheckpointInfo", "RunReader"]

PROGRESS = (
    "SELECT (SELECT max(segment) FROM segments WHERE run = :run), "
    "(SELECT ifnull(max(id), 0) FROM checkpoints WHERE run = :run)"
)
"""SQL for the last segment and the last checkpoint of a run."""


class CheckpointInfo(Struct, frozen=True, kw_only=True):
    """A checkpoint that is kept."""

    step: int
    epoch: float
    best: bool
    name: str
    bytes: int
    time: float


class RunReader:
    """A run to look at. Every method reads the store anew, so a run that goes on shows what is written so far.

    `problems` gathers, in words, what could not be read; the rest is returned.
    """

    def __init__(self, store: RunStore, summary: RunSummary) -> None:
        self.store = store
        self.run = summary.id
        self.problems: list[str] = []
        self._opened = summary
        self._experiment: Experiment | None = None

    @property
    def summary(self) -> RunSummary:
        """The run as it stands now."""
        return self.store._summary(self.run)

    @property
    def experiment(self) -> Experiment:
        """The exact experiment that the run trains. Raises StoreError when this version cannot read it."""
        if self._experiment is None:
            ((text,),) = self._query("SELECT experiment FROM runs WHERE id = ?")
            try:
                self._experiment = experiment_from_plain(migrations.stored(json.loads(text)))
            except (SchemaError, ValueError) as error:
                raise StoreError(f"The experiment of the run {self.run} cannot be read: {error}.") from error
        return self._experiment

    def progress(self) -> tuple[int, int]:
        """A mark that changes whenever the run is gone on with, or a checkpoint is written."""
        with self.store._connection() as connection:
            segment, checkpoint = connection.execute(PROGRESS, {"run": self.run}).fetchone()
        return segment, checkpoint

    def _query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.store._connection() as connection:
            return connection.execute(sql, (self.run, *values)).fetchall()

    def _starts(self) -> list[int]:
        return [row[0] for row in self._query("SELECT start FROM segments WHERE run = ? ORDER BY segment")]

    def _damaged(self, error: Exception) -> None:
        text = str(error)
        if text not in self.problems:
            self.problems.append(text)

    def steps(self) -> dict[str, np.ndarray]:
        """Columns step (int64), epoch, loss, penalty, learning_rate (float64) of every step, in order."""
        pieces = []
        for segment, blob in self._query("SELECT segment, data FROM rows WHERE run = ? ORDER BY id"):
            try:
                pieces.append((segment, unpack(blob)))
            except HistoryError as error:
                self._damaged(error)
        return join(pieces, self._starts())

    def _events(self, where: str, void: bool = False) -> list[Event]:
        limits = valid_until(self._starts())
        found = []
        sql = f"SELECT segment, step, data FROM events WHERE run = ? AND {where} ORDER BY id"
        for segment, step, data in self._query(sql):
            try:
                if void or step <= limits[segment]:
                    found.append(decode(data))
            except (CodecError, IndexError, TypeError) as error:
                self._damaged(error)
        return found

    def epochs(self) -> list[EpochEnd]:
        """Every epoch's end, in order."""
        return [event for event in self._events("type = 'EpochEnd'") if isinstance(event, EpochEnd)]

    def events(self, *, void: bool = False) -> list[Event]:
        """Rare events, and the pictures (Surface, Confusion, FirstLayer) kept at epochs' ends, in order of writing.

        With `void` also those after a checkpoint from which the run was resumed later.
        """
        return self._events("type NOT IN ('EpochEnd', 'Frame')", void)

    def changes(self) -> tuple[list[Changed], int]:
        """The live changes, in order, and the number of steps of an epoch (1 before the run has started); quick."""
        found = self._events("type IN ('Changed', 'Started')")
        lengths = [event.steps_per_epoch for event in found if isinstance(event, Started)]
        return [event for event in found if isinstance(event, Changed)], lengths[-1] if lengths else 1

    def frames(self) -> list[Frame]:
        """The frames kept at epochs' ends, in order."""
        return [event for event in self._events("type = 'Frame'") if isinstance(event, Frame)]

    def checkpoints(self) -> list[CheckpointInfo]:
        """The checkpoints kept, by step."""
        found = self._query(
            "SELECT step, epoch, best, name, bytes, time FROM checkpoints WHERE run = ? ORDER BY step, id"
        )
        return [
            CheckpointInfo(step=row[0], epoch=row[1], best=bool(row[2]), name=row[3], bytes=row[4], time=row[5])
            for row in found
        ]

    def checkpoint(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """(arrays, counters) of one checkpoint. Raises CheckpointError when a byte of it is not as it was written."""
        return read_checkpoint(self.store._run_folder(self.run), name)

    def last_checkpoint(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """(arrays, counters) of the latest checkpoint that can be read, or None when there never was one.

        A damaged one is passed over and noted in `problems`; raises CheckpointError when none can be read.
        """
        error: CheckpointError | None = None
        for info in reversed(self.checkpoints()):
            try:
                return self.checkpoint(info.name)
            except CheckpointError as found:
                self._damaged(found)
                error = error or found
        if error is not None:
            raise error
        return None

    def best_checkpoint(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """(arrays, counters) of the checkpoint of the lowest validation loss, or None. Raises CheckpointError."""
        best = [info for info in self.checkpoints() if info.best]
        return self.checkpoint(best[-1].name) if best else None
