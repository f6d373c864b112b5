"""Timing in turn, against a clock that stands still unless something runs."""

from __future__ import annotations

import pytest

from engine.timing import Side, in_turn, ratio, spread


class Clock:
    """Seconds that pass when a side runs or somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.log.append("sleep")

    def side(self, name: str, seconds: float, units: int = 1) -> Side:
        def run() -> None:
            self.now += seconds
            self.log.append(name)

        return Side(run, units)


def test_seconds_are_of_one_unit() -> None:
    clock = Clock()
    sides = {"a": clock.side("a", 0.01), "b": clock.side("b", 0.02, units=4)}
    times = in_turn(sides, 3, least=0.05, rest=0.0, clock=clock, sleep=clock.sleep)
    assert times == {"a": [pytest.approx(0.01)] * 3, "b": [pytest.approx(0.005)] * 3}


def test_who_begins_changes_and_everybody_rests_first() -> None:
    clock = Clock()
    sides = {name: clock.side(name, 1.0) for name in "abc"}
    in_turn(sides, 2, least=0.5, rest=2.0, clock=clock, sleep=clock.sleep)
    # Each calibration: a call, a rest, a call. Each round: a rest, a call that warms up, a call that counts.
    calibration = [word for name in "abc" for word in (name, "sleep", name)]
    rounds = [word for name in "abcbca" for word in ("sleep", name, name)]
    assert clock.log == calibration + rounds


def test_a_fast_side_is_repeated_until_the_round_is_full() -> None:
    clock = Clock()
    in_turn({"a": clock.side("a", 0.001)}, 1, least=0.05, rest=0.0, clock=clock, sleep=clock.sleep)
    counted = clock.log[::-1].index("sleep")
    assert counted == 5 + 50  # warming up takes a tenth of a round


def test_a_first_call_that_takes_long_does_not_count() -> None:
    clock = Clock()
    lengths = iter([5.0])

    def run() -> None:
        clock.now += next(lengths, 0.01)

    assert in_turn({"a": Side(run)}, 2, clock=clock, sleep=clock.sleep) == {"a": [pytest.approx(0.01)] * 2}


def test_the_spread_is_median_and_quartiles() -> None:
    found = spread([5.0, 1.0, 3.0, 2.0, 4.0])
    assert (found.median, found.low, found.high, found.least) == (3.0, 2.0, 4.0, 1.0)
    assert spread([2.0]).high == 2.0


def test_ratios_are_of_the_same_round() -> None:
    # The machine was half as fast in the second and third round: the medians' ratio would be 1.
    assert ratio([1.0, 2.0, 2.0], [2.0, 4.0, 4.0]) == 0.5
    assert ratio([2.0, 2.0, 9.0], [1.0, 4.0, 3.0]) == 2.0
    with pytest.raises(ValueError, match="argument 2 is"):
        ratio([1.0], [1.0, 2.0])
