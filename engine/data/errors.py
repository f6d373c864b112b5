"""Data that cannot be used, in words; and the checks that every reader of files starts with."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["DataError", "check_file", "check_folder", "decoding", "memory_limit", "require_memory"]

_FALLBACK_LIMIT = 4 * 2**30


class DataError(ValueError):
    """Data that cannot be used. `message` says what, where and how to mend it; `field` is the place in the DataSpec at
    fault ("source.path", "split.validation", "preprocessing[0].per"), or ""."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message, self.field = message, field


def check_file(text: str, field: str = "source.path") -> Path:
    """The path of a regular file that is not empty. Raises DataError."""
    path, status = _status(text, "file", field)
    if stat.S_ISDIR(status.st_mode):
        raise DataError(f"“{path}” is a folder; choose a file", field)
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"“{path}” is not a regular file", field)
    if status.st_size == 0:
        raise DataError(f"“{path}” is empty (0 bytes)", field)
    return path


def check_folder(text: str, field: str = "source.path") -> Path:
    """The path of a folder. Raises DataError."""
    path, status = _status(text, "folder", field)
    if not stat.S_ISDIR(status.st_mode):
        raise DataError(f"“{path}” is a file; choose the folder that holds one folder for each class", field)
    return path


def _status(text: str, what: str, field: str) -> tuple[Path, os.stat_result]:
    if not text.strip():
        raise DataError(f"no {what} is chosen yet", field)
    try:
        path = Path(text).expanduser()
        return path, path.stat()
    except FileNotFoundError:
        raise DataError(f"there is no {what} “{text}”", field) from None
    except PermissionError:
        raise DataError(f"“{text}” may not be read: its permissions forbid it", field) from None
    except (OSError, RuntimeError, ValueError) as error:
        # ValueError: a NUL in the path; RuntimeError: “~name” of a user who does not exist.
        raise DataError(f"“{text}” cannot be opened: {_reason(error)}", field) from None


@contextmanager
def decoding(path: Path, what: str, field: str = "source.path") -> Iterator[None]:
    """Turn whatever a decoder raises on damaged bytes into a DataError that names the file and what was expected."""
    try:
        yield
    except DataError:
        raise
    except MemoryError:
        raise DataError(f"“{path.name}” does not fit into memory", field) from None
    except PermissionError:
        raise DataError(f"“{path}” may not be read: its permissions forbid it", field) from None
    except Exception as error:
        # Decoders of zip, deflate, array headers and images have no common exception: on bytes of unknown origin
        # anything may come, and all of it means the same.
        raise DataError(f"“{path.name}” is damaged or not {what} ({_reason(error)})", field) from None


def _reason(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    text = " ".join(text.split())
    return text if len(text) <= 160 else text[:157] + "..."


def memory_limit() -> int:
    """Bytes that one data set may take: six tenths of the machine's memory."""
    try:
        return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 0.6)
    except (AttributeError, OSError, ValueError):
        return _FALLBACK_LIMIT


def require_memory(needed: int, what: str, field: str = "source") -> None:
    """Refuse, before anything is allocated, what would not fit into memory. Raises DataError."""
    limit = memory_limit()
    if needed > limit:
        raise DataError(
            f"{what} needs {gibibytes(needed)} of memory, more than the {gibibytes(limit)} that this machine can give: "
            "use fewer samples",
            field,
        )


def gibibytes(count: int) -> str:
    """A number of bytes as text, in GiB."""
    return f"{count / 2**30:.1f} GiB" if count < 2**50 else f"{count / 2**30:.3g} GiB"
