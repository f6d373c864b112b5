"""Matrix products by kernels of our own, which end with stages: see gemm.cuh. For small matrices one launch is all."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.choice import Candidate
from engine.kernels.cuda.launches import Launch, Product, Work
from engine.kernels.cuda.signatures import Argument, Pointer
from engine.kernels.cuda.splits import add_up
from engine.ops.base import Value

__all__ = ["TILES", "Factor", "Gemm", "Tile", "plans", "product_candidates", "seconds", "tiled"]


ProductMaker = Callable[[Binding], Product]


class Gemm(ctypes.Structure):
    """The sizes of a product, and how its matrices lie in memory."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("rows", "columns", "inner", "across", "splits", "share")),
        *((f"a_{name}", ctypes.c_int32) for name in ("row", "inner", "group")),
        *((f"b_{name}", ctypes.c_int32) for name in ("column", "inner", "group")),
        *((name, ctypes.c_int32) for name in ("y_row", "y_group", "size", "wide_a", "wide_b", "wide_y")),
    ]


@dataclass(frozen=True)
class Tile:
    """What a block makes: (rows, columns), from pieces of `depth` terms. `speed` is how many floating-point operations
    a second are expected where all of a large card computes such tiles: rough, see `Candidate`."""

    rows: int
    columns: int
    depth: int
    speed: float

    @property
    def name(self) -> str:
        return f"{self.rows}x{self.columns}"


TILES = (
    Tile(128, 128, 8, 30e12),
    Tile(64, 64, 16, 20e12),
    Tile(128, 32, 8, 15e12),
    Tile(128, 16, 8, 10e12),
    Tile(32, 32, 32, 8e12),
)

LIBRARY = 0.7
"""The share of our time that cuBLAS is expected to take, but for another launch that it begins with."""
LAUNCH, MEMORY, ALL_BUSY = 2e-6, 3e12, 264
"""Seconds for a launch, bytes a second, and blocks that keep a large card busy: likewise."""

SHARED, LEAST_SHARE = 512, 128
"""Terms are shared until there are so many blocks, or until one has no more than so many terms."""
PARTIAL = 1 << 24
"""Numbers of partial sums, at most (64 MiB)."""


@dataclass(frozen=True)
class Plan:
    """How tiles cover a product, and how many blocks share the terms of a sum."""

    tile: Tile
    down: int
    across: int
    groups: int
    splits: int
    share: int

    @property
    def name(self) -> str:
        return self.tile.name + (f" in {self.splits}" if self.splits > 1 else "")

    @property
    def grid(self) -> tuple[int, int, int]:
        return self.down * self.across, 1, self.groups * self.splits

    def seconds(self, size: int) -> float:
        """That it is expected to take, for a result of `size` numbers."""
        blocks = math.prod(self.grid)
        flops = 2.0 * self.tile.rows * self.tile.columns * self.share
        passes = -(-blocks // ALL_BUSY)
        time = LAUNCH + passes * ALL_BUSY * flops / self.tile.speed
        return time if self.splits == 1 else time + LAUNCH + 8.0 * size * self.splits / MEMORY


def plans(rows: int, columns: int, inner: int, groups: int = 1) -> list[Plan]:
    """The ways to cover y (groups, rows, columns), sums having `inner` terms. They depend on sizes alone."""
    found = []
    for tile in TILES:
        down, across = -(-rows // tile.rows), -(-columns // tile.columns)
        if groups > 65535 or down * across >= 2**31:
            continue
        found.append(Plan(tile, down, across, groups, 1, -(-inner // tile.depth) * tile.depth))
        most = min(inner // LEAST_SHARE, PARTIAL // (rows * columns * groups), 65535 // groups)
        splits = min(SHARED // (down * across * groups), most)
        if splits > 1:
            share = -(-inner // splits // tile.depth) * tile.depth
            if (splits := -(-inner // share)) > 1:
                found.append(Plan(tile, down, across, groups, splits, share))
    return found


@dataclass(frozen=True)
class Factor:
    """How far apart elements of a factor lie: the next row of a (column of b), the next term, the next group."""

    outer: int
    inner: int
    group: int = 0

    def wide(self, at: Pointer) -> int:
        """Whether four neighbours lie where they can be read at once."""
        return int(at.address % 16 == 0 and (self.outer if self.inner == 1 else self.inner) % 4 == self.group % 4 == 0)


def tiled(
    kernel: str,
    plan: Plan,
    factors: Sequence[Argument],
    sizes: Gemm,
    y: Value,
    b: Binding,
    more: Sequence[Argument] = (),
) -> list[Work]:
    """The launches for a plan. `sizes` without what the plan says; `factors` and `more` are what the kernel takes
    before and after the sizes."""
    sizes.across, sizes.splits, sizes.share, sizes.size = plan.across, plan.splits, plan.share, y.size
    result = b.pointer(y) if plan.splits == 1 else b.scratch(plan.splits * y.size)
    sizes.wide_y = int(result.address % 16 == 0 and sizes.y_row % 4 == sizes.y_group % 4 == y.size % 4 == 0)
    launch = Launch(
        f"{kernel}_{plan.tile.name}",
        [*factors, result, sizes, *more],
        plan.grid,
        output=len(factors),
        columns=y.shape[-1],
    )
    return [launch] if plan.splits == 1 else [launch, add_up(result, plan.splits, y, b)]


def multiplied(p: Product, plan: Plan, y: Value, b: Binding) -> list[Work]:
    """The product, whose result is y, by tiles."""
    assert p.alpha == 1 and p.beta == 0
    lengths, steps = p.leading, p.steps if p.count > 1 else (0, 0, 0)
    left = Factor(*((1, lengths[0]) if p.transpose_a else (lengths[0], 1)), steps[0])
    right = Factor(*((lengths[1], 1) if p.transpose_b else (1, lengths[1])), steps[1])
    sizes = Gemm(
        rows=p.rows, columns=p.columns, inner=p.inner, y_row=lengths[2], y_group=steps[2],
        a_row=left.outer, a_inner=left.inner, a_group=left.group, wide_a=left.wide(p.a),
        b_column=right.outer, b_inner=right.inner, b_group=right.group, wide_b=right.wide(p.b),
    )  # fmt: skip
    return tiled("gemm", plan, [p.a, p.b], sizes, y, b)


def seconds(rows: int, columns: int, inner: int, groups: int, products: int, followed: bool) -> float:
    """That cuBLAS is expected to take for as many `products` as make up such a one, and then, where it is `followed`, a
    pass over the result."""
    size = rows * columns * groups
    flops = 2.0 * size * inner
    # For very many groups there is no plan.
    own = min((plan.seconds(size) for plan in plans(rows, columns, inner, groups)), default=flops / TILES[0].speed)
    return LIBRARY * own + products * LAUNCH + (LAUNCH + 8.0 * size / MEMORY if followed else 0.0)


def product_candidates(make: ProductMaker, y: Value, b: Binding) -> list[Candidate]:
    """The ways to compute a product whose result is y: by cuBLAS, or by tiles. `make` gives it for a binding."""
    p = make(b)

    def own(plan: Plan) -> Candidate:
        return Candidate(
            f"tiles {plan.name}", lambda binding: multiplied(make(binding), plan, y, binding), plan.seconds(y.size)
        )

    expected = seconds(p.rows, p.columns, p.inner, p.count, 1, b.followed)
    library = Candidate("cublas", lambda binding: [make(binding)], expected, single=False)
    return [library, *(own(plan) for plan in plans(p.rows, p.columns, p.inner, p.count))]
