"""How wide weights are drawn, in words, beside Xavier's and He's widths."""

from __future__ import annotations

import math

import pytest

from engine.initializers import LSUV, He, LeCun, Normal, Orthogonal, SmallPositive, Uniform, Zeros
from engine.kinds import Initializer
from engine.layers.base import ParameterSpec
from lab.inspector.facts import deviation_text


def note(initializer: Initializer, shape: tuple[int, ...] = (200, 50)) -> tuple[str, str]:
    fan_in, fan_out = math.prod(shape[:-1]), math.prod((*shape[:-2], shape[-1]))
    spec = ParameterSpec(name="weight", shape=shape, initializer=initializer, fan_in=fan_in, fan_out=fan_out)
    return deviation_text(spec)


def test_a_sound_width_is_told_beside_the_usual_ones() -> None:
    usual = "beside Xavier 0.0894 and He 0.1, for fan-in 200, fan-out 50"
    assert note(He()) == ("info", f"σ 0.1, {usual}")
    assert note(LeCun()) == ("info", f"σ 0.0707, {usual}")
    assert note(Uniform(range=0.1)) == ("info", f"σ 0.0577, {usual}")
    assert note(Orthogonal()) == ("info", f"σ 0.0707, {usual}")
    assert note(LSUV()) == ("info", f"σ 0.0707; the first batch then scales it, {usual}")


def test_of_a_convolution_the_matrix_counts() -> None:
    _, text = note(Orthogonal(), (3, 3, 4, 10))
    assert text == "σ 0.167, beside Xavier 0.126 and He 0.236, for fan-in 36, fan-out 90"


@pytest.mark.parametrize("initializer", [Zeros(), SmallPositive(), Normal(std=0.0)])
def test_equal_weights_are_warned_of(initializer: Initializer) -> None:
    assert note(initializer) == ("warning", "all weights start equal, so that all units learn the same")


def test_widths_far_from_both_are_warned_of() -> None:
    assert note(Normal(std=1.0)) == ("warning", "σ 1.0 is 11× Xavier (0.0894) for fan-in 200, fan-out 50")
    assert note(Normal(std=0.01))[0] == "warning"
