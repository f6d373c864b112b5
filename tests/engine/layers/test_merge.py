"""Adding branches."""

from __future__ import annotations

import numpy as np
import pytest

from engine.layers import Add, ShapeProblem
from tests.support.layers import Lone


def test_adds_any_number_of_inputs() -> None:
    a, b, c = np.random.default_rng(0).standard_normal((3, 2, 4, 4, 3))
    np.testing.assert_allclose(Lone(Add(), a, b).output, a + b)
    lone = Lone(Add(), a, b, c)
    np.testing.assert_allclose(lone.output, a + b + c)
    assert lone.flops == 2 * a.size
    assert (Add.min_inputs, Add.max_inputs, Add().title()) == (2, None, "Add")


def test_every_branch_gets_the_whole_gradient() -> None:
    lone = Lone(Add(), np.ones((2, 3)), np.ones((2, 3)))
    gradients = lone.b.gradients({lone.value: np.full((2, 3), 0.7)})
    for value in lone.inputs:
        np.testing.assert_array_equal(gradients(value), np.full((2, 3), 0.7))


def test_different_shapes_are_refused_in_words() -> None:
    with pytest.raises(ShapeProblem, match="28 × 28 × 16 and 14 × 14 × 16"):
        Add().infer(((28, 28, 16), (14, 14, 16)))
