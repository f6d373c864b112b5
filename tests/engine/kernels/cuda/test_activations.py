"""Activations as stages: behind another operation they compute what they compute alone, and cost no launch."""

from __future__ import annotations

import re

import numpy as np
import pytest

from engine import ops
from engine.kernels.cuda import activations, stages
from engine.kernels.cuda.launches import Launch
from engine.kernels.cuda.signatures import FOLDER
from engine.ops import learned, pointwise
from engine.ops.base import Op, Value
from tests.engine.ops.cases import constant, key
from tests.support.cuda_bench import CudaBench
from tests.support.interpreter import Interpreter

ROWS, COLUMNS = 19, 21

PLAIN: list[Op] = [
    ops.ReLU(),
    ops.LeakyReLU(0.2),
    ops.Sigmoid(),
    ops.Tanh(),
    pointwise.ELU(0.5, 1.2),
    pointwise.Swish(1.5),
    pointwise.GELU(),
    pointwise.TanhGELU(),
    pointwise.Softplus(2.0),
    pointwise.Mish(),
    pointwise.HardTanh(),
]


class Machine(Interpreter):
    """With normally distributed numbers of any shape."""

    def __init__(self) -> None:
        super().__init__(precision="float32")
        self.rng = np.random.default_rng(0)

    def draw(self, *shape: int) -> Value:
        return self.value(self.rng.standard_normal(shape))


def one_launch(machine: Machine, bench: CudaBench) -> None:
    """The machine's calls are one launch, which has the bits of one launch after the other, in any memory."""
    made = {value.id for call in machine.calls for value in call.outputs}
    given = {value.id: value for call in machine.calls for value in call.inputs if value.id not in made}
    inputs = {value_id: machine.host(value) for value_id, value in given.items()}
    together = bench.run(machine.calls, inputs)
    assert len(bench.works) == 1
    known = dict(inputs)
    shared: dict[int, int] = {}
    for call in machine.calls:
        known |= bench.run([call], {value.id: known[value.id] for value in call.inputs})
        for output, source in call.op.in_place:
            root = call.inputs[source].id
            shared[call.outputs[output].id] = shared.get(root, root)
    in_place = bench.run(machine.calls, inputs, shared=shared)
    for output in machine.calls[-1].outputs:
        np.testing.assert_array_equal(together[output.id], known[output.id])
        np.testing.assert_array_equal(in_place[output.id], known[output.id])
        expected = machine.host(output)
        np.testing.assert_allclose(known[output.id], expected, rtol=0, atol=4e-6 * np.abs(expected).max())


@pytest.mark.parametrize("op", PLAIN, ids=lambda op: op.name)
def test_bias_activation_and_dropout_are_one_launch(op: Op, benches: tuple[CudaBench, ...]) -> None:
    machine = Machine()
    x = machine.op(ops.AddBias(), machine.draw(ROWS, COLUMNS), machine.draw(COLUMNS))
    rate, counters = machine.value(constant(0.25)(machine.rng)), machine.value(key(5, 0, 2, 0)(machine.rng))
    machine.op(ops.Dropout(11), machine.op(op, x), rate, counters)
    one_launch(machine, benches[1])


@pytest.mark.parametrize("op", [learned.PReLU(), learned.LearnedSwish()], ids=lambda op: op.name)
@pytest.mark.parametrize("numbers", [1, COLUMNS])
def test_learned_activations_are_stages(op: Op, numbers: int, benches: tuple[CudaBench, ...]) -> None:
    machine = Machine()
    x = machine.op(ops.AddBias(), machine.draw(ROWS, COLUMNS), machine.draw(COLUMNS))
    machine.op(op, x, machine.draw(numbers))
    one_launch(machine, benches[1])


@pytest.mark.parametrize("op", PLAIN, ids=lambda op: op.name)
def test_their_gradients_are_one_launch_with_that_of_dropout(op: Op, benches: tuple[CudaBench, ...]) -> None:
    machine = Machine()
    attributes = op.attributes()
    gradient = next(kind for kind in activations.PLAIN_GRADIENTS if kind.name == f"{op.name}_gradient")
    dy = machine.op(ops.DropoutGradient(), machine.draw(ROWS, COLUMNS), machine.draw(ROWS, COLUMNS))
    machine.op(gradient(**attributes), machine.draw(ROWS, COLUMNS), dy)
    one_launch(machine, benches[1])


def test_what_a_learned_activation_changed_is_kept_for_its_gradient(benches: tuple[CudaBench, ...]) -> None:
    """Its argument is read again on the way back: it is written beside the result."""
    machine = Machine()
    x = machine.op(ops.AddBias(), machine.draw(ROWS, COLUMNS), machine.draw(COLUMNS))
    slope = machine.draw(COLUMNS)
    y = machine.op(learned.PReLU(), x, slope)
    calls = list(machine.calls)
    machine.op(ops.Scale(2.0), x)
    given = {value.id: machine.host(value) for call in calls for value in call.inputs if value is not x}
    bench = benches[0]
    found = bench.run(machine.calls, given)
    work = bench.works[0]
    assert isinstance(work, Launch) and [stage.code for stage in work.stages][:2] == [stages.ADD_BIAS, stages.KEEP]
    for value in (x, y):
        np.testing.assert_allclose(found[value.id], machine.host(value), rtol=1e-6, atol=1e-6)


def test_codes_are_those_of_the_sources() -> None:
    for enum, file, module, count in (
        ("Shape", "activations.cuh", activations, 13),
        ("StageCode", "stages.cuh", stages, 9),
    ):
        text = (FOLDER / file).read_text(encoding="utf-8")
        body = re.search(rf"enum {enum} \{{(.*?)\}};", text, re.DOTALL)
        assert body is not None
        names = re.findall(r"^\s*([A-Z_]+)\b", body[1], re.MULTILINE)
        assert len(names) == count
        assert [getattr(module, name) for name in names] == list(range(1, count + 1))
