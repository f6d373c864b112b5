"""Stop conditions: what ends a run before its epochs are over.

Those that follow the results are asked at the ends of epochs; their memory is kept in checkpoints, so that a run which
is resumed ends where it would have ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from engine.kinds import Stopping
from engine.results import LOSS, improves
from engine.schema import component, field
from engine.text import number_text

if TYPE_CHECKING:
    from engine.results import Memory, Results

__all__ = ["EarlyStopping", "StopAfterSteps", "StopAfterTime", "StopAtValue"]

SECONDS = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0}


def named(part: str, metric: str) -> str:
    """A watched number in words: "validation loss"."""
    return f"{part} {metric.replace('_', ' ')}"


@component(
    "early_stopping",
    label="Early stopping",
    formula="stop after “patience” epochs without a better result",
    source="Prechelt: Early stopping — but when? (1998); Goodfellow, Bengio, Courville: Deep learning (2016), 7.8",
    synonyms=("EarlyStopping", "patience", "overfitting", "best weights", "restore best"),
    avoid="Small validation parts, whose best epoch is luck: with 60 samples it loses more than it gains. And "
    "schedules that end low, such as cosine: what is cut off is where the loss would have fallen.",
    differs="Notes stop at the first rise; that is patience 1. Keras's restores the best weights only when asked to "
    "and only in reach of the least improvement, here the best state of all is restored, with the optimizer's memory.",
)
class EarlyStopping(Stopping, frozen=True):
    """Ends the run when the validation results have not got better for some epochs.

    It also says what the best snapshot of the run is: the state with the best result that it watches. At the end that
    state is put back, unless that is switched off.
    """

    metric: Annotated[
        str, field(help="What is watched: “loss”, or the name of one of the experiment's metrics, such as accuracy.")
    ] = LOSS
    part: Annotated[
        Literal["validation", "training"], field(help="The part of the data whose results are watched.", advanced=True)
    ] = "validation"
    patience: Annotated[
        int,
        field(ge=1, le=100_000, unit="epochs", live=True, help="Epochs without improvement after which the run ends."),
    ] = 10
    min_delta: Annotated[
        float,
        field(ge=0, le=1e6, label="Least improvement", live=True, help="What a result must be better by to count."),
    ] = 0.0
    restore_best: Annotated[
        bool,
        field(label="Restore the best", help="End with the state that had the best result, also after all epochs."),
    ] = True

    def review(self, memory: Memory, results: Results) -> str:
        value = results.value(self.part, self.metric)
        if value is None:
            return ""
        higher = results.higher_is_better(self.metric)
        if "best" not in memory or improves(value, memory["best"], higher, self.min_delta):
            memory.update(best=value, epoch=results.epoch, waited=0)
            return ""
        memory["waited"] += 1
        if memory["waited"] < self.patience:
            return ""
        waited = int(memory["waited"])
        return (
            f"The {named(self.part, self.metric)} has not got better for {waited} epoch{'s' if waited > 1 else ''}; "
            f"it was best in epoch {memory['epoch']:.0f} ({memory['best']:.4g})."
        )


@component(
    "time_limit",
    label="Time limit",
    formula="stop when t ≥ limit",
    source="Common practice; training time, without loading, compiling and pauses",
    synonyms=("wall clock", "seconds", "budget", "timeout"),
    avoid="Comparisons: the same limit gives another number of steps on each machine, and after each change of the "
    "network. Limit the steps there.",
)
class StopAfterTime(Stopping, frozen=True):
    """Ends the run after a time.

    Pauses do not count. The step that is under way is finished, and the state then is evaluated.
    """

    duration: Annotated[
        float, field(gt=0, le=1e7, label="Limit", live=True, help="Training time, in the unit below.")
    ] = 10.0
    unit: Annotated[Literal["seconds", "minutes", "hours"], field(help="What the limit counts.")] = "minutes"

    def expired(self, seconds: float) -> str:
        if seconds < self.duration * SECONDS[self.unit]:
            return ""
        return f"The time limit of {number_text(self.duration)} {self.unit} has been reached."


@component(
    "step_limit",
    label="Step limit",
    formula="stop when t = limit",
    source="Common practice; optimizer steps, counted from the run's first start",
    synonyms=("iterations", "updates", "budget", "max steps"),
    avoid="Shortening a run whose schedule is to end low: the schedule is made for all epochs. Lower the epochs "
    "instead.",
)
class StopAfterSteps(Stopping, frozen=True):
    """Ends the run after a number of optimizer steps, in the middle of an epoch too."""

    steps: Annotated[int, field(ge=1, le=10**12, scale="log", help="Optimizer steps.")] = 1000

    def limit(self) -> int | None:
        return self.steps


@component(
    "value_reached",
    label="Value reached",
    formula="stop when value ≤ threshold, or ≥ threshold",
    source="Common practice; Prechelt (1998) discusses such thresholds beside early stopping",
    synonyms=("threshold", "target", "loss below", "loss above", "goal", "divergence guard"),
    avoid="Values nobody has seen reached: the run then goes on to the end of its epochs.",
)
class StopAtValue(Stopping, frozen=True):
    """Ends the run when the loss or a metric falls below a value, or rises above one.

    Below: the goal is reached. Above: a loss that grows will not come back. It is looked at at the ends of epochs; of
    the training part it is the mean over the epoch's steps.
    """

    metric: Annotated[
        str, field(help="What is watched: “loss”, or the name of one of the experiment's metrics, such as accuracy.")
    ] = LOSS
    part: Annotated[
        Literal["validation", "training"], field(help="The part of the data whose results are watched.")
    ] = "training"
    when: Annotated[Literal["below", "above"], field(help="On which side of the value the run ends.")] = "below"
    value: Annotated[float, field(ge=-1e12, le=1e12, live=True, help="The value.")] = 0.01

    def review(self, memory: Memory, results: Results) -> str:
        found = results.value(self.part, self.metric)
        if found is None or not (found <= self.value if self.when == "below" else found >= self.value):
            return ""
        side = "fallen to" if self.when == "below" else "risen to"
        limit = number_text(self.value)
        return f"The {named(self.part, self.metric)} has {side} {found:.4g}; the run was to end at {limit}."
