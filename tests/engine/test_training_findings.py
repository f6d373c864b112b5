"""Schedules and stop conditions that cannot do what they are for: said in words, with a fix that mends it."""

from typing import Any

import pytest
from msgspec.structs import replace

from engine.data.signature import DataSignature, TargetSignature
from engine.diagnostics import Diagnostic
from engine.experiment import Experiment, SplitSpec
from engine.graph import check_experiment
from engine.optimizers import SGD
from engine.schedules import CosineSchedule, CyclicalSchedule, OneCycle, PlateauSchedule, PointsSchedule
from engine.stopping import EarlyStopping, StopAfterSteps, StopAtValue
from tests.engine.training.experiments import spiral


def findings(experiment: Experiment, validation: int = 20, train: int = 80) -> list[Diagnostic]:
    signature = DataSignature(
        inputs={"x": (2,)}, targets={"y": TargetSignature(classes=2)}, train_size=train, validation_size=validation
    )
    return list(check_experiment(experiment, signature).diagnostics)


def without_validation(**training: Any) -> Experiment:
    experiment = spiral(**training)
    return replace(experiment, data=replace(experiment.data, split=SplitSpec(validation=0.0)))


@pytest.mark.parametrize(
    "training",
    [
        {"schedule": PlateauSchedule()},
        {"stopping": (StopAfterSteps(), EarlyStopping())},
        {"stopping": (StopAtValue(part="validation"),)},
    ],
)
def test_without_a_validation_part_there_are_no_results_to_follow(training: Any) -> None:
    experiment = without_validation(**training)
    (found,) = findings(experiment, validation=0)
    assert found.severity == "error" and "there is no validation part" in found.message
    assert found.fix is not None and found.fix.label == "Hold out 20% for validation"
    assert found.fix.edit(experiment).data.split.validation == 0.2
    assert findings(experiment) == []


def test_a_validation_part_that_came_out_empty_cannot_be_followed_either() -> None:
    experiment = spiral(stopping=(EarlyStopping(),))
    (found,) = findings(experiment, validation=0)
    assert found.fix is not None
    mended = found.fix.edit(experiment)
    assert mended.training.stopping == (EarlyStopping(part="training"),)
    assert findings(mended, validation=0) == []


def test_of_two_samples_no_part_can_be_held_out() -> None:
    """A fifth of them would be none."""
    (found,) = findings(without_validation(stopping=(EarlyStopping(),)), validation=0, train=2)
    assert found.fix is not None and found.fix.label == "Watch the training part"


def test_a_metric_that_is_not_taken_cannot_be_watched() -> None:
    experiment = spiral(schedule=PlateauSchedule(metric="accuracy"), metrics=())
    (found,) = findings(experiment)
    assert found.field == "training.schedule.metric" and "“accuracy”" in found.message
    assert found.fix is not None and found.fix.label == "Take Accuracy as a metric"
    assert findings(found.fix.edit(experiment)) == []


def test_a_metric_that_does_not_exist_gives_way_to_the_loss() -> None:
    experiment = spiral(stopping=(EarlyStopping(metric="beauty"),))
    (found,) = findings(experiment)
    assert found.fix is not None and found.fix.label == "Watch the loss"
    assert findings(found.fix.edit(experiment)) == []


@pytest.mark.parametrize(
    ("epochs", "shares", "kept"),
    [((0.0, 1.0, 2.0), (1.0, 0.5), 2), ((0.0,), (1.0, 0.5), 1), ((), (1.0,), 1), ((), (), 1)],
)
def test_points_without_times(epochs: Any, shares: Any, kept: int) -> None:
    experiment = spiral(schedule=PointsSchedule(epochs=epochs, shares=shares))
    (found,) = findings(experiment)
    assert found.severity == "error" and found.fix is not None
    schedule: Any = found.fix.edit(experiment).training.schedule
    assert len(schedule.epochs) == len(schedule.shares) == kept
    assert findings(found.fix.edit(experiment)) == []


def test_momentum_that_the_schedule_sets_is_said() -> None:
    for schedule in (OneCycle(), CyclicalSchedule()):
        experiment = spiral(optimizer=SGD(momentum=0.9), schedule=schedule)
        (found,) = findings(experiment)
        assert found.severity == "info" and "“momentum” itself" in found.message
        assert found.fix is not None and findings(found.fix.edit(experiment)) == []
    assert findings(spiral(schedule=CosineSchedule())) == []
