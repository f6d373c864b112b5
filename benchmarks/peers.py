"""The other libraries that train the same networks beside the engine: one entry each, from which everything is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

import numpy as np

from benchmarks.workloads import Workload

__all__ = ["PEERS", "Peer", "installed", "maker"]

Step = Callable[[], float]
"""Trains one step, or passes forward with statistics, and returns the loss before it."""


@dataclass(frozen=True)
class Peer:
    """`module` has the function `function(workload, weights) -> Step | None` (None: it cannot do this workload), where
    `weights` are the engine's initial arrays as `State.to_host` gives them. `package` is what has to be installed."""

    label: str
    library: str
    package: str
    module: str
    function: str


PEERS: dict[str, Peer] = {
    "torch": Peer("PyTorch eager", "torch", "torch==2.13.0", "benchmarks.peer_torch", "stock"),
    "torch-best": Peer("PyTorch tuned", "torch", "torch==2.13.0", "benchmarks.peer_torch", "tuned"),
    "jax": Peer("JAX jit", "jax", "jax==0.10.2 jaxlib==0.10.2", "benchmarks.peer_jax", "jitted"),
    "numpy": Peer("NumPy", "numpy", "numpy", "benchmarks.peer_numpy", "preallocated"),
}


def installed(name: str) -> bool:
    """Whether the peer's library is there."""
    return find_spec(PEERS[name].library) is not None


def maker(name: str) -> Callable[[Workload, dict[str, np.ndarray]], Step | None]:
    """The peer's function; loads its library."""
    made: Callable[[Workload, dict[str, np.ndarray]], Step | None] = getattr(
        import_module(PEERS[name].module), PEERS[name].function
    )
    return made
