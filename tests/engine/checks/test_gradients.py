"""The gradient check: silent where back-propagation is right, loud where a kernel is wrong, and aware of kinks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine import data, edits, presets
from engine.checks import Cancelled, check_gradients
from engine.experiment import Experiment
from engine.kernels.reference import KERNELS
from tests.support.examples import blobs, make


def digits(activation: str = "tanh", seed: int = 0) -> Experiment:
    experiment = replace(presets.make("digits-baseline"), seed=seed)
    hidden = next(node.id for node in experiment.network.nodes if node.id.startswith("relu"))
    return edits.replace_component(experiment, hidden, make("layer", activation))


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "leaky_relu"])
def test_right_gradients_differ_by_rounding(activation: str) -> None:
    experiment = digits(activation)
    found = check_gradients(experiment, data.load(experiment.data), entries=40)
    assert found.severity == "ok" and "agree" in found.words
    for item in found.arrays:
        assert item.ratio < 1e-8 and item.median < 1e-8 and item.checked + item.kinks in (10, 40)
        assert item.norm > 0


@pytest.mark.parametrize("preset", ["mnist-batchnorm-dropout", "digits-residual", "moons-mlp", "diabetes-regression"])
def test_random_layers_and_batch_statistics_are_no_obstacle(preset: str) -> None:
    experiment = presets.make(preset)
    found = check_gradients(experiment, data.load(experiment.data), entries=4)
    assert found.severity == "ok", found.words


@pytest.mark.parametrize(("factor", "ratio"), [(0.5, 1 / 3), (-1.0, 1.0), (1.01, 0.005)])
def test_a_wrong_kernel_is_found_and_named(monkeypatch: pytest.MonkeyPatch, factor: float, ratio: float) -> None:
    right = KERNELS["tanh_gradient"]

    def wrong(xp: Any, y: Any, dy: Any, dx: Any, *work: Any) -> None:
        right(xp, y, dy, dx, *work)
        xp.multiply(dx, factor, out=dx)

    monkeypatch.setitem(KERNELS, "tanh_gradient", wrong)
    found = check_gradients(digits(), data.load(digits().data), entries=20)
    broken = {item.node for item in found.arrays if item.severity == "error"}
    assert found.severity == "error" and broken == {"dense_1"}
    for item in found.arrays:
        if item.node == "dense_1":
            # ‖f g − g‖ / (‖f g‖ + ‖g‖)
            assert item.ratio == pytest.approx(ratio, rel=0.01)


def test_beside_a_kink_nothing_is_claimed() -> None:
    experiment = blobs()
    for field in ("weight_init", "bias_init"):
        experiment = edits.set_field(experiment, "dense_1", field, make("initializer", "constant", value=0.0))
    found = check_gradients(experiment, data.load(experiment.data))
    first = [item for item in found.arrays if item.node == "dense_1"]
    assert all(item.kinks for item in first) and not any(item.severity == "error" for item in found.arrays)
    assert "kink" in found.words


def test_a_gradient_that_does_not_arrive_is_said() -> None:
    experiment = edits.set_field(blobs(), "dense_1", "bias_init", make("initializer", "constant", value=-1e3))
    found = check_gradients(experiment, data.load(experiment.data))
    assert found.severity == "warning" and "No gradient arrives at dense_1/weight" in found.words


def test_a_gradient_that_is_zero_but_for_rounding_is_no_error() -> None:
    """A key's bias adds the same to all scores of a query, which softmax takes out; batch normalization takes out the
    bias of the layer before it."""
    found = check_gradients(presets.make("tiny-transformer"), data.load(presets.make("tiny-transformer").data))
    (keys,) = (item for item in found.arrays if item.name.endswith("key_bias"))
    assert keys.norm < 1e-15 and not keys.resolved and found.severity == "ok", found.words
    assert "Too small" in found.words and keys.name in found.words
    experiment = edits.set_field(presets.make("mnist-batchnorm-dropout"), "dense_1", "use_bias", True)
    found = check_gradients(experiment, data.load(experiment.data), entries=4)
    assert found.severity == "ok", found.words


def test_a_wrong_gradient_is_found_however_small_it_is_beside_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    right = KERNELS["tanh_gradient"]

    def wrong(xp: Any, y: Any, dy: Any, dx: Any, *work: Any) -> None:
        right(xp, y, dy, dx, *work)
        xp.multiply(dx, 1.5, out=dx)

    small = edits.set_field(digits(), "dense_2", "weight_init", make("initializer", "normal", std=1e-5))
    dataset = data.load(small.data)
    assert check_gradients(small, dataset).severity == "ok"
    monkeypatch.setitem(KERNELS, "tanh_gradient", wrong)
    found = check_gradients(small, dataset)
    norms = {item.name: item.norm for item in found.arrays}
    assert norms["dense_1/weight"] < 1e-3 * norms["dense_2/weight"]
    assert {item.node for item in found.arrays if item.severity == "error"} == {"dense_1"}


def test_it_is_the_same_again_and_can_be_cancelled() -> None:
    dataset = data.load(digits().data)
    first, second = (check_gradients(digits(), dataset, entries=5) for _ in range(2))
    assert first == second
    with pytest.raises(Cancelled):
        check_gradients(digits(), dataset, watch=lambda share, words: not share)


def test_it_looks_up_at_every_entry_so_that_cancelling_does_not_wait_for_a_whole_array() -> None:
    shares = []

    def watch(share: float, words: str) -> bool:
        shares.append(share)
        return len(shares) < 7

    with pytest.raises(Cancelled):
        check_gradients(digits(), data.load(digits().data), entries=10, watch=watch)
    assert shares == pytest.approx([k / 40 for k in range(7)])  # four arrays of ten entries


def test_the_error_of_the_differences_falls_with_the_step_until_rounding_takes_over() -> None:
    """The difference of two estimates with steps h and h / 2 has an error of order h⁴."""
    dataset = data.load(digits().data)
    medians = {
        h: float(np.median([item.median for item in check_gradients(digits(), dataset, step=h, entries=20).arrays]))
        for h in (1e-1, 1e-3, 1e-5, 1e-8)
    }
    assert medians[1e-1] > 100 * medians[1e-3]
    assert medians[1e-8] > 10 * medians[1e-5]
