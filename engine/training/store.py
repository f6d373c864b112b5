"""The run store: every run with its exact experiment, all its rows, its events and its checkpoints.

`RunStore` makes, lists, opens, resumes and deletes runs. `RunWriter` (writer.py) belongs to the training thread,
`RunReader` to whoever looks; reading a run that is being written is fine. See `database.py` for the tables.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import secrets
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from engine.experiment import Experiment, experiment_to_plain
from engine.training.checkpoint import sweep
from engine.training.database import StoreError, connect, data_folder, database_errors, expanded, os_error_in_words
from engine.training.locks import FileLock, held
from engine.training.reader import PROGRESS, CheckpointInfo, RunReader
from engine.training.writer import RunWriter

__all__ = ["CheckpointInfo", "RunReader", "RunStore", "RunSummary", "RunWriter", "StoreError", "data_folder"]

DATABASE = "runs.db"
FOLDER = "runs"
_SILENT = 20.0  # seconds without a sign of life, where the file system has no locks


class RunSummary(Struct, frozen=True, kw_only=True):
    """A run in the list. `status`: running, interrupted (its process ended without a word), done, stopped, failed or
    diverged. Times are seconds since 1970, `seconds` the time spent in training; losses and metrics are the last
    epoch's (metrics of the validation part, of the training part without one)."""

    id: str
    name: str
    status: str
    device: str
    created: float
    finished: float | None
    steps: int
    epochs: int
    seconds: float
    train_loss: float | None
    validation_loss: float | None
    best_validation_loss: float | None
    metrics: dict[str, float]
    checkpoints: int

    @property
    def resumable(self) -> bool:
        """Whether there is something to go on from and nobody at work on it."""
        return self.status != "running" and self.checkpoints > 0


_SUMMARY = (
    "SELECT id, name, status, device, created, finished, steps, epochs, seconds, train_loss, validation_loss, "
    "best_validation_loss, metrics, alive, (SELECT count(*) FROM checkpoints WHERE run = runs.id) FROM runs"
)


