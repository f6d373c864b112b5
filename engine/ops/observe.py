"""The instruments' view of an array: its statistics and histogram, taken inside the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engine.ops.base import DType, Op, Tensor
from engine.ops.tiling import BLOCK, tile

STATISTICS = ("mean", "squares", "minimum", "maximum", "zeros", "saturated", "finite", "dead")
"""What the elements of `stats` are; see `Observe`."""

UNIT_STATISTICS = ("mean", "squares", "minimum", "maximum", "zeros", "finite")
"""What the rows of the result of `ObserveUnits` are."""

SMALL = 1 << 13
"""Up to so many elements an array is better observed together with others: the calls cost more than the elements."""


@dataclass(frozen=True)
class Observe(Op):
    """x (..., units) -> (stats (8,), alive bool (units,), histogram int64 (bins,)).

    stats, in the order of `STATISTICS`, over the finite elements: their mean, the sum of squared deviations from it
    (so that the variance is squares / finite), the least and the greatest, how many are zero, how many lie at or
    beyond `low` or `high` (0 where these are None), how many are finite, and how many units are zero in every row.
    Where nothing is finite, mean, minimum and maximum are 0. Beyond a quarter of the greatest number an element counts
    as not finite: differences of such numbers are not. `alive`: whether a unit is other than zero in some row.
    histogram: counts of finite elements in equal bins from the least to the greatest (all in the first where these
    are equal). Counts are exact below 2^24.
    """

    name: ClassVar[str] = "observe"
    bins: int = 64
    low: float | None = None
    high: float | None = None

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        (x,) = inputs
        return Tensor((8,)), Tensor(x.shape[-1:], DType.BOOL), Tensor((self.bins,), DType.INT64)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        (x,) = inputs
        length = tile(x.shape)
        rows = max(1, min(x.size, BLOCK) // length)
        blocks = -(-x.size // (rows * length))
        return (
            Tensor((rows, length)),
            Tensor((rows, length), DType.BOOL),
            Tensor((rows, length), DType.BOOL),
            Tensor((rows * length,), DType.INT64),
            Tensor((self.bins + 3,), DType.INT64),
            Tensor((7, blocks)),
            Tensor((3,)),
            Tensor((2, length), DType.BOOL),
        )

    def flops(self, *inputs: Tensor) -> int:
        return 12 * inputs[0].size


@dataclass(frozen=True)
class ObserveMany(Op):
    """n arrays x_i (..., units_i) -> (stats (8, n), alive bool (n, most units), histogram int64 (n, bins)).

    What `Observe` tells of each, in one go: column i of `stats`, row i of the others, with `lows[i]` and `highs[i]` as
    its limits. Beyond an array's own units `alive` is True. For arrays that are small: they are laid side by side in
    rows as long as the largest.
    """

    name: ClassVar[str] = "observe_many"
    bins: int = 64
    lows: tuple[float | None, ...] = ()
    highs: tuple[float | None, ...] = ()

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        n, units = len(inputs), max(x.shape[-1] for x in inputs)
        return Tensor((8, n)), Tensor((n, units), DType.BOOL), Tensor((n, self.bins), DType.INT64)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        n, longest, units = len(inputs), max(x.size for x in inputs), max(x.shape[-1] for x in inputs)
        return (
            Tensor((n, longest)),
            Tensor((n, longest)),
            Tensor((n, longest), DType.BOOL),
            Tensor((n, longest), DType.BOOL),
            Tensor((n, longest), DType.BOOL),
            Tensor((n, longest), DType.INT64),
            Tensor((n, self.bins + 3), DType.INT64),
            Tensor((2, n)),
            Tensor((n,), DType.BOOL),
            Tensor((n, units), DType.BOOL),
        )

    def flops(self, *inputs: Tensor) -> int:
        return 12 * sum(x.size for x in inputs)


@dataclass(frozen=True)
class ObserveUnits(Op):
    """x (..., units) -> (6, units): what `Observe` tells of an array, of each unit by itself.

    The rows are those of `UNIT_STATISTICS`, over the unit's finite elements and with `Observe`'s meanings: the variance
    is squares / finite, and mean, minimum and maximum are 0 where nothing is finite.
    """

    name: ClassVar[str] = "observe_units"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor((len(UNIT_STATISTICS), inputs[0].shape[-1])),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        (x,) = inputs
        length = tile(x.shape)
        rows = max(1, min(x.size, BLOCK) // length)
        return (
            Tensor((rows, length)),
            Tensor((rows, length), DType.BOOL),
            Tensor((rows, length), DType.BOOL),
            Tensor((len(UNIT_STATISTICS), length)),
            Tensor((length,)),
            Tensor((x.shape[-1],)),
        )

    def flops(self, *inputs: Tensor) -> int:
        return 8 * inputs[0].size
