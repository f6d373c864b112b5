"""Elementwise non-linearities. Their gradients read the output, so that the input need not be kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, DType, Fusion, Op, Tensor, Value
from engine.ops.tiling import TILE, block

if TYPE_CHECKING:
    from engine.builder import Builder


@dataclass(frozen=True)
class _Activation(Op):
    """x -> y, elementwise."""

    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def gradient(self) -> Op:
        """The operation (y, dy) -> dx."""
        raise NotImplementedError

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None or not b.needs(call.inputs[0]):
            return (None,)
        return (b.op(self.gradient(), call.outputs[0], dy),)


@dataclass(frozen=True)
class _ActivationGradient(Op):
    """(y, dy) -> dx, elementwise."""

    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 1),)

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[1],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor(block(inputs[0].shape)),)

    def flops(self, *inputs: Tensor) -> int:
        return 3 * inputs[0].size


@dataclass(frozen=True)
class ReLU(_Activation):
    """y = max(x, 0)."""

    name: ClassVar[str] = "relu"
    fusion: ClassVar[Fusion] = "epilogue"

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor((min(inputs[0].size, TILE),)),)

    def gradient(self) -> Op:
        return ReLUGradient()


@dataclass(frozen=True)
class ReLUGradient(_ActivationGradient):
    """dx = dy where y > 0, else 0."""

    name: ClassVar[str] = "relu_gradient"
    fusion: ClassVar[Fusion] = "epilogue_gradient"

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor(block(inputs[0].shape), DType.BOOL),)

    def flops(self, *inputs: Tensor) -> int:
        return inputs[0].size


@dataclass(frozen=True)
class LeakyReLU(_Activation):
    """y = x where x > 0, else slope x; 0 <= slope < 1."""

    name: ClassVar[str] = "leaky_relu"
    fusion: ClassVar[Fusion] = "epilogue"
    slope: float = 0.01

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor(block(inputs[0].shape)),)

    def gradient(self) -> Op:
        return LeakyReLUGradient(self.slope)

    def flops(self, *inputs: Tensor) -> int:
        return 2 * inputs[0].size


@dataclass(frozen=True)
class LeakyReLUGradient(_ActivationGradient):
    """dx = dy where y > 0, else slope dy."""

    name: ClassVar[str] = "leaky_relu_gradient"
    fusion: ClassVar[Fusion] = "epilogue_gradient"
    slope: float = 0.01

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor(block(inputs[0].shape)),)

    def flops(self, *inputs: Tensor) -> int:
        return 2 * inputs[0].size


@dataclass(frozen=True)
class Sigmoid(_Activation):
    """y = 1 / (1 + exp(-x))."""

    name: ClassVar[str] = "sigmoid"
    fusion: ClassVar[Fusion] = "epilogue"

    def gradient(self) -> Op:
        return SigmoidGradient()

    def flops(self, *inputs: Tensor) -> int:
        return 4 * inputs[0].size


@dataclass(frozen=True)
class SigmoidGradient(_ActivationGradient):
    """dx = dy y (1 - y)."""

    name: ClassVar[str] = "sigmoid_gradient"
    fusion: ClassVar[Fusion] = "epilogue_gradient"


@dataclass(frozen=True)
class Tanh(_Activation):
    """y = tanh(x)."""

    name: ClassVar[str] = "tanh"
    fusion: ClassVar[Fusion] = "epilogue"

    def gradient(self) -> Op:
        return TanhGradient()


@dataclass(frozen=True)
class TanhGradient(_ActivationGradient):
    """dx = dy (1 - y^2)."""

    name: ClassVar[str] = "tanh_gradient"
    fusion: ClassVar[Fusion] = "epilogue_gradient"
