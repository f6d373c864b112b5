"""Input, dense, flatten."""

from __future__ import annotations

import numpy as np
import pytest

from engine.initializers import Constant, He, Xavier
from engine.layers import Dense, Flatten, Input, ShapeProblem
from tests.support.layers import Lone


def test_input_has_the_shape_of_its_data_and_does_nothing() -> None:
    assert Input().infer(((28, 28, 1),)) == (28, 28, 1)
    assert (Input.min_inputs, Input.max_inputs) == (0, 0)
    assert (Input().title(), Input(source="left").title()) == ("Input", "Input left")
    with pytest.raises(ShapeProblem, match="not known"):
        Input().infer(())


def test_dense_is_a_product_and_a_bias() -> None:
    x, w, b = np.array([[1.0, 2.0]]), np.array([[1.0, 0.0, -1.0], [3.0, 1.0, 2.0]]), np.array([0.5, 0.0, -1.0])
    lone = Lone(Dense(units=3), x, parameters={"weight": w, "bias": b})
    np.testing.assert_allclose(lone.output, [[7.5, 2.0, 2.0]])
    assert lone.flops == 2 * 2 * 3 + 3


def test_dense_without_bias() -> None:
    layer = Dense(units=4, use_bias=False)
    assert [spec.name for spec in layer.parameters(((3,),))] == ["weight"]
    assert Lone(layer, np.zeros((2, 3))).output.shape == (2, 4)


def test_dense_parameters_know_their_fans_and_what_decays() -> None:
    weight, bias = Dense(units=7, weight_init=Xavier(), bias_init=Constant(value=0.1)).parameters(((5,),))
    assert (weight.shape, weight.fan_in, weight.fan_out, weight.decay, weight.size) == ((5, 7), 5, 7, True, 35)
    assert (bias.shape, bias.decay, bias.initializer) == ((7,), False, Constant(value=0.1))
    assert isinstance(weight.initializer, Xavier)
    assert Dense().weight_init == He()


def test_dense_refuses_images_and_offers_to_flatten() -> None:
    with pytest.raises(ShapeProblem, match="images of 28 × 28 × 1") as caught:
        Dense().infer(((28, 28, 1),))
    assert caught.value.fix == ("insert", "flatten", {})
    assert Dense(units=10).title() == "Dense 10"


def test_flatten_keeps_the_order_of_height_width_channels() -> None:
    x = np.arange(2 * 2 * 3 * 2.0).reshape(2, 2, 3, 2)
    lone = Lone(Flatten(), x)
    np.testing.assert_array_equal(lone.output, x.reshape(2, 12))
    assert (Flatten().infer(((2, 3, 2),)), Flatten().infer(((5,),)), lone.flops) == ((12,), (5,), 0)
