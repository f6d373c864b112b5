"""Every operation by the GPU's kernels, run on the CPU: against float64, in any order, in place, not finite."""

from __future__ import annotations

import numpy as np
import pytest

from engine.ops import OPS
from tests.engine.kernels.cpu.sizes import SIZES
from tests.engine.ops.cases import ALL, UPDATES, Case
from tests.support.cuda_bench import CudaBench
from tests.support.records import SPREADING, Record, agree_where_not_finite, records_of

CASES = [*ALL, *UPDATES, *SIZES]
by_id = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)

CONTROLS = {("dropout", 1), ("drop", 1)}
"""(operation, input) that the host writes: always finite."""

LEFT_OUT = {("embedding_gradient", 1)}
"""(operation, input) that the reference multiplies by zeros and ones where these kernels read only what counts: zero
times infinity does not spread to rows that it has nothing to do with. See test_sequences.py."""

TOLERANCE = 2e-6
"""Relative to the largest number of an array, beside what the reference kernel in float32 is off."""


def near(found: np.ndarray, record: Record, value_id: int) -> None:
    """The result is as near to float64 as float32 allows."""
    exact, single = (record.reference(precision)[value_id].astype(float) for precision in ("float64", "float32"))
    scale = np.max(np.abs(exact), initial=1e-30)
    doubt = np.max(np.abs(single - exact), initial=0.0)
    np.testing.assert_allclose(found, exact, rtol=0, atol=TOLERANCE * scale + 3 * doubt, err_msg=record.call.op.name)


def test_every_operation_is_declared() -> None:
    tried = {record.call.op.name for case in (*ALL, *UPDATES) for record in records_of(case)}
    assert tried == {name for name, op in OPS.items() if not op.view}


@by_id
def test_agrees_with_float64_in_any_order(case: Case, benches: tuple[CudaBench, ...]) -> None:
    for record in records_of(case):
        first, *others = (bench.run([record.call], record.inputs, times=2) for bench in benches)
        for value_id in record.reference("float64"):
            near(first[value_id], record, value_id)
            for other in others:
                np.testing.assert_array_equal(first[value_id], other[value_id], "another order, other bits")


@by_id
def test_in_place_gives_the_same_bits(case: Case, benches: tuple[CudaBench, ...]) -> None:
    for record in records_of(case):
        call = record.call
        if not call.op.in_place:
            continue
        expected = benches[0].run([call], record.inputs)
        for output, source in call.op.in_place:
            shared = {call.outputs[output].id: call.inputs[source].id}
            found = benches[2].run([call], record.inputs, shared=shared)
            for value in call.outputs:
                np.testing.assert_array_equal(found[value.id], expected[value.id], call.op.name)


@by_id
def test_nothing_is_changed_after_a_loss_that_is_not_finite(case: Case, benches: tuple[CudaBench, ...]) -> None:
    for record in records_of(case):
        if record.call.op.mutates:
            found = benches[0].run([record.call], record.inputs, halted=True)
            for index in record.call.op.mutates:
                value = record.call.inputs[index]
                np.testing.assert_array_equal(found[value.id], record.before[index], record.call.op.name)


def multiplies_zeros(case: Case) -> bool:
    """Whether the reference multiplies the channels of one group by zeros in place of another group's weights."""
    given = case.op.attributes()
    return case.op.name == "grouped_conv2d" and 1 < given["groups"] < case.draw()[0].shape[3]


@pytest.mark.parametrize("case", [case for case in SPREADING if not multiplies_zeros(case)], ids=lambda case: case.id)
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf], ids=str)
def test_what_is_not_finite_spreads_as_in_the_reference(
    case: Case, number: float, benches: tuple[CudaBench, ...]
) -> None:
    for record in records_of(case):
        for index in range(len(record.call.inputs)):
            name = record.call.op.name
            written = (name, index) in CONTROLS | LEFT_OUT or index in record.call.op.mutates
            if written or record.before[index].dtype.kind != "f":
                continue
            broken = record.with_number(index, number)
            found, expected = benches[0].run([broken.call], broken.inputs), broken.reference("float32")
            for value_id, array in expected.items():
                if array.dtype.kind == "f":
                    agree_where_not_finite(found[value_id], array, f"{record.call.op.name}, input {index}")
