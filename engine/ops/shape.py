"""Operations that only rename memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, Op, Tensor, Value

if TYPE_CHECKING:
    from engine.builder import Builder


@dataclass(frozen=True)
class Reshape(Op):
    """x -> y: the same elements in the same order under `shape` (batch included)."""

    name: ClassVar[str] = "reshape"
    view: ClassVar[bool] = True
    shape: tuple[int, ...] = ()

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        (x,) = inputs
        if math.prod(self.shape) != x.size:
            raise ValueError(f"cannot view {x.shape} as {self.shape}")
        return (Tensor(self.shape, x.dtype),)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None or not b.needs(call.inputs[0]):
            return (None,)
        return (b.op(Reshape(call.inputs[0].shape), dy),)

    def flops(self, *inputs: Tensor) -> int:
        return 0
