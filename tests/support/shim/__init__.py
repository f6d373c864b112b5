"""The kernels of the GPU on the CPU: compiled by the host's C++ compiler against `shim.h`, and launched from Python."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

from engine.kernels.cuda.signatures import FOLDER, NUMBERS, Signature, signatures

__all__ = ["ShimError", "compiler", "launch", "require"]

HERE = Path(__file__).parent
OPTIONS = ["-O2", "-std=c++17", "-shared", "-fPIC", "-fno-strict-aliasing", "-ffp-contract=off", "-w"]


class ShimError(AssertionError):
    """A kernel did what a device would not forgive."""


def compiler() -> str | None:
    """The C++ compiler of this machine, or None."""
    return os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++") or shutil.which("clang++")


def require() -> None:
    """Skip the test that runs where there is no C++ compiler, or no POSIX contexts."""
    if compiler() is None or not sys.platform.startswith("linux"):
        pytest.skip("running the GPU's kernels on the CPU needs Linux and a C++ compiler")


def launch(kernel: str, grid: tuple[int, int, int], block: int, arguments: int, order: int = 0) -> None:
    """Run a kernel over the grid. `arguments` is the address of the array of the arguments' addresses; `order` is the
    order of threads and blocks: 0 forward, 1 backward, more: scattered. Raises ShimError."""
    signature = signatures()[kernel]
    library = _library(signature.source)
    run = library.shim_launch
    run.restype = ctypes.c_char_p
    run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_int]
    sizes = (ctypes.c_uint * 3)(*grid)
    entry = ctypes.cast(getattr(library, f"shim_{kernel}"), ctypes.c_void_p)
    complaint = run(entry, sizes, block, arguments, order)
    if complaint:
        raise ShimError(f"{kernel}: {complaint.decode()}")


@cache
def _library(source: str) -> ctypes.CDLL:
    """The compiled source, from a folder of the system's temporary files where it was compiled before."""
    text = _translated(source, [item for item in signatures().values() if item.source == source])
    found = compiler()
    assert found is not None, "a C++ compiler is needed: apt-get install g++"
    parts = [text.encode(), *(path.read_bytes() for path in (*sorted(FOLDER.glob("*.cu*")), HERE / "shim.h"))]
    digest = hashlib.blake2b(b"\0".join([*parts, found.encode(), *map(str.encode, OPTIONS)]), digest_size=10)
    folder = Path(os.environ.get("DESCENT_CACHE") or tempfile.gettempdir()) / f"descent-shim-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{source}-{digest.hexdigest()}.so"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=folder) as work:
            code, built = Path(work, f"{source}.cpp"), Path(work, "built.so")
            code.write_text(text)
            command = [found, *OPTIONS, f"-I{FOLDER}", f"-I{HERE}", str(code), "-o", str(built), "-lm"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise ShimError(f"{source}.cu cannot be compiled for the CPU:\n{done.stderr[:4000]}")
            built.replace(path)
    return ctypes.CDLL(str(path))


def _translated(source: str, kernels: list[Signature]) -> str:
    """The source with an entry for each kernel that takes its arguments from an array of addresses."""
    lines = ['#include "shim.h"', f'#include "{source}.cu"']
    for item in kernels:
        parts = []
        for index, parameter in enumerate(item.parameters):
            kind = f"{parameter.type}{'*' * parameter.stars}" if parameter.stars else parameter.type
            assert parameter.stars or parameter.type in NUMBERS or parameter.type[0].isupper()
            parts.append(f"*({kind}*)a[{index}]")
        lines.append(f'extern "C" void shim_{item.kernel}(void** a) {{ {item.kernel}({", ".join(parts)}); }}')
    return "\n".join(lines) + "\n"
