"""Convolution layers against the definition, written as loops."""

from __future__ import annotations

import numpy as np
import pytest

from engine.layers import Conv2D, ShapeProblem
from tests.support.layers import Lone


def by_definition(x: np.ndarray, w: np.ndarray, stride: int, pixels: int) -> np.ndarray:
    x = np.pad(x, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)))
    rows, columns = (x.shape[1] - w.shape[0]) // stride + 1, (x.shape[2] - w.shape[1]) // stride + 1
    y = np.zeros((x.shape[0], rows, columns, w.shape[3]))
    for i in range(rows):
        for j in range(columns):
            window = x[:, i * stride : i * stride + w.shape[0], j * stride : j * stride + w.shape[1]]
            y[:, i, j] = np.tensordot(window, w, axes=3)
    return y


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("channels", [1, 3])
def test_convolution_is_its_definition(size: int, stride: int, padding: str, channels: int) -> None:
    layer = Conv2D(filters=2, size=size, stride=stride, padding=padding)  # type: ignore[arg-type]
    rng = np.random.default_rng(size)
    x, bias = rng.standard_normal((2, 7, 6, channels)), rng.standard_normal(2)
    lone = Lone(layer, x, parameters={"bias": bias})
    expected = by_definition(x, lone.named("weight"), stride, (size - 1) // 2 if padding == "same" else 0) + bias
    np.testing.assert_allclose(lone.output, expected, atol=1e-12)
    assert lone.flops == 2 * expected.size * size * size * channels + expected.size


def test_same_keeps_the_image_for_odd_sizes() -> None:
    for size in (1, 3, 5, 7):
        assert Conv2D(filters=4, size=size).infer(((9, 12, 3),)) == (9, 12, 4)
    assert Conv2D(filters=4, size=4).infer(((9, 12, 3),)) == (8, 11, 4)
    assert Conv2D(filters=4, size=3, stride=2).infer(((9, 12, 3),)) == (5, 6, 4)
    assert Conv2D(filters=4, size=3, padding="valid").infer(((9, 12, 3),)) == (7, 10, 4)


def test_parameters_and_fans_count_the_area() -> None:
    weight, bias = Conv2D(filters=8, size=5).parameters(((28, 28, 3),))
    assert (weight.shape, weight.fan_in, weight.fan_out) == ((5, 5, 3, 8), 75, 200)
    assert (bias.shape, bias.decay, weight.decay) == ((8,), False, True)
    assert Conv2D(size=5).title() == "Conv 5×5"


def test_refusals_name_the_field_and_the_remedy() -> None:
    with pytest.raises(ShapeProblem, match="does not fit") as caught:
        Conv2D(size=5, padding="valid").infer(((4, 9, 1),))
    assert (caught.value.field, caught.value.fix) == ("size", ("set", "size", 4))
    assert Conv2D(size=4, padding="valid").infer(((4, 9, 1),)) == (1, 6, 16)
    with pytest.raises(ShapeProblem, match="vectors of 128"):
        Conv2D().infer(((128,),))