class RunStore:
    """The runs in one folder (default: the user's data folder; the environment variable DESCENT_HOME overrides it).

    Nothing is made on the disk before the first run. May be used from any thread; every method raises StoreError with a
    sentence for people.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = expanded(folder) if folder is not None else data_folder()
        self.database = self.folder / DATABASE

    def __repr__(self) -> str:
        return f"RunStore({str(self.folder)!r})"

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # A connection a call: connections belong to one thread and must be closed there.
        with database_errors(self.database):
            connection = connect(self.database)
            try:
                yield connection
            finally:
                connection.close()

    def _exists(self) -> bool:
        """Whether there is a database. Raises StoreError where there cannot be one."""
        try:
            if not stat.S_ISDIR(self.folder.stat().st_mode):
                raise NotADirectoryError
            return self.database.exists()
        except FileNotFoundError:
            return False
        except NotADirectoryError:
            raise StoreError(f"{self.folder} is not a folder: no runs can be kept there.") from None
        except OSError as error:
            raise StoreError(os_error_in_words(error, f"The run store in {self.folder} cannot be used")) from error

    def _run_folder(self, run_id: str) -> Path:
        return self.folder / FOLDER / run_id

    def _lock(self, run_id: str) -> FileLock:
        """Take a run's lock. Raises StoreError when the run is going on."""
        folder = self._run_folder(run_id)
        lock = FileLock(folder / "lock")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Somebody who only asks holds the lock for an instant.
            for _ in range(20):
                if lock.acquire():
                    return lock
                time.sleep(0.02)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
                raise StoreError(os_error_in_words(error, f"The run cannot be kept in {folder}")) from error
            return lock  # a file system without locks: signs of life must do
        raise StoreError(f"The run {run_id} is going on in another window or program.")

    def create(self, experiment: Experiment, device: str) -> RunWriter:
        """Begin a run. `device` is for people."""
        now = time.time()
        run_id = time.strftime("%Y%m%d-%H%M%S", time.localtime(now)) + "-" + secrets.token_hex(3)
        text = json.dumps(experiment_to_plain(experiment), ensure_ascii=False)
        lock = self._lock(run_id)
        try:
            with self._connection() as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(
                    "INSERT INTO runs (id, name, experiment, device, status, created, alive, process, host) "
                    "VALUES (?, ?, ?, ?, 'running', ?, ?, ?, ?)",
                    (run_id, experiment.name, text, device, now, now, os.getpid(), platform.node()),
                )
                connection.execute("INSERT INTO segments VALUES (?, 0, 0, ?)", (run_id, now))
                connection.execute("COMMIT")
        except BaseException:
            lock.release()
            raise
        return RunWriter(run_id, self.database, self._run_folder(run_id), lock)

    def resume(
        self, run_id: str, step: int, device: str | None = None, *, seen: tuple[int, int] | None = None
    ) -> RunWriter:
        """Go on with a run after `step`, the step of the checkpoint it goes on from. What was written of later steps
        becomes void: those steps come again. Raises StoreError for a run that is going on, and for one that has gone on
        since its reader's `progress` was `seen`."""
        epochs = [epoch for epoch in self.open(run_id).epochs() if epoch.step <= step]
        losses = [epoch.validation_loss for epoch in epochs if epoch.validation_loss is not None]
        losses = [loss for loss in losses if loss == loss]  # a NaN is not the best of anything
        lock = self._lock(run_id)
        try:
            with self._connection() as connection:
                now = time.time()
                connection.execute("BEGIN IMMEDIATE")
                progress = connection.execute(PROGRESS, {"run": run_id}).fetchone()
                if seen is not None and progress != seen:
                    raise StoreError(f"The run {run_id} has gone on in another window or program meanwhile. Try again.")
                segment = progress[0] + 1
                connection.execute("INSERT INTO segments VALUES (?, ?, ?, ?)", (run_id, segment, step, now))
                connection.execute("DELETE FROM checkpoints WHERE run = ? AND step > ?", (run_id, step))
                kept = connection.execute("SELECT name FROM checkpoints WHERE run = ?", (run_id,)).fetchall()
                connection.execute(
                    "UPDATE runs SET status = 'running', finished = NULL, steps = ?, alive = ?, process = ?, host = ?, "
                    "device = ifnull(?, device), epochs = ?, best_validation_loss = ? WHERE id = ?",
                    (step, now, os.getpid(), platform.node(), device, len(epochs), min(losses, default=None), run_id),
                )
                moments = connection.execute(
                    "SELECT DISTINCT moment FROM events WHERE run = ? AND moment > 0", (run_id,)
                ).fetchall()
                (seconds,) = connection.execute("SELECT seconds FROM runs WHERE id = ?", (run_id,)).fetchone()
                connection.execute("COMMIT")
        except BaseException:
            lock.release()
            raise
        sweep(self._run_folder(run_id), [name for (name,) in kept])
        return RunWriter(
            run_id, self.database, self._run_folder(run_id), lock,
            segment=segment, step=step, seconds=seconds, moments=[moment for (moment,) in moments],
        )  # fmt: skip

    def list(self) -> list[RunSummary]:
        """All runs, the newest first."""
        if not self._exists():
            return []
        with self._connection() as connection:
            found = connection.execute(f"{_SUMMARY} ORDER BY created DESC, id DESC").fetchall()
        return [self._row_summary(row) for row in found]

    def _summary(self, run_id: str) -> RunSummary:
        if self._exists():
            with self._connection() as connection:
                row = connection.execute(f"{_SUMMARY} WHERE id = ?", (run_id,)).fetchone()
            if row is not None:
                return self._row_summary(row)
        raise StoreError(f"There is no run “{run_id}” in {self.folder}.")

    def _row_summary(self, row: tuple[Any, ...]) -> RunSummary:
        status, alive = row[2], row[13]
        if status == "running" and not self._goes_on(row[0], alive):
            status = "interrupted"
        try:
            metrics = msgspec.msgpack.decode(row[12], type=dict[str, float]) if row[12] else {}
        except (msgspec.DecodeError, ValueError, TypeError):
            metrics = {}
        return RunSummary(
            id=row[0], name=row[1], status=status, device=row[3], created=row[4], finished=row[5], steps=row[6],
            epochs=row[7], seconds=row[8], train_loss=row[9], validation_loss=row[10], best_validation_loss=row[11],
            metrics=metrics, checkpoints=row[14],
        )  # fmt: skip

    def _goes_on(self, run_id: str, alive: float) -> bool:
        try:
            return held(self._run_folder(run_id) / "lock")
        except OSError:
            return time.time() - alive < _SILENT

    def resolve(self, text: str) -> str:
        """The id of the run that `text` stands for: an id, the beginning of exactly one id, or “last”."""
        ids = [run.id for run in self.list()]
        if text in ids:
            return text
        if text == "last" and ids:
            return ids[0]
        found = [run_id for run_id in ids if text and run_id.startswith(text)]
        if len(found) == 1:
            return found[0]
        if found:
            raise StoreError(f"“{text}” may be any of {len(found)} runs; give more of its id.")
        raise StoreError(f"There is no run “{text}” in {self.folder}.")

    def open(self, run_id: str) -> RunReader:
        """A run to look at, whether it goes on or not."""
        return RunReader(self, self._summary(run_id))

    def rename(self, run_id: str, name: str) -> None:
        """Give a run another name; its experiment stays as it was."""
        self._summary(run_id)
        with self._connection() as connection:
            connection.execute("UPDATE runs SET name = ? WHERE id = ?", (name, run_id))

    def delete(self, run_id: str) -> None:
        """Remove a run and its checkpoints. Raises StoreError for a run that is going on."""
        self._summary(run_id)
        lock = self._lock(run_id)
        try:
            with self._connection() as connection:
                connection.execute("DELETE FROM runs WHERE id = ?", (run_id,))
                connection.execute("PRAGMA incremental_vacuum").fetchall()
        finally:
            lock.release()
        shutil.rmtree(self._run_folder(run_id), ignore_errors=True)
