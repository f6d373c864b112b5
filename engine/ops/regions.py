"""Pooling over regions that are not windows of one size and step: adaptive and fractional.

Images are (batch, height, width, channels). Adaptive regions follow from the sizes alone; fractional ones are drawn.
Source of the fractional ones: Graham 2014, "Fractional max-pooling", section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from engine.ops.base import Call, DType, Op, Tensor, Value
from engine.ops.pooling import images_per_block
from engine.random import KEY_LENGTH

if TYPE_CHECKING:
    from engine.builder import Builder

Regions = Literal["fixed", "disjoint", "overlapping"]

FRACTION_BITS = 24
"""An offset u is kept as the integer u 2^24, so that where a region begins is integer arithmetic, and the same on every
device and in every precision."""

FIXED_SIZE = 2
"""Pixels of a fractional region of the kind "fixed", on each axis."""


def adaptive_windows(length: int, count: int) -> tuple[tuple[int, int], ...]:
    """(first pixel, one behind the last) of `count` windows over an axis: from i length / count, rounded down, to
    (i + 1) length / count, rounded up. They overlap where `count` does not divide `length`."""
    return tuple((i * length // count, -((-(i + 1) * length) // count)) for i in range(count))


def _widest(length: int, count: int) -> int:
    return max(stop - start for start, stop in adaptive_windows(length, count))


@dataclass(frozen=True)
class _Adaptive(Op):
    """What adaptive pooling forwards shares; `output_size` is (rows, columns)."""

    output_size: tuple[int, int] = (1, 1)

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        batch, _, _, channels = inputs[0].shape
        return (Tensor((batch, *self.output_size, channels)),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (rows_pooled(inputs[0].shape, self.output_size[0]),)

    def flops(self, *inputs: Tensor) -> int:
        batch, height, width, channels = inputs[0].shape
        rows, columns = self.output_size
        down = sum(stop - start for start, stop in adaptive_windows(height, rows)) * width
        along = sum(stop - start for start, stop in adaptive_windows(width, columns)) * rows
        return batch * channels * (down + along)


def rows_pooled(shape: tuple[int, ...], rows: int) -> Tensor:
    """Work space for some images pooled over rows only."""
    batch, height, width, channels = shape
    return Tensor((images_per_block(batch, max(rows, height) * width * channels), rows, width, channels))


@dataclass(frozen=True)
class AdaptiveMaxPool(_Adaptive):
    """x -> y: the largest value of each region."""

    name: ClassVar[str] = "adaptive_max_pool"

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None or not b.needs(call.inputs[0]):
            return (None,)
        return (b.op(AdaptiveMaxPoolGradient(self.output_size), call.inputs[0], call.outputs[0], dy),)


@dataclass(frozen=True)
class AdaptiveMaxPoolGradient(Op):
    """(x, y, dy) -> dx: each dy goes to the first pixel of its region, row by row, that equals the maximum."""

    name: ClassVar[str] = "adaptive_max_pool_gradient"
    output_size: tuple[int, int] = (1, 1)

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        batch, height, width, channels = inputs[0].shape
        area = _widest(height, self.output_size[0]) * _widest(width, self.output_size[1])
        count = images_per_block(batch, area * channels)
        size = count * area * channels
        return Tensor((size,)), Tensor((size,), DType.BOOL), Tensor((area,)), Tensor((count, 1, 1, channels))

    def flops(self, *inputs: Tensor) -> int:
        return AdaptiveMaxPool(self.output_size).flops(inputs[0])


@dataclass(frozen=True)
class AdaptiveAveragePool(_Adaptive):
    """x -> y: the mean of each region."""

    name: ClassVar[str] = "adaptive_average_pool"

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        (x,) = call.inputs
        if dy is None or not b.needs(x):
            return (None,)
        return (b.op(AdaptiveAveragePoolGradient(x.shape), dy),)


@dataclass(frozen=True)
class AdaptiveAveragePoolGradient(Op):
    """dy -> dx, of shape `x_shape` (batch included): each dy, divided by the region's pixels, goes to all of them."""

    name: ClassVar[str] = "adaptive_average_pool_gradient"
    x_shape: tuple[int, ...] = ()

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor(self.x_shape),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        _, rows, columns, channels = inputs[0].shape
        pooled = rows_pooled(self.x_shape, rows)
        return pooled, Tensor((pooled.shape[0], rows, columns, channels))

    def flops(self, *inputs: Tensor) -> int:
        _, rows, columns, _ = inputs[0].shape
        return AdaptiveAveragePool((rows, columns)).flops(Tensor(self.x_shape))


