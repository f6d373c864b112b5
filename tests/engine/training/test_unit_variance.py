"""LSUV: unit variance after it, on the run's own first batch; the same every time; never when a run is resumed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from engine import backend, data
from engine.averaging import ExponentialAverage
from engine.experiment import Experiment, NetworkSpec
from engine.graph import check_experiment
from engine.initializers import LSUV, Constant, Orthogonal
from engine.kinds import Initializer
from engine.layers import Conv2D, Dense, Dropout, Flatten, Input, Maxout, ReLU, Tanh
from engine.losses import SoftmaxCrossEntropy
from engine.state import State
from engine.training import events
from engine.training.setup import new_state
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from engine.training.unit_variance import LayerScale, first_batch, scale_weights
from tests.engine.training.experiments import Log, sequential, spiral
from tests.support.examples import make


def deep(initializer: Initializer, layers: int = 10, units: int = 60) -> NetworkSpec:
    hidden = [part for _ in range(layers) for part in (Dense(units=units, weight_init=initializer), Tanh())]
    return sequential([Input(), *hidden, Dropout(rate=0.5), Dense(units=2), SoftmaxCrossEntropy()])


def scaled(experiment: Experiment, **options: object) -> tuple[State, tuple[LayerScale, ...]]:
    dataset = data.load(experiment.data)
    report = check_experiment(experiment, dataset.signature)
    assert report.ok, report.diagnostics
    state = new_state(experiment, report, backend.choose("cpu"))
    return state, scale_weights(experiment, report, dataset, state, **options)  # type: ignore[arg-type]


def spreads(experiment: Experiment, state: State) -> list[float]:
    """Each hidden layer's deviation on the first batch before the activation, worked out by hand."""
    h = first_batch(experiment, data.load(experiment.data))["x"].astype(np.float64)
    found = []
    for number in range(1, 11):
        z = h @ state.parameters[f"dense_{number}/weight"] + state.parameters[f"dense_{number}/bias"]
        found.append(float(z.std()))
        h = np.tanh(z)
    return found


def test_outputs_have_unit_variance_after_it() -> None:
    experiment = spiral(deep(LSUV()))
    state, done = scaled(experiment)
    assert [item.node for item in done] == [f"dense_{i}" for i in range(1, 11)]
    np.testing.assert_allclose(spreads(experiment, state), 1.0, atol=0.05)
    np.testing.assert_allclose([item.after for item in done], spreads(experiment, state), rtol=1e-4)
    assert not state.averages
    # Where a layer is scaled, once is enough: its output is linear in its weights.
    assert {item.tries for item in done} <= {0, 1}
    assert all(item.after == pytest.approx(1.0, abs=1e-3) for item in done if item.tries)
    untouched, _ = scaled(spiral(deep(Orthogonal())))
    ratio = state.parameters["dense_5/weight"] / untouched.parameters["dense_5/weight"]
    np.testing.assert_allclose(ratio, ratio.flat[0], rtol=1e-4)


def test_what_is_not_its_own_stays_as_it_is() -> None:
    experiment = spiral(deep(LSUV()))
    before, _ = scaled(spiral(deep(Orthogonal())))
    state, done = scaled(experiment, given={"dense_2/weight": None, "parameter/dense_4/weight": None})
    assert {item.node for item in done} == {f"dense_{i}" for i in range(1, 11)} - {"dense_2", "dense_4"}
    np.testing.assert_array_equal(state.parameters["dense_2/weight"], before.parameters["dense_2/weight"])
    np.testing.assert_array_equal(state.parameters["dense_11/weight"], before.parameters["dense_11/weight"])


def test_convolutions_maxout_and_biases() -> None:
    network = sequential(
        [
            Input(),
            Conv2D(filters=6, weight_init=LSUV(), bias_init=Constant(value=0.3)),
            ReLU(),
            Flatten(),
            Maxout(units=20, weight_init=LSUV(), bias_init=LSUV()),
            Dense(units=10, weight_init=LSUV(tolerance=0.001)),
            SoftmaxCrossEntropy(),
        ]
    )
    experiment = replace(spiral(network), data=replace(spiral().data, source=make("source", "digits")))
    _, done = scaled(experiment)
    assert [item.node for item in done] == ["conv2d_1", "maxout_1", "dense_1"]
    assert all(abs(item.after**2 - 1) < 0.1 for item in done)
    assert abs(done[-1].after ** 2 - 1) < 0.001


def test_weights_that_are_standardized_are_left() -> None:
    network = [
        Input(),
        Dense(units=20, weight_init=LSUV(), standardize=True),
        Tanh(),
        Dense(units=2, weight_init=LSUV()),
    ]
    _, done = scaled(spiral(sequential([*network, SoftmaxCrossEntropy()])))
    assert [item.node for item in done] == ["dense_2"]


def test_a_layer_without_variance_and_too_few_tries_are_left() -> None:
    dead = sequential(
        [Input(), Dense(units=4, weight_init=Constant()), Dense(units=2, weight_init=LSUV()), SoftmaxCrossEntropy()]
    )
    _, (item,) = scaled(spiral(dead))
    assert (item.before, item.after, item.tries) == (0.0, 0.0, 0)


def test_a_run_tells_of_it_and_gives_the_same_bits_again(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    experiment = spiral(deep(LSUV(), layers=3, units=8))
    log = Log()
    first = Trainer(experiment, device="cpu", executor="array", store=store, report=log, steps=4)
    first.run()
    assert log.names()[:2] == ["Started", "WeightsScaled"]
    (event,) = log.of(events.WeightsScaled)
    assert list(event.tries) == ["dense_1", "dense_2", "dense_3"] and event.step == 0
    assert event.text().startswith("LSUV scaled the weights of 3 layers: outputs had a deviation of ")
    assert event in store.open(first.run_id).events()

    whole, again = Log(), Log()
    Trainer(experiment, device="cpu", executor="array", report=whole).run()
    Trainer(experiment, device="cpu", executor="array", store=store, report=again, resume=first.run_id).run()
    assert again.of(events.WeightsScaled) == []
    losses = [end.train_loss for end in whole.of(events.EpochEnd)]
    assert [end.train_loss for end in again.of(events.EpochEnd)] == losses


def test_an_average_begins_at_the_scaled_weights() -> None:
    state, done = scaled(spiral(deep(LSUV(), layers=3), averaging=ExponentialAverage(start="growing decay")))
    assert any(item.tries for item in done)
    for name, average in state.averages.items():
        np.testing.assert_array_equal(average, state.parameters[name])
