"""Two-dimensional cross-correlation (what deep learning calls convolution) and its gradients.

Images are (batch, height, width, channels); weights are (kernel height, kernel width, channels in, channels out).
`stride` and `padding` (zeros on every side) are pixels, the same on both axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, Fusion, Op, Tensor, Value
from engine.ops.tiling import images_at_once

if TYPE_CHECKING:
    from engine.builder import Builder


def window_count(length: int, size: int, stride: int, padding: int) -> int:
    """How many windows of `size` fit along an axis of `length` pixels; zero or less when none does."""
    return (length + 2 * padding - size) // stride + 1


def is_pointwise(size: tuple[int, int], stride: int, padding: int) -> bool:
    """Whether the convolution is a plain matrix product over pixels."""
    return size == (1, 1) and stride == 1 and padding == 0


def lies_across(channels: int) -> bool:
    """Whether patches are laid out with one column, not one row, for each output pixel: images of one channel have no
    runs of neighbouring elements inside a window, but they have along the rows of the image."""
    return channels == 1


def correlates(size: tuple[int, int], stride: int, padding: int) -> bool:
    """Whether the gradient by the input is taken as a convolution of dy with the mirrored weights."""
    return stride == 1 and padding < min(size)


def _patches(
    batch: int, image: tuple[int, int, int], size: tuple[int, int], stride: int, padding: tuple[int, int]
) -> tuple[Tensor, ...]:
    """Work space to lay patches out: the matrix of patches, and a padded copy of some images where padding is used."""
    height, width, channels = image
    rows = (height + 2 * padding[0] - size[0]) // stride + 1
    columns = (width + 2 * padding[1] - size[1]) // stride + 1
    per_image = rows * columns * size[0] * size[1] * channels
    images = images_at_once(batch, per_image)
    spaces = [Tensor((images, rows * columns, size[0] * size[1] * channels))]
    if any(padding):
        spaces.append(Tensor((images, height + 2 * padding[0], width + 2 * padding[1], channels)))
    return tuple(spaces)


@dataclass(frozen=True)
class Conv2d(Op):
    """(x, w) -> y."""

    name: ClassVar[str] = "conv2d"
    fusion: ClassVar[Fusion] = "head"
    stride: int = 1
    padding: int = 0

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x, w = inputs
        batch, height, width, channels = x.shape
        if w.shape[2] != channels:
            raise ValueError(f"weights for {w.shape[2]} channels do not fit an image of {channels}")
        rows = window_count(height, w.shape[0], self.stride, self.padding)
        columns = window_count(width, w.shape[1], self.stride, self.padding)
        if rows < 1 or columns < 1:
            raise ValueError(f"a {w.shape[0]} x {w.shape[1]} window does not fit {height} x {width} pixels")
        return (Tensor((batch, rows, columns, w.shape[3]), x.dtype),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x, w = inputs
        size = (w.shape[0], w.shape[1])
        if is_pointwise(size, self.stride, self.padding):
            return ()
        height, width, channels = x.shape[1:]
        return _patches(x.shape[0], (height, width, channels), size, self.stride, (self.padding,) * 2)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        x, w = call.inputs
        if dy is None:
            return None, None
        dx = dw = None
        if b.needs(w):
            size = (w.shape[0], w.shape[1])
            dw = b.op(Conv2dWeightGradient(size, self.stride, self.padding), x, dy)
        # Last, so that what continues the backward pass follows at once.
        if b.needs(x):
            dx = b.op(Conv2dInputGradient(x.shape, self.stride, self.padding), dy, w)
        return dx, dw

    def flops(self, *inputs: Tensor) -> int:
        (y,) = self.infer(*inputs)
        return 2 * y.size * math.prod(inputs[1].shape[:3])


@dataclass(frozen=True)
class Conv2dInputGradient(Op):
    """(dy, w) -> dx, of shape `x_shape` (batch included). Forwards it is the transposed convolution."""

    name: ClassVar[str] = "conv2d_input_gradient"
    fusion: ClassVar[Fusion] = "head"
    x_shape: tuple[int, ...] = ()
    stride: int = 1
    padding: int = 0

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor(self.x_shape),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        dy, w = inputs
        size = (w.shape[0], w.shape[1])
        batch, rows, columns, filters = dy.shape
        if is_pointwise(size, self.stride, self.padding):
            return ()
        if correlates(size, self.stride, self.padding):
            margins = (size[0] - 1 - self.padding, size[1] - 1 - self.padding)
            mirrored = Tensor((size[0], size[1], filters, w.shape[2]))
            return (mirrored, *_patches(batch, (rows, columns, filters), size, 1, margins))
        depth = size[0] * size[1] * w.shape[2]
        images = images_at_once(batch, rows * columns * depth)
        spaces = [Tensor((images, rows * columns, depth))]
        if self.padding:
            height, width, channels = self.x_shape[1:]
            spaces.append(Tensor((images, height + 2 * self.padding, width + 2 * self.padding, channels)))
        return tuple(spaces)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dx,) = adjoints
        dy, w = call.inputs
        if dx is None:
            return None, None
        ddy = dw = None
        if b.needs(w):
            dw = b.op(Conv2dWeightGradient((w.shape[0], w.shape[1]), self.stride, self.padding), dx, dy)
        if b.needs(dy):
            ddy = b.op(Conv2d(self.stride, self.padding), dx, w)
        return ddy, dw

    def flops(self, *inputs: Tensor) -> int:
        dy, w = inputs
        return 2 * dy.size * math.prod(w.shape[:3])


@dataclass(frozen=True)
class Conv2dWeightGradient(Op):
    """(x, dy) -> dw, for a kernel of `size` (height, width)."""

    name: ClassVar[str] = "conv2d_weight_gradient"
    size: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: int = 0

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x, dy = inputs
        return (Tensor((*self.size, x.shape[3], dy.shape[3])),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x, dy = inputs
        if is_pointwise(self.size, self.stride, self.padding):
            return ()
        height, width, channels = x.shape[1:]
        spaces = _patches(x.shape[0], (height, width, channels), self.size, self.stride, (self.padding,) * 2)
        partial = Tensor((spaces[0].shape[2], dy.shape[3]))
        return (partial, *spaces)

    def flops(self, *inputs: Tensor) -> int:
        x, dy = inputs
        return 2 * dy.size * self.size[0] * self.size[1] * x.shape[3]
