"""The networks that are measured on a GPU: those of the processor, and some that fill a large card."""

from __future__ import annotations

from benchmarks.workloads import WORKLOADS, Layers, Workload, workload
from engine.optimizers import SGD, Adam

__all__ = ["LARGE", "NAMES", "WEIGHTY", "gpu_workload"]

LARGE = ("G1", "G2", "G3")
"""Those that fill a card."""
NAMES = (*(name for name in WORKLOADS if name != "W3s"), *LARGE)
"""All, in their order. W3s does not train."""
WEIGHTY = ("W6", "W7", *LARGE)
"""Those whose matrix products are large enough that it matters how they are multiplied."""


def gpu_workload(name: str, *, dry: bool = False) -> Workload:
    """The workload of one of `NAMES`; `dry` makes the large ones small enough for a processor."""
    if name == "G1":
        return _wide(64, 32) if dry else _wide(8192, 4096)
    if name == "G2":
        return _images(4, 8, 4) if dry else _images(256, 64, 64)
    if name == "G3":
        return _many(64) if dry else _many(16384)
    return WORKLOADS[name]()


def _wide(width: int, batch: int) -> Workload:
    layers: Layers = [layer for _ in range(3) for layer in (("dense", {"units": width}), ("relu", {}))]
    # A rate at which so wide a network learns from its first step on.
    return workload(
        *("G1", f"MLP {width}-{width}-{width}-{width}-10, batch {batch}, Adam"),
        *([*layers, ("dense", {"units": 10})], (width,), 10, batch, Adam(learning_rate=1e-5)),
    )


def _images(batch: int, size: int, filters: int) -> Workload:
    layers: Layers = []
    for factor in (1, 2, 4):
        for _ in range(2):
            layers += [("conv2d", {"filters": factor * filters, "size": 3}), ("batch_norm", {}), ("relu", {})]
        layers += [("max_pool2d", {})]
    layers += [("flatten", {}), ("dense", {"units": 10})]
    widths = "-".join(str(factor * filters) for factor in (1, 2, 4))
    title = f"W6 with {widths} filters on {size}x{size}, batch {batch}"
    return workload("G2", title, layers, (size, size, 3), 10, batch, SGD(learning_rate=0.001, momentum=0.9))


def _many(batch: int) -> Workload:
    layers: Layers = [("dense", {"units": 256}), ("relu", {}), ("dense", {"units": 128}), ("relu", {})]
    title = f"W2 with batch {batch}"
    return workload("G3", title, [*layers, ("dense", {"units": 10})], (784,), 10, batch, Adam())
