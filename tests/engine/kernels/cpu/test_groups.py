"""Groups: what follows an operation becomes stages of its pass, and computes what it computes alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from engine import ops
from engine.ops.base import Value
from tests.engine.ops.cases import constant, key, labels
from tests.support.compiled import Bench
from tests.support.interpreter import Interpreter

Draw = Callable[..., Value]
"""Gives a value of normally distributed numbers of a shape."""

IMAGE = (3, 9, 7, 20)
C = IMAGE[-1]


def _activations(machine: Interpreter, x: Value) -> Value:
    rate, counters = machine.value(constant(0.25)(None)), machine.value(key(5, 0, 2, 0)(None))  # type: ignore[arg-type]
    return machine.op(ops.Dropout(11), machine.op(ops.ReLU(), x), rate, counters)[0]


def product(machine: Interpreter, draw: Draw) -> None:
    x = machine.op(ops.MatMul(), draw(37, 50), draw(50, 45))
    _activations(machine, machine.op(ops.AddBias(), x, draw(45)))


def convolution(machine: Interpreter, draw: Draw) -> None:
    x = machine.op(ops.Conv2d(1, 1), draw(*IMAGE), draw(3, 3, C, 13))
    machine.op(ops.Tanh(), machine.op(ops.AddBias(), x, draw(13)))


def transposed_convolution(machine: Interpreter, draw: Draw) -> None:
    x = machine.op(ops.Conv2dInputGradient((3, 9, 7, 13), 1, 1), draw(*IMAGE), draw(3, 3, 13, C))
    machine.op(ops.Tanh(), machine.op(ops.AddBias(), x, draw(13)))


def convolution_by_channel(machine: Interpreter, draw: Draw) -> None:
    x = machine.op(ops.grouped_convolution.GroupedConv2d(1, 1, C, 1), draw(*IMAGE), draw(3, 3, 1, C))
    machine.op(ops.ReLU(), machine.op(ops.AddBias(), x, draw(C)))


def normalization_of_columns(machine: Interpreter, draw: Draw) -> None:
    x, *_ = machine.op(ops.BatchNorm(), draw(37, 130), draw(130), draw(130), draw(130), draw(130))
    _activations(machine, x)


def normalization_of_rows(machine: Interpreter, draw: Draw) -> None:
    x, *_ = machine.op(ops.BatchNorm(), draw(9, 30, 30, C), draw(C), draw(C), draw(C), draw(C))
    machine.op(ops.Sigmoid(), x)


def normalization_by_constants(machine: Interpreter, draw: Draw) -> None:
    positive = machine.value(np.linspace(0.5, 2.0, C))
    x = machine.op(ops.BatchNormInference(), draw(*IMAGE), draw(C), draw(C), draw(C), positive)
    machine.op(ops.LeakyReLU(0.2), x)


def product_backwards(machine: Interpreter, draw: Draw) -> None:
    dy = machine.op(ops.MatMul(transpose_b=True), draw(37, 50), draw(45, 50))
    machine.op(ops.ReLUGradient(), draw(37, 45), dy)


def convolution_backwards(machine: Interpreter, draw: Draw) -> None:
    dx = machine.op(ops.Conv2dInputGradient(IMAGE, 1, 1), draw(3, 9, 7, 13), draw(3, 3, C, 13))
    machine.op(ops.TanhGradient(), draw(*IMAGE), dx)


def normalization_backwards(shape: tuple[int, ...]) -> Callable[[Interpreter, Draw], None]:
    def build(machine: Interpreter, draw: Draw) -> None:
        columns = shape[-1]
        dx, *_ = machine.op(
            ops.BatchNormGradient(), draw(*shape), draw(columns), draw(columns), draw(columns), draw(*shape)
        )
        machine.op(ops.SigmoidGradient(), draw(*shape), machine.op(ops.DropoutGradient(), draw(*shape), dx))

    return build


def pooling_backwards(size: int, stride: int, padding: int) -> Callable[[Interpreter, Draw], None]:
    def build(machine: Interpreter, draw: Draw) -> None:
        x = draw(*IMAGE)
        y = machine.op(ops.MaxPool(size, stride, padding), x)
        machine.calls.clear()
        dx = machine.op(ops.MaxPoolGradient(size, stride, padding), x, y, draw(*y.shape))
        machine.op(ops.ReLUGradient(), draw(*IMAGE), dx)

    return build


def average_backwards(machine: Interpreter, draw: Draw) -> None:
    dx = machine.op(ops.AveragePoolGradient(3, 2, 1, IMAGE), draw(3, 5, 4, C))
    machine.op(ops.LeakyReLUGradient(0.1), draw(*IMAGE), dx)


def global_average_backwards(machine: Interpreter, draw: Draw) -> None:
    dx = machine.op(ops.GlobalAveragePoolGradient(IMAGE), draw(3, C))
    machine.op(ops.ReLUGradient(), draw(*IMAGE), dx)


GROUPS: dict[str, Callable[[Interpreter, Draw], None]] = {
    "product": product,
    "convolution": convolution,
    "transposed convolution": transposed_convolution,
    "convolution by channel": convolution_by_channel,
    "normalization of columns": normalization_of_columns,
    "normalization of rows": normalization_of_rows,
    "normalization by constants": normalization_by_constants,
    "product backwards": product_backwards,
    "convolution backwards": convolution_backwards,
    "normalization of columns backwards": normalization_backwards((37, 130)),
    "normalization of rows backwards": normalization_backwards((9, 30, 30, C)),
    "pooling backwards": pooling_backwards(3, 3, 0),
    "overlapping pooling backwards": pooling_backwards(3, 2, 1),
    "average pooling backwards": average_backwards,
    "global average pooling backwards": global_average_backwards,
}


@pytest.fixture(scope="module", params=[1, 2], ids=["1 thread", "2 threads"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(request.param)
    yield bench
    bench.close()


def build(name: str) -> tuple[Interpreter, dict[int, np.ndarray]]:
    """The group's calls, done by the reference kernels, and what they began with."""
    machine = Interpreter(precision="float32")
    rng = np.random.default_rng(4)
    GROUPS[name](machine, lambda *shape: machine.value(np.abs(rng.standard_normal(shape)) - 0.4))
    made = {value.id for call in machine.calls for value in call.outputs}
    given = {value.id: value for call in machine.calls for value in call.inputs if value.id not in made}
    return machine, {value_id: machine.host(value) for value_id, value in given.items()}


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_is_one_pass(name: str, bench: Bench) -> None:
    machine, inputs = build(name)
    found = bench.run(machine.calls, inputs, times=2)
    assert bench.names == ["+".join(call.op.name for call in machine.calls)]
    for output in machine.calls[-1].outputs:
        expected = machine.host(output)
        np.testing.assert_allclose(found[output.id], expected, rtol=0, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", GROUPS)
def test_stages_change_no_bit(name: str, bench: Bench) -> None:
    machine, inputs = build(name)
    together = bench.run(machine.calls, inputs)
    known: dict[int, Any] = dict(inputs)
    for call in machine.calls:
        alone = bench.run([call], {value.id: known[value.id] for value in call.inputs})
        known |= {value.id: alone[value.id] for value in call.outputs}
    for output in machine.calls[-1].outputs:
        np.testing.assert_array_equal(together[output.id], known[output.id])


@pytest.mark.parametrize("name", GROUPS)
def test_in_one_memory(name: str, bench: Bench) -> None:
    """As a program lays it out where nobody else needs what is between."""
    machine, inputs = build(name)
    apart = bench.run(machine.calls, inputs)
    shared: dict[int, int] = {}
    for call in machine.calls:
        for output, source in call.op.in_place:
            root = call.inputs[source].id
            shared[call.outputs[output].id] = shared.get(root, root)
    together = bench.run(machine.calls, inputs, shared=shared)
    last = machine.calls[-1].outputs[0]
    np.testing.assert_array_equal(together[last.id], apart[last.id])


def test_what_is_read_later_is_kept(bench: Bench) -> None:
    """An activation whose input someone reads besides: both stay."""
    machine = Interpreter(precision="float32")
    rng = np.random.default_rng(1)
    x, w = machine.value(rng.standard_normal((33, 20))), machine.value(rng.standard_normal((20, 40)))
    y = machine.op(ops.MatMul(), x, w)
    machine.op(ops.Tanh(), y)
    machine.op(ops.Scale(2.0), y)
    found = bench.run(machine.calls, {value.id: machine.host(value) for value in (x, w)})
    for call in machine.calls:
        (output,) = call.outputs
        np.testing.assert_allclose(found[output.id], machine.host(output), rtol=0, atol=1e-4)


def test_classes_out_of_range_count_as_no_class(bench: Bench) -> None:
    machine = Interpreter(precision="float32")
    z = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    targets = labels(6, 4)(np.random.default_rng(0))
    targets[[1, 4]] = -1, 4
    values = [machine.value(z), machine.value(targets)]
    call = machine.call(ops.SoftmaxCrossEntropy(), *values)
    found = bench.run([call], {values[0].id: z, values[1].id: targets})
    for value in call.outputs:
        np.testing.assert_allclose(found[value.id], machine.host(value), rtol=1e-6)
