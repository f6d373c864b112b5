"""A lock file that the operating system lets go when its process ends, however it ends.

So a run that is going on can be told from one whose process was killed, without process ids or clocks.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["FileLock", "held"]


class FileLock:
    """An exclusive lock on a file. Held by this object, not by the process: a second object is refused in the same
    process too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int | None:
        """The open file that is locked, for a process that is to share the lock; None while it is not held."""
        return self._descriptor

    def acquire(self) -> bool:
        """Take the lock without waiting; False when somebody else holds it. Raises OSError where files cannot be
        locked or the file cannot be opened."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            taken = _lock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if not taken:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let the lock go, as far as no other process shares it; without a lock, nothing happens. The file stays:
        removing it would race with others."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def held(path: Path) -> bool:
    """Whether somebody holds the lock on this file. A file that is not there is not locked. Raises OSError where files
    cannot be locked."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _lock(descriptor, shared=True)
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, shared: bool = False) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int, shared: bool = False) -> bool:
        # A shared lock is enough to ask, and two that ask at once do not take each other for a run.
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
