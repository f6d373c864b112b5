"""The database: made once, by whoever comes first; errors in words."""

import errno
import sqlite3
import threading
from pathlib import Path

import pytest

from engine.training.database import StoreError, connect, data_folder, database_errors, os_error_in_words
from engine.training.store import RunStore


def test_the_environment_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DESCENT_HOME", str(tmp_path / "x"))
    assert data_folder() == tmp_path / "x" and not data_folder().exists()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DESCENT_HOME", "~/lab")
    assert data_folder() == tmp_path / "lab"


@pytest.mark.parametrize(
    ("platform", "end"),
    [
        ("linux", (".local", "share", "descent-lab")),
        ("darwin", ("Library", "Application Support", "Descent Lab")),
        ("win32", ("AppData", "Local", "Descent Lab")),
    ],
)
def test_each_platform_has_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, end: tuple[str, ...]
) -> None:
    for name in ("DESCENT_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", platform)
    assert data_folder() == tmp_path.joinpath(*end)


def test_a_relative_data_home_does_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DESCENT_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setattr("sys.platform", "linux")
    assert data_folder() == tmp_path / ".local/share/descent-lab"


def test_without_a_home_folder_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_HOME", "~nobody-of-this-name/lab")
    with pytest.raises(StoreError, match=r"^~nobody-of-this-name/lab: there is no such home folder"):
        data_folder()
    with pytest.raises(StoreError, match="Set DESCENT_HOME"):
        RunStore("~nobody-of-this-name")


def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    writing, reading = connect(tmp_path / "runs.db"), connect(tmp_path / "runs.db")
    try:
        assert writing.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert reading.execute("PRAGMA foreign_keys").fetchone() == (1,)
        writing.execute("BEGIN IMMEDIATE")
        writing.execute(
            "INSERT INTO runs (id, name, experiment, device, status, created, alive, process, host) "
            "VALUES ('a', '', '', '', '', 0, 0, 0, '')"
        )
        assert reading.execute("SELECT count(*) FROM runs").fetchone() == (0,)
        writing.execute("COMMIT")
        assert reading.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    finally:
        writing.close()
        reading.close()


def test_many_make_it_at_once(tmp_path: Path) -> None:
    problems: list[BaseException] = []
    barrier = threading.Barrier(8)

    def make() -> None:
        try:
            barrier.wait()
            connect(tmp_path / "new" / "runs.db").close()
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_FULL, "the disk is full"),
        (sqlite3.SQLITE_CORRUPT, "is damaged"),
        (sqlite3.SQLITE_NOTADB, "is damaged"),
        (sqlite3.SQLITE_BUSY, "in use by another program"),
        (sqlite3.SQLITE_READONLY, "permission denied"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened"),
        (sqlite3.SQLITE_IOERR | 3 << 8, "the disk reports an error"),
        (sqlite3.SQLITE_MISUSE, "cannot be used: words"),
    ],
)
def test_sqlite_errors_in_words(code: int, words: str) -> None:
    error = sqlite3.OperationalError("words")
    error.sqlite_errorcode = code

    def fail() -> None:
        with database_errors(Path("runs.db")):
            raise error

    with pytest.raises(StoreError, match=words):
        fail()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "W: the disk is full. Free some space and try again."),
        (errno.EACCES, "W: permission denied."),
        (errno.EROFS, "W: the disk is read-only."),
        (errno.ENOENT, "W: there is no such file or folder."),
        (errno.EIO, "W: input/output error."),
    ],
)
def test_system_errors_in_words(number: int, words: str) -> None:
    assert os_error_in_words(OSError(number, "Input/output error"), "W") == words
