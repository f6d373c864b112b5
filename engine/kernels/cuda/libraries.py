"""NVIDIA's shared libraries: where they may lie, and loading the first that is there."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from functools import cache

from engine.device_errors import DeviceError
from engine.devices import driver_version, install_command

__all__ = ["MAJORS", "MissingLibrary", "load", "places"]

MAJORS = (13, 12)
"""The versions of CUDA that are looked for."""

_FILES = {
    # Of each library: its file on Linux and on Windows by CUDA's version, and the folder of its CUDA 12 package.
    "nvrtc": ("libnvrtc.so.{}", "nvrtc64_{}0_0.dll", "cuda_nvrtc"),
    "cublas": ("libcublas.so.{}", "cublas64_{}.dll", "cublas"),
}


class MissingLibrary(DeviceError):
    """A library of CUDA is not to be had; the message says which, and how to get it."""


def places(name: str) -> Iterator[str]:
    """Where `name` ("nvrtc", "cublas") may lie, best first: in Python packages, in a Conda environment, where the
    system's loader finds it (or has it already), in a CUDA toolkit. CuPy looks in this order too (cuda-pathfinder), so
    that both have the same library."""
    linux, windows, package = _FILES[name]
    machine = "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"
    for major in _majors():
        if sys.platform == "win32":
            file = windows.format(major)
            wheel = f"nvidia/cu{major}/bin/{machine}" if major > 12 else f"nvidia/{package}/bin"
            conda, toolkit = ["Library/bin/x64", "Library/bin"], ["bin/x64", "bin"]
        else:
            file = linux.format(major)
            wheel = f"nvidia/cu{major}/lib" if major > 12 else f"nvidia/{package}/lib"
            conda, toolkit = ["lib"], ["lib64", "lib"]
        yield from _present(sys.path, [wheel], file)
        yield from _present(_named("CONDA_PREFIX"), conda, file)
        yield file
        usual = [] if sys.platform == "win32" else ["/usr/local/cuda"]
        yield from _present([*_named("CUDA_PATH", "CUDA_HOME"), *usual], toolkit, file)


def _present(roots: list[str], folders: list[str], file: str) -> Iterator[str]:
    for root in dict.fromkeys(filter(None, roots)):
        for folder in folders:
            if os.path.isfile(path := os.path.join(os.path.abspath(root), *folder.split("/"), file)):
                yield path


def _named(*variables: str) -> list[str]:
    return [os.environ[name] for name in variables if os.environ.get(name)]


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
    trouble = f"cannot be loaded ({refusals[0]})" if refusals else "is not on this machine"
    remedy = f"install the extra “gpu”, which brings it: {install_command(driver_version())}"
    raise MissingLibrary(f"{what} {trouble}: {remedy}")


def _majors() -> tuple[int, ...]:
    """CUDA's versions, that of the installed CuPy first: a program should not load two."""
    for major in MAJORS:
        try:
            importlib.metadata.version(f"cupy-cuda{major}x")
        except importlib.metadata.PackageNotFoundError:
            continue
        return (major, *(other for other in MAJORS if other != major))
    return MAJORS
