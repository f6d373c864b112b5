"""Machine code for GPUs, kept in the user's folder for caches.

A file begins with the digest of its content, so that a damaged one is never used, and is put in its place in one
piece. A folder that cannot be written costs time at the next start, and nothing else: nobody is bothered with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from engine.kernels.cpu.library import cache_folder

__all__ = ["KEEP", "read", "replace", "write"]

KEEP = 2
"""Older files of the same kernels and the same GPU that stay beside a new one: of versions that are in use."""


def read(stem: str, digest: str) -> bytes | None:
    """What was written as `stem` with `digest`; None where there is none, where it is damaged, or where another user
    could have put it there: what is loaded runs with all rights of this one."""
    try:
        with open(_path(stem, digest), "rb") as file:
            found = os.fstat(file.fileno())
            if os.name == "posix" and (found.st_uid not in (os.getuid(), 0) or found.st_mode & 0o022):
                return None
            content = file.read()
    except OSError:
        return None
    return content[32:] if hashlib.sha256(content[32:]).digest() == content[:32] else None


def write(stem: str, digest: str, content: bytes) -> bool:
    """Keep the content, and let go of old ones of the same stem. Returns whether it could be kept."""
    path = _path(stem, digest)
    try:
        replace(path, hashlib.sha256(content).digest() + content)
    except OSError:
        return False
    _forget_old(path, stem)
    return True


def replace(path: Path, content: bytes) -> None:
    """Put the whole content in the file's place, or leave no trace. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".cuda-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _path(stem: str, digest: str) -> Path:
    return cache_folder() / f"cuda-{stem}-{digest}.bin"


def _forget_old(path: Path, stem: str) -> None:
    # Another program may be tidying up as well.
    ages: list[tuple[float, Path]] = []
    for item in path.parent.glob(f"cuda-{stem}-*.bin"):
        with contextlib.suppress(OSError):
            if item != path:
                ages.append((item.stat().st_mtime, item))
    for _, item in sorted(ages)[:-KEEP]:
        with contextlib.suppress(OSError):
            item.unlink()