def widest_region(regions: Regions) -> int:
    """The most pixels that a fractional region has on an axis, for ratios up to 2."""
    return {"fixed": FIXED_SIZE, "disjoint": 2, "overlapping": 3}[regions]


@dataclass(frozen=True)
class FractionalMaxPool(Op):
    """(x, counters (4,)) -> (y, bounds of rows, bounds of columns): the largest value of each region.

    The bounds (int64) are (2, rows) and (2, columns): each region's first pixel, and the one behind its last. With u
    from [0, 1) and n pixels to be made m of, regions begin

        fixed                    floor(a (i + u)) - floor(a u), a = (n - 2) / (m - 1), the last at n - 2; 2 pixels long
        disjoint, overlapping    ceil(a (i + u)) - ceil(a u), a = n / m; they end where the next one begins, or one
                                 pixel later

    u is drawn anew for each step and axis where `offset` is negative, and else offset / 2^24.
    """

    name: ClassVar[str] = "fractional_max_pool"
    output_size: tuple[int, int] = (1, 1)
    regions: Regions = "fixed"
    stream: int = 0
    offset: int = -1

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        batch, height, width, channels = inputs[0].shape
        for length, count in zip((height, width), self.output_size, strict=True):
            if not (1 <= count < length <= 2 * count):
                raise ValueError(f"{length} pixels cannot be made {count} by regions of one or two")
        rows, columns = self.output_size
        bounds = (Tensor((2, rows), DType.INT64), Tensor((2, columns), DType.INT64))
        return Tensor((batch, rows, columns, channels)), *bounds

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        _, _, width, channels = inputs[0].shape
        rows, columns = self.output_size
        pooled = rows_pooled(inputs[0].shape, rows)
        count = pooled.shape[0]
        return (
            pooled,
            Tensor((count, rows, width, channels)),
            Tensor((count, rows, columns, channels)),
            Tensor((2, max(rows, columns)), DType.INT64),
            Tensor((3, 4), DType.UINT32),
            Tensor((KEY_LENGTH,), DType.UINT32),
        )

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        dy = adjoints[0]
        x = call.inputs[0]
        if dy is None or not b.needs(x):
            return None, None
        return b.op(FractionalMaxPoolGradient(self.regions), x, *call.outputs, dy), None

    def flops(self, *inputs: Tensor) -> int:
        batch, _, width, channels = inputs[0].shape
        rows, columns = self.output_size
        return widest_region(self.regions) * batch * channels * rows * (width + columns)


@dataclass(frozen=True)
class FractionalMaxPoolGradient(Op):
    """(x, y, bounds of rows, bounds of columns, dy) -> dx: each dy goes to the first pixel of its region, row by row,
    that equals the maximum."""

    name: ClassVar[str] = "fractional_max_pool_gradient"
    regions: Regions = "fixed"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        batch, height, width, channels = inputs[0].shape
        rows, columns = inputs[1].shape[1:3]
        count = images_per_block(batch, height * width * channels)
        longest, most = max(height, width), max(rows, columns)
        return (
            Tensor((count, rows, width, channels)),
            Tensor((count, rows + 1, width, channels)),
            Tensor((count, rows, columns, channels)),
            Tensor((count, rows, columns + 1, channels)),
            Tensor((count, height, width, channels)),
            Tensor((2, count, rows, columns, channels), DType.BOOL),
            Tensor((most * longest,), DType.BOOL),
            Tensor((most * longest,), DType.INT64),
            Tensor((3, longest), DType.INT64),
        )

    def flops(self, *inputs: Tensor) -> int:
        return widest_region(self.regions) ** 2 * 3 * inputs[1].size
