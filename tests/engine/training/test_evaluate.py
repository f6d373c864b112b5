"""Evaluation over batches of unequal size, and predictions."""

import numpy as np
import pytest
from msgspec.structs import replace

from engine import backend
from engine.data import load
from engine.executor import ArrayExecutor
from engine.experiment import Experiment
from engine.training.evaluate import (
    Divergence,
    Evaluation,
    Sums,
    count_classes,
    evaluate,
    heads_of,
    predict,
)
from engine.training.programs import Programs
from engine.training.result import TrainingError
from engine.training.setup import checked, layer_scalars, new_state
from engine.training.trainer import Trainer
from tests.engine.training.experiments import RICH, regression, spiral


def evaluated(experiment: Experiment, batch: int, monkeypatch: pytest.MonkeyPatch) -> Evaluation:
    """The training part's evaluation in batches of that size, in float64."""
    experiment = replace(experiment, training=replace(experiment.training, precision="float64"))
    dataset = load(experiment.data)
    report = checked(experiment, dataset.signature)
    state = new_state(experiment, report, backend.choose("cpu"))
    programs = Programs(experiment, report, dataset.signature, ArrayExecutor(state))
    monkeypatch.setattr(programs, "evaluation_batch", lambda size: batch)
    heads = heads_of(experiment, report, dataset.signature)
    found = evaluate(programs, dataset.train.arrays, dataset.train.size, heads, layer_scalars(experiment))
    assert found is not None
    return found


@pytest.mark.parametrize("batch", [1, 7, 87])
def test_the_sums_do_not_depend_on_the_batches(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = evaluated(spiral(RICH), 88, monkeypatch)
    parts = evaluated(spiral(RICH), batch, monkeypatch)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-12)
    assert parts.metrics == whole.metrics
    assert whole.confusion is not None and parts.confusion is not None
    assert parts.confusion.tolist() == whole.confusion.tolist()
    assert whole.accuracy == whole.metrics["accuracy"]
    assert whole.samples == 88


def test_a_regression_has_no_confusion(monkeypatch: pytest.MonkeyPatch) -> None:
    found = evaluated(regression(), 10, monkeypatch)
    assert found.confusion is None and found.accuracy is None
    assert found.loss == pytest.approx(evaluated(regression(), 48, monkeypatch).loss, rel=1e-12)


def test_evaluation_ends_when_told_to_and_skips_empty_parts() -> None:
    trainer = Trainer(spiral(), device="cpu", steps=0)
    trainer.run()
    loop = trainer.loop
    assert loop is not None
    arrays = loop.dataset.train.arrays
    assert evaluate(loop.programs, arrays, 88, loop.heads, loop.scalars(), lambda: False) is None
    assert evaluate(loop.programs, arrays, 0, loop.heads, loop.scalars()) is None


def test_a_loss_that_is_not_finite_is_a_divergence() -> None:
    trainer = Trainer(spiral(), device="cpu", steps=0)
    trainer.run()
    loop = trainer.loop
    assert loop is not None
    arrays = {name: array.copy() for name, array in loop.dataset.train.arrays.items()}
    arrays["x"][40] = np.nan
    with pytest.raises(Divergence) as caught:
        evaluate(loop.programs, arrays, 88, loop.heads, loop.scalars())
    assert caught.value.validation
    assert caught.value.bound.first_nonfinite() == ("", "input")


def test_the_evaluation_batch_follows_the_networks_size() -> None:
    trainer = Trainer(spiral(), device="cpu", steps=0)
    trainer.run()
    assert trainer.loop is not None
    programs = trainer.loop.programs
    assert programs.evaluation_batch(10**6) == 1024
    assert programs.evaluation_batch(40) == 40
    assert programs.evaluation_batches(88) == (88,)
    assert programs.evaluation_batches(2050) == (1024, 2)
    assert programs.evaluation_batches(2048) == (1024,)
    assert programs.evaluation_batches(0) == ()


def test_sums_are_exact_over_unequal_batches_and_can_be_copied() -> None:
    sums = Sums()
    assert sums.mean_loss() is None and sums.values(()) == {}
    sums.add_losses(np.array([1.0]), 1)
    sums.add_losses(np.array([4.0]), 3)
    copy = sums.copy()
    sums.add_losses(np.array([100.0]), 1)
    assert copy.mean_loss() == 3.25
    assert sums.mean_loss() == 22.6


def test_batches_add_up_one_by_one_however_many_come_at_once() -> None:
    losses = np.random.default_rng(5).lognormal(size=1000)
    single, halves = Sums(), Sums()
    for loss in losses:
        single.add_losses(np.array([loss]), 7)
    halves.add_losses(losses[:333], 7)
    halves.add_losses(losses[333:], 7)
    assert single.to_plain() == halves.to_plain()
    total = 0.0
    for loss in losses.tolist():
        total += loss * 7
    assert single.loss == total


def test_confusion_counts_true_by_predicted_class() -> None:
    matrix = np.zeros((3, 3), np.int64)
    count_classes(matrix, np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]), np.array([1, 1, 2]))
    assert matrix.tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 1]]
    yes_no = np.zeros((2, 2), np.int64)
    count_classes(yes_no, np.array([[0.5], [0.2], [0.9]]), np.array([1, 1, 0]))
    assert yes_no.tolist() == [[0, 1], [1, 1]]


def test_predict_gives_what_the_evaluation_saw() -> None:
    trainer = Trainer(spiral(RICH), device="cpu")
    result = trainer.run()
    loop = trainer.loop
    assert loop is not None
    part, signature = loop.dataset.validation, loop.dataset.signature
    arrays = loop.state.to_host()
    found = predict(spiral(RICH), arrays, part.arrays["x"], signature)["softmax_cross_entropy_1"]
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    assert np.mean(found.argmax(axis=1) == part.arrays["y"]) == result.val_accuracy
    bare = {name.split("/", 1)[1]: array for name, array in arrays.items() if not name.startswith("slot/")}
    again = predict(spiral(RICH), bare, {"x": part.arrays["x"][:5]}, signature)["softmax_cross_entropy_1"]
    np.testing.assert_allclose(again, found[:5], rtol=1e-5)
    assert predict(spiral(RICH), arrays, part.arrays["x"][:0], signature) == {}
    with pytest.raises(TrainingError, match="nowhere/weight"):
        predict(spiral(RICH), {"nowhere/weight": np.zeros(2)}, part.arrays["x"], signature)
