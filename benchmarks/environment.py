"""The machine and the libraries that figures belong to, and how many threads all sides may take."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from lab.cores import THREADS, usable_cores

__all__ = ["hold", "machine", "with_threads"]

LIBRARIES = ("numpy", "numba", "torch", "jax")


def with_threads(threads: int, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a process whose libraries take so many threads."""
    return dict(environment) | {name: str(threads) for name in (*THREADS, "DESCENT_THREADS")}


def hold(threads: int) -> None:
    """Let all libraries of this process take so many threads. Call it before the first of them is imported. Some read
    no variable but count the cores that they may use: these are made fewer, where the system can."""
    os.environ.update(with_threads(threads))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def machine() -> dict[str, str]:
    """Processor, system and versions."""
    found = {
        "cpu": _processor(),
        "cores": str(usable_cores()),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    model, flags = platform.processor() or platform.machine(), ""
    if info.exists():
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            elif key.strip() == "flags":
                flags = value
    known = next((label for flag, label in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags.split()), "")
    return f"{model} ({known})" if known else model


def _memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return "?"
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"
