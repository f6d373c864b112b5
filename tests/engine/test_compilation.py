"""Compiling in the background: progress, ends of every kind, and one program at a time."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import compilation, executors
from engine.compilation import SWITCH, Compilation
from engine.training.locks import FileLock, held


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose being there means that the kernels are compiled."""
    found = tmp_path / "kernels"
    monkeypatch.setenv(SWITCH, "on")
    monkeypatch.setenv("DESCENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(executors, "unavailable", lambda: "")
    monkeypatch.setattr(executors, "compiled", found.exists)
    return found


Say = Callable[[str], None]


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch, ready: Path) -> Say:
    """Let the process that compiles run some Python, with `ready` for that file."""

    def use(code: str) -> None:
        begin = f"import sys, time, pathlib; ready = pathlib.Path({str(ready)!r})\n"
        monkeypatch.setattr(compilation, "COMMAND", (sys.executable, "-c", begin + code))

    return use


def finished(made: Compilation) -> str:
    """Start it, wait for the end, and say what came of it."""
    made.start()
    assert made.wait(30)
    made.cancel()
    assert not made.active
    return made.state


def test_progress_is_reported_until_the_kernels_are_ready(says: Say, ready: Path) -> None:
    says("for i in range(4): print(i, 3, 'matmul', flush=True)\nready.touch(); print('/a/path/kernels.o')")
    news: list[tuple[str, tuple[int, int]]] = []
    made = Compilation(lambda it: news.append((it.state, it.progress)))
    assert (made.state, made.progress, made.active) == ("idle", (0, 0), False)
    assert finished(made) == "done"
    assert news == [("compiling", (0, 0)), *(("compiling", (i, 3)) for i in range(4)), ("done", (3, 3))]
    assert made.message == ""


def test_what_is_ready_is_not_compiled_again(says: Say, ready: Path) -> None:
    ready.touch()
    says("ready.with_name('again').touch()")
    assert finished(Compilation()) == "done"
    assert not ready.with_name("again").exists()


def test_a_failure_is_told_with_the_last_words_of_the_process(says: Say) -> None:
    says("print('1 3 matmul'); print('Traceback'); print('no space left on the disk', file=sys.stderr); sys.exit(1)")
    made = Compilation()
    assert finished(made) == "failed"
    assert made.message == "The kernels cannot be compiled: no space left on the disk"
    assert made.progress == (1, 3)


def test_a_process_that_dies_without_a_word_is_a_failure(says: Say) -> None:
    says("sys.exit(7)")
    made = Compilation()
    assert finished(made) == "failed"
    assert made.message.endswith("exit status 7")


def test_kernels_that_are_not_found_afterwards_are_a_failure(says: Say) -> None:
    says("print('3 3 matmul')")
    made = Compilation()
    assert finished(made) == "failed"
    assert "other files" in made.message


def test_a_command_that_cannot_be_started_is_a_failure(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "COMMAND", (str(ready / "nowhere"),))
    made = Compilation()
    assert finished(made) == "failed"
    assert made.message.startswith("The kernels cannot be compiled: ")


def test_where_there_is_no_compiled_executor_the_reason_is_told(says: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "unavailable", lambda: "It needs numba.")
    says("ready.touch()")
    made = Compilation()
    assert (finished(made), made.message) == ("failed", "It needs numba.")


def test_lines_without_end_and_strange_bytes_do_no_harm(says: Say) -> None:
    says(
        "sys.stdout.write('x' * 100_000 + '\\n'); sys.stdout.flush()\n"
        "sys.stdout.buffer.write(b'\\xff\\xfe 2 9 a\\n2 9 matmul\\n99999999999999999999 9 b\\n')\n"
        "sys.stdout.flush(); ready.touch()"
    )
    made = Compilation()
    assert finished(made) == "done"
    assert made.progress == (2, 9)


def test_cancelling_ends_the_process(says: Say, ready: Path) -> None:
    says("import os; ready.with_name('pid').write_text(str(os.getpid())); print('0 3 a', flush=True); time.sleep(60)")
    made = Compilation()
    made.start()
    deadline = time.monotonic() + 30
    while made.progress != (0, 3) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert made.active
    made.cancel()
    assert (made.state, made.active) == ("cancelled", False)
    with pytest.raises(ProcessLookupError):
        os.kill(int(ready.with_name("pid").read_text()), 0)
    made.cancel()


