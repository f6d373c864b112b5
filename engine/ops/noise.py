"""Randomness of whole parts of an array, and added noise: what dropout's relatives are made of.

Sources: Tompson et al. 2015, "Efficient Object Localization Using Convolutional Networks", section 3.2 (channels);
Huang et al. 2016, "Deep Networks with Stochastic Depth", section 3 (branches); Bishop 1995, "Training with Noise is
Equivalent to Tikhonov Regularization" (noise); Box and Muller 1958, "A Note on the Generation of Random Normal
Deviates" (how normal numbers are drawn).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from engine.ops.base import Call, DType, Op, Tensor, Value
from engine.ops.tiling import BLOCK
from engine.random import KEY_LENGTH

if TYPE_CHECKING:
    from engine.builder import Builder

Part = Literal["element", "channel", "sample", "batch"]
"""What is dropped or kept as one: an element, a channel of a sample, a sample, the whole batch."""


@dataclass(frozen=True)
class Drop(Op):
    """(x, rate (1,), counters (4,)) -> (y, mask): y = x mask, where part i of x is dropped (mask 0) when element i of
    the random stream (uint32) is below rate 2^32, rounded down, and kept (mask 1, or 1 / (1 - rate) where `inverted`)
    otherwise. With `survival` the second input is 1 - rate.

    The mask has x's shape for elements, (batch, channels) for channels, (batch,) for samples and (1,) for the batch.
    """

    name: ClassVar[str] = "drop"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)
    stream: int = 0
    part: Part = "element"
    inverted: bool = True
    survival: bool = False

    def mask(self, x: tuple[int, ...]) -> tuple[int, ...]:
        """The mask's shape for an array of shape `x`, batch first."""
        return {"element": x, "channel": (x[0], x[-1]), "sample": x[:1], "batch": (1,)}[self.part]

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return inputs[0], Tensor(self.mask(inputs[0].shape))

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        size = Tensor(self.mask(inputs[0].shape)).size
        bits = Tensor((max(min(size, BLOCK), 4),), DType.UINT32)
        return bits, bits, bits, Tensor((KEY_LENGTH,), DType.UINT32), Tensor((2,))

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        dy = adjoints[0]
        if dy is None or not b.needs(call.inputs[0]):
            return None, None, None
        return b.op(DropGradient(self.part), call.outputs[1], dy), None, None

    def flops(self, *inputs: Tensor) -> int:
        return inputs[0].size


@dataclass(frozen=True)
class DropGradient(Op):
    """(mask, dy) -> dx = dy mask, part by part."""

    name: ClassVar[str] = "drop_gradient"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 1),)
    part: Part = "element"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[1],)


@dataclass(frozen=True)
class Expected(Op):
    """(x, rate (1,)) -> y = (1 - rate) x: what `Drop` without `inverted` gives on average. With `survival` the second
    input is 1 - rate."""

    name: ClassVar[str] = "expected"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)
    survival: bool = False

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor((1,)),)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None or not b.needs(call.inputs[0]):
            return None, None
        return b.op(Expected(self.survival), dy, call.inputs[1]), None


@dataclass(frozen=True)
class GaussianNoise(Op):
    """(x, deviation (1,), counters (4,)) -> y = x + deviation z, z independent and normal with variance 1.

    Element i of z is sqrt(-2 ln u) cos(2 pi v), with u = (r + 1) / 2^24 and v = s / 2^24 of the upper 24 bits r and s
    of elements i of the random streams `radius` and `angle`: exact in every precision, and never beyond 5.77.
    """

    name: ClassVar[str] = "gaussian_noise"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)
    radius: int = 0
    angle: int = 1

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        size = max(min(inputs[0].size, BLOCK), 4)
        bits, key, numbers = Tensor((size,), DType.UINT32), Tensor((KEY_LENGTH,), DType.UINT32), Tensor((size,))
        return bits, bits, bits, key, key, numbers, numbers

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        return adjoints[0], None, None

    def flops(self, *inputs: Tensor) -> int:
        return 8 * inputs[0].size
