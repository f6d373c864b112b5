"""What a card says of what was measured: bars, gradient bar, health and words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec.structs import replace

from engine.training.events import Frame, ParameterStats, TensorStats
from lab.canvas.vitals import BARS, gradient_norms, heights_of, vitals_of
from tests.support.examples import chain, make

PLAIN = TensorStats(
    count=100, mean=0.0, std=1.0, minimum=-3.0, maximum=3.0, zero_share=0.0, saturated_share=0.0, dead_share=0.0,
    nonfinite=0,
)  # fmt: skip
NETWORK = chain(*(make("layer", tag) for tag in ("input", "dense", "tanh", "sigmoid", "relu", "flatten")))


def frame(activations=None, adjoints=None, parameters=None) -> Frame:
    return Frame(
        run="r", step=1, epoch=0.1, activations=activations or {}, adjoints=adjoints or {}, parameters=parameters or {}
    )


def norm(value: float) -> TensorStats:
    return replace(PLAIN, count=1, std=value)


@pytest.mark.parametrize(
    ("node", "changes", "health", "words"),
    [
        ("tanh_1", {}, "good", ""),
        ("tanh_1", {"saturated_share": 0.62}, "bad", "62 % saturated (|a| > 0.97)"),
        ("sigmoid_1", {"saturated_share": 0.3}, "warn", "30 % saturated (a outside 0.03–0.97)"),
        ("tanh_1", {"saturated_share": 0.2}, "good", ""),
        ("relu_1", {"dead_share": 0.9, "zero_share": 0.95}, "bad", "90 % dead in this batch"),
        ("relu_1", {"dead_share": 0.6}, "warn", "60 % dead in this batch"),
        ("relu_1", {"zero_share": 0.9}, "good", ""),
        ("flatten_1", {"dead_share": 0.6}, "good", ""),
        ("dense_1", {"zero_share": 0.9}, "good", ""),
        ("dense_1", {"nonfinite": 3}, "bad", "3 values are not finite"),
        ("dense_1", {"std": 0.0, "mean": 4.0}, "warn", "every value is the same"),
        ("input_1", {"dead_share": 0.6, "zero_share": 0.8}, "good", ""),
    ],
)
def test_health_of_activations(node, changes, health, words):
    found = vitals_of(NETWORK, frame({node: replace(PLAIN, **changes)}))[node]
    assert (found.health, found.message) == (health, words)


def test_what_was_not_measured_is_not_shown():
    assert vitals_of(NETWORK, frame({"dense_1": PLAIN})).keys() == {"dense_1"}
    found = vitals_of(NETWORK, frame({"dense_1": PLAIN}))["dense_1"]
    assert found.gradient is None and found.heights is None and found.health == "good"


def test_gradient_bars_are_relative_on_a_log_scale():
    adjoints = {"dense_1": norm(2.0), "tanh_1": norm(2e-3), "sigmoid_1": norm(2e-6)}
    found = vitals_of(NETWORK, frame(adjoints=adjoints))
    assert found["dense_1"].gradient == 1.0
    assert found["tanh_1"].gradient == pytest.approx(0.5)
    assert found["sigmoid_1"].gradient == pytest.approx(0.04)
    assert [found[n].gradient_health for n in adjoints] == ["good", "good", "bad"]
    assert "1e-06 of the largest" in found["sigmoid_1"].message


@pytest.mark.parametrize(("stats", "words"), [(norm(0.0), "zero"), (replace(PLAIN, nonfinite=1), "not finite")])
def test_gradients_that_are_zero_or_not_finite(stats, words):
    found = vitals_of(NETWORK, frame(adjoints={"dense_1": norm(1.0), "tanh_1": stats}))
    assert found["tanh_1"].health == "bad" and words in found["tanh_1"].message
    assert found["dense_1"].health == "good" and found["dense_1"].gradient == 1.0


def test_without_adjoints_parameters_give_the_gradient():
    def stats(value: float) -> ParameterStats:
        return ParameterStats(node="dense_1", shape=(2,), weight_norm=1.0, gradient_norm=value, update_norm=0.0)

    parameters = {"dense_1/weight": stats(3.0), "dense_1/bias": stats(4.0)}
    assert gradient_norms(frame(parameters=parameters)) == {"dense_1": pytest.approx(5.0)}
    assert math.isinf(gradient_norms(frame(parameters={"dense_1/weight": stats(math.nan)}))["dense_1"])


@pytest.mark.parametrize("bins", [5, 27, 64, 200])
def test_bars_keep_the_histograms_form(bins):
    counts = np.full(bins, 1000, dtype=np.int64)
    counts[: bins // 2] = 2000
    heights, cut = heights_of(replace(PLAIN, histogram=counts))
    assert len(heights) == BARS and not any(cut)
    assert heights[0] == pytest.approx(1.0) and heights[-1] == pytest.approx(0.5)


def test_few_values_make_few_bars():
    heights, _ = heights_of(replace(PLAIN, histogram=np.tile([3, 0], 32)))
    assert heights == (1.0,) * 16


def test_a_bar_that_towers_is_cut():
    counts = np.full(27, 10, dtype=np.int64)
    counts[0] = 1000
    heights, cut = heights_of(replace(PLAIN, histogram=counts))
    assert cut == (True, *(False,) * 26) and heights[0] == 1.0 and heights[1] == pytest.approx(1 / 1.6)


def test_one_bar_alone_is_not_cut():
    counts = np.zeros(27, dtype=np.int64)
    counts[3] = 5
    heights, cut = heights_of(replace(PLAIN, histogram=counts))
    assert heights[3] == 1.0 and sum(heights) == 1.0 and not any(cut)


@pytest.mark.parametrize("histogram", [None, np.zeros(0, dtype=np.int64), np.zeros(9, dtype=np.int64)])
def test_no_counts_give_no_bars(histogram):
    assert heights_of(replace(PLAIN, histogram=histogram)) == (None, ())
