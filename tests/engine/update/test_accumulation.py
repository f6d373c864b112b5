"""Gradient accumulation: the whole batch's step from its parts, and where it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine import edits
from engine.averaging import ExponentialAverage
from engine.clipping import ClipByGlobalNorm, ClipByValue
from engine.cpu_executor import CompiledProgram
from engine.data import peek
from engine.experiment import Experiment
from engine.graph import check_experiment
from engine.groups import ParameterGroup
from engine.layers import BatchNorm, Dense, Dropout, Input, Tanh
from engine.losses import SoftmaxCrossEntropy
from engine.micro_batches import micro_batches
from engine.optimizers import SGD, Adam
from engine.penalties import L1, L2, MaxNorm, WeightDecay
from engine.training.events import EpochEnd, Frame, StepRow
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.engine.training.experiments import PLAIN, Log, regression, sequential, spiral, train

NORMALIZED = sequential([Input(), Dense(units=8), BatchNorm(), Tanh(), Dense(units=2), SoftmaxCrossEntropy()])
DROPPED = sequential([Input(), Dense(units=64), Dropout(rate=0.5), Dense(units=2), SoftmaxCrossEntropy()])


def run(experiment: Experiment, **more: Any) -> tuple[Trainer, Log]:
    log = Log()
    trainer = Trainer(experiment, device="cpu", report=log, **{"executor": "array", **more})
    trainer.run()
    return trainer, log


def weights_of(trainer: Trainer) -> np.ndarray:
    assert trainer.loop is not None
    return np.concatenate([np.ravel(array) for array in trainer.loop.state.parameters.values()])


def apart(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.linalg.norm(first - second) / np.linalg.norm(first))


@pytest.mark.parametrize(
    ("accumulate", "batch", "parts"),
    [
        (1, 64, (64,)),
        (8, 64, (8,) * 8),
        (8, 60, (8,) * 7 + (4,)),
        (3, 64, (22, 22, 20)),
        (8, 3, (3,)),
        (100, 3, (1, 1, 1)),
    ],
)
def test_the_parts_of_a_batch(accumulate: int, batch: int, parts: tuple[int, ...]) -> None:
    assert micro_batches(replace(spiral().training, batch_size=64, accumulate=accumulate), batch) == parts


@pytest.mark.parametrize("accumulate", [2, 3, 5, 16])
def test_the_steps_of_the_whole_batch_to_rounding(accumulate: int) -> None:
    """88 samples in batches of 16 with a tail of 8: parts of unequal size, and an incomplete batch."""
    options: dict[str, Any] = {"optimizer": SGD(learning_rate=0.1, momentum=0.9), "precision": "float64", "epochs": 5}
    options |= {"penalties": (L2(strength=0.01),), "clipping": ClipByGlobalNorm(max_norm=0.5)}
    whole, whole_log = run(spiral(PLAIN, **options))
    parts, parts_log = run(spiral(PLAIN, accumulate=accumulate, **options))
    assert apart(weights_of(whole), weights_of(parts)) < 2e-15
    rows = [(row.step, row.learning_rate) for row in whole_log.of(StepRow)]
    assert rows == [(row.step, row.learning_rate) for row in parts_log.of(StepRow)] and len(rows) == 30
    for name in ("loss", "penalty"):
        np.testing.assert_allclose(
            [getattr(row, name) for row in parts_log.of(StepRow)],
            [getattr(row, name) for row in whole_log.of(StepRow)],
            rtol=1e-12,
        )
    ends = [[end.train_metrics["accuracy"] for end in log.of(EpochEnd)] for log in (whole_log, parts_log)]
    assert ends[0] == ends[1]


def test_the_gradient_of_unequal_parts_is_that_of_the_batch() -> None:
    """Parts of 50 and 10 samples: weighed by their samples, not as a mean of means."""
    options: dict[str, Any] = {"optimizer": SGD(learning_rate=1.0), "precision": "float64", "epochs": 1}
    spec = replace(spiral(PLAIN, samples=75, **options), seed=1)
    spec = replace(spec, training=replace(spec.training, batch_size=60))
    parts = replace(spec, training=replace(spec.training, batch_size=60, accumulate=2))
    uneven = replace(spec, training=replace(spec.training, batch_size=100, accumulate=2))  # 50 and the 10 that are left
    assert micro_batches(uneven.training, 60) == (50, 10)
    found = [weights_of(run(item)[0]) for item in (spec, parts, uneven)]
    assert apart(found[0], found[1]) < 1e-15 and apart(found[0], found[2]) < 1e-15


def test_a_gradient_without_its_update() -> None:
    whole, _ = run(spiral(PLAIN, precision="float64"), steps=1)
    parts, _ = run(spiral(PLAIN, precision="float64", accumulate=3), steps=1)
    losses, gradients = [], []
    for trainer in (whole, parts):
        assert trainer.loop is not None and trainer.dataset is not None
        step, before = trainer.loop.programs.train(16), weights_of(trainer)
        step.gather(trainer.dataset.train.arrays, np.arange(16))
        assert step.differentiate(seed=3)
        assert (weights_of(trainer) == before).all()
        losses.append(step.loss())
        gradients.append(np.concatenate([np.ravel(g) for g in trainer.loop.state.gradients.values()]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-14) and apart(gradients[0], gradients[1]) < 1e-14


def test_class_weights_are_another_matter_unless_samples_are_counted() -> None:
    """Parts that hold the classes in other shares have other sums of weights."""

    def gradient(accumulate: int, mean_over: str) -> np.ndarray:
        network = edits.set_field(spiral(), _loss(spiral()), "class_weights", (1.0, 20.0)).network
        network = edits.set_field(spiral(network), _loss(spiral()), "mean_over", mean_over).network
        trainer, _ = run(spiral(network, precision="float64", accumulate=accumulate), steps=1)
        assert trainer.loop is not None
        return np.concatenate([np.ravel(g) for g in trainer.loop.state.gradients.values()])

    assert apart(gradient(1, "weights"), gradient(4, "weights")) > 0.01
    assert apart(gradient(1, "samples"), gradient(4, "samples")) < 1e-13
    experiment = edits.set_field(spiral(accumulate=4), _loss(spiral()), "class_weights", (1.0, 20.0))
    (told,) = check_experiment(experiment, peek(experiment.data)).diagnostics
    assert told.severity == "info" and told.node == _loss(experiment) and "class weights" in told.message
    assert told.fix is not None and not check_experiment(told.fix.edit(experiment), peek(experiment.data)).diagnostics


def _loss(experiment: Experiment) -> str:
    return next(node.id for node in experiment.network.nodes if isinstance(node.component, SoftmaxCrossEntropy))


def test_batch_normalization_is_another_matter() -> None:
    options: dict[str, Any] = {"precision": "float64", "epochs": 1}
    whole, _ = run(spiral(NORMALIZED, **options), steps=1)
    parts, _ = run(spiral(NORMALIZED, accumulate=4, **options), steps=1)
    assert whole.loop is not None and parts.loop is not None
    gradients = [np.concatenate([np.ravel(g) for g in t.loop.state.gradients.values()]) for t in (whole, parts)]
    assert apart(gradients[0], gradients[1]) > 0.05
    experiment = spiral(NORMALIZED, accumulate=4)
    (told,) = check_experiment(experiment, peek(experiment.data)).diagnostics
    assert told.severity == "info" and "statistics of each micro-batch" in told.message


def test_parts_of_one_sample_and_too_many_parts_are_told() -> None:
    experiment = spiral(NORMALIZED, accumulate=16)
    lone, told = check_experiment(experiment, peek(experiment.data)).diagnostics[::-1]
    assert lone.severity == "error" and lone.fix is not None and told.severity == "info"
    assert lone.fix.edit(experiment).training.accumulate == 1
    experiment = spiral(PLAIN, accumulate=99)
    (told,) = check_experiment(experiment, peek(experiment.data)).diagnostics
    assert told.fix is not None and told.fix.edit(experiment).training.accumulate == 16


def test_each_part_has_a_dropout_mask_of_its_own() -> None:
    """One batch that holds one sample many times: equal masks would make equal parts."""
    trainer, _ = run(spiral(DROPPED, accumulate=2, epochs=1), steps=1)
    assert trainer.loop is not None
    step = trainer.loop.programs.train(16)
    arrays = {"x": np.ones((1, 2), np.float32), "y": np.zeros(1, np.int64)}
    step.gather(arrays, np.zeros(16, np.int64))
    assert step.run({"learning_rate": 0.0, "dropout_1/rate": 0.5}, 0, 3)
    (outputs,) = step.outputs().values()
    assert outputs.shape == (16, 2)
    assert len({row.tobytes() for row in outputs}) == 16, "as many masks as samples, over both parts"
    again = {node: array.copy() for node, array in step.outputs().items()}
    assert step.run({}, 0, 3) and (step.outputs()["softmax_cross_entropy_1"] == again["softmax_cross_entropy_1"]).all()


@pytest.mark.parametrize("threads", ["array", "cpu"])
def test_both_executors_and_instruments(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[int] = []
    take = CompiledProgram.run
    monkeypatch.setattr(CompiledProgram, "run", lambda self, *a, **k: compiled.append(1) or take(self, *a, **k))
    options: dict[str, Any] = {"optimizer": Adam(learning_rate=0.01, epsilon=1e-4), "accumulate": 3, "epochs": 4}
    trainer, log = run(spiral(DROPPED, **options), executor=threads)
    reference, _ = run(spiral(DROPPED, **options))
    np.testing.assert_allclose(weights_of(trainer), weights_of(reference), rtol=1e-3, atol=1e-4)
    assert len(compiled) >= (24 * 2 if threads == "cpu" else 0), "each part by compiled kernels"
    assert log.of(Frame)
    assert trainer.loop is not None and trainer.dataset is not None
    step = trainer.loop.programs.train(16, observe=True)
    step.gather(trainer.dataset.train.arrays, np.arange(16))
    assert step.run({"learning_rate": 0.0}, 0, 3)
    seen = step.observations().parameters["dense_1/weight"]
    assert seen.gradient is not None
    gradient = float(np.linalg.norm(step.gradient("dense_1/weight")))
    assert seen.gradient_norm == pytest.approx(gradient, rel=1e-5)
    assert seen.gradient.norm == pytest.approx(gradient, rel=1e-4)


def test_a_loss_that_is_not_finite_ends_the_run_before_its_update() -> None:
    experiment = regression(optimizer=SGD(learning_rate=1e30), accumulate=4)
    log = Log()
    result = train(experiment, log)
    assert result.reason == "diverged" and "stopped being finite" in result.message


ALL: dict[str, dict[str, Any]] = {
    "accumulation": {"accumulate": 3},
    "groups": {
        "groups": (ParameterGroup(nodes=("dense_1",), rate=0.1), ParameterGroup(nodes=("dense_2",), frozen=True))
    },
    "clipping": {"clipping": ClipByValue(max_value=0.01)},
    "penalties": {"penalties": (L1(strength=1e-3, method="proximal"), MaxNorm(bound=1.0), WeightDecay(strength=0.1))},
    "averaging": {"averaging": ExponentialAverage(decay=0.9, start="corrected")},
}
ALL["all"] = {name: value for options in ALL.values() for name, value in options.items()}


@pytest.mark.parametrize("executor", ["array", "cpu"])
@pytest.mark.parametrize("name", ALL)
def test_twice_n_steps_are_n_saved_loaded_and_n_more(name: str, executor: str, tmp_path: Path) -> None:
    network = sequential(
        [Input(), Dense(units=12), BatchNorm(), Dropout(rate=0.25), Dense(units=8), Tanh(), Dense(units=2),
         SoftmaxCrossEntropy()]
    )  # fmt: skip
    experiment = spiral(network, optimizer=Adam(learning_rate=0.01), **ALL[name])
    whole, whole_log = run(experiment, executor=executor)
    store = RunStore(tmp_path)
    part, _ = run(experiment, executor=executor, store=store, steps=8)
    resumed, log = run(experiment, executor=executor, store=store, resume=part.run_id)
    assert whole.loop is not None and resumed.loop is not None
    expected, found = whole.loop.state.to_host(), resumed.loop.state.to_host()
    assert set(expected) == set(found) and any(key.startswith("average/") for key in found) == (
        "averag" in str(ALL[name])
    )
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key], array, err_msg=key)
    last = [[end.validation_loss for end in item.of(EpochEnd)][-1] for item in (whole_log, log)]
    assert last[0] == last[1]
