"""Attention against PyTorch, its parts against their definition, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine.layers import ScaledDotProductAttention, SelfAttention, ShapeProblem
from tests.support.layers import Lone

RNG = np.random.default_rng(0)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("batch", "queries", "keys", "width", "values", "causal"),
    [
        (3, 5, 5, 4, 6, False),
        (3, 5, 5, 4, 6, True),
        (2, 4, 7, 3, 2, False),
        (2, 4, 7, 3, 2, True),
        (2, 6, 3, 8, 8, True),
        (1, 1, 1, 1, 1, False),
    ],
)
def test_scaled_dot_products_are_pytorchs(
    batch: int, queries: int, keys: int, width: int, values: int, causal: bool
) -> None:
    torch = pytest.importorskip("torch")
    shapes = ((batch, queries, width), (batch, keys, width), (batch, keys, values))
    arrays = [RNG.standard_normal(shape) for shape in shapes]
    lone = Lone(ScaledDotProductAttention(causal=causal), *arrays)
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    expected = torch.nn.functional.scaled_dot_product_attention(*tensors, is_causal=causal)
    np.testing.assert_allclose(lone.output, expected.detach().numpy(), atol=1e-12)
    weights = RNG.standard_normal(expected.shape)
    (expected * torch.tensor(weights)).sum().backward()
    gradients = lone.b.gradients({lone.value: weights})
    for value, tensor in zip(lone.inputs, tensors, strict=True):
        np.testing.assert_allclose(gradients(value), tensor.grad.numpy(), atol=1e-12)


@pytest.mark.parity
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize(("heads", "causal"), [(1, False), (2, True), (4, False), (8, True)])
def test_self_attention_is_pytorchs(heads: int, causal: bool, use_bias: bool) -> None:
    torch = pytest.importorskip("torch")
    batch, positions, width = 3, 6, 8
    x = RNG.standard_normal((batch, positions, width))
    layer = SelfAttention(heads=heads, causal=causal, use_bias=use_bias)
    shapes = ((positions, width),)
    own = {spec.name: RNG.standard_normal(spec.shape) for spec in layer.parameters(shapes)}
    lone = Lone(layer, x, parameters=own)

    peer = torch.nn.MultiheadAttention(width, heads, bias=use_bias, batch_first=True, dtype=torch.float64)
    names = ("query", "key", "value")
    with torch.no_grad():
        peer.in_proj_weight.copy_(torch.tensor(np.concatenate([own[f"{name}_weight"].T for name in names])))
        peer.out_proj.weight.copy_(torch.tensor(own["output_weight"].T))
        if use_bias:
            peer.in_proj_bias.copy_(torch.tensor(np.concatenate([own[f"{name}_bias"] for name in names])))
            peer.out_proj.bias.copy_(torch.tensor(own["output_bias"]))
    tensor = torch.tensor(x, requires_grad=True)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(positions, dtype=torch.float64) if causal else None
    expected = peer(tensor, tensor, tensor, attn_mask=mask, need_weights=False)[0]
    np.testing.assert_allclose(lone.output, expected.detach().numpy(), atol=1e-12)

    weights = RNG.standard_normal(x.shape)
    (expected * torch.tensor(weights)).sum().backward()
    gradients = lone.b.gradients({lone.value: weights})
    np.testing.assert_allclose(gradients(lone.inputs[0]), tensor.grad.numpy(), atol=1e-11)
    theirs = dict(zip(names, np.split(peer.in_proj_weight.grad.numpy(), 3), strict=True))
    theirs["output"] = peer.out_proj.weight.grad.numpy()
    for name, gradient in theirs.items():
        np.testing.assert_allclose(gradients(lone.b.parameter(f"{name}_weight")), gradient.T, atol=1e-11)
    if use_bias:
        biases = dict(zip(names, np.split(peer.in_proj_bias.grad.numpy(), 3), strict=True))
        biases["output"] = peer.out_proj.bias.grad.numpy()
        for name, gradient in biases.items():
            np.testing.assert_allclose(gradients(lone.b.parameter(f"{name}_bias")), gradient, atol=1e-11)


def test_causal_attention_knows_nothing_of_what_follows() -> None:
    x = RNG.standard_normal((2, 7, 4))
    layer = SelfAttention(heads=2, causal=True)
    changed = x.copy()
    changed[:, 4:] += 1.0
    first, second = Lone(layer, x).output, Lone(layer, changed).output
    np.testing.assert_array_equal(first[:, :4], second[:, :4])
    assert np.abs(first[:, 4:] - second[:, 4:]).min() > 1e-6
    both = Lone(replace(layer, causal=False), changed).output
    assert np.abs(both[:, :4] - second[:, :4]).max() > 1e-3


def test_without_positions_attention_does_not_know_the_order() -> None:
    x, order = RNG.standard_normal((2, 7, 4)), RNG.permutation(7)
    layer = SelfAttention(heads=2)
    np.testing.assert_allclose(Lone(layer, x[:, order]).output, Lone(layer, x).output[:, order], atol=1e-12)


def test_large_scores_do_not_overflow() -> None:
    q = 1e3 * RNG.standard_normal((2, 5, 4))
    y = Lone(ScaledDotProductAttention(causal=True), q, q, RNG.standard_normal((2, 5, 3)), precision="float32").output
    assert np.isfinite(y).all()


def test_attention_dropout_drops_weights_in_training_alone() -> None:
    x = RNG.standard_normal((4, 6, 8))
    layer = SelfAttention(heads=2, dropout=0.5)
    plain = Lone(replace(layer, dropout=0.0), x).output
    np.testing.assert_array_equal(Lone(layer, x, training=False).output, plain)
    dropped = [Lone(layer, x, step=step) for step in range(2)]
    assert "dropout" in [call.op.name for call in dropped[0].b.calls]
    assert np.abs(dropped[0].output - plain).max() > 0.01
    assert np.abs(dropped[0].output - dropped[1].output).max() > 0.01


def test_flops_are_those_of_the_products_and_the_softmax() -> None:
    t, c, h = 10, 8, 2
    lone = Lone(SelfAttention(heads=h), np.zeros((1, t, c)))
    assert lone.flops == 4 * (2 * t * c * c + t * c) + 2 * (2 * t * t * c) + 5 * h * t * t


@pytest.mark.parametrize(
    ("shape", "words", "fix"),
    [
        ((6, 10), "4 heads cannot share 10 features", ("set", "heads", 5)),
        ((6, 3), "must divide", ("set", "heads", 3)),
        ((28, 28, 1), "images of 28 × 28 × 1", ("insert", "reshape", {"shape": (-1, 1)})),
        ((16,), "Embedding layer first", ("insert", "reshape", {"shape": (-1, 1)})),
    ],
)
def test_self_attention_refuses_in_words(shape: Any, words: str, fix: Any) -> None:
    with pytest.raises(ShapeProblem, match=words) as caught:
        SelfAttention().infer((shape,))
    assert caught.value.fix == fix


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (((5, 4), (5, 3), (5, 4)), "q has 4 and k 3"),
        (((5, 4), (6, 4), (7, 4)), "k has 6 positions and v has 7"),
        (((5, 4), (5, 4), (9, 9, 1)), "v holds images"),
    ],
)
def test_products_of_q_k_and_v_refuse_in_words(shapes: Any, words: str) -> None:
    with pytest.raises(ShapeProblem, match=words):
        ScaledDotProductAttention().infer(shapes)


def test_titles_and_parameters() -> None:
    assert [SelfAttention(heads=2).title(), ScaledDotProductAttention().title()] == ["Attention ×2", "Attention"]
    specs = SelfAttention().parameters(((6, 8),))
    assert sum(spec.size for spec in specs) == 4 * (64 + 8)
    assert [spec.name for spec in specs if not spec.decay] == ["query_bias", "key_bias", "value_bias", "output_bias"]
    assert len(SelfAttention(use_bias=False).parameters(((6, 8),))) == 4
