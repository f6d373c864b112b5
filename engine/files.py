"""Experiment files: versioned JSON, readable in a diff, saved atomically, refused in words that name the place.

A `.dlab` file is `{"format": "descent-lab", "version": 2, "experiment": {...}}`. Saving the same experiment twice
writes the same bytes. Components that this version does not know are kept and saved back unchanged.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import migrations
from engine.experiment import Experiment, experiment_from_plain, experiment_to_plain
from engine.file_paths import anchored, portable
from engine.schema import SchemaError
from engine.text import shortened

__all__ = [
    "FORMAT",
    "MIGRATIONS",
    "SUFFIX",
    "VERSION",
    "FileError",
    "dumps",
    "load",
    "loads",
    "save",
    "write_atomically",
]

FORMAT = "descent-lab"
VERSION = 2
SUFFIX = ".dlab"
MAX_BYTES = 16 * 1024 * 1024

MIGRATIONS: dict[int, Callable[[Any], Any]] = {1: migrations.name_the_clipping}
"""By version: the function that turns the plain experiment of that version into the plain experiment of the next. What
is damaged is handed on, to be refused where it is read."""

_LINE_WIDTH = 100
_MAX_DEPTH = 64
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class FileError(Exception):
    """A file that cannot be read or written. `path` is the file (or ""), `place` the spot inside it (a field's path or
    "line 3, column 7", or ""), `message` says in words what is wrong."""

    def __init__(self, message: str, place: str = "", path: str | os.PathLike[str] = "") -> None:
        self.message, self.place, self.path = message, place, os.fspath(path)
        super().__init__(message, place, self.path)

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{self.path}: {text}" if self.path else text


# -- text --------------------------------------------------------------------------------------------------------------


def dumps(experiment: Experiment) -> str:
    """The file's text. Raises FileError for a number that JSON cannot hold."""
    document = {"format": FORMAT, "version": VERSION, "experiment": experiment_to_plain(experiment)}
    return _format(document, 0) + "\n"


def loads(text: str | bytes) -> Experiment:
    """The experiment that a file's content describes. Raises FileError."""
    document = _parse(_decode(text) if isinstance(text, bytes) else text)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise FileError("is not an experiment of Descent Lab")
    version = document.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise FileError("expected the number of the file's version", "version")
    if version > VERSION:
        raise FileError(
            f"was saved by a newer Descent Lab (file version {version}; this one reads up to {VERSION}); "
            "update Descent Lab to open it"
        )
    for key in document:
        if key not in ("format", "version", "experiment"):
            raise FileError("there is no such field", shortened(key))
    plain = document.get("experiment")
    try:
        for known in range(version, VERSION):
            plain = MIGRATIONS[known](plain)
        if "experiment" not in document:
            raise SchemaError("experiment", "is missing")
        return experiment_from_plain(plain)
    except SchemaError as error:
        raise FileError(error.message, error.path) from error
    except RecursionError:
        raise FileError("is nested too deeply") from None


def _decode(data: bytes) -> str:
    if not data:
        raise FileError("is empty")
    try:
        if b"\0" in data:
            raise ValueError
        return data.decode("utf-8-sig")
    except ValueError:
        raise FileError("is not a text file; expected an experiment of Descent Lab") from None


def _parse(text: str) -> Any:
    if not text.strip():
        raise FileError("is empty")
    try:
        document = json.loads(
            text, parse_constant=_refuse_constant, parse_int=_whole_number, object_pairs_hook=_unique_keys
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        # The position of an unfinished string is where it starts; every other unfinished value is reported at the end.
        cut_off = not text[error.pos :].strip() or error.msg.startswith("Unterminated string")
        if cut_off and text.lstrip().startswith("{"):
            raise FileError("the file ends too early; it may have been cut off", place) from None
        if not text.lstrip().startswith(("{", "[")):
            raise FileError("is not an experiment of Descent Lab") from None
        raise FileError(f"is not valid JSON: {error.msg[0].lower()}{error.msg[1:]}", place) from None
    except RecursionError:
        raise FileError("is nested too deeply") from None
    except ValueError as error:
        raise FileError(f"is not valid JSON: {error}") from None
    if _deeper_than(document, _MAX_DEPTH):
        raise FileError("is nested too deeply")
    if "\\u" in text and _LONE_SURROGATE.search(json.dumps(document, ensure_ascii=False)):
        raise FileError("is not valid JSON: half of a two-part character stands alone")
    return document


def _deeper_than(document: Any, limit: int) -> bool:
    level = [document]
    for _ in range(limit):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number that a file may hold")


def _whole_number(text: str) -> int:
    if len(text) > 400:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"“{shortened(twice)}” stands twice in one object")
    return found


