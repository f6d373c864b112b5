"""Sums, scalings and constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, DType, Fusion, Op, Tensor, Value

if TYPE_CHECKING:
    from engine.builder import Builder


@dataclass(frozen=True)
class Add(Op):
    """(a, b, ...) -> y = a + b + ..., of two or more arrays of one shape, added from left to right."""

    name: ClassVar[str] = "add"
    fusion: ClassVar[Fusion] = "head"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        if len(inputs) < 2 or any(item.shape != inputs[0].shape for item in inputs):
            raise ValueError(f"cannot add arrays of shapes {', '.join(str(item.shape) for item in inputs)}")
        return (inputs[0],)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        return tuple(dy if dy is not None and b.needs(value) else None for value in call.inputs)

    def flops(self, *inputs: Tensor) -> int:
        return (len(inputs) - 1) * inputs[0].size


@dataclass(frozen=True)
class Multiply(Op):
    """(a, b) -> y = a b, element by element, of arrays of one shape."""

    name: ClassVar[str] = "multiply"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0), (0, 1))

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        if inputs[0].shape != inputs[1].shape:
            raise ValueError(f"cannot multiply arrays of shapes {inputs[0].shape} and {inputs[1].shape}")
        return (inputs[0],)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        left, right = call.inputs
        if dy is None:
            return None, None
        return (
            b.op(Multiply(), dy, right) if b.needs(left) else None,
            b.op(Multiply(), dy, left) if b.needs(right) else None,
        )


@dataclass(frozen=True)
class Scale(Op):
    """x -> y = factor x."""

    name: ClassVar[str] = "scale"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)
    factor: float = 1.0

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None or not b.needs(call.inputs[0]):
            return (None,)
        return (b.op(Scale(self.factor), dy),)


@dataclass(frozen=True)
class Fill(Op):
    """() -> y of `shape` (batch included), every element `value`."""

    name: ClassVar[str] = "fill"
    shape: tuple[int, ...] = (1,)
    value: float = 0.0
    dtype: DType = DType.FLOAT

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor(self.shape, self.dtype),)

    def flops(self, *inputs: Tensor) -> int:
        return 0
