"""The GPU's instruments against the reference in float64, in any order of threads and blocks: statistics, living units
and histograms, in as few launches as there should be."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from engine.fuse import Group
from engine.kernels.cuda import declare
from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import Launch, cover_group
from engine.kernels.cuda.observe import COUNTERS, MOST_BLOCKS, ONE_BLOCK, ROWS, copies_of, span_of
from engine.kernels.cuda.signatures import NULL, SignatureError
from engine.ops import Observe, ObserveMany, ObserveUnits
from engine.ops.base import DType, Op
from engine.ops.observe import STATISTICS, UNIT_STATISTICS
from tests.support.cuda_bench import CudaBench
from tests.support.fake_cuda import FakeDevice
from tests.support.interpreter import Interpreter
from tests.support.observed import broken, normal, rectified

SHAPES = [(1, 1), (5, 7), (33, 3), (3, 8, 8, 2), (130, 300), (2, 9_003), (1, 20_000), (ONE_BLOCK + 1,), (12, 7, 8, 32)]


def observed(benches: tuple[CudaBench, ...], op: Op, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """The results of the kernels after several runs: the same bits in every order."""
    machine = Interpreter(precision="float64")
    inputs = [machine.value(array) for array in arrays]
    call = machine.call(op, *inputs)
    given = {v.id: a for v, a in zip(inputs, arrays, strict=True)}
    runs = [bench.run([call], given, times=1 + (bench is benches[0])) for bench in benches]
    first, *others = ([run[v.id] for v in call.outputs] for run in runs)
    for other in others:
        for mine, theirs in zip(first, other, strict=True):
            assert mine.tobytes() == theirs.tobytes(), "another order, other bits"
    return tuple(first)


def reference(op: Op, *arrays: np.ndarray, precision: str = "float64") -> tuple[np.ndarray, ...]:
    machine = Interpreter(precision=precision)
    return tuple(machine.host(v) for v in machine.call(op, *(machine.value(array) for array in arrays)).outputs)


def agree(op: Op, found: tuple[np.ndarray, ...], *arrays: np.ndarray) -> None:
    exact, single = (reference(op, *arrays, precision=precision) for precision in ("float64", "float32"))
    for name, mine, other in zip(STATISTICS, found[0], exact[0], strict=True):
        if name in ("mean", "squares"):
            # What is added up is as large as this.
            scale = np.abs(exact[0][2:4]).max() ** (2 if name == "squares" else 1)
            np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-7 * scale, err_msg=name)
        else:
            np.testing.assert_array_equal(mine, other.astype(np.float32), name)
    np.testing.assert_array_equal(found[1], exact[1])
    # In float32 every element lies in the same bin, to the last one.
    np.testing.assert_array_equal(found[2], single[2])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("make", [normal, rectified, broken])
def test_agrees_with_the_reference(benches: tuple[CudaBench, ...], make, shape: tuple[int, ...]) -> None:
    x = make(shape)
    for op in (Observe(64, -0.5, 1.5), Observe(0), Observe(8, None, 0.25)):
        agree(op, observed(benches, op, x), x)
        kernels = [work.kernel for work in benches[0].works]
        assert kernels == (["observe_many"] if x.size <= ONE_BLOCK else ["observe_first", "observe_second"])


@pytest.mark.parametrize("shape", [(720, 3000), (2, 1_100_001)], ids=str)
def test_arrays_that_take_all_blocks_more_than_once(benches: tuple[CudaBench, ...], shape: tuple[int, ...]) -> None:
    x = rectified(shape)
    op = Observe(64, -0.5, 1.5)
    agree(op, observed(benches[2:], op, x), x)
    works = benches[2].works
    span = works[0].arguments[3]
    assert span < x.size and works[0].size[0] * 1024 >= span
    assert (span % shape[1] == 0) == (shape[1] == 3000)


def test_a_thread_stays_in_its_columns_where_rows_are_not_too_long() -> None:
    for units in (1, 3, 7, 64, 1000, 4099, 50_257):
        assert span_of(10**8, units) % units == 0
    for size, units in ((10, 1), (20_000, 3), (10**7, 7), (10**9, 1_000_003), (2**31 - 1, 2**31 - 1)):
        span = span_of(size, units)
        assert span % 4 == 0 and 0 < span <= 2 * MOST_BLOCKS * 1024
        assert span <= max(2 * size, 2048)


def test_nothing_finite(benches: tuple[CudaBench, ...]) -> None:
    for shape in ((20, 7), (300, 70)):
        stats, alive, histogram = observed(benches, Observe(8, -1.0, 1.0), np.full(shape, np.nan, np.float32))
        assert not stats.any() and alive.all() and not histogram.any()


@pytest.mark.parametrize("shape", [(20, 7), (300, 70)], ids=str)
@pytest.mark.parametrize("value", [0.0, -1.5, 8e37, 1e-40])
def test_a_constant_goes_to_the_first_bin(benches: tuple[CudaBench, ...], value: float, shape: tuple[int, int]) -> None:
    x = np.full(shape, value, np.float32)
    stats, _, histogram = observed(benches, Observe(5), x)
    assert histogram.tolist() == [x.size, 0, 0, 0, 0]
    assert stats[0] == pytest.approx(value, rel=1e-6, abs=1e-39)
    assert stats[1] <= 1e-6 * x.size * min(value * value, 1e38)
    assert stats[2] == stats[3] == pytest.approx(value, rel=1e-7, abs=1e-39)


@pytest.mark.parametrize("values", [[-2e38, 0.0, 2e38], [-8e37, 1.0, 8e37], [0.0, 1e-40, 2e-40], [-0.0, -0.0, 5e-38]])
@pytest.mark.parametrize("times", [100, 10_000])
def test_extreme_ranges_lose_no_element(benches: tuple[CudaBench, ...], values: list[float], times: int) -> None:
    stats, _, histogram = observed(benches, Observe(8), np.array([values * times], np.float32))
    assert histogram.sum() == stats[STATISTICS.index("finite")] > 0
    assert (histogram >= 0).all() and np.isfinite(stats[0])
    # A least element that is zero is 0, not -0.
    assert not np.signbit(stats[2]) or stats[2] < 0


def test_sums_beyond_the_greatest_number_have_a_mean(benches: tuple[CudaBench, ...]) -> None:
    x = np.full((200, 100), 8e37, np.float32)
    x[:, 1] = 4e37
    assert observed(benches, Observe(8), x)[0][0] == pytest.approx(x.mean(dtype=np.float64), rel=1e-6)
    (result,) = observed(benches, ObserveUnits(), x)
    np.testing.assert_allclose(result[0], x.mean(axis=0, dtype=np.float64), rtol=1e-6)


def test_a_far_first_element_spoils_no_variance(benches: tuple[CudaBench, ...]) -> None:
    for shape in ((40, 30), (400, 100)):
        x = normal(shape) + np.float32(1000)
        x[0, 0] = -1e6
        stats, _, _ = observed(benches, Observe(8), x)
        exact = ((x - x.mean(dtype=np.float64)) ** 2).sum(dtype=np.float64)
        assert stats[1] == pytest.approx(exact, rel=1e-6)


def test_a_mean_that_is_rounded_spoils_no_variance(benches: tuple[CudaBench, ...]) -> None:
    for rows in (40, 400):
        # The mean, 2^24 + 0.5, is no float32.
        x = np.full((rows, 100), 2.0**24, np.float32)
        x[:, ::4] += 2
        stats, _, _ = observed(benches, Observe(8), x)
        assert stats[1] == pytest.approx(x.astype(np.float64).var() * x.size, rel=1e-6)
        y = np.ascontiguousarray(x.T)
        (result,) = observed(benches, ObserveUnits(), y)
        np.testing.assert_allclose(result[1], y.astype(np.float64).var(axis=0) * len(y), rtol=1e-6)


@pytest.mark.parametrize("units", [1, 5, 64, 65, 1000, 30_011])
def test_units_that_live_in_one_row_only(benches: tuple[CudaBench, ...], units: int) -> None:
    rows = 50_000 // units + 7
    x = np.zeros((rows, units), np.float32)
    living = np.random.default_rng(2).integers(0, rows, units // 2)
    x[living, np.arange(units // 2)] = 1.0
    stats, alive, _ = observed(benches, Observe(4), x)
    assert alive.tolist() == [True] * (units // 2) + [False] * (units - units // 2)
    assert stats[STATISTICS.index("dead")] == units - units // 2


def test_nothing_is_left_over_from_the_run_before() -> None:
    """What blocks share is as at first when they are done, whatever they have seen."""
    declare()
    device, machine = FakeDevice(), Interpreter(precision="float32")
    value = machine.value(normal((300, 70)))
    call = machine.call(Observe(8), value)
    xp = device.xp
    arrays = {v.id: xp.zeros(v.shape, "bool" if v.dtype is DType.BOOL else "int64" if v.dtype is DType.INT64 else "f4")
              for v in (value, *call.outputs)}  # fmt: skip
    program = SimpleNamespace(calls=(call,), predictions={}, losses={}, observe=False, outputs={})
    binding = Binding(program, arrays, xp, NULL)  # type: ignore[arg-type]
    (covered,) = binding.settled(lambda: cover_group(Group((call,)), binding))
    for x in (normal((300, 70)), np.zeros((300, 70), np.float32)):
        with xp.kernel():
            arrays[value.id]._host[...] = x
            for work in covered.works:
                assert isinstance(work, Launch)
                device.launch(work.kernel, work.size, work.block, work.pack())
            found = tuple(arrays[v.id]._host.copy() for v in call.outputs)
        agree(Observe(8), found, x)


@pytest.mark.parametrize("bins", [1, 3, 100, 128, 129, COUNTERS])
def test_any_number_of_bins_that_fits(benches: tuple[CudaBench, ...], bins: int) -> None:
    for shape in ((50, 9), (200, 100)):
        x = normal(shape)
        agree(Observe(bins), observed(benches, Observe(bins), x), x)


def test_more_bins_than_fit_are_refused() -> None:
    assert [copies_of(bins) for bins in (0, 64, 128, 129, 4096)] == [32, 32, 32, 16, 1]
    machine = Interpreter(precision="float32")
    call = machine.call(Observe(COUNTERS + 1), machine.value(normal((2, 2))))
    with pytest.raises(SignatureError, match=r"4,097 bins does not fit: choose at most 4,096"):
        CudaBench().run([call], {})


def test_many_at_once(benches: tuple[CudaBench, ...]) -> None:
    arrays = [normal(shape) for shape in ((6, 5), (3, 4, 2), (1,), (40, 100), (2, 200), (300,), (64, 128))]
    arrays[0][:, 3] = 0.0
    arrays[1][0, 1, 1], arrays[3][2, 2] = np.nan, -np.inf
    arrays += [np.zeros((4, 3), np.float32), np.full((2, 2), np.nan, np.float32)]
    limits = ((None, None), (-0.5, 0.5), (0.0, None), (None, 0.0), (-1.0, 1.0)) + 4 * ((None, 0.5),)
    for bins in (0, 8):
        op = ObserveMany(bins, tuple(low for low, _ in limits), tuple(high for _, high in limits))
        stats, alive, histogram = observed(benches, op, *arrays)
        assert [work.size for work in benches[0].works] == [(len(arrays), 1, 1)]
        for i, x in enumerate(arrays):
            units = x.shape[-1]
            assert alive[i, units:].all()
            one = stats[:, i], alive[i, :units], histogram[i]
            agree(Observe(bins, *limits[i]), one, x)


def test_counts_are_no_floats(benches: tuple[CudaBench, ...]) -> None:
    machine = Interpreter(precision="float64")
    call = machine.call(ObserveMany(8, (None,), (None,)), machine.value(np.arange(6, dtype=np.int64).reshape(2, 3)))
    with pytest.raises(SignatureError, match="the arrays are float32, not int64"):
        benches[0].run([call], {})


@pytest.mark.parametrize("shape", [*SHAPES, (8, 28, 28, 16), (50, 9, 9, 5), (3, 5, 7, 200), (700, 33)], ids=str)
@pytest.mark.parametrize("make", [normal, rectified, broken])
def test_each_unit_by_itself(benches: tuple[CudaBench, ...], make, shape: tuple[int, ...]) -> None:
    x = make(shape)
    (result,), (exact,) = observed(benches, ObserveUnits(), x), reference(ObserveUnits(), x)
    scale = np.abs(exact[2:4]).max()
    for name, mine, other in zip(UNIT_STATISTICS, result, exact, strict=True):
        if name in ("mean", "squares"):
            atol = 1e-7 * (scale**2 if name == "squares" else scale)
            np.testing.assert_allclose(mine, other, rtol=1e-6, atol=atol, err_msg=name)
        else:
            np.testing.assert_array_equal(mine, other.astype(np.float32), name)
    rows = x.size // (32 // shape[-1] * shape[-1] or shape[-1])
    assert len(benches[0].works) == (1 if rows < 2 * ROWS else 2)


def test_a_unit_far_from_the_others_keeps_its_variance(benches: tuple[CudaBench, ...]) -> None:
    for shape in ((16, 8), (16, 20, 20, 8)):
        x = normal(shape) * np.float32(0.01)
        x[..., 3] += 100
        (result,) = observed(benches, ObserveUnits(), x)
        exact = x.astype(np.float64).reshape(-1, 8).var(axis=0)
        np.testing.assert_allclose(result[1] / result[5], exact, rtol=1e-6)
