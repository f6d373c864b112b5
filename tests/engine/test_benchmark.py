"""The figures of a network: whole, and of the experiment that was asked for."""

from __future__ import annotations

import numpy as np

from engine import data
from engine.benchmark import FEWEST, benchmark
from tests.support.examples import blobs


def test_every_figure_is_there() -> None:
    experiment = blobs()
    (found,) = benchmark(experiment, data.load(experiment.data), ["array"], seconds=0.01)
    assert (found.kind, found.batch) == ("array", 16)
    assert found.label.startswith("NumPy")
    assert 0 < found.chunked.least <= found.chunked.low <= found.chunked.median <= found.chunked.high
    assert found.single.median > 0 and found.chunk > 1 and FEWEST > 1
    assert found.observed > 1
    assert found.work.flops > 2 * 3 * 16 * (2 * 8 + 8 * 3) * 0.9
    assert {item.node for item in found.operations} >= {"dense_1", "dense_2", "relu_1"}
    assert found.fallbacks == ()


def test_a_small_data_set_is_one_batch() -> None:
    experiment = blobs(samples=12)
    dataset = data.load(experiment.data)
    (found,) = benchmark(experiment, dataset, ["array"], seconds=0.01)
    assert found.batch == dataset.train.size < 16
    assert np.isfinite(found.chunked.median)