def _format(value: Any, depth: int) -> str:
    """JSON with one field per line; lists of plain values, and objects short enough, stay on one line."""
    if not isinstance(value, dict | list):
        return _scalar(value)
    inner = " " * (2 * depth + 2)
    parts: list[str]
    if isinstance(value, dict):
        parts = [f"{_scalar(str(key))}: {_format(item, depth + 1)}" for key, item in value.items()]
        opening, closing = "{", "}"
    else:
        parts = [_format(item, depth + 1) for item in value]
        opening, closing = "[", "]"
    line = f"{opening}{', '.join(parts)}{closing}"
    flat = isinstance(value, list) and not any(isinstance(item, dict | list) for item in value)
    if not value or (flat and len(line) + 2 * depth <= _LINE_WIDTH):
        return line
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{' ' * (2 * depth)}{closing}"


def _scalar(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise FileError(f"a file cannot hold the number {value}") from None


# -- files -------------------------------------------------------------------------------------------------------------


def save(experiment: Experiment, path: str | os.PathLike[str]) -> None:
    """Write the file atomically: after a crash or on a full disk, either the old or the new file is there, whole.
    Data beside the file are named relative to it. Raises FileError.
    """
    try:
        folder = os.path.dirname(os.path.abspath(path))
        write_atomically(path, dumps(portable(experiment, folder)).encode())
    except UnicodeEncodeError:
        raise FileError("cannot be saved: a text holds half of a two-part character", path=path) from None
    except OSError as error:
        raise FileError(_in_words(error, "written"), path=path) from error
    except ValueError:
        raise _no_name(path) from None


def load(path: str | os.PathLike[str]) -> Experiment:
    """Read a file; data that it names relative to itself get their whole path. Raises FileError."""
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as stream:
            status = os.fstat(stream.fileno())
            if stat.S_ISDIR(status.st_mode):
                raise FileError("is a folder, not a file", path=path)
            if not stat.S_ISREG(status.st_mode):
                raise FileError("is not a regular file", path=path)
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileError(_in_words(error, "read"), path=path) from error
    except ValueError:
        raise _no_name(path) from None
    if len(data) > MAX_BYTES:
        raise FileError(f"is larger than {MAX_BYTES // 2**20} MiB; an experiment is far smaller", path=path)
    try:
        return anchored(loads(data), os.path.dirname(os.path.abspath(path)))
    except FileError as error:
        raise FileError(error.message, error.place, path) from error


def _no_name(path: str | os.PathLike[str]) -> FileError:
    return FileError("is not a name that a file can have", path=str(path).replace("\0", "?"))


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace a file's content as one step that survives a crash. A symbolic link stays one; the mode is kept.

    Raises OSError and leaves the old file untouched.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if target.exists() and not target.is_file():
        # Putting a file in the place of a device or a pipe would take it away from everybody.
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    temporary = target.with_name(f".{target.name[:40]}.{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            # Nobody knows the temporary file; a full disk names none.
            error.filename, error.filename2 = os.fspath(path), None
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    # Windows cannot open a folder; some network file systems refuse to sync one. The file itself is safe by then.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _in_words(error: OSError, verb: str) -> str:
    match error.errno:
        case errno.ENOENT:
            return "there is no such file" if verb == "read" else "the folder does not exist"
        case errno.EACCES | errno.EPERM:
            return f"cannot be {verb}: permission denied"
        case errno.EISDIR:
            return "is a folder, not a file"
        case errno.ENOTDIR:
            return "a part of the path is a file, not a folder"
        case errno.ENOSPC | errno.EDQUOT:
            return f"cannot be {verb}: the disk is full"
        case errno.EROFS:
            return f"cannot be {verb}: the disk is read-only"
        case errno.ENAMETOOLONG:
            return "the name is too long"
    return f"cannot be {verb}: {error.strerror or error}"
