"""The lock of a running run."""

import subprocess
import sys
from pathlib import Path

from engine.training.locks import FileLock, held


def test_only_one_holds_it(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert not held(tmp_path / "lock")
    assert first.acquire() and held(tmp_path / "lock")
    assert not second.acquire()
    first.release()
    first.release()
    assert not held(tmp_path / "lock") and second.acquire()
    second.release()


def test_asking_does_not_take(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire()
    assert [held(lock.path) for _ in range(3)] == [True] * 3
    lock.release()
    assert [held(lock.path) for _ in range(3)] == [False] * 3


def test_a_killed_process_lets_go(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from engine.training.locks import FileLock\n"
        "lock = FileLock(Path(sys.argv[1])); print(lock.acquire(), flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None and child.stdout.readline() == "True\n"
        assert held(tmp_path / "lock")
        child.kill()
        child.wait(10)
        assert not held(tmp_path / "lock")
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
