"""Batch normalization, and standardized weights, which are the same without gain, shift and running statistics.

Up to FEW_ROWS rows there is one launch, whose blocks go on from sums to results while what they read is in the caches.
Beyond, blocks of rows leave partial sums, the last block joins them, and a second launch reads the arrays once more:
an array as large as x is moved three times forward and five times backward, the least for what does not fit on the
chip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import BLOCK, MOST_BLOCKS, Launch, Work, launches_of
from engine.kernels.cuda.signatures import NULL, Argument, Pointer
from engine.ops import BatchNorm, BatchNormGradient, BatchNormInference, BatchNormInferenceGradient
from engine.ops.base import Call, Value
from engine.ops.group_norm import StandardizeWeights, StandardizeWeightsGradient

__all__ = ["FEW_ROWS", "PART_BLOCKS", "Columns", "matrix"]

BATCH, CONSTANT, WEIGHTS = range(3)
"""Kinds of statistics, backwards: see normalization.cu."""

FEW_ROWS = 4096
"""Up to so many rows a block takes all of its columns."""

PART_BLOCKS = 512
"""Blocks, about, that leave partial sums: enough to read at full speed, few enough to be joined in no time."""

SPREAD_BLOCKS = 64
"""Where rows are few, columns are divided until there are so many blocks, or threads would be idle."""

WIDEST = 32
"""Columns of a block at most where rows are many: a cache line."""

NARROWEST = 8
"""Columns of a block at least, if there are as many: what memory hands out at once."""


@dataclass(frozen=True)
class Columns:
    """How blocks divide a matrix: 2^shift threads lie side by side, with 4 columns each or with one, and there are
    `across` such blocks; see moments.cuh."""

    rows: int
    columns: int
    shift: int

    @property
    def vector(self) -> int:
        """Columns of a thread."""
        return 4 if self.columns % 4 == 0 else 1

    @property
    def across(self) -> int:
        return -(-self.columns // (self.vector << self.shift))

    @property
    def step(self) -> int:
        """Rows that a block has under way at once."""
        return BLOCK >> self.shift

    @property
    def part_rows(self) -> int:
        """Rows of one part, where parts are summed by themselves: whole steps of a block."""
        parts = max(1, PART_BLOCKS // self.across)
        return -(-self.rows // (parts * self.step)) * self.step

    @property
    def parts(self) -> int:
        return -(-self.rows // self.part_rows)

    @property
    def grid(self) -> tuple[int, int]:
        """Of a pass over all elements."""
        down = -(-self.rows // self.step)
        return self.across, max(1, min(down, MOST_BLOCKS // self.across, 65535))

    @classmethod
    def of(cls, rows: int, columns: int) -> Columns:
        """As many columns side by side as make a cache line; fewer where rows are few and there would be few blocks."""
        vector = 4 if columns % 4 == 0 else 1
        shift = min(WIDEST // vector, columns // vector).bit_length() - 1
        if columns // vector > 1 << shift and WIDEST // vector > 1 << shift:
            shift += 1
        found = cls(rows, columns, shift)
        if rows > FEW_ROWS:
            return found
        while found.across < SPREAD_BLOCKS and vector << found.shift > NARROWEST and rows > found.step:
            found = cls(rows, columns, found.shift - 1)
        return found


def matrix(x: Value) -> tuple[int, int]:
    """(rows, columns) of a value whose last axis holds the channels."""
    return x.size // x.shape[-1], x.shape[-1]


def _normalizing(
    b: Binding, x: Value, y: Value, affine: list[Pointer], statistics: list[Pointer], variance: bool, epsilon: float
) -> Launch:
    """The launch of `normalize`: `statistics` are means and reciprocal deviations, or variances."""
    found = Columns.of(*matrix(x))
    arguments: list[Argument] = [b.pointer(x), *affine, *statistics, b.pointer(y)]
    arguments += [found.rows, found.columns, found.shift, int(variance), epsilon]
    return Launch("normalize", arguments, found.grid, output=5, columns=found.columns)


def _forward(
    b: Binding, x: Value, outputs: tuple[Value, ...], affine: list[Pointer], running: list[Pointer], rest: list[float]
) -> list[Work]:
    """`affine` are gamma and beta, `rest` are momentum and epsilon."""
    found = Columns.of(*matrix(x))
    y, *statistics = b.pointers(*outputs)
    source = b.pointer(x)
    results = [*running, *statistics]
    if found.rows <= FEW_ROWS:
        arguments: list[Argument] = [b.halt, source, *affine, *results, y]
        arguments += [found.rows, found.columns, found.shift, *rest]
        return [Launch("batch_norm", arguments, found.across, output=8, columns=found.columns)]
    parts, counters = _parts(b, found)
    arguments = [b.halt, source, parts, counters, *results]
    arguments += [found.rows, found.columns, found.part_rows, found.shift, *rest]
    return [
        Launch("batch_norm_statistics", arguments, (found.across, found.parts)),
        _normalizing(b, x, outputs[0], affine, statistics, False, 0.0),
    ]


def _parts(b: Binding, found: Columns) -> tuple[Pointer, Pointer]:
    """Room for two sums of each part, and a counter for each block of columns."""
    return b.scratch(2 * found.parts * found.columns), b.memory(found.across, np.uint32)


def _backward(b: Binding, call: Call, gamma: Pointer, sums: list[Pointer], kind: int, epsilon: float) -> list[Work]:
    """`sums` are dgamma and dbeta, or nothing where nobody asks for them."""
    x, *_, mean, spread, dy = call.inputs
    found = Columns.of(*matrix(x))
    source, center, deviation, gradient, dx = b.pointers(x, mean, spread, dy, call.outputs[0])
    shape: list[Argument] = [found.rows, found.columns]
    rest: list[Argument] = [found.shift, kind, epsilon]
    if found.rows <= FEW_ROWS:
        arguments: list[Argument] = [source, gamma, center, deviation, gradient, dx, *(sums or [NULL, NULL])]
        name = "batch_norm_gradient"
        return [Launch(name, [*arguments, *shape, *rest], found.across, output=5, columns=found.columns)]
    parts, counters = _parts(b, found)
    sums = sums or [b.scratch(found.columns), b.scratch(found.columns)]
    arguments = [source, center, deviation, gradient, parts, counters, *sums, *shape, found.part_rows, *rest]
    first = Launch("batch_norm_gradient_sums", arguments, (found.across, found.parts))
    arguments = [source, gamma, center, deviation, gradient, *sums, dx, *shape, *rest]
    return [first, Launch("batch_norm_gradient_rest", arguments, found.grid, output=7, columns=found.columns)]


@launches_of(BatchNorm)
def _batch_norm(call: Call, b: Binding) -> list[Work]:
    x, *affine, mean, variance = call.inputs
    attributes = call.op.attributes()
    rest = [float(attributes["momentum"]), float(attributes["epsilon"])]
    return _forward(b, x, call.outputs, b.pointers(*affine), b.pointers(mean, variance), rest)


@launches_of(BatchNormInference)
def _batch_norm_inference(call: Call, b: Binding) -> list[Work]:
    x, gamma, beta, mean, variance = call.inputs
    epsilon = float(call.op.attributes()["epsilon"])
    return [_normalizing(b, x, call.outputs[0], b.pointers(gamma, beta), b.pointers(mean, variance), True, epsilon)]


@launches_of(BatchNormGradient)
def _batch_norm_gradient(call: Call, b: Binding) -> list[Work]:
    return _backward(b, call, b.pointer(call.inputs[1]), b.pointers(*call.outputs[1:]), BATCH, 0.0)


@launches_of(BatchNormInferenceGradient)
def _batch_norm_inference_gradient(call: Call, b: Binding) -> list[Work]:
    epsilon = float(call.op.attributes()["epsilon"])
    return _backward(b, call, b.pointer(call.inputs[1]), b.pointers(*call.outputs[1:]), CONSTANT, epsilon)


@launches_of(StandardizeWeights)
def _standardize(call: Call, b: Binding) -> list[Work]:
    epsilon = float(call.op.attributes()["epsilon"])
    return _forward(b, call.inputs[0], call.outputs, [NULL, NULL], [NULL, NULL], [0.0, epsilon])


@launches_of(StandardizeWeightsGradient)
def _standardize_gradient(call: Call, b: Binding) -> list[Work]:
    return _backward(b, call, NULL, [], WEIGHTS, 0.0)
