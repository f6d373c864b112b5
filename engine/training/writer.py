"""RunWriter: takes rows, events and checkpoints from the training thread and brings them to the disk.

Rows and events are queued in memory; a thread of its own writes them every half second, in one transaction, so that a
step costs no input or output and a killed process loses less than the last second. Errors of that thread surface at the
next call that has to be sure: `flush`, `checkpoint`, `finish`, or `rows` when no more fits into memory.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from engine.training.checkpoint import CheckpointFile, delete_checkpoint, thin, write_checkpoint
from engine.training.codec import encode
from engine.training.database import StoreError, connect, database_errors
from engine.training.events import (
    Confusion,
    DeviceFailed,
    EpochEnd,
    Event,
    ExecutorChanged,
    Finished,
    FirstLayer,
    Frame,
    Progress,
    StepRows,
    Surface,
)
from engine.training.history import ROW_BYTES, RowBuffer, last_step, pack
from engine.training.locks import FileLock

__all__ = ["RunWriter"]

PERIOD = 0.5
"""Seconds between two writes."""
ALIVE = 5.0
"""Seconds between two signs of life of a run that has nothing to write."""
TAIL = 8192
"""Rows up to which the last blob is written anew instead of starting another."""
MOMENTS = 512
"""Moments (frames and other pictures at an epoch's end) kept per run; beyond that every second one is dropped."""
KEEP_COUNT = 60
KEEP_BYTES = 64 * 1024 * 1024
"""Bounds of the checkpoints kept per run beside the last and the best one."""
MAX_ITEMS = 20000

Action = Callable[[sqlite3.Connection], list[str] | None]


class RunWriter:
    """One run being written. Made by `RunStore.create` and `RunStore.resume`.

    All methods belong to the training thread (any one thread). Use `finish` at the end; `close` leaves the run as it
    is, to be shown as interrupted. Usable as a context manager that closes.
    """

    def __init__(
        self,
        run: str,
        database: Path,
        folder: Path,
        lock: FileLock,
        *,
        segment: int = 0,
        step: int = 0,
        seconds: float = 0.0,
        moments: Sequence[int] = (),
    ) -> None:
        self.run = run
        self.folder = folder
        self.step = step
        """The last step that was reported."""
        self._database, self._lock, self._segment = database, lock, segment
        self._seconds = seconds
        self._rows = RowBuffer()
        self._slots: dict[type[Event], Event] = {}
        self._moments = len(moments)
        divisor = math.gcd(*moments)
        self._stride = divisor & -divisor if 2 * len(moments) > MOMENTS else 1
        self._mutex = threading.Condition()
        self._items: list[Action] = []
        self._wanted = self._served = self._failed = 0
        self._problem: StoreError | None = None
        self._closing = self._closed = False
        # Owned by the writing thread: what a failed transaction has to try again, and the blob that still grows.
        self._again_rows = b""
        self._again_items: list[Action] = []
        self._ended: list[EpochEnd] = []
        self._tail: tuple[int, bytes] | None = None
        self._written = step
        self._alive = time.monotonic()
        self._thread = threading.Thread(target=self._serve, name=f"run-store-{run}", daemon=True)
        self._thread.start()

    # -- what the training thread calls --------------------------------------------------------------------------------

    def rows(self, rows: StepRows) -> None:
        """Optimizer steps. Raises StoreError when the disk fails and memory is used up."""
        self.step = rows.step
        taken = self._rows.add(rows)
        while taken < len(rows.table):
            self.flush()
            taken += self._rows.add(rows, taken)

    def epoch(self, epoch: EpochEnd) -> None:
        """An epoch's end, together with the latest frame and pictures since the last one."""
        self.step = epoch.step

        def write(connection: sqlite3.Connection) -> None:
            self._insert(connection, epoch.step, "EpochEnd", encode(epoch))
            self._ended.append(epoch)

        self._queue(write)
        # Pictures that are passed over stay the latest until others come, or the run ends.
        if self._slots and epoch.epoch % self._stride == 0:
            self._queue_slots(epoch.epoch)
            self._moments += 1
            if self._moments > MOMENTS:
                self._stride *= 2
                self._moments //= 2
                stride = self._stride
                self._queue(lambda connection: self._thin_moments(connection, stride))

    def _queue_slots(self, moment: int) -> None:
        """Write the latest pictures; those of moment 0 are the last of a run and never thinned out."""
        found = list(self._slots.values())
        self._slots.clear()

        def write(connection: sqlite3.Connection) -> None:
            for slot in found:
                self._insert(connection, slot.step, type(slot).__name__, encode(slot), moment=moment)

        if found:
            self._queue(write)

    def event(self, event: Event) -> None:
        """Any event: rows, epochs and slots go their own ways. Of progress only the training time is kept: the clock of
        this writer would count the pauses."""
        match event:
            case Progress():
                self._seconds = event.seconds
            case StepRows():
                self.rows(event)
            case ExecutorChanged() | DeviceFailed():
                self._queue_event(event)
                self._queue(lambda connection: self._rename_device(connection, event.device))
            case EpochEnd():
                self.epoch(event)
            case Frame() | Confusion() | Surface() | FirstLayer():
                self.frame(event)
            case _ if event.lane == "event":
                if isinstance(event, Finished):
                    self._queue_slots(0)
                self._queue_event(event)

    def _queue_event(self, event: Event) -> None:
        name = type(event).__name__
        self._queue(lambda connection: self._insert(connection, event.step, name, encode(event)))

    def frame(self, frame: Frame | Confusion | Surface | FirstLayer) -> None:
        """A picture of the network. The latest of each type is kept at each epoch's end, and at the end of the run."""
        self._slots[type(frame)] = frame

    def checkpoint(self, arrays: dict[str, np.ndarray], counters: dict[str, Any], best: bool = False) -> CheckpointFile:
        """Write a checkpoint and everything reported before it; both are on the disk when this returns.

        `counters` holds JSON types with `step` and, for people, `epoch`. Kept are the last, the best, and up to
        KEEP_COUNT others, evenly spread, within KEEP_BYTES. Raises StoreError.
        """
        written = write_checkpoint(self.folder, arrays, counters)
        step, epoch = int(counters["step"]), float(counters.get("epoch", 0.0))

        def register(connection: sqlite3.Connection) -> list[str]:
            connection.execute(
                "INSERT INTO checkpoints (run, step, epoch, best, name, sha256, bytes, time) VALUES (?,?,?,?,?,?,?,?)",
                (self.run, step, epoch, int(best), written.name, written.sha256, written.bytes, time.time()),
            )
            return self._thin_checkpoints(connection)

        self._queue(register)
        self.flush()
        return written

    def flush(self) -> None:
        """Wait until everything reported so far is on the disk. Raises StoreError."""
        with self._mutex:
            self._wanted += 1
            mine = self._wanted
            self._mutex.notify_all()
            while self._served < mine:
                if self._closed:
                    raise StoreError(f"The run {self.run} is closed.")
                if self._failed >= mine and self._problem is not None:
                    raise self._problem
                self._mutex.wait()

    @property
    def problem(self) -> str:
        """Why the last write failed, in words, or an empty string. Writing is tried again all the time."""
        problem = self._problem
        return str(problem) if problem else ""

    def finish(self, reason: Literal["done", "stopped", "failed", "diverged"]) -> None:
        """Write everything, mark the run as ended and let go of it. Raises StoreError; the run is closed even then."""
        self._queue_slots(0)

        def write(connection: sqlite3.Connection) -> None:
            now = time.time()
            connection.execute("UPDATE runs SET status = ?, finished = ? WHERE id = ?", (reason, now, self.run))

        self._queue(write)
        try:
            self.flush()
        finally:
            self.close()

    def close(self) -> None:
        """Write what can be written and let go of the run without marking it as ended. May be called twice."""
        with self._mutex:
            self._closing = True
            self._mutex.notify_all()
        self._thread.join()
        self._lock.release()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- the writing thread --------------------------------------------------------------------------------------------

    def _queue(self, action: Action) -> None:
        if len(self._items) >= MAX_ITEMS:
            self.flush()
        with self._mutex:
            if self._closing:
                raise StoreError(f"The run {self.run} is closed.")
            self._items.append(action)

    def _serve(self) -> None:
        connection: sqlite3.Connection | None = None
        while True:
            with self._mutex:
                if not self._closing and self._wanted == max(self._served, self._failed):
                    self._rest()
                wanted, closing = self._wanted, self._closing
            problem: StoreError | None = None
            try:
                with database_errors(self._database):
                    connection = connection or connect(self._database)
                    again = bool(self._again_rows or self._again_items)
                    self._write(connection)
                    if again:
                        # That was what had failed before; who waits, waits for what came since as well.
                        self._write(connection)
            except StoreError as error:
                problem = error
            except Exception as error:
                problem = StoreError(f"The run {self.run} cannot be written: {error}.")
            with self._mutex:
                self._problem = problem
                if problem is None:
                    self._served = wanted
                else:
                    self._failed = wanted
                self._closed = closing
                self._mutex.notify_all()
            if closing:
                break
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _rest(self) -> None:
        """Let a period go by, unless somebody asks sooner. The mutex is held before and after."""
        self._mutex.wait(PERIOD)

    def _write(self, connection: sqlite3.Connection) -> None:
        """One transaction with all that waits. What fails is kept for the next try."""
        if not self._again_rows and not self._again_items:
            with self._mutex:
                # Items first: rows reported before an item must not come after it.
                self._again_items, self._items = self._items, []
            self._again_rows = self._rows.take()
        now = time.monotonic()
        if not self._again_rows and not self._again_items and now - self._alive < ALIVE:
            return
        names: list[str] = []
        written = last_step(self._again_rows, self._written)
        connection.execute("BEGIN IMMEDIATE")
        try:
            tail = self._write_rows(connection, self._again_rows)
            self._ended.clear()
            for action in self._again_items:
                names += action(connection) or ()
            if self._ended:
                self._summarize(connection)
            connection.execute(
                "UPDATE runs SET alive = ?, steps = max(steps, ?), seconds = ? WHERE id = ?",
                (time.time(), written, self._seconds, self.run),
            )
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        self._tail, self._again_rows, self._again_items, self._alive = tail, b"", [], now
        self._written = written
        for name in names:
            delete_checkpoint(self.folder, name)

    def _write_rows(self, connection: sqlite3.Connection, rows: bytes) -> tuple[int, bytes] | None:
        """Append raw rows: to the last blob while it is small, so that slow runs do not leave thousands of blobs."""
        if not rows:
            return self._tail
        size = ROW_BYTES
        if self._tail is not None:
            key, before = self._tail
            whole = before + rows
            connection.execute(
                "UPDATE rows SET count = ?, data = ? WHERE id = ?", (len(whole) // size, pack(whole), key)
            )
        else:
            whole = rows
            key = (
                connection.execute(
                    "INSERT INTO rows (run, segment, count, data) VALUES (?, ?, ?, ?)",
                    (self.run, self._segment, len(whole) // size, pack(whole)),
                ).lastrowid
                or 0
            )
        return (key, whole) if len(whole) < TAIL * size else None

    def _summarize(self, connection: sqlite3.Connection) -> None:
        """Bring the run's line in the list up to the last of the epochs that were just written."""
        last = self._ended[-1]
        metrics = msgspec.msgpack.encode(last.validation_metrics or last.train_metrics)
        found = (epoch.validation_loss for epoch in self._ended)
        best = min((loss for loss in found if loss is not None and not math.isnan(loss)), default=None)
        connection.execute(
            "UPDATE runs SET epochs = ?, train_loss = ?, validation_loss = ?, metrics = ?, best_validation_loss = "
            "CASE WHEN ? IS NULL THEN best_validation_loss ELSE min(ifnull(best_validation_loss, ?), ?) END "
            "WHERE id = ?",
            (last.epoch, last.train_loss, last.validation_loss, metrics, best, best, best, self.run),
        )

    def _insert(
        self, connection: sqlite3.Connection, step: int, name: str, data: bytes, moment: int | None = None
    ) -> None:
        connection.execute(
            "INSERT INTO events (run, segment, step, time, type, moment, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (self.run, self._segment, step, time.time(), name, moment, data),
        )

    def _rename_device(self, connection: sqlite3.Connection, device: str) -> None:
        connection.execute("UPDATE runs SET device = ? WHERE id = ?", (device, self.run))

    def _thin_moments(self, connection: sqlite3.Connection, stride: int) -> None:
        connection.execute("DELETE FROM events WHERE run = ? AND moment > 0 AND moment % ? != 0", (self.run, stride))

    def _thin_checkpoints(self, connection: sqlite3.Connection) -> list[str]:
        found = connection.execute(
            "SELECT id, step, best, name, bytes FROM checkpoints WHERE run = ? ORDER BY step, id", (self.run,)
        ).fetchall()
        best = max((row[0] for row in found if row[2]), default=None)
        others = [row for row in found[:-1] if row[0] != best]
        drop = thin([row[1] for row in others], [row[4] for row in others], count=KEEP_COUNT, budget=KEEP_BYTES)
        for i in drop:
            connection.execute("DELETE FROM checkpoints WHERE id = ?", (others[i][0],))
        return [others[i][3] for i in drop]
