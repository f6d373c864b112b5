"""NVIDIA's shared libraries: where they may lie, and loading the first that is there."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["INSTALL", "MAJORS", "MissingLibrary", "load", "places"]

MAJORS = (13, 12)
"""The versions of CUDA that are looked for."""
INSTALL = f'install the extra “gpu”, which brings it: {sys.executable} -m pip install "cupy-cuda13x[ctk]"'
"""What a person does to have the libraries."""

_FILES = {
    # Of each library: its file on Linux and on Windows by CUDA's version, and the folder of its CUDA 12 package.
    "nvrtc": ("libnvrtc.so.{}", "nvrtc64_{}0_0.dll", "cuda_nvrtc"),
    "cublas": ("libcublas.so.{}", "cublas64_{}.dll", "cublas"),
}


class MissingLibrary(RuntimeError):
    """A library of CUDA is not to be had; the message says which, and how to get it."""


def places(name: str) -> Iterator[str]:
    """Where `name` ("nvrtc", "cublas") may lie, best first: in Python packages, in a CUDA toolkit, and as the loader of
    the system finds it. CuPy looks at the same places in the same order, so that both have the same library."""
    linux, windows, package = _FILES[name]
    machine = "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"
    roots = [Path(entry) for entry in dict.fromkeys(sys.path) if entry and os.path.isdir(entry)]
    toolkits = [os.environ[key] for key in ("CUDA_PATH", "CUDA_HOME") if os.environ.get(key)]
    for major in _majors():
        if sys.platform == "win32":
            file = windows.format(major)
            inner = f"nvidia/cu{major}/bin/{machine}" if major > 12 else f"nvidia/{package}/bin"
            folders = [f"bin/{'x64' if machine == 'x86_64' else machine}", "bin"]
        else:
            file = linux.format(major)
            inner = f"nvidia/cu{major}/lib" if major > 12 else f"nvidia/{package}/lib"
            folders = ["lib64", "lib", f"targets/{'sbsa' if machine == 'arm64' else machine}-linux/lib"]
        found = [root / inner / file for root in roots]
        found += [Path(toolkit) / folder / file for toolkit in toolkits for folder in folders]
        if sys.platform != "win32":
            default = [Path("/usr/local/cuda") / folder / file for folder in folders]
        else:
            default = []
        yield from (str(path) for path in found if path.is_file())
        yield file  # the loader's own search
        yield from (str(path) for path in default if path.is_file())


@cache
def load(name: str) -> ctypes.CDLL:
    """The library, loaded. Raises MissingLibrary."""
    refusals = []
    for place in places(name):
        try:
            return ctypes.CDLL(place)
        except OSError as error:
            if os.path.isabs(place):
                refusals.append(f"{place}: {error}")
    what = {"nvrtc": "NVRTC, the compiler of the GPU's kernels,", "cublas": "cuBLAS, NVIDIA's matrix products,"}[name]
    if refusals:
        raise MissingLibrary(f"{what} cannot be loaded ({refusals[0]}): {INSTALL}.")
    raise MissingLibrary(f"{what} is not on this machine: {INSTALL}.")


def _majors() -> tuple[int, ...]:
    """CUDA's versions, that of the installed CuPy first: a program should not load two."""
    for major in MAJORS:
        try:
            importlib.metadata.version(f"cupy-cuda{major}x")
        except importlib.metadata.PackageNotFoundError:
            continue
        return (major, *(other for other in MAJORS if other != major))
    return MAJORS
