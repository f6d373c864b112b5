"""Calls of operations with what they were given, for the executors' kernels to be held against the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine import ops
from engine.ops.base import Call, Op, Value
from tests.engine.ops.cases import ALL, Case
from tests.support.interpreter import Interpreter

__all__ = ["NONSENSE", "SPREADING", "Record", "agree_where_not_finite", "records_of"]

NONSENSE = {"f": np.nan, "u": 0xDEADBEEF, "i": -(2**62), "b": True}
"""What lies in memory that nothing was written to, by the kind of its type."""

SPREADING = [case for case in ALL if case.op != ops.LeakyReLU(0.0)]
"""Cases in which kernels let what is not finite spread as the reference does. With a slope of zero the reference takes
0 x infinity for what is positive, and they do not."""


@dataclass(frozen=True)
class Record:
    """A call, and its inputs as they were before it."""

    call: Call
    before: tuple[np.ndarray, ...]

    @property
    def inputs(self) -> dict[int, np.ndarray]:
        """By value id, as `Bench.run` and `CudaBench.run` take them."""
        return {value.id: array for value, array in zip(self.call.inputs, self.before, strict=True)}

    def with_number(self, index: int, number: float) -> Record:
        """The same with another number in the middle of one of the inputs."""
        before = [array.copy() for array in self.before]
        before[index].reshape(-1)[before[index].size // 2] = number
        return Record(self.call, tuple(before))

    def reference(self, precision: str) -> dict[int, np.ndarray]:
        """What the reference kernel makes of the same float32 inputs: the outputs, and the inputs it changes, by id."""
        machine = Interpreter(precision=precision)
        values = [machine.value(array) for array in self.before]
        call = machine.call(self.call.op, *values)
        found = {mine.id: machine.host(theirs) for mine, theirs in zip(self.call.outputs, call.outputs, strict=True)}
        changed = [(self.call.inputs[i], values[i]) for i in self.call.op.mutates]
        return found | {mine.id: machine.host(theirs) for mine, theirs in changed}


class _Recorder(Interpreter):
    def __init__(self) -> None:
        super().__init__(precision="float32")
        self.records: list[Record] = []

    def call(self, op: Op, *inputs: Value) -> Call:
        before = tuple(self.host(value) for value in inputs)
        call = super().call(op, *inputs)
        self.records.append(Record(call, before))
        return call


def records_of(case: Case) -> list[Record]:
    """The calls of a case in float32, forward and, where it has a derivative, backward; views left out."""
    machine = _Recorder()
    call = machine.call(case.op, *(machine.value(array) for array in case.draw()))
    if case.wanted:
        machine.gradients({call.outputs[0]: np.random.default_rng(1).standard_normal(call.outputs[0].shape)})
    return [record for record in machine.records if not record.call.op.view]


def agree_where_not_finite(found: np.ndarray, expected: np.ndarray, name: str) -> None:
    """The same elements are NaN, and the same infinite, with the same signs."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected), name)
    infinite = np.isinf(expected)
    np.testing.assert_array_equal(found[infinite], expected[infinite], name)
    np.testing.assert_array_equal(np.isinf(found), infinite, name)
