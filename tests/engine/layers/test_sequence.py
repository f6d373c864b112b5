"""Embeddings, positions, the mean over them, and dense layers on sequences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.kernels.reference.embedding import SPARSE
from engine.layers import Dense, Embedding, Flatten, GlobalAveragePool1D, Layer, PositionalEmbedding, ShapeProblem
from tests.support.layers import Lone

SEQUENCE = np.random.default_rng(0).standard_normal((3, 5, 4))


def tokens(vocabulary: int, batch: int = 6, positions: int = 7) -> np.ndarray:
    return np.random.default_rng(1).integers(0, vocabulary, (batch, positions)).astype(float)


@pytest.mark.parity
@pytest.mark.parametrize("vocabulary", [3, 40, SPARSE + 50])
def test_an_embedding_is_pytorchs(vocabulary: int) -> None:
    torch = pytest.importorskip("torch")
    x = tokens(vocabulary)
    x[0, :3] = 0, vocabulary - 1, 0
    lone = Lone(Embedding(vocabulary=vocabulary, width=3), x)
    weight = torch.tensor(lone.named("weight"), requires_grad=True)
    expected = torch.nn.functional.embedding(torch.tensor(x).long(), weight)
    np.testing.assert_array_equal(lone.output, expected.detach().numpy())
    weights = np.random.default_rng(2).standard_normal(lone.output.shape)
    (expected * torch.tensor(weights)).sum().backward()
    gradient = lone.b.gradients({lone.value: weights})(lone.b.parameter("weight"))
    np.testing.assert_allclose(gradient, weight.grad.numpy(), atol=1e-12)


def test_tokens_are_rounded_and_held_within_the_table() -> None:
    table = np.arange(6.0).reshape(3, 2)
    found = Lone(
        Embedding(vocabulary=3, width=2), np.array([[0.9999, -4.0, 77.0, np.nan]]), parameters={"weight": table}
    )
    np.testing.assert_array_equal(found.output[0], table[[1, 0, 2, 0]])


def test_the_gradient_of_an_embedding_is_the_same_bits_every_time() -> None:
    for vocabulary in (5, 2 * SPARSE):
        x, weights = tokens(vocabulary, 64, 32), np.random.default_rng(2).standard_normal((64, 32, 8))
        lone = Lone(Embedding(vocabulary=vocabulary, width=8), x, precision="float32")
        first, second = (lone.b.gradients({lone.value: weights})(lone.b.parameter("weight")) for _ in range(2))
        np.testing.assert_array_equal(first, second)


def test_an_embedding_refuses_all_but_one_number_for_each_position() -> None:
    assert Embedding(width=8).infer(((20,),)) == (20, 8)
    with pytest.raises(ShapeProblem, match="images of 5 × 5 × 1") as caught:
        Embedding().infer(((5, 5, 1),))
    assert caught.value.fix == ("insert", "flatten", {})
    (spec,) = Embedding(vocabulary=7, width=3).parameters(((20,),))
    assert (spec.shape, spec.decay, Embedding(width=3).title()) == ((7, 3), True, "Embedding 3")


def test_learned_positions_are_added_to_every_sample() -> None:
    lone = Lone(PositionalEmbedding(), SEQUENCE)
    table = lone.named("weight")
    assert table.shape == (5, 4) and 0.005 < table.std() < 0.05
    np.testing.assert_allclose(lone.output, SEQUENCE + table)
    weights = np.random.default_rng(2).standard_normal(SEQUENCE.shape)
    gradients = lone.b.gradients({lone.value: weights})
    np.testing.assert_allclose(gradients(lone.b.parameter("weight")), weights.sum(axis=0))
    np.testing.assert_array_equal(gradients(lone.inputs[0]), weights)


@pytest.mark.parametrize("width", [1, 4, 7])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_sinusoids_are_those_of_the_paper(width: int, precision: str) -> None:
    layer = PositionalEmbedding(form="sinusoidal")
    found = Lone(layer, np.zeros((2, 9, width)), precision=precision).output
    for t in range(9):
        for i in range(width):
            angle = t / 10000 ** ((i - i % 2) / width)
            expected = np.cos(angle) if i % 2 else np.sin(angle)
            np.testing.assert_allclose(found[:, t, i], expected, atol=1e-6)
    assert layer.parameters(((9, width),)) == ()
    assert (layer.title(), PositionalEmbedding().title()) == ("Sinusoids", "Positions")


def test_the_mean_over_positions() -> None:
    lone = Lone(GlobalAveragePool1D(), SEQUENCE)
    np.testing.assert_allclose(lone.output, SEQUENCE.mean(axis=1))
    gradient = lone.b.gradients({lone.value: np.ones((3, 4))})(lone.inputs[0])
    np.testing.assert_allclose(gradient, np.full(SEQUENCE.shape, 1 / 5))


@pytest.mark.parametrize(
    ("shape", "fix"),
    [((6, 6, 3), ("insert", "reshape", {"shape": (-1, 3)})), ((12,), ("insert", "reshape", {"shape": (-1, 1)}))],
)
@pytest.mark.parametrize("layer", [PositionalEmbedding(), GlobalAveragePool1D()])
def test_what_is_no_sequence_is_refused_with_a_remedy(layer: Layer, shape: Any, fix: Any) -> None:
    with pytest.raises(ShapeProblem, match="needs sequences") as caught:
        layer.infer((shape,))
    assert caught.value.fix == fix


@pytest.mark.parametrize("use_bias", [True, False])
def test_a_dense_layer_reads_each_position_by_itself(use_bias: bool) -> None:
    layer = Dense(units=6, use_bias=use_bias)
    assert layer.infer(((5, 4),)) == (5, 6)
    lone = Lone(layer, SEQUENCE)
    alone = Lone(layer, SEQUENCE.reshape(15, 4))
    np.testing.assert_allclose(lone.output, alone.output.reshape(3, 5, 6))
    weights = np.random.default_rng(2).standard_normal((3, 5, 6))
    many = lone.b.gradients({lone.value: weights})
    few = alone.b.gradients({alone.value: weights.reshape(15, 6)})
    np.testing.assert_allclose(many(lone.b.parameter("weight")), few(alone.b.parameter("weight")))
    np.testing.assert_allclose(many(lone.inputs[0]).reshape(15, 4), few(alone.inputs[0]))
    assert [call.op.name for call in alone.b.calls][: 1 + use_bias] == ["matmul", "add_bias"][: 1 + use_bias]
    np.testing.assert_array_equal(Lone(Flatten(), SEQUENCE).output, SEQUENCE.reshape(3, 20))
