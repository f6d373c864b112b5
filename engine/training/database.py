"""The run store's database: where it lies, its tables, and its errors in words. SQLite, write-ahead logging.

Readers and writers may be different threads and different processes: a writer never waits for a reader. A commit
survives the death of the process; a power cut may take the last seconds, never the file's integrity.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["StoreError", "connect", "data_folder", "database_errors", "expanded", "os_error_in_words"]

VERSION = 1
_APPLICATION = 0x444C4231

_TABLES = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, experiment TEXT NOT NULL, device TEXT NOT NULL, status TEXT NOT NULL,
    created REAL NOT NULL, finished REAL, alive REAL NOT NULL, process INTEGER NOT NULL, host TEXT NOT NULL,
    steps INTEGER NOT NULL DEFAULT 0, epochs INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0,
    train_loss REAL, validation_loss REAL, best_validation_loss REAL, metrics BLOB
);
CREATE TABLE segments (
    run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, segment INTEGER NOT NULL, start INTEGER NOT NULL,
    time REAL NOT NULL, PRIMARY KEY (run, segment)
);
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, segment INTEGER NOT NULL,
    count INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE INDEX rows_of_run ON rows (run);
CREATE TABLE events (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, segment INTEGER NOT NULL,
    step INTEGER NOT NULL, time REAL NOT NULL, type TEXT NOT NULL, moment INTEGER, data BLOB NOT NULL
);
CREATE INDEX events_of_run ON events (run, type);
CREATE TABLE checkpoints (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, step INTEGER NOT NULL,
    epoch REAL NOT NULL, best INTEGER NOT NULL, name TEXT NOT NULL, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL,
    time REAL NOT NULL
);
CREATE INDEX checkpoints_of_run ON checkpoints (run, step);
"""


_DAMAGED = "The run store {} is damaged. Move the file away; a new one is made at the next run."


class StoreError(Exception):
    """The run store cannot do what was asked; the message is a sentence for people."""


def data_folder() -> Path:
    """The user's data folder of Descent Lab: DESCENT_HOME where it is set, else the platform's place. Not created.

    Raises StoreError where there is no home folder."""
    home = os.environ.get("DESCENT_HOME")
    if home:
        return expanded(home)
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else expanded("~/AppData/Local")) / "Descent Lab"
    if sys.platform == "darwin":
        return expanded("~/Library/Application Support/Descent Lab")
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if os.path.isabs(base) else expanded("~/.local/share")) / "descent-lab"


def expanded(folder: str | os.PathLike[str]) -> Path:
    """A folder with “~” replaced by the home folder. Raises StoreError where there is none, as in some containers."""
    try:
        return Path(folder).expanduser()
    except RuntimeError:
        raise StoreError(
            f"{os.fspath(folder)}: there is no such home folder. Set DESCENT_HOME to a folder for the runs."
        ) from None


def os_error_in_words(error: OSError, what: str) -> str:
    """A sentence about a failed file operation: `what` could not be done, and why."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"{what}: the disk is full. Free some space and try again."
        case errno.EACCES | errno.EPERM:
            return f"{what}: permission denied."
        case errno.EROFS:
            return f"{what}: the disk is read-only."
        case errno.ENOENT:
            return f"{what}: there is no such file or folder."
    reason = error.strerror or str(error)
    return f"{what}: {reason[:1].lower()}{reason[1:]}."


@contextlib.contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's and the system's errors into StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(_sqlite_in_words(error, path)) from error
    except UnicodeDecodeError as error:  # a broken schema, quoted in SQLite's own message
        raise StoreError(_DAMAGED.format(path)) from error
    except OSError as error:
        raise StoreError(os_error_in_words(error, f"The run store in {path.parent} cannot be used")) from error


def _sqlite_in_words(error: sqlite3.Error, path: Path) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    match code & 0xFF if isinstance(code, int) else None:
        case sqlite3.SQLITE_FULL:
            return f"The run store {path} cannot be written: the disk is full. Free some space and try again."
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return _DAMAGED.format(path)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"The run store {path} is in use by another program. Try again in a moment."
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return f"The run store {path} cannot be written: permission denied, or the disk is read-only."
        case sqlite3.SQLITE_CANTOPEN:
            return f"The run store {path} cannot be opened. Check that it is there and may be read."
        case sqlite3.SQLITE_IOERR:
            return f"The run store {path} cannot be read or written: the disk reports an error ({error})."
    text = str(error)
    if text.startswith(("no such table", "no such column", "Could not decode")):
        return _DAMAGED.format(path)
    return f"The run store {path} cannot be used: {text}."


def connect(path: Path) -> sqlite3.Connection:
    """A connection for one thread, in autocommit mode; the tables are made when missing. A database that cannot be
    written, as on a read-only disk, can be read. Raises sqlite3.Error, OSError or StoreError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = _open(path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        connection = _open_to_read(path, error)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            _create(connection, path)
        elif version > VERSION:
            raise StoreError(
                f"The run store {path} was written by a newer Descent Lab (version {version}; this one knows up to "
                f"{VERSION}). Update Descent Lab to use it."
            )
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        if application != _APPLICATION:
            raise StoreError(f"{path} is a database, but not a run store of Descent Lab.")
    except BaseException:
        connection.close()
        raise
    return connection


def _open(path: Path, parameters: str = "") -> sqlite3.Connection:
    name = f"{path.absolute().as_uri()}?{parameters}" if parameters else path
    connection = sqlite3.connect(name, timeout=15.0, isolation_level=None, uri=bool(parameters))
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA user_version").fetchone()  # what cannot be read is noticed here
    except BaseException:
        connection.close()
        raise
    return connection


def _open_to_read(path: Path, problem: sqlite3.Error) -> sqlite3.Connection:
    """A connection that only reads, where the files beside the database cannot be made."""
    if not path.is_file():
        raise problem
    try:
        return _open(path, "mode=ro")  # enough while another program writes
    except sqlite3.OperationalError:
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise StoreError(
                f"The run store {path} may only be read, and {log.name} beside it holds changes that were never "
                f"brought into it. Copy the folder {path.parent} to a disk that may be written, and use the copy."
            ) from problem
        return _open(path, "mode=ro&immutable=1")


def _create(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    _write_ahead(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster.
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise StoreError(f"{path} is a database, but not a run store of Descent Lab.")
            for statement in _TABLES.split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _write_ahead(connection: sqlite3.Connection) -> None:
    # Changing the journal's mode does not wait for others, whatever the time-out.
    deadline = time.monotonic() + 15.0
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)
