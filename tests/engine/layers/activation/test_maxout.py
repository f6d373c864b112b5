"""Maxout: what its pieces can be, its parameters, and PyTorch's maximum."""

from __future__ import annotations

import numpy as np
import pytest

from engine.layers import Conv2D, Maxout, MaxoutConv2D
from engine.layers.base import ShapeProblem
from tests.support.layers import Lone

Z = np.linspace(-3, 3, 25)[:, None]


def of_pieces(*slopes: float) -> np.ndarray:
    """The largest of `slope` z."""
    weight = np.array([slopes])
    layer = Maxout(units=1, pieces=len(slopes))
    return Lone(layer, Z, parameters={"weight": weight, "bias": np.zeros(len(slopes))}).output


def test_pieces_make_rectifiers_exactly() -> None:
    np.testing.assert_array_equal(of_pieces(1.0, 0.0), np.maximum(Z, 0))
    np.testing.assert_array_equal(of_pieces(1.0, 0.01), np.maximum(Z, 0.01 * Z))
    np.testing.assert_array_equal(of_pieces(1.0, -1.0), np.abs(Z))
    np.testing.assert_array_equal(of_pieces(2.0), 2 * Z)


def test_shapes_and_parameters() -> None:
    layer = Maxout(units=7, pieces=3)
    assert layer.infer(((5,),)) == (7,)
    weight, bias = layer.parameters(((5,),))
    assert (weight.shape, bias.shape, weight.fan_in, weight.fan_out) == ((5, 21), (21,), 5, 21)
    assert layer.infer(((4, 5),)) == (4, 7) and layer.parameters(((4, 5),))[0].shape == (5, 21)
    conv = MaxoutConv2D(filters=4, pieces=2, size=3)
    assert conv.infer(((8, 9, 2),)) == (8, 9, 4)
    assert [item.shape for item in conv.parameters(((8, 9, 2),))] == [(3, 3, 2, 8), (8,)]
    assert [item.shape for item in Maxout(units=7, use_bias=False).parameters(((5,),))] == [(5, 14)]


def test_two_pieces_of_the_default_width_keep_the_mean_square() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 200))
    for _ in range(6):
        layer = Maxout(units=200)
        (spec, _) = layer.parameters(((200,),))
        x = Lone(layer, x, parameters={"weight": spec.initializer.sample(rng, spec.shape, 200, 400)}).output
    assert 0.7 < np.mean(x**2) < 1.4


@pytest.mark.parity
@pytest.mark.parametrize("layer", [Maxout(units=4, pieces=3), MaxoutConv2D(filters=4, pieces=3)], ids=repr)
def test_parity_with_the_maximum_of_three_layers(layer: Maxout | MaxoutConv2D) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    x = rng.standard_normal((5, 6) if isinstance(layer, Maxout) else (2, 5, 5, 2))
    specs = layer.parameters((x.shape[1:],))
    values = {spec.name: rng.standard_normal(spec.shape) for spec in specs}
    lone = Lone(layer, x, parameters=values)
    tx = torch.tensor(x, requires_grad=True)
    weight, bias = (torch.tensor(values[name], requires_grad=True) for name in ("weight", "bias"))
    parts = []
    for piece in range(3):
        columns = slice(4 * piece, 4 * piece + 4)
        if isinstance(layer, Maxout):
            parts.append(tx @ weight[:, columns] + bias[columns])
        else:
            image, window = tx.permute(0, 3, 1, 2), weight[..., columns].permute(3, 2, 0, 1)
            y = torch.nn.functional.conv2d(image, window, bias[columns], padding=1)
            parts.append(y.permute(0, 2, 3, 1))
    expected = torch.stack(parts).max(dim=0).values
    np.testing.assert_allclose(lone.output, expected.detach().numpy(), atol=1e-12)
    seed = rng.standard_normal(expected.shape)
    (expected * torch.tensor(seed)).sum().backward()
    gradient = lone.b.gradients({lone.value: seed})
    np.testing.assert_allclose(gradient(lone.inputs[0]), tx.grad.numpy(), atol=1e-11)
    np.testing.assert_allclose(gradient(lone.b.parameter("weight")), weight.grad.numpy(), atol=1e-11)
    np.testing.assert_allclose(gradient(lone.b.parameter("bias")), bias.grad.numpy(), atol=1e-11)


def test_each_position_of_a_sequence_by_itself() -> None:
    rng = np.random.default_rng(2)
    layer = Maxout(units=3, pieces=2)
    values = {spec.name: rng.standard_normal(spec.shape) for spec in layer.parameters(((4, 5),))}
    x = rng.standard_normal((6, 4, 5))
    rows = Lone(layer, x.reshape(24, 5), parameters=values).output
    np.testing.assert_allclose(Lone(layer, x, parameters=values).output, rows.reshape(6, 4, 3), rtol=1e-12)


def test_a_convolution_in_groups_is_refused_in_words() -> None:
    with pytest.raises(ShapeProblem, match="one group") as caught:
        MaxoutConv2D(filters=4, groups=2).infer(((8, 8, 2),))
    assert caught.value.fix == ("set", "groups", 1)


def test_a_convolution_may_be_dilated_and_standardized() -> None:
    rng = np.random.default_rng(3)
    layer = MaxoutConv2D(filters=2, pieces=3, dilation=2, standardize=True)
    values = {spec.name: rng.standard_normal(spec.shape) for spec in layer.parameters(((7, 6, 2),))}
    wide = Conv2D(filters=6, dilation=2, standardize=True)
    x = rng.standard_normal((2, 7, 6, 2))
    pieces = Lone(wide, x, parameters=values).output.reshape(2, 7, 6, 3, 2)
    np.testing.assert_allclose(Lone(layer, x, parameters=values).output, pieces.max(axis=3), rtol=1e-12)
