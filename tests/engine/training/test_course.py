"""The numbers of many steps at once: those of the schedules, whatever steps are asked for together."""

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine.kinds import Optimizer
from engine.optimizers import SGD, Adam, update_scalars
from engine.penalties import L2, WeightDecay
from engine.schedules import CosineSchedule, Drop, LinearWarmup, OneCycle, learning_rate, opposed_momenta
from engine.schema import components_of, info_of
from engine.training.course import BLOCK, Course
from tests.engine.training.experiments import RICH, spiral

EXPERIMENT = spiral(
    RICH,
    optimizer=Adam(learning_rate=0.02),
    schedule=CosineSchedule(),
    warmup=LinearWarmup(duration=2),
    penalties=(L2(strength=0.5), WeightDecay(strength=0.1)),
)
TOTAL = 3000


def test_a_step_has_the_numbers_of_its_schedule() -> None:
    course = Course(EXPERIMENT, TOTAL, 10)
    for step in (0, 19, 20, 1023, 1024, 2999):
        rate, scalars = course.step(step)
        assert rate == pytest.approx(learning_rate(EXPERIMENT.training, step, TOTAL, 10), rel=1e-14)
        expected = update_scalars(EXPERIMENT.training, rate, step + 1) | {"dropout_1/rate": 0.25, "dropout_2/rate": 0.1}
        assert scalars == pytest.approx(expected, rel=1e-13)


def test_a_steps_numbers_have_the_same_bits_however_many_are_asked_for() -> None:
    single, several = Course(EXPERIMENT, TOTAL, 10), Course(EXPERIMENT, TOTAL, 10)
    step, rng = 0, np.random.default_rng(1)
    while step < TOTAL:
        count = min(int(rng.integers(1, 200)), several.room(step), TOTAL - step)
        rates, scalars = several.steps(step, count)
        for i in range(count):
            rate, numbers = single.step(step + i)
            found = {n: float(value[i]) if isinstance(value, np.ndarray) else value for n, value in scalars.items()}
            assert (float(rates[i]), found) == (rate, numbers)
        step += count


def test_what_does_not_change_is_one_number() -> None:
    course = Course(spiral(optimizer=SGD(learning_rate=0.3, momentum=0.5)), TOTAL, 10)
    rates, scalars = course.steps(5, 100)
    assert rates.shape == (100,)
    assert not any(isinstance(value, np.ndarray) for value in scalars.values())
    assert (scalars["learning_rate"], scalars["momentum"]) == (0.3, 0.5)


def test_nothing_is_asked_for_across_the_end_of_a_block() -> None:
    course = Course(EXPERIMENT, TOTAL, 10)
    assert course.room(0) == BLOCK and course.room(BLOCK + 1) == BLOCK - 1
    with pytest.raises(AssertionError):
        course.steps(1, BLOCK)


def test_evaluations_have_the_layers_own_numbers() -> None:
    course = Course(replace(EXPERIMENT, seed=4), TOTAL, 10)
    assert course.fixed == {"dropout_1/rate": 0.25, "dropout_2/rate": 0.1}


def test_a_schedule_moves_momentum_against_the_rate() -> None:
    """In place of the optimizer's own, and with Adam its bias correction as well."""
    steps = np.arange(100)
    for optimizer in (SGD(learning_rate=0.3, momentum=0.5), Adam(learning_rate=0.3)):
        experiment = spiral(optimizer=optimizer, schedule=OneCycle())
        momenta = opposed_momenta(experiment.training, steps, 100, 10)
        assert momenta is not None
        rates, scalars = Course(experiment, 100, 10).steps(0, 100)
        assert rates.argmax() == momenta.argmin() == 29
        if isinstance(optimizer, SGD):
            assert np.array_equal(scalars["momentum"], momenta)
        else:
            assert np.array_equal(scalars["beta1_rest"], 1.0 - momenta)
            assert scalars["step_size"] == pytest.approx(rates / (1.0 - momenta ** (steps + 1)), rel=1e-13)


def test_drops_multiply_the_rates_that_follow() -> None:
    experiment = spiral(optimizer=SGD(learning_rate=0.3))
    rates, scalars = Course(experiment, 100, 10, [Drop(20, 0.5)]).steps(0, 40)
    assert rates.tolist() == [0.3] * 20 + [0.15] * 20
    assert np.array_equal(scalars["learning_rate"], rates)


def opposable() -> list[Optimizer]:
    found: list[Any] = [cls() for cls in components_of("optimizer").values()]
    return [optimizer for optimizer in found if optimizer.opposed]


@pytest.mark.parametrize("optimizer", opposable(), ids=lambda optimizer: info_of(optimizer).tag)
def test_every_rule_that_opposes_momentum_reads_it_step_by_step(optimizer: Optimizer) -> None:
    """Each step's numbers are those of the rule with that step's momentum set by hand."""
    experiment = spiral(optimizer=optimizer, schedule=OneCycle())
    momenta = opposed_momenta(experiment.training, np.arange(100), 100, 10)
    assert momenta is not None
    course = Course(experiment, 100, 10)
    for step in (0, 10, 29, 77):
        rate, scalars = course.step(step)
        single = replace(optimizer, **{optimizer.opposed: float(momenta[step])})
        expected = update_scalars(replace(experiment.training, optimizer=single), rate, step + 1)
        assert scalars == pytest.approx(expected, rel=1e-12, abs=1e-300)
