"""Values of schedules that can be checked by hand: independent reference numbers, closed forms, edges."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.kinds import Schedule, Warmup
from engine.optimizers import SGD
from engine.results import Results
from engine.schedules import (
    ConstantSchedule,
    ConstantWarmup,
    CosineRestarts,
    CosineSchedule,
    CyclicalSchedule,
    ExponentialSchedule,
    InverseSquareRoot,
    InverseTime,
    LinearSchedule,
    LinearWarmup,
    MultiStepSchedule,
    NoWarmup,
    OneCycle,
    PlateauSchedule,
    PolynomialSchedule,
    StepSchedule,
    learning_rates,
)

STEPS = np.array([0.0, 10.0, 50.0, 75.0])


def rates(schedule: Schedule, steps: Any, rate: float = 0.1, warmup: Warmup | None = None) -> list[float]:
    """Of a run of 100 steps, 10 to the epoch."""
    spec = SimpleNamespace(optimizer=SGD(learning_rate=rate), schedule=schedule, warmup=warmup or NoWarmup())
    return [float(value) for value in learning_rates(spec, np.asarray(steps, dtype=float), 100, 10)]


TABLE: list[tuple[Schedule, float, list[float]]] = [
    (ConstantSchedule(), 0.1, [0.1, 0.1, 0.1, 0.1]),
    (LinearSchedule(), 0.1, [0.1, 0.09, 0.05, 0.025]),
    (StepSchedule(period=3, gamma=0.1), 0.1, [0.1, 0.1, 0.01, 0.001]),
    (MultiStepSchedule(milestones=(7.5, 5.0), gamma=0.1), 0.1, [0.1, 0.1, 0.01, 0.001]),
    (ExponentialSchedule(gamma=0.9), 0.1, [0.1, 0.09, 0.1 * 0.9**5, 0.1 * 0.9**7.5]),
    (ExponentialSchedule(gamma=0.9, staircase=True), 0.1, [0.1, 0.09, 0.1 * 0.9**5, 0.1 * 0.9**7]),
    (CosineSchedule(), 0.1, [0.1, 0.0975528, 0.05, 0.0146447]),
    (InverseTime(k=0.1, unit="steps"), 0.1, [0.1, 0.05, 0.0166667, 0.0117647]),
    (PolynomialSchedule(power=2), 0.1, [0.1, 0.081, 0.025, 0.00625]),
    (InverseSquareRoot(timescale=25, unit="steps"), 0.1, [0.1, 0.1 * (25 / 35) ** 0.5, 0.1 / 3**0.5, 0.05]),
    (CosineRestarts(first=25, growth=1, unit="steps"), 0.1, [0.1, 0.0654508, 0.1, 0.1]),
    (CosineRestarts(first=25, growth=2, unit="steps"), 0.1, [0.1, 0.0654508, 0.05, 0.1]),
    (CyclicalSchedule(up=10, unit="steps", low=0.1), 0.1, [0.01, 0.1, 0.1, 0.055]),
    (CyclicalSchedule(up=10, unit="steps", low=0.1, mode="triangular2"), 0.1, [0.01, 0.1, 0.0325, 0.015625]),
    (
        CyclicalSchedule(up=10, unit="steps", low=0.1, mode="exp_range", gamma=0.99),
        0.1, [0.01, 0.01 + 0.09 * 0.99**10, 0.01 + 0.09 * 0.99**50, 0.01 + 0.045 * 0.99**75],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "rate", "expected"), TABLE)
def test_the_table_of_values(schedule: Schedule, rate: float, expected: list[float]) -> None:
    assert rates(schedule, STEPS, rate) == pytest.approx(expected, abs=5e-8)


def test_one_cycle_of_a_hundred_steps() -> None:
    assert rates(OneCycle(), [0, 10, 29, 50, 99], 1.0) == pytest.approx([0.04, 0.295164, 1.0, 0.793893, 4e-6], abs=5e-7)


def test_snapshot_ensembles_have_their_curve() -> None:
    """Huang et al. (2017), eq. 2, with M cycles of T / M steps."""
    t = np.arange(100)
    expected = 0.05 * (np.cos(np.pi * (t % 20) / 20) + 1)
    assert rates(CosineRestarts(first=2, growth=1), t) == pytest.approx(expected.tolist(), abs=1e-15)


def test_the_transformers_schedule_is_a_warmup_and_an_inverse_square_root() -> None:
    """Vaswani et al. (2017), eq. 3, without the model's width: min(t^-0.5, t w^-1.5)."""
    w, t = 16, np.arange(100)
    warmup = LinearWarmup(duration=w, unit="steps", start=0.0)
    found = rates(InverseSquareRoot(timescale=w, unit="steps"), t, w**-0.5, warmup)
    with np.errstate(divide="ignore"):
        expected = np.minimum(1 / np.sqrt(t), t * w**-1.5)
    assert found == pytest.approx(expected.tolist(), abs=1e-15)


def test_constant_warmup_holds_and_jumps() -> None:
    warmup = ConstantWarmup(duration=20, unit="steps", share=0.1)
    assert rates(ConstantSchedule(), [0, 19, 20, 99], warmup=warmup) == pytest.approx([0.01, 0.01, 0.1, 0.1])


def test_a_plateau_drops_after_the_fifth_and_the_tenth_result() -> None:
    schedule, memory = PlateauSchedule(gamma=0.1, patience=2), dict[str, float]()
    found = []
    for epoch, loss in enumerate([1.0, *5 * [0.9], *5 * [0.85]], start=1):
        results = Results(epoch=epoch, step=epoch, training={}, validation={"loss": loss})
        new = schedule.review(memory, results)
        if new is not None:
            found.append((epoch, new))
    assert found == [(5, pytest.approx(0.1)), (10, pytest.approx(0.01))]


def test_a_plateau_of_what_is_not_there_drops_nothing() -> None:
    results = Results(epoch=1, step=1, training={"loss": 1.0}, validation={})
    assert PlateauSchedule(patience=0).review({}, results) is None
    schedule, memory = PlateauSchedule(patience=0, part="training"), dict[str, float]()
    assert [schedule.review(memory, results) for _ in range(2)] == [None, pytest.approx(0.1)]


@pytest.mark.parametrize("total", [1, 2, 3, 10])
def test_short_runs_have_finite_rates(total: int) -> None:
    for schedule in (OneCycle(), OneCycle(three_phases=True), CyclicalSchedule(), CosineRestarts(), LinearSchedule()):
        found = schedule.factors(np.arange(total, dtype=float), total, 1)
        assert np.isfinite(found).all() and (found >= 0).all() and (found <= 1).all()
