"""Losses in sizes at which their kernels change their ways, and what follows them in a group."""

from __future__ import annotations

import numpy as np
import pytest

from engine import ops
from engine.ops.base import Value
from tests.engine.kernels.cuda.test_operations import near
from tests.engine.ops.cases import Case, constant, labels, normal, uniform
from tests.support.cuda_bench import CudaBench
from tests.support.interpreter import Interpreter
from tests.support.records import Record, records_of

ROWS = ((1, 1), (3, 2), (300, 5), (9, 33), (5, 520), (2, 4100), (40, 513))
"""One number; several rows a warp, in several blocks; a warp a row; a block a row, a large one."""


def cases(rows: int, columns: int) -> list[Case]:
    scores, weights = normal(rows, columns, scale=3.0), tuple(0.5 + i % 7 for i in range(columns))
    return [
        Case(ops.SoftmaxCrossEntropy(), (scores, labels(rows, columns))),
        Case(ops.SoftTargetCrossEntropy(), (scores, uniform(rows, columns))),
        Case(ops.WeightedCrossEntropy(), (scores, uniform(rows, columns), constant(2.5))),
        Case(ops.MultiMargin(0.7, squared=True), (scores, labels(rows, columns))),
        Case(ops.MultiMargin(), (scores, labels(rows, columns))),
        Case(ops.ClassShares(columns, 0.1, weights), (labels(rows, columns),), ()),
        Case(ops.BinaryCrossEntropy(), (scores, labels(rows * columns, 2))),
        Case(ops.MeanSquaredError(), (scores, labels(rows * columns, 3))),
        Case(ops.MeanAbsoluteError(), (scores, normal(rows, columns))),
        Case(ops.Huber(0.7), (scores, normal(rows, columns))),
    ]


@pytest.mark.parametrize("shape", ROWS, ids=str)
def test_agrees_with_float64_in_any_order(shape: tuple[int, int], benches: tuple[CudaBench, ...]) -> None:
    for case in cases(*shape):
        for record in records_of(case):
            first, *others = (bench.run([record.call], record.inputs, times=2) for bench in benches)
            assert len(benches[0].works) == 1
            for value_id in record.reference("float64"):
                near(first[value_id], record, value_id)
                for other in others:
                    np.testing.assert_array_equal(first[value_id], other[value_id])


@pytest.mark.parametrize("op", [ops.SoftmaxCrossEntropy(), ops.MultiMargin()], ids=lambda op: op.name)
def test_a_label_that_no_class_has_is_none(op: ops.base.Op) -> None:
    given = np.array([0, -1, 4, 10**12, -(2**40)])
    bench = CudaBench()
    for record in records_of(Case(op, (normal(5, 4), lambda rng: given))):
        found = bench.run([record.call], record.inputs)
        for value_id in record.reference("float64"):
            near(found[value_id], record, value_id)


def _gradient_and(machine: Interpreter, draw: dict[str, Value], which: str) -> None:
    shape = draw["p"].shape
    if which == "softmax":
        dz = machine.op(ops.SoftmaxCrossEntropyGradient(), draw["p"], draw["labels"], draw["dloss"])
    elif which == "squared":
        dz = machine.op(ops.MeanSquaredErrorGradient(), draw["p"], draw["t"], draw["dloss"])
    elif which == "weighted":
        inputs = (draw["p"], draw["t"], draw["divisor"], draw["dloss"])
        dz = machine.op(ops.WeightedCrossEntropyGradient(), *inputs)
    else:
        dz = machine.op(ops.MultiMarginGradient(), draw["p"], draw["labels"], draw["dloss"])
    assert dz.shape == shape
    machine.op(ops.AddBias(), machine.op(ops.Scale(0.5), dz), draw["bias"])


@pytest.mark.parametrize("which", ["softmax", "squared", "weighted", "margin"])
@pytest.mark.parametrize("shape", [(7, 10), (3, 700)], ids=str)
def test_what_follows_a_gradient_is_done_by_its_launch(
    which: str, shape: tuple[int, int], benches: tuple[CudaBench, ...]
) -> None:
    rng, machine = np.random.default_rng(0), Interpreter(precision="float32")
    drawn = {
        "p": rng.standard_normal(shape),
        "t": rng.random(shape),
        "labels": rng.integers(shape[1], size=shape[0]),
        "dloss": np.array([0.7]),
        "divisor": np.array([2.5]),
        "bias": rng.standard_normal(shape[1]),
    }
    values = {name: machine.value(array) for name, array in drawn.items()}
    _gradient_and(machine, values, which)
    read = {value.id for call in machine.calls for value in call.inputs}
    inputs = {value.id: machine.host(value) for value in values.values() if value.id in read}
    for bench in benches:
        found = bench.run(machine.calls, inputs)
        assert len(bench.works) == 1
        last = machine.calls[-1].outputs[0]
        np.testing.assert_allclose(found[last.id], machine.host(last), rtol=2e-6, atol=2e-6)


def test_the_small_one_runs_in_few_blocks() -> None:
    (record, *_) = records_of(Case(ops.SoftmaxCrossEntropy(), (normal(128, 10), labels(128, 10))))
    assert isinstance(record, Record)
    bench = CudaBench()
    bench.run([record.call], record.inputs)
    assert [(work.kernel, work.size, work.block) for work in bench.works] == [  # type: ignore[union-attr]
        ("softmax_cross_entropy", (8, 1, 1), 256)
    ]
