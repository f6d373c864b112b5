"""Convolutions whose groups are single channels, and their gradients: see depthwise.cu."""

from __future__ import annotations

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import WARP, Launch, Work, blocks
from engine.kernels.cuda.signatures import Argument
from engine.kernels.cuda.splits import add_up
from engine.kernels.cuda.windows import Filter, divisor
from engine.ops.base import Call

__all__ = ["forward", "input_gradient", "weight_gradient"]

TAPS, WARPS = 9, 8
"""Of a block that sums up weights' gradients: taps that it is for, of a filter for each lane, and warps that share the
windows."""
SPLITS = 512
"""Blocks that share the windows, at most."""


def forward(f: Filter, call: Call, b: Binding) -> list[Work]:
    """Of a call (x, w) -> y."""
    (y,) = call.outputs
    each = f.filters // f.channels
    wide = 4 if each == 1 and f.filters % 4 == 0 else 1
    arguments: list[Argument] = [
        *b.pointers(*call.inputs, y),
        y.size,
        f.filters,
        divisor(f.filters),
        divisor(each),
        f.windows(),
    ]
    return [Launch("depthwise", arguments, blocks(y.size // wide), output=2, columns=f.filters)]


def input_gradient(f: Filter, call: Call, b: Binding) -> list[Work]:
    """Of a call (dy, w) -> dx."""
    (dx,) = call.outputs
    each = f.filters // f.channels
    wide = 4 if each == 1 and f.filters % 4 == 0 else 1
    arguments: list[Argument] = [*b.pointers(*call.inputs, dx), dx.size, f.filters, each, f.windows()]
    return [Launch("depthwise_input_gradient", arguments, blocks(dx.size // wide), output=2, columns=f.channels)]


def weight_gradient(f: Filter, call: Call, b: Binding) -> list[Work]:
    """Of a call (x, dy) -> dw."""
    (dw,) = call.outputs
    windows = f.batch * f.pixels
    along, down = -(-f.filters // WARP), -(-f.taps // TAPS)
    # Each warp has 64 windows or more, and there are about as many blocks as a large card runs at a time.
    splits = max(1, min(windows // (64 * WARPS), SPLITS // along, 65535))
    partials = b.scratch(splits * dw.size) if splits > 1 else b.pointer(dw)
    arguments: list[Argument] = [
        *b.pointers(*call.inputs),
        partials,
        windows,
        f.filters,
        divisor(f.filters // f.channels),
        f.windows(),
    ]
    works: list[Work] = [Launch("depthwise_weight_gradient", arguments, (along, down, splits))]
    if splits > 1:
        works.append(add_up(partials, splits, dw, b))
    return works
