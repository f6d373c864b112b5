"""Convolutions, plain and in groups, and their gradients.

By patches: those of some images are laid out as a matrix, and cuBLAS multiplies it; what lies between is bounded
(`COLUMNS`). The gradient by the images is the same with the mirrored weights, or is gathered from a product's patches,
as in the reference. By windows: tiles of our own look patches up where they need them, so that none is ever laid out
(implicit.cu). By cuDNN, where the device has it and it is fastest. A filter of one pixel is a product and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.kernels.cuda import by_cudnn, depthwise, implicit
from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.choice import Candidate
from engine.kernels.cuda.gemm import LAUNCH, MEMORY, product_candidates, seconds
from engine.kernels.cuda.launches import Launch, Product, Work, blocks, launches_of
from engine.kernels.cuda.signatures import Argument, Pointer
from engine.kernels.cuda.windows import Filter, divisor
from engine.ops import Conv2d, Conv2dInputGradient, Conv2dWeightGradient
from engine.ops.base import Call
from engine.ops.grouped_convolution import GroupedConv2d, GroupedConv2dInputGradient, GroupedConv2dWeightGradient

__all__ = ["COLUMNS"]

Sizes = tuple[int, int, int]

COLUMNS = 1 << 24
"""Numbers of the patches that exist at a time (64 MiB); those of one image exist in any case."""


@launches_of(Conv2d, GroupedConv2d)
def _forward(call: Call, b: Binding) -> list[Work]:
    (x, w), (y,) = call.inputs, call.outputs
    f = Filter.of(call, x.shape, y.shape, w.shape)
    if f.by_channel:
        return depthwise.forward(f, call, b)

    def patches(b: Binding) -> list[Work]:
        return _correlate(f, b.pointer(x), _plain_weights(f, b.pointer(w)), b.pointer(y), b)

    if f.plain:
        return b.chooser.pick(call, b, product_candidates(lambda b: _only(patches(b)), y, b))
    ways = [_by_patches(f, patches, _looking(f), b), *implicit.correlation(f, x, w, y)]
    return b.chooser.pick(call, b, [*ways, *by_cudnn.candidates("forward", f, call, b)])


@launches_of(Conv2dInputGradient, GroupedConv2dInputGradient)
def _input_gradient(call: Call, b: Binding) -> list[Work]:
    (dy, w), (dx,) = call.inputs, call.outputs
    f = Filter.of(call, dx.shape, dy.shape, w.shape)
    if f.by_channel:
        return depthwise.input_gradient(f, call, b)
    back = f.backwards()

    def gathered(b: Binding) -> list[Work]:
        return _gather(f, b.pointer(dy), b.pointer(w), b.pointer(dx), b)

    if f.plain:
        return b.chooser.pick(call, b, product_candidates(lambda b: _only(gathered(b)), dx, b))
    library = by_cudnn.candidates("input_gradient", f, call, b)
    if back is None:
        sizes = f.batch * f.pixels, f.depth, f.filters // f.groups
        return b.chooser.pick(call, b, [_by_patches(f, gathered, sizes, b, "gathered"), *library])

    def patches(b: Binding) -> list[Work]:
        turning, weights = _turned_weights(f, b.pointer(w), b)
        return [turning, *_correlate(back, b.pointer(dy), weights, b.pointer(dx), b)]

    ways = [_by_patches(back, patches, _looking(back), b), *implicit.mirrored(back, dy, w, dx), *library]
    return b.chooser.pick(call, b, ways)


@launches_of(Conv2dWeightGradient, GroupedConv2dWeightGradient)
def _weight_gradient(call: Call, b: Binding) -> list[Work]:
    (x, dy), (dw,) = call.inputs, call.outputs
    f = Filter.of(call, x.shape, dy.shape, dw.shape)
    if f.by_channel:
        return depthwise.weight_gradient(f, call, b)

    def patches(b: Binding) -> list[Work]:
        works: list[Work] = []
        for chunk in _chunks(f, b):
            works += chunk.laid_out(f, b.pointer(x), b)
            works.append(_weights_product(f, chunk, b.pointer(x), b.pointer(dy), b.pointer(dw)))
        return works

    if f.plain:
        return b.chooser.pick(call, b, product_candidates(lambda b: _only(patches(b)), dw, b))
    sizes = f.depth, f.filters // f.groups, f.batch * f.pixels
    ways = [_by_patches(f, patches, sizes, b), *implicit.results(f, x, dy, dw)]
    return b.chooser.pick(call, b, [*ways, *by_cudnn.candidates("weight_gradient", f, call, b)])


def _looking(f: Filter) -> Sizes:
    """The sizes of the product that is a convolution."""
    return f.batch * f.pixels, f.filters // f.groups, f.depth


def _by_patches(
    f: Filter, make: Callable[[Binding], list[Work]], sizes: Sizes, b: Binding, name: str = "patches"
) -> Candidate:
    """Patches laid out, and products of these sizes in all: rows, columns, terms of a sum."""
    numbers = f.batch * f.pixels * f.taps * f.channels
    chunks = -(-numbers // COLUMNS)
    expected = seconds(*sizes, f.groups, chunks, b.followed) + chunks * LAUNCH + 8.0 * numbers / MEMORY
    return Candidate(name, make, expected, single=False)


def _only(works: list[Work]) -> Product:
    (product,) = works
    assert isinstance(product, Product)
    return product


# -- products ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Weights:
    """The matrix (depth, filters of a group) of each group: rows lie `row` numbers apart, groups `step`."""

    at: Pointer
    row: int
    step: int


def _plain_weights(f: Filter, w: Pointer) -> _Weights:
    return _Weights(w, f.filters, f.filters // f.groups)


def _turned_weights(f: Filter, w: Pointer, b: Binding) -> tuple[Launch, _Weights]:
    """Mirrored, with channels and filters exchanged; and what makes them."""
    channels, filters = f.channels // f.groups, f.filters // f.groups
    count = f.taps * channels * f.filters
    turned = b.scratch(count)
    by = (divisor(number) for number in (f.taps, channels, filters))
    launch = Launch("turn_weights", [w, turned, count, f.taps, *by], blocks(count))
    return launch, _Weights(turned, channels, f.taps * filters * channels)


@dataclass(frozen=True)
class _Chunk:
    """Some images, and where their patches lie; None: the image itself is taken."""

    first: int
    images: int
    patches: Pointer | None

    def laid_out(self, f: Filter, x: Pointer, b: Binding) -> list[Work]:
        """The patches being made."""
        if self.patches is None:
            return []
        depth = f.taps * f.channels
        count = self.images * f.pixels * depth
        here = x + self.first * f.height * f.width * f.channels
        wide = 4 if f.channels // f.groups % 4 == 0 else 1
        arguments: list[Argument] = [here, self.patches, count, f.taps_of(b), divisor(depth), f.windows()]
        return [Launch("lay_patches_out", arguments, blocks(count // wide))]

    def matrix(self, f: Filter, x: Pointer) -> tuple[Pointer, int, int]:
        """The patches, the length of a row, and how far apart the groups are."""
        if self.patches is None:
            return x + self.first * f.pixels * f.channels, f.channels, f.channels // f.groups
        return self.patches, f.taps * f.channels, f.depth

    def results(self, f: Filter, y: Pointer) -> Pointer:
        """Where the results of these images begin."""
        return y + self.first * f.pixels * f.filters


def _chunks(f: Filter, b: Binding) -> list[_Chunk]:
    if f.plain:
        return [_Chunk(0, f.batch, None)]
    each = f.pixels * f.taps * f.channels
    count = -(-f.batch // max(1, COLUMNS // each))
    images = -(-f.batch // count)
    patches = b.scratch(images * each)
    return [_Chunk(start, min(images, f.batch - start), patches) for start in range(0, f.batch, images)]


def _correlate(f: Filter, x: Pointer, weights: _Weights, y: Pointer, b: Binding) -> list[Work]:
    """y = what the weights see of x."""
    works: list[Work] = []
    for chunk in _chunks(f, b):
        works += chunk.laid_out(f, x, b)
        patches, row, step = chunk.matrix(f, x)
        works.append(
            Product(
                patches,
                weights.at,
                chunk.results(f, y),
                rows=chunk.images * f.pixels,
                columns=f.filters // f.groups,
                inner=f.depth,
                count=f.groups,
                steps=(step, weights.step, f.filters // f.groups),
                strides=(row, weights.row, f.filters),
            )
        )
    return works


def _gather(f: Filter, dy: Pointer, w: Pointer, dx: Pointer, b: Binding) -> list[Work]:
    """dx from patches of gradients."""
    works: list[Work] = []
    parts: list[Launch] = []
    for chunk in _chunks(f, b):
        patches, row, step = chunk.matrix(f, dx)
        works.append(
            Product(
                chunk.results(f, dy),
                w,
                patches,
                rows=chunk.images * f.pixels,
                columns=f.depth,
                inner=f.filters // f.groups,
                transpose_b=True,
                count=f.groups,
                steps=(f.filters // f.groups, f.filters // f.groups, step),
                strides=(f.filters, f.filters, row),
            )
        )
        if chunk.patches is None:
            continue
        each = f.height * f.width * f.channels
        count = chunk.images * each
        wide = 4 if f.channels // f.groups % 4 == 0 else 1
        arguments: list[Argument] = [patches, dx, chunk.first * each, count, f.windows()]
        launch = Launch(
            "gather_patches", arguments, blocks(count // wide), output=1, columns=f.channels, parts=tuple(parts)
        )
        parts.append(launch)
        works.append(launch)
    return works


def _weights_product(f: Filter, chunk: _Chunk, x: Pointer, dy: Pointer, dw: Pointer) -> Product:
    """The weights' gradient by the images of a chunk, added to that of the chunks before."""
    patches, row, step = chunk.matrix(f, x)
    group = f.filters // f.groups
    return Product(
        patches,
        chunk.results(f, dy),
        dw,
        rows=f.depth,
        columns=group,
        inner=chunk.images * f.pixels,
        transpose_a=True,
        beta=1.0 if chunk.first else 0.0,
        count=f.groups,
        steps=(step, group, group),
        strides=(row, f.filters, f.filters),
    )
