"""Schedules and warm-ups: values, ends, and the whole course."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kinds import Schedule, Warmup
from engine.optimizers import SGD
from engine.schedules import (
    ConstantSchedule,
    CosineRestarts,
    CosineSchedule,
    CyclicalSchedule,
    Drop,
    ExponentialSchedule,
    InverseSquareRoot,
    InverseTime,
    LinearSchedule,
    LinearWarmup,
    MultiStepSchedule,
    NoWarmup,
    OneCycle,
    PolynomialSchedule,
    StepSchedule,
    curve,
    learning_rate,
    learning_rates,
    opposed_momenta,
)


def training(schedule: Schedule, warmup: Warmup | None = None, rate: float = 0.1) -> Any:
    return SimpleNamespace(optimizer=SGD(learning_rate=rate), schedule=schedule, warmup=warmup or NoWarmup())


def test_constant() -> None:
    assert all(learning_rate(training(ConstantSchedule()), step, 50, 10) == 0.1 for step in range(50))


@pytest.mark.parametrize(("step", "expected"), [(10, 0.0975528), (50, 0.05), (75, 0.0146447), (100, 0.0), (200, 0.0)])
def test_cosine(step: int, expected: float) -> None:
    assert learning_rate(training(CosineSchedule()), step, 100, 10) == pytest.approx(expected, abs=5e-8)


def test_cosine_ends_at_the_final_share() -> None:
    spec = training(CosineSchedule(final=0.25))
    assert learning_rate(spec, 0, 100, 10) == 0.1
    assert learning_rate(spec, 100, 100, 10) == pytest.approx(0.025)


def test_step_drops_at_the_ends_of_periods() -> None:
    spec = training(StepSchedule(period=1.5, gamma=0.5))
    found = [learning_rate(spec, step, 60, 10) for step in (0, 14, 15, 29, 30, 45)]
    assert found == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025, 0.0125])


def test_a_period_shorter_than_a_step_drops_each_step() -> None:
    assert StepSchedule(period=1e-6, gamma=0.5).factors(np.array([3.0]), 10, 10).tolist() == [0.125]


def test_linear_warmup_reaches_the_base_rate_at_its_end() -> None:
    spec = training(ConstantSchedule(), LinearWarmup(duration=4, unit="steps", start=0.2), rate=1.0)
    assert [learning_rate(spec, step, 20, 10) for step in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


def test_the_schedule_starts_when_warmup_is_over() -> None:
    warm = LinearWarmup(duration=2, unit="epochs", start=0.0)
    spec = training(CosineSchedule(), warm, rate=1.0)
    assert warm.length(10) == 20
    assert learning_rate(spec, 20, 100, 10) == 1.0
    assert learning_rate(spec, 60, 100, 10) == pytest.approx(0.5)
    assert learning_rate(spec, 100, 100, 10) == pytest.approx(0.0, abs=1e-15)


def test_warmup_longer_than_the_run_is_cut_off() -> None:
    spec = training(CosineSchedule(), LinearWarmup(duration=100, unit="steps", start=0.0), rate=1.0)
    assert [learning_rate(spec, step, 10, 10) for step in (0, 9)] == pytest.approx([0.0, 0.09])


def test_no_warmup_and_zero_length_are_the_same() -> None:
    spec = training(StepSchedule(), LinearWarmup(duration=0))
    assert learning_rate(spec, 0, 10, 10) == learning_rate(training(StepSchedule()), 0, 10, 10) == 0.1


def test_curve_is_the_course_step_by_step() -> None:
    spec = training(CosineSchedule(), LinearWarmup(duration=1))
    steps, rates = curve(spec, 50, 10)
    assert steps.tolist() == list(range(50))
    assert rates.tolist() == [learning_rate(spec, step, 50, 10) for step in range(50)]


def test_a_thinned_curve_keeps_both_ends() -> None:
    spec = training(CosineSchedule())
    steps, rates = curve(spec, 1_000_000, 1000, points=300)
    assert len(steps) == 300 and steps[0] == 0 and steps[-1] == 999_999
    assert rates[150] == learning_rate(spec, steps[150], 1_000_000, 1000)


def test_curve_of_an_empty_run_is_one_point() -> None:
    steps, rates = curve(training(CosineSchedule()), 0, 1)
    assert steps.tolist() == [0.0] and rates.shape == (1,)


schedules = st.one_of(
    st.just(ConstantSchedule()),
    st.builds(StepSchedule, period=st.floats(1e-3, 100), gamma=st.floats(1e-3, 1)),
    st.builds(CosineSchedule, final=st.floats(0, 1)),
    st.builds(CosineRestarts, first=st.floats(1e-3, 100), growth=st.integers(1, 10), final=st.floats(0, 1)),
    st.builds(LinearSchedule, final=st.floats(0, 1)),
    st.builds(PolynomialSchedule, power=st.floats(1e-3, 20), final=st.floats(0, 1)),
    st.builds(ExponentialSchedule, gamma=st.floats(1e-3, 1), staircase=st.booleans()),
    st.builds(InverseTime, k=st.floats(0, 1e6), staircase=st.booleans()),
    st.builds(InverseSquareRoot, timescale=st.floats(1e-6, 1e9)),
    st.builds(MultiStepSchedule, milestones=st.lists(st.floats(0, 1e4), max_size=5).map(tuple)),
    st.builds(
        CyclicalSchedule,
        up=st.floats(1e-3, 100),
        down=st.floats(0, 100),
        low=st.floats(0, 1),
        mode=st.sampled_from(["triangular", "triangular2", "exp_range"]),
        gamma=st.floats(1e-3, 1),
    ),
    st.builds(
        OneCycle,
        rise=st.floats(1e-6, 0.999999),
        divisor=st.floats(1, 1e9),
        final_divisor=st.floats(1, 1e12),
        shape=st.sampled_from(["cosine", "linear"]),
        three_phases=st.booleans(),
    ),
)
warmups = st.one_of(
    st.just(NoWarmup()),
    st.builds(
        LinearWarmup,
        duration=st.floats(0, 100),
        unit=st.sampled_from(["epochs", "steps"]),
        start=st.floats(0, 1),
    ),
)


@settings(deadline=None, derandomize=True)
@given(schedules, warmups, st.integers(1, 10_000), st.integers(1, 500), st.floats(0, 1))
def test_rates_never_leave_zero_to_base(
    schedule: Schedule, warmup: Warmup, total: int, per_epoch: int, part: float
) -> None:
    rate = learning_rate(training(schedule, warmup), part * total, total, per_epoch)
    assert math.isfinite(rate) and -1e-16 <= rate <= 0.1 * (1 + 1e-12)


def test_the_course_never_rises_after_warmup() -> None:
    for schedule in (ConstantSchedule(), StepSchedule(period=2), CosineSchedule()):
        _, rates = curve(training(schedule, LinearWarmup(duration=1)), 200, 10)
        assert np.all(np.diff(rates[:11]) > 0) and np.all(np.diff(rates[10:]) <= 0)


def test_drops_count_from_their_steps_on() -> None:
    steps = np.array([0, 9, 10, 19, 20, 99])
    found = learning_rates(training(ConstantSchedule(), rate=1.0), steps, 100, 10, [Drop(10, 0.5), Drop(20, 0.1)])
    assert found.tolist() == [1.0, 1.0, 0.5, 0.5, 0.1, 0.1]


def test_momenta_wait_for_the_end_of_warmup_and_leave_other_schedules_alone() -> None:
    warm = LinearWarmup(duration=10, unit="steps")
    found = opposed_momenta(training(CyclicalSchedule(up=1), warm), np.array([0, 5, 10, 15, 20, 30]), 100, 10)
    assert found is not None
    assert found.tolist() == pytest.approx([0.9, 0.9, 0.9, 0.85, 0.8, 0.9])
    assert opposed_momenta(training(CyclicalSchedule(cycle_momentum=False)), np.arange(3), 100, 10) is None
    assert opposed_momenta(training(CosineSchedule()), np.arange(3), 100, 10) is None
