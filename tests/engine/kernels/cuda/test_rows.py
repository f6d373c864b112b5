"""Softmax and the weights of attention for rows of every length, each by the kernel for it."""

from __future__ import annotations

import numpy as np
import pytest

from engine.kernels.cuda.launches import Launch
from engine.ops.attention import AttentionWeights, AttentionWeightsGradient
from engine.ops.maxout import Maxout, MaxoutGradient
from engine.ops.softmax import Softmax, SoftmaxGradient
from tests.support.cuda_bench import CudaBench
from tests.support.interpreter import Interpreter

LENGTHS = {
    1: "4",
    2: "4",
    3: "4",
    17: "4",
    33: "4",
    128: "4",
    129: "16",
    512: "16",
    513: "long",
    600: "long",
    5000: "long",
}
"""Columns, and which kernel takes them."""


@pytest.mark.parametrize("columns", LENGTHS)
@pytest.mark.parametrize("rows", [1, 7, 70])
def test_rows_of_every_length(rows: int, columns: int, benches: tuple[CudaBench, ...]) -> None:
    rng = np.random.default_rng(rows)
    for op, count, kernel in (
        (Softmax(), 1, "weights"),
        (SoftmaxGradient(), 2, "weights_gradient"),
        (AttentionWeights(0.5), 1, "weights"),
        (AttentionWeightsGradient(0.5), 2, "weights_gradient"),
    ):
        machine = Interpreter(precision="float32")
        values = [machine.value(3 * rng.standard_normal((rows, columns))) for _ in range(count)]
        call = machine.call(op, *values)
        inputs = {value.id: machine.host(value) for value in values}
        result = call.outputs[0].id
        bench = benches[2]
        found = bench.run([call], inputs)[result]
        (work,) = bench.works
        assert isinstance(work, Launch) and work.kernel == f"{kernel}_{LENGTHS[columns]}"
        expected = machine.host(call.outputs[0])
        np.testing.assert_allclose(found, expected, rtol=0, atol=4e-6 * np.abs(expected).max())
        shared = bench.run([call], inputs, shared={result: values[-1].id})
        np.testing.assert_array_equal(shared[result], found)


@pytest.mark.parametrize(("queries", "columns"), [(5, 5), (9, 3), (3, 140), (2, 600), (40, 40)])
def test_by_the_causal_rule_later_columns_have_no_weight(
    queries: int, columns: int, benches: tuple[CudaBench, ...]
) -> None:
    machine = Interpreter(precision="float32")
    value = machine.value(np.random.default_rng(0).standard_normal((2, 3, queries, columns)))
    call = machine.call(AttentionWeights(2.0, True), value)
    found = benches[1].run([call], {value.id: machine.host(value)})[call.outputs[0].id]
    later = np.arange(columns) > np.arange(queries)[:, None]
    np.testing.assert_array_equal(found[..., later], 0)
    assert (found[..., ~later] > 0).all()
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-6)
    np.testing.assert_allclose(found, machine.host(call.outputs[0]), rtol=0, atol=1e-6)


def test_large_scores_do_not_overflow(benches: tuple[CudaBench, ...]) -> None:
    machine = Interpreter(precision="float32")
    for columns in (3, 200, 700):
        scores = np.full((2, columns), 3e38)
        scores[1] *= -1
        value = machine.value(scores)
        call = machine.call(Softmax(), value)
        found = benches[0].run([call], {value.id: machine.host(value)})[call.outputs[0].id]
        np.testing.assert_allclose(found, 1 / columns, rtol=1e-6)


@pytest.mark.parametrize(
    ("rows", "units", "pieces"), [(1, 4, 2), (9, 8, 3), (70, 20, 5), (3, 7, 4), (5, 1, 6)], ids=str
)
def test_the_largest_of_pieces(rows: int, units: int, pieces: int, benches: tuple[CudaBench, ...]) -> None:
    """Many pieces are equally large: of these the first one gets the gradient."""
    rng = np.random.default_rng(0)
    machine = Interpreter(precision="float32")
    x = machine.value(np.round(rng.standard_normal((rows, units * pieces))))
    forward = machine.call(Maxout(pieces), x)
    y, dy = forward.outputs[0], machine.value(rng.standard_normal((rows, units)))
    backward = machine.call(MaxoutGradient(pieces), x, y, dy)
    for bench in benches:
        for call in (forward, backward):
            found = bench.run([call], {value.id: machine.host(value) for value in call.inputs})
            result = call.outputs[0]
            np.testing.assert_array_equal(found[result.id], machine.host(result))
