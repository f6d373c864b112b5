"""Compiled updates against the reference kernels in float64: every rule with every flag, sums, and bits."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from engine.kernels.cpu.update import PIECE
from engine.ops.base import Op
from engine.ops.rules import (
    UpdateAdadelta,
    UpdateAdagrad,
    UpdateAdamax,
    UpdateAMSGrad,
    UpdateCenteredRMSprop,
    UpdateLion,
    UpdateNadam,
    UpdateRAdam,
    UpdateRateInside,
    UpdateRMSprop,
)
from engine.ops.update import ClipScale, GradientNorm, PenaltyValue, UpdateAdam, UpdateRule, UpdateSGD
from tests.support.compiled import Bench
from tests.support.interpreter import Interpreter

SCALARS = (0.01, 1e-3, 1e-2, 0.99, 0.7)
RULES: dict[type[UpdateRule], tuple[float, ...]] = {
    UpdateSGD: (0.9,),
    UpdateAdam: (0.1, 0.999, 0.001, 0.03, 0.5, 1e-8),
    UpdateRateInside: (0.9,),
    UpdateAdagrad: (1e-3,),
    UpdateAdadelta: (0.9, 0.1, 1e-3),
    UpdateRMSprop: (0.9, 0.1, 0.8, 1e-3),
    UpdateCenteredRMSprop: (0.9, 0.1, 0.8, 1e-3),
    UpdateAMSGrad: (0.1, 0.999, 0.001, 0.03, 0.5, 1e-3),
    UpdateNadam: (0.1, 0.999, 0.001, 0.01, 0.03, 0.5, 1e-3),
    UpdateRAdam: (0.1, 0.999, 0.001, 0.01, 0.02, 1e-3),
    UpdateAdamax: (0.1, 0.999, 0.03, 1e-3),
    UpdateLion: (0.1, 0.01),
}
each_rule = pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.name)


@pytest.fixture(scope="module", params=[1, 2], ids=["1 thread", "2 threads"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(request.param)
    yield bench
    bench.close()


def both(bench: Bench, op: Op, *arrays: np.ndarray, times: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
    """(compiled, reference in float64) of all inputs and outputs after the operation."""
    machine = Interpreter(precision="float64")
    inputs = [machine.value(array) for array in arrays]
    call = machine.call(op, *inputs)
    found = bench.run([call], {v.id: a for v, a in zip(inputs, arrays, strict=True)}, times=times)
    return [(found[v.id], machine.host(v)) for v in (*inputs, *call.outputs)]


def arrays_for(op: UpdateRule, count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    p, g = rng.standard_normal((2, count)).astype(np.float32)
    p[::7] = 0.0
    scalars = [np.array([value], np.float32) for value in (*SCALARS, *RULES[type(op)])]
    slots = [rng.uniform(0.01, 1, count).astype(np.float32) for _ in op.SLOTS]
    if isinstance(op, UpdateCenteredRMSprop):
        slots[1] *= slots[0]  # no mean is larger than the root of the mean square
    return [p, g, *scalars, *slots]


def every_rule() -> list[UpdateRule]:
    found: list[UpdateRule] = [UpdateSGD(*flags) for flags in product((False, True), repeat=6)]
    found += [UpdateAdam(*flags) for flags in product((False, True), repeat=5)]
    for kind in RULES:
        if kind not in (UpdateSGD, UpdateAdam):
            # What comes before them is one function: each flag alone, and all of them.
            flags = len(dataclasses.fields(kind))
            for on in (*((i,) for i in range(flags)), range(flags)):
                found.append(kind(*(i in on for i in range(flags))))
    return found


def test_every_rule_with_every_flag(bench: Bench) -> None:
    for op in every_rule():
        for count in (1, 37, PIECE + 5):
            for compiled, reference in both(bench, op, *arrays_for(op, count))[: 2 + len(SCALARS) + 8]:
                if compiled.size == 3 and op.norms:
                    # The update is a small difference of float32 numbers.
                    np.testing.assert_allclose(compiled, reference, rtol=2e-3, err_msg=f"{op}")
                else:
                    np.testing.assert_allclose(compiled, reference, rtol=1e-5, atol=2e-6, err_msg=f"{op} {count}")


@each_rule
def test_norms_of_many_pieces(bench: Bench, kind: type[UpdateRule]) -> None:
    rule = kind(norms=True)
    sums, reference = both(bench, rule, *arrays_for(rule, 7 * PIECE + 3), times=3)[-1]
    np.testing.assert_allclose(sums[:2], reference[:2], rtol=1e-6)
    np.testing.assert_allclose(sums[2], reference[2], rtol=1e-4)


@each_rule
def test_an_element_s_bits_depend_on_nothing_around_it(bench: Bench, kind: type[UpdateRule]) -> None:
    arrays = arrays_for(kind(), 3 * PIECE)
    with_norms = both(bench, kind(norms=True), *arrays)[0][0]
    np.testing.assert_array_equal(both(bench, kind(), *arrays)[0][0], with_norms)
    for first, count in ((0, 1), (5, 30), (1000, 4099)):
        part = [a[first : first + count] if a.size > 1 else a for a in arrays]
        np.testing.assert_array_equal(both(bench, kind(), *part)[0][0], with_norms[first : first + count])


@each_rule
def test_what_is_not_finite_stays_with_its_element(bench: Bench, kind: type[UpdateRule]) -> None:
    rule = kind(True, True, True, True)
    arrays = arrays_for(rule, 100)
    arrays[1][[3, 50]] = np.nan, np.inf
    compiled, reference = both(bench, rule, *arrays)[0]
    np.testing.assert_array_equal(np.isfinite(compiled), np.isfinite(reference))
    assert np.isnan(compiled[3]) and np.isfinite(compiled).sum() >= 98


def test_an_infinite_parameter_without_penalties_makes_no_gradient(bench: Bench) -> None:
    op = UpdateSGD()
    arrays = arrays_for(op, 10)
    arrays[0][4] = np.inf
    found = both(bench, op, *arrays)
    assert np.isposinf(found[0][0][4])
    assert np.isfinite(found[8][0]).all(), "the velocity"


@pytest.mark.parametrize("sizes", [(1,), (12, 5), (PIECE + 1, 3, 4 * PIECE)])
def test_sums_over_arrays(bench: Bench, sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(size).astype(np.float32) for size in sizes]
    compiled, reference = both(bench, GradientNorm(), *arrays, times=2)[-1]
    np.testing.assert_allclose(compiled, reference, rtol=1e-6)
    factors = [np.array([value], np.float32) for value in (0.3, 0.2)]
    for has_l1, has_l2 in ((True, True), (True, False), (False, True)):
        compiled, reference = both(bench, PenaltyValue(has_l1, has_l2), *factors, *arrays, times=2)[-1]
        np.testing.assert_allclose(compiled, reference, rtol=1e-6)


@pytest.mark.parametrize("squared", [0.0, 4.0, 1e30, np.inf, np.nan])
@pytest.mark.parametrize("limit", [1.0, np.inf])
def test_the_clip_scale(bench: Bench, squared: float, limit: float) -> None:
    given = np.array([squared], np.float32), np.array([limit], np.float32)
    compiled, reference = both(bench, ClipScale(), *given)[-1]
    np.testing.assert_allclose(compiled, reference, rtol=1e-6)
