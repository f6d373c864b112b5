"""Convolutions in groups, with gaps, channel by channel and transposed: parity with PyTorch, and what they refuse."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from engine.layers import Conv2D, ConvTranspose2D, Dense, DepthwiseConv2D, Layer, ShapeProblem
from engine.ops.convolution import Conv2d
from tests.support.layers import Lone
from tests.support.torch_layers import check_against

X = np.random.default_rng(5).standard_normal((2, 9, 8, 6))

GRID = list(itertools.product((1, 2, 3), (1, 2), ("same", "valid"), (1, 2, 3, 6), (1, 2, 3), (True, False)))
SAMPLED = [GRID[i] for i in np.random.default_rng(0).permutation(len(GRID))[:40]]
"""Size, stride, padding, groups, dilation, bias: a third of all that there are."""


def conv(x: Any, p: dict[str, Any], **options: Any) -> Any:
    """PyTorch's convolution on images with channels last and our layout of weights."""
    import torch

    y = torch.nn.functional.conv2d(
        x.permute(0, 3, 1, 2), p["weight"].permute(3, 2, 0, 1).contiguous(), p.get("bias"), **options
    )
    return y.permute(0, 2, 3, 1)


@pytest.mark.parity
@pytest.mark.parametrize("options", SAMPLED, ids=str)
def test_convolution_is_pytorchs(options: tuple[Any, ...]) -> None:
    pytest.importorskip("torch")
    size, stride, padding, groups, dilation, bias = options
    layer = Conv2D(
        filters=12, size=size, stride=stride, padding=padding, groups=groups, dilation=dilation, use_bias=bias
    )
    pixels = dilation * (size - 1) // 2 if padding == "same" else 0
    check_against(lambda x, p: conv(x, p, stride=stride, padding=pixels, groups=groups, dilation=dilation), layer, X)
    lone = Lone(layer, X)
    y = lone.output
    assert lone.flops == 2 * y.size * size * size * (6 // groups) + bias * y.size
    plain = groups == dilation == 1
    assert isinstance(lone.b.calls[0].op, Conv2d) is plain, "plain convolutions keep their fast operation"


@pytest.mark.parity
@pytest.mark.parametrize(
    "options", list(itertools.product((1, 3), (1, 2), ("same", "valid"), (1, 2), (1, 2)))[::2], ids=str
)
def test_depthwise_convolution_is_pytorchs(options: tuple[Any, ...]) -> None:
    pytest.importorskip("torch")
    size, stride, padding, dilation, multiplier = options
    layer = DepthwiseConv2D(multiplier=multiplier, size=size, stride=stride, padding=padding, dilation=dilation)
    pixels = dilation * (size - 1) // 2 if padding == "same" else 0
    check_against(lambda x, p: conv(x, p, stride=stride, padding=pixels, groups=6, dilation=dilation), layer, X)


def test_depthwise_convolution_of_one_channel_is_a_plain_one() -> None:
    x = X[..., :1]
    lone = Lone(DepthwiseConv2D(multiplier=4), x)
    assert isinstance(lone.b.calls[0].op, Conv2d)
    same = Lone(Conv2D(filters=4), x, parameters={"weight": lone.named("weight")})
    np.testing.assert_array_equal(lone.output, same.output)


TRANSPOSED = [
    (size, stride, padding, extra, bias)
    for size, stride, padding, extra, bias in itertools.product(
        (1, 2, 3, 4), (1, 2, 3), (0, 1, 2), (0, 1, 2), (True, False)
    )
    if extra < stride and not (size == 1 and padding == 2)
]


@pytest.mark.parity
@pytest.mark.parametrize("options", TRANSPOSED[::4], ids=str)
def test_transposed_convolution_is_pytorchs(options: tuple[Any, ...]) -> None:
    torch = pytest.importorskip("torch")
    size, stride, padding, extra, bias = options
    layer = ConvTranspose2D(filters=5, size=size, stride=stride, padding=padding, output_padding=extra, use_bias=bias)

    def reference(x: Any, p: dict[str, Any]) -> Any:
        y = torch.nn.functional.conv_transpose2d(
            x.permute(0, 3, 1, 2),
            p["weight"].permute(3, 2, 0, 1).contiguous(),
            p.get("bias"),
            stride=stride,
            padding=padding,
            output_padding=extra,
        )
        return y.permute(0, 2, 3, 1)

    check_against(reference, layer, X[:, :5, :4])


@pytest.mark.parity
@pytest.mark.parametrize("layer", [Conv2D(filters=4, groups=2, standardize=True), Conv2D(filters=4, standardize=True)])
def test_standardized_filters(layer: Conv2D) -> None:
    pytest.importorskip("torch")

    def reference(x: Any, p: dict[str, Any]) -> Any:
        w = p["weight"]
        centred = w - w.mean(dim=(0, 1, 2))
        deviation = (w.var(dim=(0, 1, 2), unbiased=False) + 1e-5).sqrt()
        return conv(x, {**p, "weight": centred / deviation}, padding=1, groups=layer.groups)

    check_against(reference, layer, X)


@pytest.mark.parity
def test_standardized_units() -> None:
    pytest.importorskip("torch")

    def reference(x: Any, p: dict[str, Any]) -> Any:
        w = p["weight"]
        return x @ ((w - w.mean(0)) / (w.var(0, unbiased=False) + 1e-5).sqrt()) + p["bias"]

    check_against(reference, Dense(units=3, standardize=True), X[:, 0, :, 0])


def test_standardized_filters_do_not_depend_on_scale_and_offset_of_the_weights() -> None:
    layer = Conv2D(filters=4, standardize=True)
    first = Lone(layer, X)
    moved = Lone(layer, X, parameters={"weight": 1e4 * first.named("weight") + 3.0})
    assert np.abs(first.output - moved.output).max() < 1e-3 * np.abs(first.output).max()
    plain = Lone(Conv2D(filters=4), X, parameters={"weight": 1e4 * first.named("weight")})
    assert np.abs(first.output - plain.output).max() > np.abs(first.output).max()


def test_parameters_and_fans() -> None:
    shape = (9, 8, 6)
    weight, bias = Conv2D(filters=12, groups=3).parameters((shape,))
    assert (weight.shape, weight.fan_in, weight.fan_out, bias.shape) == ((3, 3, 2, 12), 18, 36, (12,))
    weight, bias = DepthwiseConv2D(multiplier=2).parameters((shape,))
    assert (weight.shape, weight.fan_in, weight.fan_out, bias.shape) == ((3, 3, 1, 12), 9, 18, (12,))
    weight, bias = ConvTranspose2D(filters=5, size=3).parameters((shape,))
    assert (weight.shape, weight.fan_in, weight.fan_out, bias.shape) == ((3, 3, 5, 6), 14, 45, (5,))
    assert weight.decay and not bias.decay
    titles = [layer.title() for layer in (DepthwiseConv2D(), ConvTranspose2D())]
    assert titles == ["Depthwise 3×3", "ConvT 2×2"]


@pytest.mark.parametrize(
    ("layer", "shape", "words", "field", "fix"),
    [
        (Conv2D(filters=24, groups=5), (8, 8, 16), "The nearest number of groups that divides both is 4", "groups",
         ("set", "groups", 4)),
        (Conv2D(filters=16, groups=2), (8, 8, 1), "1 input channels and 16 filters", "groups", ("set", "groups", 1)),
        (Conv2D(dilation=4, padding="valid"), (8, 8, 1), "reaches over 9 × 9", "size", ("set", "size", 2)),
        (Conv2D(size=1, standardize=True), (8, 8, 1), "a single weight", "standardize", ("set", "standardize", False)),
        (Dense(standardize=True), (1,), "a single weight", "standardize", ("set", "standardize", False)),
        (DepthwiseConv2D(size=5, padding="valid"), (4, 9, 1), "does not fit", "size", ("set", "size", 4)),
        (DepthwiseConv2D(), (64,), "vectors of 64", "", ("to_images",)),
        (ConvTranspose2D(), (64,), "vectors of 64", "", ("to_images",)),
        (ConvTranspose2D(output_padding=2), (4, 4, 1), "not less than the stride", "output_padding",
         ("set", "output_padding", 1)),
        (ConvTranspose2D(size=3, stride=1, padding=9), (4, 6, 1), "cuts off the whole output", "padding",
         ("set", "padding", 2)),
    ],
)  # fmt: skip
def test_refusals_name_the_remedy(
    layer: Layer, shape: tuple[int, ...], words: str, field: str, fix: tuple[Any, ...] | None
) -> None:
    with pytest.raises(ShapeProblem, match=words) as caught:
        layer.infer((shape,))
    assert (caught.value.field, caught.value.fix) == (field, fix)
    if fix is not None and fix[0] == "set":
        from msgspec.structs import replace

        replace(layer, **{fix[1]: fix[2]}).infer((shape,))
