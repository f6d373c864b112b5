"""Courses of points: what lies between them, and courses made into points."""

import numpy as np
import pytest

from engine.kinds import Schedule
from engine.schedules import CosineSchedule, OneCycle, PointsSchedule, StepSchedule, as_points


def at(schedule: Schedule, *steps: float) -> list[float]:
    return [float(value) for value in schedule.factors(np.array(steps), 100, 10)]


def test_between_points_there_are_straight_lines() -> None:
    schedule = PointsSchedule(epochs=(1, 3, 5), shares=(1, 0.5, 0))
    assert at(schedule, 0, 10, 15, 20, 30, 40, 50, 90) == pytest.approx([1, 1, 0.875, 0.75, 0.5, 0.25, 0, 0])


def test_on_a_logarithmic_axis() -> None:
    schedule = PointsSchedule(epochs=(0, 2, 4), shares=(1, 0.01, 0), between="logarithmic")
    assert at(schedule, 0, 10, 20, 30) == pytest.approx([1, 0.1, 0.01, 0.005])


def test_as_steps_two_points_at_one_time_make_a_jump() -> None:
    assert at(PointsSchedule(epochs=(0, 2), shares=(1, 0.3), between="steps"), 0, 19, 20, 99) == [1, 1, 0.3, 0.3]
    assert at(PointsSchedule(epochs=(0, 2, 2, 4), shares=(1, 1, 0.5, 0.5)), 19, 20, 21) == [1, 0.5, 0.5]


def test_order_and_number_do_not_matter() -> None:
    assert at(PointsSchedule(epochs=(4, 0), shares=(0, 1)), 20) == [0.5]
    assert at(PointsSchedule(epochs=(0, 4, 8), shares=(1, 0)), 20, 80) == [0.5, 0.0]
    assert at(PointsSchedule(epochs=(), shares=()), 5) == [1.0]


@pytest.mark.parametrize("schedule", [CosineSchedule(), OneCycle(), StepSchedule(period=3, gamma=0.2)])
def test_a_course_made_into_points_stays_where_it_was(schedule: Schedule) -> None:
    steps = np.arange(600, dtype=float)
    shares = schedule.factors(steps, 600, 60)
    points = as_points(steps / 60, shares)
    assert len(points.epochs) == len(points.shares) <= 24
    assert np.abs(points.factors(steps, 600, 60) - shares).max() < 0.01


def test_a_course_of_one_step_is_one_point() -> None:
    assert as_points(np.array([0.0]), np.array([0.25])) == PointsSchedule(epochs=(0.0,), shares=(0.25,))
