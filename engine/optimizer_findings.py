"""What does not go together in the choice of an optimizer."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from engine.diagnostics import Diagnostic, Fix
from engine.experiment import Experiment
from engine.kinds import Optimizer
from engine.penalties import WeightDecay
from engine.schema import info_of

__all__ = ["optimizer_findings"]


def optimizer_findings(experiment: Experiment) -> Iterator[Diagnostic]:
    """The findings about `training.optimizer`."""
    optimizer = experiment.training.optimizer
    if not isinstance(optimizer, Optimizer):
        return
    own = optimizer.decoupled_decay()
    added = sum(item.strength for item in experiment.training.penalties if isinstance(item, WeightDecay))
    if own > 0 and added > 0:
        label = info_of(optimizer).label
        yield Diagnostic(
            node="",
            field="training.penalties",
            severity="warning",
            message=f"Weights decay twice: by {own:.4g} with {label}, and by {added:.4g} with the "
            f"penalty, {own + added:.4g} together.",
            fix=Fix(f"Leave it to {label}", _without_decay),
        )


def _without_decay(experiment: Experiment) -> Experiment:
    training = experiment.training
    kept = tuple(item for item in training.penalties if not isinstance(item, WeightDecay))
    return replace(experiment, training=replace(training, penalties=kept))
