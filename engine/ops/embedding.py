"""Token numbers to vectors, and what tells a vector's position.

Sources: Bengio et al. 2003, "A Neural Probabilistic Language Model", section 2 (embedding); Vaswani et al. 2017,
"Attention Is All You Need", section 3.5 (positions).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, DType, Op, Tensor, Value

if TYPE_CHECKING:
    from engine.builder import Builder

ONE_HOT = 1 << 20
"""The most elements of the matrix that says which token stands where."""


@dataclass(frozen=True)
class Embedding(Op):
    """(tokens (batch, positions), table (vocabulary, width)) -> y (batch, positions, width): the table's row for each
    token. Tokens are whole numbers held as floats; they are rounded, and those beyond the table take its first or its
    last row. They have no derivative."""

    name: ClassVar[str] = "embedding"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        tokens, table = inputs
        if len(tokens.shape) != 2 or len(table.shape) != 2:
            raise ValueError(f"no table of shape {table.shape} for tokens of shape {tokens.shape}")
        return (Tensor((*tokens.shape, table.shape[1]), table.dtype),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return Tensor(inputs[0].shape), Tensor(inputs[0].shape, DType.INT64)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        tokens, table = call.inputs
        if dy is None or not b.needs(table):
            return None, None
        return None, b.op(EmbeddingGradient(table.shape[0]), tokens, dy)

    def flops(self, *inputs: Tensor) -> int:
        return 0


@dataclass(frozen=True)
class EmbeddingGradient(Op):
    """(tokens (batch, positions), dy (batch, positions, width)) -> (vocabulary, width): for each token the sum of dy
    over the places where it stands, always in the same order."""

    name: ClassVar[str] = "embedding_gradient"
    vocabulary: int = 1

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor((self.vocabulary, inputs[1].shape[-1])),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        count = inputs[0].size
        at_once = max(1, min(count, ONE_HOT // self.vocabulary))
        return (
            Tensor((count,)),
            Tensor((count,), DType.INT64),
            Tensor((self.vocabulary,)),
            Tensor((at_once, self.vocabulary)),
            Tensor((self.vocabulary, inputs[1].shape[-1])),
        )

    def flops(self, *inputs: Tensor) -> int:
        return inputs[1].size


@dataclass(frozen=True)
class AddPositions(Op):
    """(x (batch, ...), p (...)) -> y = x + p, the same p for every sample."""

    name: ClassVar[str] = "add_positions"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x, p = inputs
        if x.shape[1:] != p.shape:
            raise ValueError(f"positions of shape {p.shape} do not fit {x.shape}")
        return (x,)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None:
            return None, None
        return dy, b.op(SumBatch(), dy) if b.needs(call.inputs[1]) else None


@dataclass(frozen=True)
class SumBatch(Op):
    """x (batch, ...) -> y (...): the sum over the first axis."""

    name: ClassVar[str] = "sum_batch"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor(inputs[0].shape[1:]),)

    def flops(self, *inputs: Tensor) -> int:
        return inputs[0].size


@dataclass(frozen=True)
class AddSinusoids(Op):
    """x (batch, positions, width) -> y = x + P with P[t, 2i] = sin(t / base^(2i / width)) and P[t, 2i + 1] the cosine
    of the same; t counts from 0."""

    name: ClassVar[str] = "add_sinusoids"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)
    base: float = 10000.0

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        if len(inputs[0].shape) != 3:
            raise ValueError(f"sinusoids are added to sequences, not to arrays of shape {inputs[0].shape}")
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        _, positions, width = inputs[0].shape
        waves = math.ceil(width / 2)
        return Tensor((positions,)), Tensor((waves,)), Tensor((positions, waves)), Tensor((positions, width))

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        return (adjoints[0],)

    def flops(self, *inputs: Tensor) -> int:
        _, positions, width = inputs[0].shape
        return inputs[0].size + 2 * positions * width
