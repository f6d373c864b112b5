"""What is wrong with how a network is trained, apart from its layers: who follows results that do not come, points
without times, momentum that two would set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from engine.diagnostics import Diagnostic, Fix
from engine.layers.base import Loss
from engine.results import LOSS
from engine.schedules import PlateauSchedule, PointsSchedule
from engine.schema import Component, Unknown, info_of, lookup
from engine.stopping import EarlyStopping, StopAtValue
from engine.text import shortened

if TYPE_CHECKING:
    from engine.data.signature import DataSignature
    from engine.experiment import Experiment

__all__ = ["course_findings"]

HELD_OUT = 0.2


def course_findings(experiment: Experiment, data: DataSignature | None, losses: list[Loss]) -> Iterator[Diagnostic]:
    """What is wrong with schedule and stop conditions. `losses` are those that take part in training."""
    training = experiment.training
    followers: list[tuple[str, Component]] = [("training.schedule", training.schedule)]
    followers += [(f"training.stopping[{i}]", item) for i, item in enumerate(training.stopping)]
    for place, item in followers:
        if isinstance(item, PlateauSchedule | EarlyStopping | StopAtValue):
            yield from _unseen(experiment, data, losses, place, item)
    if isinstance(training.schedule, PointsSchedule):
        yield from _uneven(training.schedule)
    yield from _opposed(experiment)


def _unseen(
    experiment: Experiment, data: DataSignature | None, losses: list[Loss], place: str, item: Any
) -> Iterator[Diagnostic]:
    """Of one who follows the results: results that there will not be."""
    from engine.edits import set_path

    label = info_of(item).label
    taken = [metric for metric in experiment.training.metrics if not isinstance(metric, Unknown)]
    tags = [info_of(metric).tag for metric in taken if not losses or any(metric.suits(loss) for loss in losses)]
    if item.metric != LOSS and item.metric.split("/")[0] not in tags:
        watch_loss = Fix("Watch the loss", lambda value: set_path(value, f"{place}.metric", LOSS))
        yield Diagnostic(
            node="",
            field=f"{place}.metric",
            severity="error",
            message=f"{label} watches “{shortened(item.metric)}”, which is not among the experiment's metrics.",
            fix=_metric_fix(experiment, item.metric, losses) or watch_loss,
        )
    if data is not None and data.train_size and not data.validation_size and item.part == "validation":
        hold_out = Fix(
            f"Hold out {HELD_OUT:.0%} for validation",
            lambda value: set_path(value, "data.split.validation", HELD_OUT),
        )
        watch_training = Fix("Watch the training part", lambda value: set_path(value, f"{place}.part", "training"))
        divisible = HELD_OUT * data.train_size >= 0.5 and not experiment.data.split.validation
        yield Diagnostic(
            node="",
            field=place,
            severity="error",
            message=f"{label} watches the validation results, and there is no validation part.",
            fix=hold_out if divisible else watch_training,
        )


def _metric_fix(experiment: Experiment, tag: str, losses: list[Loss]) -> Fix | None:
    """Take the metric that is watched, where there is one of that name that suits."""
    cls: Any = lookup("metric", tag)
    if cls is None or not any(cls().suits(loss) for loss in losses):
        return None

    def edit(value: Experiment) -> Experiment:
        return replace(value, training=replace(value.training, metrics=(*value.training.metrics, cls())))

    return Fix(f"Take {info_of(cls).label} as a metric", edit)


def _uneven(schedule: PointsSchedule) -> Iterator[Diagnostic]:
    """Times and shares that do not go together."""
    times, shares = len(schedule.epochs), len(schedule.shares)
    if times == shares and times:
        return
    kept = max(1, min(times, shares))

    def edit(value: Experiment) -> Experiment:
        points = replace(schedule, epochs=(schedule.epochs or (0.0,))[:kept], shares=(schedule.shares or (1.0,))[:kept])
        return replace(value, training=replace(value.training, schedule=points))

    yield Diagnostic(
        node="",
        field="training.schedule.shares",
        severity="error",
        message=f"There are {times} times and {shares} shares; each point of the schedule has one of both."
        if times or shares
        else "A schedule of points needs at least one point.",
        fix=Fix(f"Keep {kept} point{'s' if kept > 1 else ''}", edit),
    )


def _opposed(experiment: Experiment) -> Iterator[Diagnostic]:
    """A schedule that sets momentum itself."""
    optimizer, schedule = experiment.training.optimizer, experiment.training.schedule
    if isinstance(optimizer, Unknown) or not getattr(schedule, "cycle_momentum", False) or not optimizer.opposed:
        return
    from engine.edits import set_path

    yield Diagnostic(
        node="",
        field="training.schedule.cycle_momentum",
        severity="info",
        message=f"{info_of(schedule).label} sets “{optimizer.opposed.replace('_', ' ')}” itself, between "
        f"{schedule.momentum_low:g} and {schedule.momentum_high:g}: the optimizer's own value has no effect.",  # type: ignore[attr-defined]
        fix=Fix("Leave it to the optimizer", lambda value: set_path(value, "training.schedule.cycle_momentum", False)),
    )
