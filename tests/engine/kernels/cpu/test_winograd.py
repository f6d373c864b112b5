"""Convolutions with fewer multiplications: how near to float64, on any number of threads, and where they are taken."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from engine import ops
from engine.kernels.cpu import winograd
from engine.ops.base import Call
from tests.engine.ops.cases import Case, normal
from tests.support.compiled import Bench
from tests.support.interpreter import Interpreter
from tests.support.records import Record, records_of

TOLERANCE = 3e-6
"""Relative to the largest number of an array."""

SIZES = (
    # batch, height, width, channels in, channels out, window, padding
    (1, 8, 8, 16, 16, 3, 1),
    (3, 7, 10, 32, 16, 3, 1),
    (2, 9, 13, 16, 48, 3, 0),
    (2, 5, 6, 48, 32, 3, 2),
    (1, 3, 3, 16, 16, 3, 1),
    (9, 16, 16, 64, 80, 3, 1),
    (5, 14, 14, 16, 32, 5, 2),
    (2, 9, 12, 32, 16, 5, 1),
    (1, 11, 7, 16, 16, 5, 0),
    (1, 2, 17, 16, 32, 5, 4),
    (2, 10, 11, 16, 32, 4, 1),
)
"""Fewer outputs than a tile has, tiles that reach beyond the image, more tiles than a block, half a panel."""


@pytest.fixture(scope="module")
def benches() -> Iterator[tuple[Bench, Bench]]:
    """One thread, and two."""
    pair = Bench(1), Bench(2)
    yield pair
    for bench in pair:
        bench.close()


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if transforms took no time, so that small images are done this way, too."""
    monkeypatch.setattr(winograd, "TRANSFORM", 0)


def is_taken(call: Call) -> bool:
    """Whether a convolution or gradient is done with fewer multiplications."""
    stride = call.op.attributes()["stride"]
    if isinstance(call.op, ops.Conv2dWeightGradient):
        return winograd.suits(call.outputs[0].shape, stride, call.inputs[1].shape)
    return winograd.suits(call.inputs[1].shape, stride, call.outputs[0].shape)


def convolution(size: tuple[int, ...]) -> Case:
    batch, height, width, channels, filters, window, padding = size
    x, w = normal(batch, height, width, channels), normal(window, window, channels, filters)
    return Case(ops.Conv2d(1, padding), (x, w), (0, 1))


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_agrees_with_float64_on_any_number_of_threads(size: tuple[int, ...], benches: tuple[Bench, Bench]) -> None:
    records = records_of(convolution(size))
    assert len(records) == 3
    for record in records:
        assert is_taken(record.call)
        alone, both = (bench.run([record.call], record.inputs, times=2) for bench in benches)
        ((value_id, exact),) = record.reference("float64").items()
        name = record.call.op.name
        np.testing.assert_allclose(alone[value_id], exact, rtol=0, atol=TOLERANCE * np.abs(exact).max(), err_msg=name)
        np.testing.assert_array_equal(alone[value_id], both[value_id], "another number of threads, other bits")


def test_many_positive_numbers_keep_their_digits(benches: tuple[Bench, Bench]) -> None:
    """As behind a ReLU: the points see large sums, of which the outputs are small differences."""
    machine = Interpreter(precision="float32")
    rng = np.random.default_rng(2)
    x = machine.value(np.abs(rng.standard_normal((2, 16, 16, 128))))
    w = machine.value(rng.standard_normal((3, 3, 128, 32)))
    call = machine.call(ops.Conv2d(1, 1), x, w)
    record = Record(call, (machine.host(x), machine.host(w)))
    assert is_taken(call)
    found = benches[0].run([call], record.inputs)
    ((value_id, exact),) = record.reference("float64").items()
    np.testing.assert_allclose(found[value_id], exact, rtol=0, atol=TOLERANCE * np.abs(exact).max())


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("thread", [0, 1])
def test_stages_change_no_bit(backwards: bool, thread: int, benches: tuple[Bench, Bench]) -> None:
    machine = Interpreter(precision="float32")
    rng = np.random.default_rng(3)
    x, w, b, dy = (
        machine.value(rng.standard_normal(shape)) for shape in ((3, 9, 7, 32), (3, 3, 32, 48), (48,), (3, 9, 7, 48))
    )
    if backwards:
        machine.op(ops.ReLUGradient(), x, machine.op(ops.Conv2dInputGradient(x.shape, 1, 1), dy, w))
    else:
        machine.op(ops.ReLU(), machine.op(ops.AddBias(), machine.op(ops.Conv2d(1, 1), x, w), b))
    known = {value.id: machine.host(value) for value in (x, w, b, dy)}
    bench = benches[thread]
    given = {value.id: known[value.id] for call in machine.calls for value in call.inputs if value.id in known}
    together = bench.run(machine.calls, given)
    assert len(bench.names) == 1
    for call in machine.calls:
        assert not isinstance(call.op, ops.Conv2d | ops.Conv2dInputGradient) or is_taken(call)
        known |= bench.run([call], {value.id: known[value.id] for value in call.inputs})
    last = machine.calls[-1].outputs[0]
    np.testing.assert_array_equal(together[last.id], known[last.id])


def test_what_is_not_finite_stays_so_and_stays_in_its_tiles(benches: tuple[Bench, Bench]) -> None:
    record = records_of(convolution((1, 32, 32, 32, 32, 3, 1)))[0]
    assert is_taken(record.call)
    record.before[0][0, 13, 20, 5] = np.inf
    found = benches[0].run([record.call], record.inputs)[record.call.outputs[0].id]
    (expected,) = record.reference("float32").values()
    assert not np.isfinite(found[~np.isfinite(expected)]).any()
    touched = np.zeros((32, 32), bool)
    touched[12:16, 16:24] = True  # the two tiles of 4 x 4 outputs that see the pixel
    assert np.isfinite(found[:, ~touched]).all()


def test_taken_where_it_saves_multiplications_and_time() -> None:
    assert winograd.suits((3, 3, 32, 32), 1, (64, 32, 32, 32))
    assert winograd.suits((5, 5, 16, 32), 1, (128, 14, 14, 32))
    assert not winograd.suits((3, 3, 32, 32), 2, (64, 16, 16, 32)), "stride"
    assert not winograd.suits((3, 5, 32, 32), 1, (64, 32, 32, 32)), "a window that is not square"
    assert not winograd.suits((7, 7, 32, 32), 1, (64, 32, 32, 32)), "too large a window"
    assert not winograd.suits((3, 3, 3, 32), 1, (64, 32, 32, 32)), "channels that fill no vector"
    assert not winograd.suits((3, 3, 32, 33), 1, (64, 32, 32, 33)), "filters that fill no vector"
    assert not winograd.suits((3, 3, 16, 16), 1, (64, 5, 5, 16)), "four tiles for 25 pixels of few channels"
    assert not winograd.suits((3, 3, 128, 128), 1, (1, 4, 4, 128)), "weights transformed for one tile"
