"""Compiling the compiled executor's kernels once, in the background: in a process of its own, of low priority.

    compilation = Compilation(report=lambda compilation: print(compilation.state, *compilation.progress))
    compilation.start()
    ...
    compilation.cancel()  # or leave()

Compiling holds the interpreter for seconds: a thread would make the window stand still and the run slow. Programs that
start at the same time take turns by a lock file; the system lets go of it when its process ends, however it ends.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Literal

from engine import executors
from engine.kernels.cpu import ALONE
from engine.text import shortened
from engine.training.locks import FileLock

__all__ = ["SWITCH", "Compilation", "State"]

State = Literal["idle", "waiting", "compiling", "done", "cancelled", "failed"]

SWITCH = "DESCENT_COMPILE"
"""The environment variable that forbids to compile in the background when it says “off”."""
COMMAND = (sys.executable, "-m", "engine.kernels.cpu", "--led")
LIMIT = 900.0
"""Seconds after which a compilation is given up."""
LOOK = 0.25
"""Seconds between two looks at whether another program has finished with it."""
_LINE = 4096
_PROGRESS = re.compile(r"(\d{1,6}) (\d{1,6}) .*")


class Compilation:
    """Makes the kernels ready, once; `report` is called with this object, on a thread of its own, when it has news.

    state       "idle" before `start`; "waiting" until somebody else has compiled them; "compiling"; "done" when they
                are ready; "cancelled"; "failed".
    message     why it failed, in words; else empty.
    progress    kernels that are compiled, and how many there are; (0, 0) until that is known.
    """

    def __init__(self, report: Callable[[Compilation], None] = lambda compilation: None) -> None:
        self.state: State = "idle"
        self.message = ""
        self.progress = (0, 0)
        self._report = report
        self._mutex = threading.Lock()
        self._cancelled, self._ended = threading.Event(), threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    @property
    def active(self) -> bool:
        """Whether it goes on."""
        return self._thread is not None and not self._ended.is_set()

    def start(self) -> None:
        """Begin; returns at once. Nothing happens when it has begun before, or where the environment forbids it."""
        if self._thread is not None or os.environ.get(SWITCH, "").strip().lower() == "off":
            return
        atexit.register(self.cancel)
        self._thread = threading.Thread(target=self._run, name="kernel-compilation", daemon=True)
        self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether it has come. True at once when nothing was started."""
        return self._thread is None or self._ended.wait(timeout)

    def cancel(self) -> None:
        """End it, and wait until its process is gone. May be called at any time."""
        self._cancelled.set()
        with self._mutex:
            if self._process is not None:
                self._process.terminate()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        atexit.unregister(self.cancel)

    def leave(self) -> bool:
        """Let the process come to its end even when this program ends before; False when there is none. It is no child
        of anybody's then, ends by itself, and holds the lock until it does."""
        with self._mutex:
            if self._process is None or self._cancelled.is_set():
                return False
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(ALONE)
                self._process.stdin.close()
            except OSError:
                return False  # it has just ended
        atexit.unregister(self.cancel)
        return True

    # -- its thread ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._make_ready()
        except OSError as error:
            self._end("failed", f"The kernels cannot be compiled: {error.strerror or error}.")
        except Exception as error:
            self._end("failed", f"The kernels cannot be compiled: {error}")
        finally:
            self._ended.set()

    def _make_ready(self) -> None:
        reason = executors.unavailable()
        if reason:
            self._end("failed", reason)
            return
        if executors.compiled():
            self._end("done")
            return
        lock = _lock()
        while not _taken(lock):
            self._tell("waiting")
            if self._cancelled.wait(LOOK):
                self._end("cancelled")
                return
        try:
            if executors.compiled():  # by whoever held the lock
                self._end("done")
            else:
                self._compile(lock)
        finally:
            lock.release()

    def _compile(self, lock: FileLock) -> None:
        said: deque[str] = deque(maxlen=20)
        with self._mutex:
            if not self._cancelled.is_set():
                self._process = _process(lock)
        if self._process is None:
            self._end("cancelled")
            return
        process = self._process
        limit = threading.Timer(LIMIT, process.kill)
        limit.daemon = True
        limit.start()
        try:
            self._tell("compiling")
            assert process.stdout is not None
            self._follow(process.stdout, said)
        finally:
            limit.cancel()
            limit.join()
            status = _ended(process)
            with self._mutex:
                self._process = None
        if self._cancelled.is_set():
            self._end("cancelled")
        elif status == 0:
            ready = executors.compiled()
            changed = "The kernels were compiled, but for other files than this program's: start it again."
            self._end("done" if ready else "failed", "" if ready else changed)
        else:
            last = next((line for line in reversed(said) if line.strip()), f"exit status {status}")
            self._end("failed", f"The kernels cannot be compiled: {shortened(last.strip(), 300)}")

    def _follow(self, output: IO[bytes], said: deque[str]) -> None:
        """Take what the process says, line by line; a line without end is taken in pieces."""
        while line := output.readline(_LINE):
            text = line.decode(errors="replace").rstrip()
            found = _PROGRESS.fullmatch(text)
            if found is None:
                said.append(text)
                continue
            done, total = int(found[1]), int(found[2])
            self.progress = (min(done, total), total)
            self._tell("compiling")

    def _tell(self, state: State) -> None:
        news = state != self.state or state == "compiling"
        self.state = state
        if news:
            self._report(self)

    def _end(self, state: State, message: str = "") -> None:
        self.message = message
        self._tell(state)


def _lock() -> FileLock:
    """The lock of the compilations into one cache."""
    from engine.kernels.cpu.library import cache_folder

    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
    except (RuntimeError, OSError):  # RuntimeError: there is no home folder
        folder = Path(tempfile.gettempdir())
    return FileLock(folder / "compiling.lock")


def _taken(lock: FileLock) -> bool:
    try:
        if not lock.acquire():
            return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EROFS, errno.EACCES):
            raise
        return True  # nothing can be locked there: at worst two programs compile the same
    # For people who look; whether it is held is known by the lock alone.
    with contextlib.suppress(OSError):
        lock.path.write_text(f"{os.getpid()}\n")
    return True


def _process(lock: FileLock) -> subprocess.Popen[bytes]:
    """The process that compiles, and shares the lock. Should this one be killed, its next line finds no reader, and it
    ends."""
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW
    process = subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        creationflags=flags,
        pass_fds=(lock.descriptor,) if lock.descriptor is not None and sys.platform != "win32" else (),
        start_new_session=True,  # Ctrl-C ends a run gracefully, and this with it
    )
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, 15)
    return process


def _ended(process: subprocess.Popen[bytes]) -> int:
    """The exit status of a process that has nothing more to say, or was told to end."""
    try:
        status = process.wait(5.0)
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    return status