LEADER = """
import os, pathlib, sys, time
from engine import compilation, executors
ready, word = pathlib.Path(sys.argv[1]), sys.argv[2]
executors.unavailable, executors.compiled = lambda: "", ready.exists
compilation.COMMAND = (sys.executable, "-c", f'''
import pathlib, sys, time
from engine.kernels.cpu import __main__, library
ready = pathlib.Path({str(ready)!r})
def compile_library(tell):
    for i in range(200):
        tell(i, 200, "kernel")
        if i > 2 and ready.with_name("gone").exists():
            break
        time.sleep(0.02)
    tell(199, 200, "kernel")
    ready.touch()
__main__.compile_library = compile_library
raise SystemExit(__main__.main(["--led"]))
''')
made = compilation.Compilation()
made.start()
while made.progress[0] < 2:
    time.sleep(0.01)
print(made._process.pid, made.leave() if word == "leave" else False, flush=True)
if word == "killed":
    os.kill(os.getpid(), 9)
"""


def running(process: str) -> bool:
    """Whether a process is there, and not only its exit status."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform == "win32", reason="a lock is not shared there, and nothing is killed")
@pytest.mark.parametrize("word", ["leave", "killed", "end"])
def test_only_what_was_left_on_purpose_outlives_its_program(word: str, ready: Path, tmp_path: Path) -> None:
    root = str(Path(compilation.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    ended = subprocess.run(
        [sys.executable, "-c", LEADER, str(ready), word], capture_output=True, text=True, timeout=30, env=environment
    )
    process, left = ended.stdout.split()
    assert left == str(word == "leave")
    lock = tmp_path / "cache" / "compiling.lock"
    if word == "leave":
        assert ended.returncode == 0 and ended.stderr == "" and not ready.exists()
        assert held(lock), "or a second program would compile the same"
    ready.with_name("gone").touch()
    deadline = time.monotonic() + 30
    while held(lock) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not held(lock)
    assert ready.exists() == (word == "leave")
    # It lets go of the lock shortly before its end.
    while running(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not running(process)


def test_one_that_is_left_is_followed_to_its_end_while_the_program_lives(says: Say, ready: Path) -> None:
    says("print('0 3 a', flush=True); sys.stdin.readline(); ready.touch(); print('3 3 c')")
    made = Compilation()
    assert not made.leave(), "nothing was begun"
    made.start()
    deadline = time.monotonic() + 30
    while made.progress != (0, 3) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert made.leave()
    assert made.wait(30) and made.state == "done" and ready.exists()
    assert not made.leave(), "it has ended"
    made.cancel()


def test_one_that_was_cancelled_before_it_began_compiles_nothing(says: Say, ready: Path) -> None:
    says("ready.touch()")
    made = Compilation()
    made.cancel()
    assert finished(made) == "cancelled"
    assert not ready.exists()


def test_a_process_that_takes_for_ever_is_given_up(says: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "LIMIT", 0.3)
    says("time.sleep(60)")
    assert finished(Compilation()) == "failed"


def test_the_second_program_waits_for_the_first(says: Say, ready: Path, tmp_path: Path) -> None:
    says("ready.with_name('again').touch(); ready.touch()")
    (tmp_path / "cache").mkdir()
    other = FileLock(tmp_path / "cache" / "compiling.lock")
    assert other.acquire()
    made = Compilation()
    made.start()
    deadline = time.monotonic() + 30
    while made.state != "waiting" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not made.wait(0.05)
    ready.touch()  # the first one has done it
    other.release()
    assert made.wait(30) and made.state == "done"
    made.cancel()
    assert not ready.with_name("again").exists()


def test_waiting_can_be_cancelled(says: Say, ready: Path, tmp_path: Path) -> None:
    says("ready.touch()")
    (tmp_path / "cache").mkdir()
    other = FileLock(tmp_path / "cache" / "compiling.lock")
    assert other.acquire()
    made = Compilation()
    made.start()
    made.cancel()
    other.release()
    assert made.state == "cancelled" and not ready.exists()


def test_the_lock_of_a_program_that_was_killed_is_no_obstacle(says: Say, ready: Path, tmp_path: Path) -> None:
    says("ready.touch()")
    lock = tmp_path / "cache" / "compiling.lock"
    lock.parent.mkdir()
    hold = (
        "import sys, os, pathlib\nfrom engine.training.locks import FileLock\n"
        f"lock = FileLock(pathlib.Path({str(lock)!r})); assert lock.acquire(); print(os.getpid(), flush=True); "
        "sys.stdin.read()"
    )
    child = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdin is not None
    lock.write_text(child.stdout.readline().decode())
    made = Compilation()
    made.start()
    assert not made.wait(0.1)
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()
    assert made.wait(30) and made.state == "done"
    assert lock.read_text() == f"{os.getpid()}\n"
    made.cancel()


def test_the_environment_can_forbid_it(says: Say, ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "off")
    says("ready.touch()")
    made = Compilation()
    assert finished(made) == "idle"
    assert not ready.exists()
