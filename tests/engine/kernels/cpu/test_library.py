"""Where compiled kernels are kept, and what is said when they cannot be had."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.kernels.cpu import library, names
from engine.kernels.cpu.library import KEEP, LibraryError, is_compiled, load, object_path
from engine.kernels.cpu.target import host, shaped


def test_every_kernel_has_an_address() -> None:
    assert is_compiled()
    found = load().addresses
    assert set(found) == set(names()) and all(found.values()) and len(set(found.values())) == len(found)


def test_the_file_is_another_for_another_processor() -> None:
    other = shaped("x86_64-unknown-linux-gnu", "haswell", "+avx2,+fma")
    assert object_path(other) != object_path(host())
    assert object_path(host()).parent == Path(os.environ["DESCENT_CACHE"])


def test_a_process_that_runs_kernels_does_not_import_numba() -> None:
    code = (
        "import sys; from engine.kernels.cpu.library import load; load(); "
        "print(any(name.split('.')[0] == 'numba' for name in sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "False"


SCATTERED = """
import mmap
kept = [mmap.mmap(-1, 256 << 10) for _ in range(50)]
far = mmap.mmap(-1, 6 << 30)
for hole in kept[10:20]:
    hole.close()
from engine.kernels.cpu.library import load
assert load().addresses
"""
"""Small holes high in the address space, and room for more only some gigabytes below."""


@pytest.mark.skipif(sys.platform != "linux", reason="another system's address space")
def test_kernels_are_loaded_in_one_piece_however_memory_lies() -> None:
    load()  # compiled by now
    subprocess.run([sys.executable, "-c", SCATTERED], check=True, timeout=60)


def test_a_damaged_file_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = object_path().read_bytes()
    monkeypatch.setenv("DESCENT_CACHE", str(tmp_path))
    path = object_path()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    monkeypatch.setattr("engine.kernels.cpu.build.build", lambda target, progress: good[32:])
    load.cache_clear()
    assert load().addresses
    assert path.read_bytes() == good
    load.cache_clear()


def test_without_numba_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "engine.kernels.cpu.build", None)
    with pytest.raises(LibraryError, match="pip install numba"):
        library.compile_library()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("DESCENT_CACHE", str(blocked))

    def build(target: object, progress: object) -> bytes:
        raise AssertionError("the folder is looked at before the time is spent")

    monkeypatch.setattr("engine.kernels.cpu.build.build", build)
    with pytest.raises(LibraryError, match=f"{blocked}.*DESCENT_CACHE"):
        library.compile_library()
    assert not is_compiled()


def test_a_disk_that_fills_up_keeps_no_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_CACHE", str(tmp_path))
    monkeypatch.setattr("engine.kernels.cpu.build.build", lambda target, progress: b"code")

    def full(source: str, goal: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("engine.kernels.cpu.library.os.replace", full)
    with pytest.raises(LibraryError, match="No space left on device"):
        library.compile_library()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_does_not_count_as_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = object_path().read_bytes()
    monkeypatch.setenv("DESCENT_CACHE", str(tmp_path))
    path = object_path()
    assert not is_compiled()
    path.write_bytes(good[:1000])
    assert not is_compiled()
    path.write_bytes(good)
    assert is_compiled()


def test_old_files_go_and_the_newest_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_CACHE", str(tmp_path))
    monkeypatch.setattr("engine.kernels.cpu.build.build", lambda target, progress: b"code")
    now = time.time()
    for age in range(7):
        path = tmp_path / f"kernels-{age}.o"
        path.write_bytes(b"old")
        os.utime(path, (now - age - 1, now - age - 1))
    made = library.compile_library()
    assert made.read_bytes()[32:] == b"code"
    assert {path.name for path in tmp_path.iterdir()} == {made.name, *(f"kernels-{age}.o" for age in range(KEEP))}


def test_ticks_run_at_a_constant_rate() -> None:
    kernels = load()
    rates = []
    for _ in range(2):
        time.sleep(0.02)
        rates.append(kernels.ticks_per_second())
    assert rates[0] == pytest.approx(rates[1], rel=0.05)


@pytest.mark.skipif(os.name != "posix", reason="has no such permissions")
def test_code_that_others_could_have_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = object_path().read_bytes()
    monkeypatch.setenv("DESCENT_CACHE", str(tmp_path))
    path = object_path()
    path.write_bytes(content)
    path.chmod(0o666)
    load.cache_clear()
    with pytest.raises(LibraryError, match="another user"):
        load()
    path.chmod(0o600)
    assert load().addresses
    load.cache_clear()
