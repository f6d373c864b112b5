"""The moving average of the weights: PyTorch's, closed forms of the starts, and who reads it."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from engine.averaging import ExponentialAverage, NoAveraging
from engine.optimizers import SGD, Adam
from tests.engine.training.experiments import regression, train
from tests.engine.update.bench import Ours, Theirs, small


@pytest.mark.parity
def test_hundred_steps_of_pytorchs_average() -> None:
    case = small(optimizer=Adam(learning_rate=0.02), averaging=ExponentialAverage(decay=0.9))
    ours = Ours(case)
    theirs = Theirs(ours)
    tools = pytest.importorskip("torch.optim.swa_utils")
    holder = theirs.torch.nn.ParameterList(theirs.parameters.values())
    average = tools.AveragedModel(holder, multi_avg_fn=tools.get_ema_multi_avg_fn(0.9))
    for _ in range(100):
        theirs.backward()
        theirs.rule.step()
        average.update_parameters(holder)
        ours.step()
    for name, expected in zip(theirs.parameters, average.module, strict=True):
        found = ours.state.averages[name]
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-9, atol=1e-12, err_msg=name)
        assert np.abs(found - ours.state.parameters[name]).max() > 1e-4, "the average lags behind"


@pytest.mark.parametrize("start", ["first weights", "corrected", "growing decay"])
def test_the_first_updates(start: str) -> None:
    decay, steps = 0.8, 30
    averaging = ExponentialAverage(decay=decay, start=start)  # type: ignore[arg-type]
    ours = Ours(small(optimizer=SGD(learning_rate=0.3), averaging=averaging))
    seen = []
    for _ in range(steps):
        ours.step()
        seen.append(ours.state.parameters["dense_1/weight"].copy())
    match start:
        case "first weights":
            weights = [(1 - decay if s > 1 else 1) * decay ** (steps - s) for s in range(1, steps + 1)]
        case "corrected":
            weights = [(1 - decay) / (1 - decay**steps) * decay ** (steps - s) for s in range(1, steps + 1)]
        case _:
            decays = [min(decay, (1 + t) / (10 + t)) for t in range(1, steps + 1)]
            # What is left of the start belongs to the initial weights.
            weights = [(1 - decays[s]) * float(np.prod(decays[s + 1 :])) for s in range(steps)]
            assert sum(weights) == pytest.approx(1 - np.prod(decays))
            first = Ours(ours.case).state.parameters["dense_1/weight"]
            seen, weights = [first, *seen], [float(np.prod(decays)), *weights]
    assert sum(weights) == pytest.approx(1)
    expected = sum(weight * array for weight, array in zip(weights, seen, strict=True))
    np.testing.assert_allclose(ours.state.averages["dense_1/weight"], expected, rtol=1e-12)


def test_the_shares_of_many_steps_at_once() -> None:
    steps = np.arange(1, 50)
    for start in ("first weights", "corrected", "growing decay"):
        averaging = ExponentialAverage(decay=0.9, start=start)  # type: ignore[arg-type]
        many = averaging.rest(steps)
        assert isinstance(many, np.ndarray) and many.shape == steps.shape
        np.testing.assert_allclose(many, [averaging.rest(int(step)) for step in steps], rtol=1e-15)
    assert NoAveraging().rest(3) == 1.0


@pytest.mark.parametrize("threads", [0, 1])
def test_training_goes_on_as_without_it_and_evaluation_reads_it_where_that_is_wanted(threads: int) -> None:
    options = {"optimizer": Adam(learning_rate=0.02), "precision": "float32"}
    plain = Ours(small(**options), threads)
    kept = Ours(small(averaging=ExponentialAverage(decay=0.9, evaluate=False), **options), threads)
    read = Ours(small(averaging=ExponentialAverage(decay=0.9), **options), threads)
    evaluated = {}
    for name, ours in {"plain": plain, "kept": kept, "read": read}.items():
        ours.step(20)
        program = ours.bind(training=False)
        assert program.run()
        evaluated[name] = program.loss()
    for name, array in plain.state.parameters.items():
        np.testing.assert_array_equal(kept.state.parameters[name], array)
        np.testing.assert_array_equal(read.state.parameters[name], array)
    assert evaluated["kept"] == evaluated["plain"] != evaluated["read"]
    for name, array in read.state.averages.items():
        plain.state.parameters[name][...] = array
    program = plain.bind(training=False)
    assert program.run()
    assert program.loss() == evaluated["read"]
    for ours in (plain, kept, read):
        ours.close()


def test_the_noise_of_small_batches_fades_in_the_average() -> None:
    """Batches of two at a constant rate: every run of four seeds validates better by its averaged weights."""
    losses = []
    for seed in range(4):
        found = []
        for averaging in (NoAveraging(), ExponentialAverage(decay=0.98)):
            options = {"batch_size": 2, "epochs": 30, "averaging": averaging}
            experiment = replace(regression(optimizer=SGD(learning_rate=0.1), **options), seed=seed)
            found.append(train(experiment).val_loss)
        losses.append(found)
    plain, averaged = np.array(losses, float).T
    assert (averaged < plain).all() and averaged.mean() < 0.85 * plain.mean()


def test_weights_that_are_put_in_without_averages_are_the_averages() -> None:
    ours = Ours(small(averaging=ExponentialAverage()))
    ours.step(3)
    saved = ours.state.to_host()
    other = Ours(small(averaging=ExponentialAverage()))
    other.state.load(saved)
    np.testing.assert_array_equal(other.state.averages["dense_1/weight"], saved["average/dense_1/weight"])
    other.state.load({name: a for name, a in saved.items() if name.startswith("parameter/")}, partial=True)
    np.testing.assert_array_equal(other.state.averages["dense_1/weight"], saved["parameter/dense_1/weight"])
