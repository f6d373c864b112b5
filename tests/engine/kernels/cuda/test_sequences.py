"""A table's gradient: tokens that are rare, frequent, absent, beyond the table, and more of them than a block holds."""

from __future__ import annotations

import numpy as np
import pytest

from engine.ops.base import Call, Value
from engine.ops.embedding import Embedding, EmbeddingGradient
from tests.support.cuda_bench import CudaBench
from tests.support.interpreter import Interpreter


def build(tokens: np.ndarray, vocabulary: int, width: int) -> tuple[Call, dict[int, np.ndarray], np.ndarray, Value]:
    """The call, its inputs, the gradient in float64, and the value of dy."""
    machine = Interpreter(precision="float32")
    dy = np.random.default_rng(1).standard_normal((*tokens.shape, width)).astype(np.float32)
    values = machine.value(tokens), machine.value(dy)
    call = machine.call(EmbeddingGradient(vocabulary), *values)
    exact = np.zeros((vocabulary, width))
    rows = np.clip(np.rint(np.nan_to_num(tokens)), 0, vocabulary - 1).astype(int)
    np.add.at(exact, rows.reshape(-1), dy.reshape(-1, width).astype(float))
    return call, {value.id: machine.host(value) for value in values}, exact, values[1]


@pytest.mark.parametrize(
    ("count", "vocabulary", "width", "share"),
    [(1, 1, 1, 0.0), (40, 3, 5, 0.5), (300, 50, 33, 0.3), (2100, 900, 4, 0.1), (500, 2, 70, 0.9), (77, 2000, 3, 0.0)],
    ids=str,
)
def test_gradient_of_a_table(
    count: int, vocabulary: int, width: int, share: float, benches: tuple[CudaBench, ...]
) -> None:
    """A share of the tokens is the same one, as where sequences are filled up."""
    rng = np.random.default_rng(count)
    tokens = rng.integers(0, vocabulary, (1, count)).astype(float)
    tokens[rng.random(tokens.shape) < share] = vocabulary // 2
    call, inputs, exact, _ = build(tokens, vocabulary, width)
    result = call.outputs[0].id
    first, *others = (bench.run([call], inputs)[result] for bench in benches)
    np.testing.assert_allclose(first, exact, rtol=0, atol=2e-6 * max(1, np.abs(exact).max()))
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_tokens_that_are_none(benches: tuple[CudaBench, ...]) -> None:
    """As the reference kernel has it: rounded to even, beyond the table its ends, no number the first row."""
    tokens = np.array([[-3.0, 0.5, 1.5, 99.0, np.nan, np.inf, -np.inf, 2.49]])
    call, inputs, _, dy = build(tokens, 5, 2)
    found = benches[0].run([call], inputs)[call.outputs[0].id]
    rows = np.array([0, 0, 2, 4, 0, 4, 0, 2])
    expected = np.zeros((5, 2))
    np.add.at(expected, rows, inputs[dy.id][0].astype(float))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    machine = Interpreter(precision="float32")
    values = machine.value(tokens), machine.value(np.arange(20.0).reshape(5, 4))
    forward = machine.call(Embedding(), *values)
    found = benches[1].run([forward], {value.id: machine.host(value) for value in values})[forward.outputs[0].id]
    np.testing.assert_array_equal(found[0, :, 0], 4.0 * rows)


def test_what_is_not_finite_stays_in_its_row(benches: tuple[CudaBench, ...]) -> None:
    tokens = np.arange(60).reshape(2, 30) % 7.0
    call, inputs, exact, dy = build(tokens, 7, 3)
    inputs[dy.id][0, 10, 1] = np.inf  # of token 3
    found = benches[0].run([call], inputs)[call.outputs[0].id]
    assert found[3, 1] == np.inf
    found[3, 1] = exact[3, 1]
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-5)
