"""Batch normalization and standardized weights on the GPU, where sizes change the way that is taken."""

from __future__ import annotations

import numpy as np
import pytest

from engine import ops
from engine.kernels.cuda.normalization import FEW_ROWS, Columns
from engine.ops.group_norm import StandardizeWeights
from tests.engine.kernels.cuda.test_operations import near
from tests.engine.ops.cases import Case, constant, key, normal, uniform
from tests.support.cuda_bench import CudaBench
from tests.support.cuda_groups import Build, Draw, check_group
from tests.support.interpreter import Interpreter
from tests.support.records import records_of

SHAPES = ((FEW_ROWS + 1, 12), (FEW_ROWS + 900, 36), (FEW_ROWS + 1, 65), (3, 700), (200, 1), (4, 4), (2, 6))


@pytest.fixture(scope="module")
def bench() -> CudaBench:
    return CudaBench(order=2)


def batch_norm(shape: tuple[int, ...]) -> Case:
    c = shape[-1]
    inputs = (normal(*shape, scale=2.0, shift=50.0), normal(c, shift=1.0), normal(c), normal(c), uniform(c, low=0.5))
    return Case(ops.BatchNorm(0.1, 1e-3), inputs, (0, 1, 2))


def inference(shape: tuple[int, ...]) -> Case:
    c = shape[-1]
    inputs = (normal(*shape), normal(c, shift=1.0), normal(c), normal(c), uniform(c, low=0.5))
    return Case(ops.BatchNormInference(1e-3), inputs, (0, 1, 2))


def weights(shape: tuple[int, ...]) -> Case:
    return Case(StandardizeWeights(1e-3), (normal(*shape, shift=0.3),), (0,))


@pytest.mark.parametrize("make", [batch_norm, inference, weights])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_agrees_in_sizes_of_every_way(make, shape: tuple[int, ...], bench: CudaBench) -> None:  # type: ignore[no-untyped-def]
    for record in records_of(make(shape)):
        found = bench.run([record.call], record.inputs, times=2)
        many = shape[0] > FEW_ROWS and record.call.op.name != "batch_norm_inference"
        assert len(bench.works) == (2 if many else 1)
        for value_id in record.reference("float64"):
            near(found[value_id], record, value_id)


def test_what_runs_is_left_alone_after_a_halt_in_many_rows(bench: CudaBench) -> None:
    (record, *_) = records_of(batch_norm(SHAPES[0]))
    found = bench.run([record.call], record.inputs, halted=True)
    for index in (3, 4):
        np.testing.assert_array_equal(found[record.call.inputs[index].id], record.before[index])
    # The counters of the blocks are as they were: the next run is right.
    found = bench.run([record.call], record.inputs)
    near(found[record.call.outputs[0].id], record, record.call.outputs[0].id)


@pytest.mark.parametrize("rows", [1, 2, 37, 256, FEW_ROWS, FEW_ROWS + 1, 50_000, 3_000_000])
@pytest.mark.parametrize("columns", [1, 3, 4, 8, 20, 33, 64, 100, 513, 4096])
def test_blocks_cover_every_element_once(rows: int, columns: int) -> None:
    found = Columns.of(rows, columns)
    assert 1 << found.shift <= 32
    width = found.vector << found.shift
    assert (found.across - 1) * width < columns <= found.across * width
    assert (found.parts - 1) * found.part_rows < rows <= found.parts * found.part_rows
    assert found.part_rows % found.step == 0 and found.parts * found.across <= max(512, found.across)
    across, down = found.grid
    assert down <= 65535 and across == found.across


def _activations(machine: Interpreter, x: object) -> None:
    rate, counters = machine.value(constant(0.25)(None)), machine.value(key(5, 0, 2, 0)(None))  # type: ignore[arg-type]
    machine.op(ops.Dropout(11), machine.op(ops.ReLU(), x), rate, counters)  # type: ignore[arg-type]


def forward(*shape: int) -> Build:
    def build(machine: Interpreter, draw: Draw) -> None:
        c = shape[-1]
        y, *_ = machine.op(ops.BatchNorm(), draw(*shape), draw(c), draw(c), draw(c), draw(c))
        _activations(machine, y)

    return build


def by_constants(*shape: int) -> Build:
    def build(machine: Interpreter, draw: Draw) -> None:
        c = shape[-1]
        positive = machine.value(np.linspace(0.5, 2.0, c))
        y = machine.op(ops.BatchNormInference(), draw(*shape), draw(c), draw(c), draw(c), positive)
        machine.op(ops.LeakyReLU(0.2), y)

    return build


def backward(*shape: int) -> Build:
    def build(machine: Interpreter, draw: Draw) -> None:
        c = shape[-1]
        dx, *_ = machine.op(ops.BatchNormGradient(), draw(*shape), draw(c), draw(c), draw(c), draw(*shape))
        machine.op(ops.SigmoidGradient(), draw(*shape), machine.op(ops.DropoutGradient(), draw(*shape), dx))

    return build


@pytest.mark.parametrize(
    ("build", "kernels"),
    [
        (forward(37, 130), ["batch_norm"]),
        (forward(37, 132), ["batch_norm"]),
        (forward(6, 30, 30, 20), ["batch_norm_statistics", "normalize"]),
        (forward(5000, 3), ["batch_norm_statistics", "normalize"]),
        (by_constants(3, 9, 7, 20), ["normalize"]),
        (by_constants(40, 7), ["normalize"]),
        (backward(37, 130), ["batch_norm_gradient"]),
        (backward(37, 132), ["batch_norm_gradient"]),
        (backward(6, 30, 30, 20), ["batch_norm_gradient_sums", "batch_norm_gradient_rest"]),
        (backward(5000, 3), ["batch_norm_gradient_sums", "batch_norm_gradient_rest"]),
    ],
)
def test_what_follows_becomes_stages(build: Build, kernels: list[str], bench: CudaBench) -> None:
    assert check_group(build, bench) == kernels
