"""Pooling over windows and over regions, adaptive and fractional.

A thread computes a pixel; gradients are gathered, never scattered. Regions of many pixels are taken by a block each.
"""

from __future__ import annotations

import ctypes

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import BLOCK, Launch, Work, blocks, launches_of
from engine.kernels.cuda.normalization import Columns
from engine.kernels.cuda.signatures import Argument
from engine.kernels.cuda.windows import Divisor, divisor
from engine.ops import (
    AveragePool,
    AveragePoolGradient,
    GlobalAveragePool,
    GlobalAveragePoolGradient,
    MaxPool,
    MaxPoolGradient,
)
from engine.ops.base import Call, Value
from engine.ops.regions import (
    AdaptiveAveragePool,
    AdaptiveAveragePoolGradient,
    AdaptiveMaxPool,
    AdaptiveMaxPoolGradient,
    FractionalMaxPool,
    FractionalMaxPoolGradient,
    Regions,
    widest_region,
)

MANY = 16
"""Pixels of a region from which on the threads of a block take it together."""

KINDS: dict[Regions, int] = {"fixed": 0, "disjoint": 1, "overlapping": 2}
"""As in pooling.cu."""


class Pixels(ctypes.Structure):
    """Images, what they are pooled to, and which of the two is walked: see pooling.cu."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("count", "height", "width", "channels", "rows", "columns")),
        *((f"by_{name}", Divisor) for name in ("lanes", "width", "height")),
    ]


class Strided(ctypes.Structure):
    """Windows of one size: see pooling.cu."""

    _fields_ = [*((name, ctypes.c_int32) for name in ("size", "stride", "padding")), ("by_stride", Divisor)]


def _pixels(image: Value, pooled: Value, walked: Value) -> Pixels:
    """`walked` is one of both; a value of two axes is pooled to one pixel."""
    _, height, width, channels = image.shape
    rows, columns = pooled.shape[1:3] if len(pooled.shape) == 4 else (1, 1)
    lanes = channels // _vector(channels)
    down, along = (height, width) if walked is image else (rows, columns)
    sizes = (walked.size, height, width, channels, rows, columns)
    return Pixels(*sizes, divisor(lanes), divisor(along), divisor(down))


def _vector(channels: int) -> int:
    return 4 if channels % 4 == 0 else 1


def _grid(walked: Value) -> int:
    return blocks(walked.size, BLOCK * _vector(walked.shape[-1]))


def _strided(call: Call) -> Strided:
    attributes = call.op.attributes()
    stride = attributes["stride"]
    return Strided(attributes["size"], stride, attributes["padding"], divisor(stride))


def _backward(
    kernel: str, b: Binding, sources: list[Argument], dx: Value, pooled: Value, rest: list[Argument]
) -> list[Work]:
    """A launch that ends with stages: what it reads, dx, the pixels, and what else it is told."""
    arguments = [*sources, b.pointer(dx), _pixels(dx, pooled, dx), *rest]
    return [Launch(kernel, arguments, _grid(dx), output=len(sources), columns=dx.shape[-1])]


# -- windows of one size -----------------------------------------------------------------------------------------------


def _forward(call: Call, b: Binding, largest: bool) -> list[Work]:
    (x,), (y,) = call.inputs, call.outputs
    arguments: list[Argument] = [*b.pointers(x, y), _pixels(x, y, y), _strided(call), int(largest)]
    return [Launch("pool", arguments, _grid(y))]


@launches_of(MaxPool)
def _max_pool(call: Call, b: Binding) -> list[Work]:
    return _forward(call, b, True)


@launches_of(AveragePool)
def _average_pool(call: Call, b: Binding) -> list[Work]:
    return _forward(call, b, False)


@launches_of(MaxPoolGradient)
def _max_pool_gradient(call: Call, b: Binding) -> list[Work]:
    sources: list[Argument] = [*b.pointers(*call.inputs)]
    return _backward("max_pool_gradient", b, sources, call.outputs[0], call.inputs[1], [_strided(call)])


@launches_of(AveragePoolGradient)
def _average_pool_gradient(call: Call, b: Binding) -> list[Work]:
    (dy,) = call.inputs
    return _backward("average_pool_gradient", b, [b.pointer(dy)], call.outputs[0], dy, [_strided(call)])


# -- adaptive regions --------------------------------------------------------------------------------------------------


def _regions(call: Call, b: Binding, largest: bool) -> list[Work]:
    (x,), (y,) = call.inputs, call.outputs
    _, height, width, channels = x.shape
    pixels = _pixels(x, y, y)
    if height * width < MANY * pixels.rows * pixels.columns:
        return [Launch("adaptive_pool", [*b.pointers(x, y), pixels, int(largest)], _grid(y))]
    count = y.size // channels
    found = Columns.of(height * width, channels)
    arguments: list[Argument] = [*b.pointers(x, y), pixels, found.shift, int(largest)]
    return [Launch("pool_regions", arguments, (found.across, min(count, 65535)))]


@launches_of(AdaptiveMaxPool)
def _adaptive_max_pool(call: Call, b: Binding) -> list[Work]:
    return _regions(call, b, True)


@launches_of(AdaptiveAveragePool, GlobalAveragePool)
def _adaptive_average_pool(call: Call, b: Binding) -> list[Work]:
    return _regions(call, b, False)


@launches_of(AdaptiveMaxPoolGradient)
def _adaptive_max_pool_gradient(call: Call, b: Binding) -> list[Work]:
    sources: list[Argument] = [*b.pointers(*call.inputs)]
    return _backward("adaptive_max_pool_gradient", b, sources, call.outputs[0], call.inputs[1], [])


@launches_of(AdaptiveAveragePoolGradient, GlobalAveragePoolGradient)
def _adaptive_average_pool_gradient(call: Call, b: Binding) -> list[Work]:
    (dy,) = call.inputs
    return _backward("adaptive_average_pool_gradient", b, [b.pointer(dy)], call.outputs[0], dy, [])


# -- fractional regions ------------------------------------------------------------------------------------------------


@launches_of(FractionalMaxPool)
def _fractional_max_pool(call: Call, b: Binding) -> list[Work]:
    x, counters = call.inputs
    y, down, along = call.outputs
    attributes = call.op.attributes()
    regions: Regions = attributes["regions"]
    sizes = [*x.shape[1:3], *attributes["output_size"]]
    drawn = [KINDS[regions], attributes["stream"], attributes["offset"]]
    arguments: list[Argument] = [*b.pointers(x, y, down, along), _pixels(x, y, y), widest_region(regions)]
    return [
        Launch("fractional_bounds", [*b.pointers(counters, down, along), *sizes, *drawn]),
        Launch("fractional_max_pool", arguments, _grid(y)),
    ]


@launches_of(FractionalMaxPoolGradient)
def _fractional_max_pool_gradient(call: Call, b: Binding) -> list[Work]:
    most = widest_region(call.op.attributes()["regions"])
    sources: list[Argument] = [*b.pointers(*call.inputs)]
    return _backward("fractional_max_pool_gradient", b, sources, call.outputs[0], call.inputs[1], [most])
