"""What a card can do at most, measured by PyTorch in the same run: large matrix products and streams of memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.gpu_device import Device, multiply
from engine.backend import MathMode

__all__ = ["measure"]

SIDE, DRY_SIDE = 8192, 64
"""Rows and columns of the matrices."""
SIZES, DRY_SIZES = (12 << 20, 1536 << 20), (3 << 10, 12 << 10)
"""Working sets of the triad, in bytes: within the second cache of many cards, and beyond that of all."""
TRIALS = 5


def measure(maths: list[MathMode], device: Device, *, dry: bool = False) -> dict[str, Any]:
    """Floating-point operations a second of each way to multiply, and bytes a second by working set."""
    side = DRY_SIDE if dry else SIDE
    flops = {math: _product(side, math, device) for math in maths}
    multiply("float32", device.name)
    levels = []
    for size in DRY_SIZES if dry else SIZES:
        levels.append({"size": size, "rate": _triad(size, device)})
        device.free()
    return {"flops": flops, "levels": levels, "method": f"products of {side} x {side} matrices"}


def _product(side: int, math: MathMode, device: Device) -> float:
    """Of bfloat16, the factors lie in memory so, which is the fastest that there is."""
    multiply(math, device.name)
    dtype = torch.bfloat16 if math == "bf16" else torch.float32
    # What multiplies zeros draws less power and keeps a higher clock than a training run ever has.
    a, b = (torch.randn(side, side, device=device.name).to(dtype) for _ in range(2))
    c = torch.empty_like(a)
    repeats = 10
    return 2.0 * side**3 * repeats / _least(lambda: torch.matmul(a, b, out=c), repeats, device)


def _triad(size: int, device: Device) -> float:
    """a = b + s c (STREAM), as one graph: a launch takes longer than a small array."""
    count = size // 12
    a, b, c = (torch.ones(count, device=device.name) for _ in range(3))
    repeats = 20

    def walk() -> None:
        for _ in range(repeats):
            torch.add(b, c, alpha=3.0, out=a)

    return 12.0 * count * repeats / _least(device.captured(walk), 1, device)


def _least(run: Callable[[], object], repeats: int, device: Device) -> float:
    """Seconds that so many calls take at least."""
    best = float("inf")
    for _ in range(TRIALS):
        run()
        begun = device.clock()
        for _ in range(repeats):
            run()
        best = min(best, device.clock() - begun)
    return best
