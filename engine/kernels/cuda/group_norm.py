"""Normalization within each sample, over groups of channels.

Where a group of a sample is small, a warp or a block takes it from its sums to its results in one launch. Where it is
large, or its numbers lie so scattered that threads could not read them side by side, one launch takes sums by channel
and another normalizes. Backwards dgamma and dbeta consist of such sums anyway; samples of one place, as of dense
layers, have none, and there dgamma and dbeta are a launch of their own.
"""

from __future__ import annotations

import ctypes

import numpy as np

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import BLOCK, WARP, Launch, Work, launches_of
from engine.kernels.cuda.normalization import PART_BLOCKS, Columns
from engine.kernels.cuda.signatures import NULL, Argument, Pointer
from engine.kernels.cuda.windows import Divisor, divisor
from engine.ops.base import Call, Value
from engine.ops.group_norm import GroupNorm, GroupNormGradient

__all__ = ["Groups"]

SMALL = 16_384
"""Numbers of a group of a sample up to which a block takes it by itself."""

FOR_WARP = 512
"""Numbers of a group of a sample up to which a warp takes it by itself."""

BESIDE = 8
"""Channels of a group from which on its numbers lie well enough side by side: what memory hands out at once."""

FEW_SAMPLES = 512
"""Samples of one place that blocks sum up for dgamma and dbeta without dividing them."""


class Groups(ctypes.Structure):
    """Sizes, and how work is divided: see groups.cuh."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("samples", "places", "channels", "groups", "of_group")),
        *((name, ctypes.c_int32) for name in ("splits", "part_places", "shift")),
        ("by_channels", Divisor),
    ]


def _groups(x: Value, groups: int) -> tuple[Groups, Columns]:
    """Without parts so far, and how the channels are divided among blocks that take them by themselves."""
    samples, channels = x.shape[0], x.shape[-1]
    places = x.size // (samples * channels)
    found = Columns.of(max(samples, places), channels)
    sizes = (samples, places, channels, groups, channels // groups)
    return Groups(*sizes, 1, places, found.shift, divisor(channels)), found


def _split(g: Groups, found: Columns, at_once: int) -> None:
    """Divide places into parts, so that there are enough blocks; `at_once` steps of a block make a part at least."""
    wanted = max(1, PART_BLOCKS // (found.across * g.samples))
    steps = -(-g.places // (wanted * found.step))
    g.part_places = min(g.places, max(steps, at_once) * found.step)
    g.splits = -(-g.places // g.part_places)


def _by_itself(g: Groups) -> bool:
    """Whether one launch takes groups from their sums to their results."""
    whole = g.places == 1 or g.groups == 1
    return g.places == 1 or ((whole or g.of_group >= BESIDE) and g.places * g.of_group <= SMALL)


def _unit(g: Groups) -> tuple[int, int]:
    """Whether a block and not a warp takes a group of a sample, and how many blocks there are."""
    size, units = g.places * g.of_group, g.samples * g.groups
    block = size > FOR_WARP
    if g.places > 1 and g.groups > 1:
        lanes = g.of_group // (4 if g.of_group % 4 == 0 else 1)
        g.shift = min((lanes - 1).bit_length(), 8 if block else 5)
    return int(block), units if block else -(-units * WARP // BLOCK)


@launches_of(GroupNorm)
def _group_norm(call: Call, b: Binding) -> list[Work]:
    x, *affine = call.inputs
    y, mean, deviation = b.pointers(*call.outputs)
    gamma, beta = b.pointers(*affine) or [NULL, NULL]
    attributes = call.op.attributes()
    epsilon = float(attributes["epsilon"])
    g, found = _groups(x, attributes["groups"])
    source = b.pointer(x)
    arguments: list[Argument]
    if _by_itself(g):
        block, grid = _unit(g)
        arguments = [source, gamma, beta, mean, deviation, y, g, block, epsilon]
        return [Launch("group_norm", arguments, grid, output=5, columns=g.channels)]
    _split(g, found, 4)
    parts, counters = b.scratch(2 * g.samples * g.splits * g.channels), b.memory(g.samples, np.uint32)
    arguments = [source, parts, counters, mean, deviation, g, epsilon]
    grid_of_parts = (g.samples * g.splits, found.across)
    return [
        Launch("group_norm_statistics", arguments, grid_of_parts),
        _passing(b, "group_normalize", [source, gamma, beta, mean, deviation, y], x, attributes["groups"]),
    ]


def _passing(b: Binding, kernel: str, arguments: list[Pointer], x: Value, groups: int) -> Launch:
    """A launch over all elements, whose last argument so far is the result."""
    g, found = _groups(x, groups)
    wanted = max(1, 4 * PART_BLOCKS // (found.across * g.samples))
    g.part_places = min(g.places, -(-g.places // (wanted * found.step)) * found.step)
    g.splits = -(-g.places // g.part_places)
    grid = (g.samples * g.splits, found.across)
    return Launch(kernel, [*arguments, g], grid, output=len(arguments) - 1, columns=g.channels)


@launches_of(GroupNormGradient)
def _group_norm_gradient(call: Call, b: Binding) -> list[Work]:
    x, *affine, _, _, _ = call.inputs
    mean, deviation, dy = b.pointers(*call.inputs[-3:])
    dx, *sums = b.pointers(*call.outputs)
    source, gamma = b.pointer(x), b.pointer(affine[0]) if affine else NULL
    groups = call.op.attributes()["groups"]
    g, found = _groups(x, groups)
    works: list[Work] = []
    if g.places == 1:
        if sums:
            if g.samples > FEW_SAMPLES:
                g.part_places = found.part_rows
            else:
                g.part_places = g.samples
            count = -(-g.samples // g.part_places)
            parts, counters = b.scratch(2 * count * g.channels), b.memory(found.across, np.uint32)
            works.append(
                Launch(
                    "group_norm_gain",
                    [source, mean, deviation, dy, parts, counters, *sums, g],
                    (count, found.across),
                )
            )
        g, _ = _groups(x, groups)
        block, grid = _unit(g)
        arguments: list[Argument] = [source, gamma, mean, deviation, dy, dx, g, block]
        works.append(Launch("group_norm_gradient", arguments, grid, output=5, columns=g.channels))
        return works
    _split(g, found, 4)
    parts = b.scratch(2 * g.samples * g.splits * g.channels)
    whole = b.scratch(2 * g.samples * g.channels) if g.splits > 1 else NULL
    counters = b.memory(g.samples + found.across, np.uint32)
    ahead, steep = b.scratch(g.samples * g.groups), b.scratch(g.samples * g.groups)
    arguments = [source, gamma, mean, deviation, dy, parts, whole, counters, ahead, steep, *(sums or [NULL, NULL]), g]
    works.append(Launch("group_norm_sums", arguments, (g.samples * g.splits, found.across)))
    works.append(_passing(b, "group_norm_rest", [source, gamma, mean, deviation, dy, ahead, steep, dx], x, groups))
    return works
