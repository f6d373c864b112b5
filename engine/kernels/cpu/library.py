"""The compiled kernels of this machine: where their object file is kept, and their addresses once it is loaded.

The file's name tells the processor, its features, the sources of the kernels and the versions of numba and LLVM, so
that none is ever used for what it was not made for. Loading it needs llvmlite alone and takes some ten milliseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from engine.kernels.cpu.target import Target, host

__all__ = ["Library", "LibraryError", "compile_library", "is_compiled", "load", "object_path"]

KEEP = 4
"""Object files that stay beside a new one: of other processors that share the folder, and of versions in use."""
ROOM = 1 << 20
"""Bytes that must find room in the folder before compiling begins: more than the kernels take."""


class LibraryError(RuntimeError):
    """The kernels cannot be compiled, kept or loaded; the message says why."""


class Library:
    """Machine code in memory. `addresses` holds each kernel's by name."""

    def __init__(self, code: bytes, names: tuple[str, ...]) -> None:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(opt=3, jit=True)
        # In one piece: sections that lie more than 2 GiB apart, as in a process with large arrays, cannot be linked,
        # and LLVM would end the process over it.
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine, use_lmm=True)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        self.addresses = {name: self._engine.get_function_address(f"descent_{name}") for name in names}
        missing = [name for name, address in self.addresses.items() if not address]
        if missing:
            raise LibraryError(f"The compiled kernels lack {', '.join(missing)}.")
        # Called through ctypes, which lets go of the interpreter lock meanwhile.
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
        self._clock, self._counter = kind(self.addresses["clock"]), np.zeros(1, np.int64)
        self._begun = self._now()
        self.post, self.lead, self.follow = (kind(self.addresses[name]) for name in ("post", "lead", "follow"))

    def ticks_per_second(self) -> float:
        """How fast the counter of `engine.kernels.cpu.language.ticks` runs: measured since the kernels were loaded,
        over a hundredth of a second at least."""
        ticks, seconds = self._now()
        while seconds - self._begun[1] < 0.01:
            time.sleep(0.002)
            ticks, seconds = self._now()
        return (ticks - self._begun[0]) / (seconds - self._begun[1])

    def _now(self) -> tuple[int, float]:
        self._clock(self._counter.ctypes.data, 0, 1, 0)
        return int(self._counter[0]), time.perf_counter()


def cache_folder() -> Path:
    """Where object files are kept: `DESCENT_CACHE`, else the user's folder for caches."""
    if chosen := os.environ.get("DESCENT_CACHE"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "descent-lab"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "descent-lab" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "descent-lab"


def object_path(target: Target | None = None) -> Path:
    """The object file of the present kernels for `target` (this machine), whether it exists or not."""
    target = target or host()
    return cache_folder() / f"kernels-{_digest(target)}.o"


@cache
def _digest(target: Target) -> str:
    from importlib.metadata import PackageNotFoundError, version

    found = hashlib.blake2b(repr(target).encode(), digest_size=12)
    for package in ("numba", "llvmlite"):
        with contextlib.suppress(PackageNotFoundError):
            found.update(version(package).encode())
    here = Path(__file__).parent
    for path in sorted(here.rglob("*.py")):
        found.update(path.relative_to(here).as_posix().encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def is_compiled() -> bool:
    """Whether the object file for this machine lies ready, and is whole."""
    path = object_path()
    try:
        found = path.stat()
    except OSError:
        return False
    return _is_whole(path, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@lru_cache(maxsize=4)
def _is_whole(path: Path, size: int, modified: int, changed: int) -> bool:
    """Whether the object file is what was written; asked anew when its size or its times are others."""
    try:
        return _read(path) is not None
    except LibraryError:
        return False


def compile_library(progress: Callable[[int, int, str], None] = lambda done, total, name: None) -> Path:
    """Compile all kernels for this machine and keep the object file; returns its path.

    Raises LibraryError where numba is missing or refuses, or where nothing can be written.
    """
    try:
        from engine.kernels.cpu.build import build
    except ImportError as error:
        raise LibraryError(
            f"numba, which compiles the kernels, cannot be imported: {error}. Run {sys.executable} -m pip install "
            "numba."
        ) from error
    target = host()
    path = object_path(target)
    with _kept_in(path.parent):  # before the time is spent
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(bytes(ROOM))
            file.flush()
    code = build(target, progress)
    with _kept_in(path.parent):
        _replace(path, hashlib.sha256(code).digest() + code)
    _forget_old(path)
    load.cache_clear()
    return path


@contextlib.contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LibraryError(
            f"The compiled kernels cannot be kept in {folder}: {error.strerror or error}. Set DESCENT_CACHE to a "
            "folder that can be written."
        ) from error


def _replace(path: Path, content: bytes) -> None:
    """Put the whole content in the file's place, or leave no trace."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".kernels-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _forget_old(path: Path) -> None:
    # Another program may be tidying up as well.
    ages: list[tuple[float, Path]] = []
    for item in path.parent.glob("kernels-*.o"):
        with contextlib.suppress(OSError):
            if item != path:
                ages.append((item.stat().st_mtime, item))
    for _, item in sorted(ages)[:-KEEP]:
        with contextlib.suppress(OSError):
            item.unlink()


@cache
def load() -> Library:
    """The kernels of this machine, compiled first where they are not, or where their file is damaged. Raises
    LibraryError."""
    from engine.kernels.cpu import names

    path = object_path()
    code = _read(path)
    if code is None:
        compile_library()
        code = _read(path)
    if code is None:
        raise LibraryError(f"The compiled kernels in {path} were damaged while they were written.")
    return Library(code, names())


def _read(path: Path) -> bytes | None:
    """The machine code in a file; None where there is none, or where it is not what was written: LLVM would end the
    process over it."""
    try:
        with open(path, "rb") as file:
            _check_owner(path, os.fstat(file.fileno()))
            content = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LibraryError(f"The compiled kernels in {path} cannot be read: {error.strerror}.") from error
    digest, code = content[:32], content[32:]
    return code if hashlib.sha256(code).digest() == digest else None


def _check_owner(path: Path, found: os.stat_result) -> None:
    """Refuse machine code that another user may have put there: what is loaded runs with all rights of this one."""
    if os.name == "posix" and (found.st_uid not in (os.getuid(), 0) or found.st_mode & 0o022):
        raise LibraryError(
            f"The compiled kernels in {path} could have been changed by another user: delete the file, or set "
            "DESCENT_CACHE to a folder of your own."
        )
