"""Every operation by compiled kernels: against float64, bits that hold, memory, in place, and what is not finite."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from engine.ops import OPS
from engine.ops.base import Call, Value
from tests.engine.kernels.cpu.sizes import SIZES
from tests.engine.ops.cases import ALL, LARGE, UPDATES, Case
from tests.support.compiled import Bench
from tests.support.records import SPREADING, Record, agree_where_not_finite, records_of

CASES = [*ALL, *UPDATES, *SIZES]
by_id = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)

FALLBACKS: frozenset[str] = frozenset(
    {
        "fractional_max_pool",
        "fractional_max_pool_gradient",
        "learned_swish",
        "learned_swish_gradient",
        "maxout",
        "maxout_gradient",
        "softmax",
        "softmax_gradient",
        "swish",
        "swish_gradient",
        "update_adadelta",
        "update_adagrad",
        "update_adamax",
        "update_amsgrad",
        "update_centered_rmsprop",
        "update_lamb",
        "update_muon",
    }
)
"""Operations that are left to the reference kernels on purpose."""

PARTLY: dict[str, Callable[[Call], bool]] = {
    # Each channel by itself is compiled; other groups are multiplied by the array executor.
    "grouped_conv2d": lambda call: not by_channel(call, *call.inputs[:1], *call.outputs),
    "grouped_conv2d_input_gradient": lambda call: not by_channel(call, *call.inputs[:1], *call.outputs),
    "grouped_conv2d_weight_gradient": lambda call: not by_channel(call, *call.inputs),
}
"""Operations of which some calls are left to the reference kernels: whether this one is."""

CONTROLS = {("dropout", 1), ("drop", 1)}
"""(operation, input) that the host writes: always finite."""

TOLERANCE = 2e-6
"""Relative to the largest number of an array, beside what the reference kernel in float32 is off."""


@pytest.fixture(scope="module")
def benches() -> Iterator[tuple[Bench, Bench]]:
    """One thread, and two."""
    pair = Bench(1), Bench(2)
    yield pair
    for bench in pair:
        bench.close()


def compiled_records(case: Case) -> list[Record]:
    """The calls of the case that have a compiled kernel."""
    return [record for record in records_of(case) if not is_left(record.call)]


def by_channel(call: Call, *images: Value) -> bool:
    """Whether a convolution treats each channel by itself."""
    groups = call.op.attributes()["groups"]
    return groups > 1 and {image.shape[3] for image in images} == {groups}


def is_left(call: Call) -> bool:
    """Whether a call is left to the reference kernel on purpose."""
    partly = PARTLY.get(call.op.name)
    return call.op.name in FALLBACKS or (partly is not None and partly(call))


def near(found: np.ndarray, record: Record, value_id: int, name: str) -> None:
    """The compiled result is as near to float64 as float32 allows."""
    exact, single = (record.reference(precision)[value_id].astype(float) for precision in ("float64", "float32"))
    scale = np.max(np.abs(exact), initial=1e-30)
    doubt = np.max(np.abs(single - exact), initial=0.0)
    np.testing.assert_allclose(found, exact, rtol=0, atol=TOLERANCE * scale + 3 * doubt, err_msg=name)


def check(benches: tuple[Bench, Bench], record: Record) -> None:
    alone, both = (bench.run([record.call], record.inputs, times=bench.threads) for bench in benches)
    for value_id in record.reference("float64"):
        near(alone[value_id], record, value_id, record.call.op.name)
        np.testing.assert_array_equal(alone[value_id], both[value_id], "another number of threads, other bits")


@by_id
def test_agrees_with_float64_on_any_number_of_threads(case: Case, benches: tuple[Bench, Bench]) -> None:
    for record in compiled_records(case):
        check(benches, record)


@pytest.mark.slow
@pytest.mark.parametrize("case", LARGE, ids=lambda case: case.id)
def test_large_arrays(case: Case, benches: tuple[Bench, Bench]) -> None:
    for record in compiled_records(case):
        check(benches, record)


@pytest.mark.parametrize("case", SIZES[::3], ids=lambda case: case.id)
def test_the_same_bits_again(case: Case, benches: tuple[Bench, Bench]) -> None:
    for record in compiled_records(case):
        first, second, third = (benches[1].run([record.call], record.inputs, times=n) for n in (1, 1, 5))
        for value in record.call.outputs:
            np.testing.assert_array_equal(first[value.id], second[value.id])
            np.testing.assert_array_equal(first[value.id], third[value.id])


def test_every_operation_is_compiled_or_named() -> None:
    tried = {record.call.op.name for case in (*ALL, *UPDATES) for record in records_of(case)}
    assert tried == {name for name, op in OPS.items() if not op.view}
    assert tried >= FALLBACKS


@by_id
def test_in_place_gives_the_same_bits(case: Case, benches: tuple[Bench, Bench]) -> None:
    for record in compiled_records(case):
        call = record.call
        expected = benches[0].run([call], record.inputs)
        for output, source in call.op.in_place:
            shared = {call.outputs[output].id: call.inputs[source].id}
            found = benches[1].run([call], record.inputs, shared=shared)
            for value in call.outputs:
                np.testing.assert_array_equal(found[value.id], expected[value.id], call.op.name)


@pytest.mark.parametrize("case", SPREADING, ids=lambda case: case.id)
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf], ids=str)
def test_what_is_not_finite_spreads_as_on_the_array_executor(
    case: Case, number: float, benches: tuple[Bench, Bench]
) -> None:
    for record in compiled_records(case):
        for index in range(len(record.call.inputs)):
            written = (record.call.op.name, index) in CONTROLS or index in record.call.op.mutates
            if written or record.before[index].dtype.kind != "f":
                continue
            broken = record.with_number(index, number)
            found, expected = benches[0].run([broken.call], broken.inputs), broken.reference("float32")
            for value_id, array in expected.items():
                if array.dtype.kind == "f":
                    agree_where_not_finite(found[value_id], array, f"{record.call.op.name}, input {index}")
