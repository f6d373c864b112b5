"""Networks of the convolutions, normalizations and pools without compiled kernels: the compiler, both executors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

import engine.cpu_executor
from engine.backend import choose
from engine.cpu_executor import CPUExecutor
from engine.data.signature import DataSignature, TargetSignature
from engine.executor import ArrayExecutor
from engine.experiment import Experiment
from engine.graph import check
from engine.optimizers import SGD
from engine.plan import compile
from engine.state import State
from tests.support.examples import blobs, chain, make

SHAPE, BATCH = (12, 11, 3), 7
SIGNATURE = DataSignature(inputs={"x": SHAPE}, targets={"y": TargetSignature(classes=4)}, train_size=50)

NETWORKS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "groups": [
        ("conv2d", {"filters": 6, "groups": 3, "standardize": True}),
        ("group_norm", {"groups": 2}),
        ("tanh", {}),
        ("depthwise_conv2d", {"multiplier": 2, "dilation": 2, "standardize": True}),
        ("layer_norm", {}),
        ("conv2d", {"filters": 5, "dilation": 2, "stride": 2}),
        ("adaptive_average_pool2d", {"height": 3, "width": 4}),
        ("flatten", {}),
        ("layer_norm", {}),
        ("dense", {"units": 4, "standardize": True}),
    ],
    "up and down": [
        ("fractional_max_pool2d", {"regions": "overlapping"}),
        ("conv2d", {"filters": 4}),
        ("layer_norm", {"over": "sample"}),
        ("conv_transpose2d", {"filters": 3, "size": 3, "padding": 1, "output_padding": 1}),
        ("instance_norm", {"affine": True}),
        ("sigmoid", {}),
        ("fractional_max_pool2d", {"ratio": 1.7}),
        ("adaptive_max_pool2d", {"height": 5, "width": 5}),
        ("conv2d", {"filters": 4, "size": 1, "groups": 1}),
        ("global_max_pool2d", {}),
    ],
}
by_name = pytest.mark.parametrize("name", NETWORKS)


def experiment_of(name: str, precision: str) -> Experiment:
    layers = [make("layer", tag, **values) for tag, values in NETWORKS[name]]
    network = chain(make("layer", "input"), *layers, make("loss", "softmax_cross_entropy"))
    training = replace(
        blobs().training,
        optimizer=SGD(learning_rate=0.05, momentum=0.9),
        penalties=(),
        precision=precision,  # type: ignore[arg-type]
    )
    return replace(blobs(), network=network, training=training)


def state_of(experiment: Experiment) -> tuple[Any, State]:
    report = check(experiment.network, SIGNATURE)
    assert report.ok, report.diagnostics
    training = experiment.training
    optimizer, precision = training.optimizer, training.precision
    return report, State(experiment.network, report, optimizer, choose("cpu"), precision=precision, seed=1)


def batch() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(4)
    return {"x": rng.standard_normal((BATCH, *SHAPE))}, {"y": rng.integers(0, 4, BATCH)}


@by_name
@pytest.mark.parametrize("observe", [False, True])
def test_gradients_agree_with_differences(name: str, observe: bool) -> None:
    experiment = experiment_of(name, "float64")
    report, state = state_of(experiment)
    program = compile(experiment, report, SIGNATURE, batch_size=BATCH, training=True, observe=observe)
    bound = ArrayExecutor(state).bind(program)
    bound.feed(*batch())
    assert bound.run({"learning_rate": 0.0}, 3)
    rng = np.random.default_rng(9)
    direction = {key: rng.standard_normal(array.shape) for key, array in state.parameters.items()}
    slope = sum(float((np.array(bound.gradient(key)) * step).sum()) for key, step in direction.items())
    start = {key: np.array(array) for key, array in state.parameters.items()}

    def loss(distance: float) -> float:
        for key, array in state.parameters.items():
            array[...] = start[key] + distance * direction[key]
        assert bound.run({"learning_rate": 0.0}, 3)
        return bound.loss()

    h = 1e-6
    assert slope == pytest.approx((loss(h) - loss(-h)) / (2 * h), rel=1e-5, abs=1e-7)
    assert all(np.any(np.array(bound.gradient(key)) != 0) for key in start)


@pytest.fixture
def closing() -> Iterator[list[CPUExecutor]]:
    """The compiled executors of a test, to be closed."""
    executors: list[CPUExecutor] = []
    yield executors
    for executor in executors:
        executor.close()


@by_name
def test_both_executors_train_alike(name: str, closing: list[CPUExecutor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.cpu_executor, "ALONE", 0)
    experiment = experiment_of(name, "float32")
    losses, ends = [], []
    for compiled in (False, True):
        report, state = state_of(experiment)
        executor = CPUExecutor(state, 2, keep_gradients=False) if compiled else ArrayExecutor(state)
        if isinstance(executor, CPUExecutor):
            closing.append(executor)
        train, evaluate = (
            executor.bind(compile(experiment, report, SIGNATURE, batch_size=BATCH, training=training))
            for training in (True, False)
        )
        found = []
        for step in range(6):
            train.feed(*batch())
            assert train.run({"learning_rate": 0.05}, step)
            found.append(train.loss())
        evaluate.feed(*batch())
        assert evaluate.run()
        losses.append([*found, evaluate.loss()])
        ends.append(state.to_host())
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
    assert losses[0][5] < losses[0][0]
    for key, array in ends[0].items():
        np.testing.assert_allclose(array, ends[1][key], rtol=1e-2, atol=2e-3, err_msg=key)


REMEDIES: list[tuple[str, dict[str, Any], str]] = [
    ("conv2d", {"filters": 8, "groups": 3}, "Set groups to"),
    ("group_norm", {"groups": 2}, "Set groups to"),
    ("conv_transpose2d", {"output_padding": 5}, "Set output_padding to 1"),
    ("conv2d", {"dilation": 16, "padding": "valid"}, "Set size to 1"),
]


@pytest.mark.parametrize(("tag", "values", "label"), REMEDIES, ids=[item[0] for item in REMEDIES])
def test_what_does_not_fit_is_told_with_a_remedy_that_works(tag: str, values: dict[str, Any], label: str) -> None:
    network = chain(
        make("layer", "input"), make("layer", tag, **values), make("layer", "flatten"), make("layer", "dense", units=4),
        make("loss", "softmax_cross_entropy"),
    )  # fmt: skip
    experiment = replace(blobs(), network=network)
    (found,) = check(network, SIGNATURE).diagnostics
    assert found.fix is not None and found.fix.label.startswith(label)
    assert check(found.fix.edit(experiment).network, SIGNATURE).ok


@pytest.mark.parametrize("tag", ["layer_norm", "group_norm"])
def test_a_single_value_is_told_and_the_layer_bypassed(tag: str) -> None:
    values = {"groups": 1} if tag == "group_norm" else {}
    network = chain(
        make("layer", "input"), make("layer", "flatten"), make("layer", "dense", units=1), make("layer", tag, **values),
        make("layer", "dense", units=4), make("loss", "softmax_cross_entropy"),
    )  # fmt: skip
    (found,) = check(network, SIGNATURE).diagnostics
    assert "single value" in found.message
    assert found.fix is not None and found.fix.label == "Bypass this layer"
    assert check(found.fix.edit(replace(blobs(), network=network)).network, SIGNATURE).ok


def test_pools_behind_a_flatten_layer_say_where_they_belong() -> None:
    for tag in ("adaptive_max_pool2d", "adaptive_average_pool2d", "fractional_max_pool2d", "global_max_pool2d"):
        network = chain(
            make("layer", "input"), make("layer", "flatten"), make("layer", tag), make("layer", "dense", units=4),
            make("loss", "softmax_cross_entropy"),
        )  # fmt: skip
        (found,) = check(network, SIGNATURE).diagnostics
        assert "Put it before the layer that flattens or averages the image" in found.message
