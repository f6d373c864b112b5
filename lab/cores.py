"""How many of the machine's cores a run may take while a window is open.

The libraries behind matrix products split each product among threads that wait for one another without sleeping. When
the window draws on the core of one of them, all the others wait with it: with a thread on every core training in the
window was measured at half the rate that one core fewer reaches, and small networks are no slower for it even alone.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

__all__ = ["THREADS", "leave_one_core", "usable_cores"]

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""The variables that the libraries read when NumPy is imported; whoever sets one decides."""


def leave_one_core(environment: MutableMapping[str, str] = os.environ) -> None:
    """Leave a core to the window, unless the environment says how many threads there are to be. Call it before NumPy is
    imported; afterwards it has no effect."""
    if not any(environment.get(name) for name in THREADS):
        for name in THREADS:
            environment[name] = str(max(1, usable_cores() - 1))


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))  # a container may have fewer than the machine
    return os.cpu_count() or 1
