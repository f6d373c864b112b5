"""Whether two sides compute the same."""

from __future__ import annotations

import math

import pytest

from benchmarks.losses import LIMIT, Mismatch, check, difference


def test_the_difference_is_the_largest_and_relative() -> None:
    assert difference([1.0, 2.2], [1.0, 2.0]) == pytest.approx(0.1)
    assert difference([-1.0], [1.0]) == 2.0
    assert difference([1.0, 2.0], [1.0, 2.0]) == 0.0


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_no_number_differs_without_bound(wrong: float) -> None:
    assert difference([wrong, 1.0], [1.0, 1.0]) == math.inf
    assert difference([1.0, 1.0], [math.nan, 1.0]) == math.inf


def test_sides_that_agree_are_told_with_their_difference() -> None:
    losses = {"array": [1.0, 1.0], "cpu": [1.0, 1.0 + LIMIT / 2], "torch": [1.0, 1.0]}
    assert check("W1", losses, "torch") == {"array": 0.0, "cpu": pytest.approx(LIMIT / 2)}


@pytest.mark.parametrize("wrong", [1.01, math.nan])
def test_sides_that_differ_are_named_with_the_step(wrong: float) -> None:
    losses = {"cpu": [1.0, 2.0, wrong], "array": [1.0, 2.0, 1.0], "torch": [1.0, 2.0, 1.0]}
    with pytest.raises(Mismatch, match=r"W2: “cpu” and “torch” do not train the same: at step 3 the losses are"):
        check("W2", losses, "torch")
