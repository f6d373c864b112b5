"""Convolutions whose channels are cut into groups, or whose filters have gaps, and their gradients.

Images are (batch, height, width, channels); weights are (kernel height, kernel width, channels in / groups, filters):
filter f sees the channels of group f // (filters / groups) alone. Neighbouring pixels under a filter lie `dilation`
pixels apart. Plain convolutions (one group, no gaps) have operations of their own, see `engine.ops.convolution`.

Sources: Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep convolutional neural networks", section
3.5 (groups); Yu and Koltun 2016, "Multi-scale context aggregation by dilated convolutions", section 2 (dilation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, Fusion, Op, Tensor, Value
from engine.ops.convolution import window_count
from engine.ops.tiling import BLOCK, images_at_once

if TYPE_CHECKING:
    from engine.builder import Builder

BUNDLE = 256
"""Channels of a group times filters of a group times groups: up to so many, groups are multiplied together."""


def reach(size: int, dilation: int) -> int:
    """The pixels from the first to the last one under a filter of `size` with gaps."""
    return dilation * (size - 1) + 1


@dataclass(frozen=True)
class _Grouped(Op):
    """What the convolution and its gradients share; `padding` is zeros on every side, in pixels."""

    stride: int = 1
    padding: int = 0
    groups: int = 1
    dilation: int = 1

    def work(
        self,
        image: tuple[int, ...],
        out: tuple[int, ...],
        size: tuple[int, ...],
        filters: int,
        margins: tuple[int, int] | None = None,
    ) -> tuple[Tensor, ...]:
        """Work space for an image (batch, h, w, c) and its result (batch, rows, columns, f): see the kernels. `margins`
        are the zeros above and beside the image (the padding where they are not given)."""
        batch, height, width, channels = image
        rows, columns = out[1:3]
        top, left = margins or (self.padding, self.padding)
        spread = (height + 2 * top, width + 2 * left, channels)
        if margins is None and self.by_channel(channels):
            count = max(1, min(batch, BLOCK // (rows * columns * channels)))
            products = Tensor((count, rows, columns, channels))
            return products, Tensor((columns, channels)), Tensor((2, columns, channels)), Tensor((count, *spread))
        runs = self.groups // bundle(channels, filters, self.groups)
        depth = math.prod(size) * channels // runs
        count = images_at_once(batch, rows * columns * depth)
        patches = Tensor((count, rows * columns, depth))
        packed = Tensor((runs, depth, filters // runs))
        results = Tensor((count * rows * columns, filters // runs))
        return patches, packed, results, Tensor((count, *spread))

    def by_channel(self, channels: int) -> bool:
        """Whether every group is one channel, so that there is nothing to sum over but the window: then products of
        whole images are added up offset by offset, and else each run of groups is a matrix product over patches."""
        return self.groups == channels and channels > 1


def mirrored(size: tuple[int, ...], stride: int, padding: int, dilation: int) -> tuple[int, int] | None:
    """The margins with which the gradient by the input is the convolution of dy with the mirrored weights; None where
    it is not one."""
    top, left = (reach(length, dilation) - 1 - padding for length in size)
    return (top, left) if stride == 1 and min(top, left) >= 0 else None


def bundle(channels: int, filters: int, groups: int) -> int:
    """How many groups are multiplied together, by a matrix with zeros outside its blocks: copies of a few channels and
    products of narrow matrices cost more than multiplications by zero. It divides the groups."""
    per_group = channels // groups * (filters // groups)
    return max(n for n in range(1, groups + 1) if groups % n == 0 and (n == 1 or n * per_group <= BUNDLE))


@dataclass(frozen=True)
class GroupedConv2d(_Grouped):
    """(x, w) -> y."""

    name: ClassVar[str] = "grouped_conv2d"
    fusion: ClassVar[Fusion] = "head"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x, w = inputs
        batch, height, width, channels = x.shape
        filters = w.shape[3]
        if channels % self.groups or filters % self.groups or w.shape[2] != channels // self.groups:
            raise ValueError(
                f"weights {w.shape} do not fit images of {channels} channels in {self.groups} groups of equal size"
            )
        rows = window_count(height, reach(w.shape[0], self.dilation), self.stride, self.padding)
        columns = window_count(width, reach(w.shape[1], self.dilation), self.stride, self.padding)
        if rows < 1 or columns < 1:
            raise ValueError(f"a {w.shape[0]} x {w.shape[1]} window does not fit {height} x {width} pixels")
        return (Tensor((batch, rows, columns, filters), x.dtype),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x, w = inputs
        (y,) = self.infer(x, w)
        return self.work(x.shape, y.shape, w.shape[:2], w.shape[3])

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        x, w = call.inputs
        if dy is None:
            return None, None
        options = self.stride, self.padding, self.groups, self.dilation
        dx = dw = None
        if b.needs(w):
            dw = b.op(GroupedConv2dWeightGradient(*options, (w.shape[0], w.shape[1])), x, dy)
        # Last, so that what continues the backward pass follows at once.
        if b.needs(x):
            dx = b.op(GroupedConv2dInputGradient(*options, x.shape), dy, w)
        return dx, dw

    def flops(self, *inputs: Tensor) -> int:
        (y,) = self.infer(*inputs)
        return 2 * y.size * math.prod(inputs[1].shape[:3])


@dataclass(frozen=True)
class GroupedConv2dInputGradient(_Grouped):
    """(dy, w) -> dx, of shape `x_shape` (batch included)."""

    name: ClassVar[str] = "grouped_conv2d_input_gradient"
    x_shape: tuple[int, ...] = ()

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor(self.x_shape),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        dy, w = inputs
        channels, size = self.x_shape[3], w.shape[:2]
        margins = mirrored(size, self.stride, self.padding, self.dilation)
        if margins is not None and not self.by_channel(channels):
            return self.work(dy.shape, self.x_shape, size, channels, margins)
        return self.work(self.x_shape, dy.shape, size, w.shape[3])

    def flops(self, *inputs: Tensor) -> int:
        dy, w = inputs
        return 2 * dy.size * math.prod(w.shape[:3])


@dataclass(frozen=True)
class GroupedConv2dWeightGradient(_Grouped):
    """(x, dy) -> dw, for a kernel of `size` (height, width)."""

    name: ClassVar[str] = "grouped_conv2d_weight_gradient"
    size: tuple[int, int] = (1, 1)

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x, dy = inputs
        return (Tensor((*self.size, x.shape[3] // self.groups, dy.shape[3])),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x, dy = inputs
        return self.work(x.shape, dy.shape, self.size, dy.shape[3])

    def flops(self, *inputs: Tensor) -> int:
        x, dy = inputs
        return 2 * dy.size * math.prod(self.size) * x.shape[3] // self.groups
