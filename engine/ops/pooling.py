"""Pooling over windows of an image (batch, height, width, channels)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, DType, Op, Tensor, Value
from engine.ops.convolution import window_count
from engine.ops.tiling import BLOCK

if TYPE_CHECKING:
    from engine.builder import Builder


@dataclass(frozen=True)
class _Pool(Op):
    """What the operations over windows share; `padding` pixels on every side."""

    size: int = 2
    stride: int = 2
    padding: int = 0

    def pooled(self, x: Tensor) -> Tensor:
        """The shape of the pooled image."""
        batch, height, width, channels = x.shape
        rows = window_count(height, self.size, self.stride, self.padding)
        columns = window_count(width, self.size, self.stride, self.padding)
        if rows < 1 or columns < 1:
            raise ValueError(f"a {self.size} x {self.size} window does not fit {height} x {width} pixels")
        return Tensor((batch, rows, columns, channels), x.dtype)

    def row_pooled(self, x: Tensor) -> Tensor:
        """Work space for some images pooled over rows only."""
        batch, _, width, channels = x.shape
        rows = self.pooled(x).shape[1]
        return Tensor((images_per_block(batch, rows * width * channels), rows, width, channels), x.dtype)


def images_per_block(batch: int, image_size: int) -> int:
    """How many images of `image_size` elements make one block."""
    return max(1, min(batch, BLOCK // max(image_size, 1)))


@dataclass(frozen=True)
class _PoolForward(_Pool):
    """What pooling forwards shares, whatever is taken of a window."""

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (self.pooled(inputs[0]),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (self.row_pooled(inputs[0]),)

    def flops(self, *inputs: Tensor) -> int:
        return self.pooled(inputs[0]).size * self.size * self.size


@dataclass(frozen=True)
class MaxPool(_PoolForward):
    """x -> y: the largest value of each window; padding never wins."""

    name: ClassVar[str] = "max_pool"

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None or not b.needs(call.inputs[0]):
            return (None,)
        gradient = MaxPoolGradient(self.size, self.stride, self.padding)
        return (b.op(gradient, call.inputs[0], call.outputs[0], dy),)


@dataclass(frozen=True)
class MaxPoolGradient(_Pool):
    """(x, y, dy) -> dx: each dy goes to the first pixel of its window, row by row, that equals the maximum."""

    name: ClassVar[str] = "max_pool_gradient"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        batch, *rest = inputs[1].shape
        shape = (images_per_block(batch, inputs[1].size // batch), *rest)
        return Tensor(shape, DType.BOOL), Tensor(shape, DType.BOOL), Tensor(shape)

    def flops(self, *inputs: Tensor) -> int:
        return inputs[1].size * self.size * self.size


@dataclass(frozen=True)
class AveragePool(_PoolForward):
    """x -> y: the mean of each window; padding counts as zeros (as PyTorch's `count_include_pad=True`)."""

    name: ClassVar[str] = "average_pool"

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        (x,) = call.inputs
        if dy is None or not b.needs(x):
            return (None,)
        return (b.op(AveragePoolGradient(self.size, self.stride, self.padding, x.shape), dy),)


@dataclass(frozen=True)
class AveragePoolGradient(_Pool):
    """dy -> dx, of shape `x_shape` (batch included): each dy, divided by the window's pixels, goes to all of them."""

    name: ClassVar[str] = "average_pool_gradient"
    x_shape: tuple[int, ...] = ()

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor(self.x_shape),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (self.row_pooled(Tensor(self.x_shape)),)

    def flops(self, *inputs: Tensor) -> int:
        return inputs[0].size * self.size * self.size


@dataclass(frozen=True)
class GlobalAveragePool(Op):
    """x (batch, height, width, channels) -> y (batch, channels): the mean over all pixels."""

    name: ClassVar[str] = "global_average_pool"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        batch, _, _, channels = inputs[0].shape
        return (Tensor((batch, channels)),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        batch, _, width, channels = inputs[0].shape
        return (Tensor((batch, width * channels)),)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        (x,) = call.inputs
        if dy is None or not b.needs(x):
            return (None,)
        return (b.op(GlobalAveragePoolGradient(x.shape), dy),)

    def flops(self, *inputs: Tensor) -> int:
        return inputs[0].size


@dataclass(frozen=True)
class GlobalAveragePoolGradient(Op):
    """dy (batch, channels) -> dx of shape `x_shape`: every pixel gets its share."""

    name: ClassVar[str] = "global_average_pool_gradient"
    x_shape: tuple[int, ...] = ()

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor(self.x_shape),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        batch, _, width, channels = self.x_shape
        return (Tensor((batch, width * channels)),)
