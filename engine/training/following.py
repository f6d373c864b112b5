"""What follows a run's results: drops of the learning rate, the best snapshot, stop conditions.

All of it is a function of the results so far, and its memory goes into checkpoints: a run that is resumed drops its
rate and ends where it would have done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.kinds import Stopping
from engine.results import LOSS, Memory, Results, improves
from engine.schedules import Drop
from engine.schema import Unknown, info_of
from engine.stopping import EarlyStopping

if TYPE_CHECKING:
    from engine.experiment import TrainingSpec
    from engine.training.evaluate import Head
    from engine.training.events import EpochEnd

__all__ = ["Following", "results_of"]

SCHEDULE = "schedule"
"""Where the schedule's memory is kept; a stop condition's is under its place in the list."""


def results_of(end: EpochEnd, heads: Sequence[Head]) -> Results:
    """The results that an epoch's end reports, as those read them who follow."""
    validation = dict(end.validation_metrics)
    if end.validation_loss is not None:
        validation[LOSS] = end.validation_loss
    return Results(
        epoch=end.epoch,
        step=end.step,
        training={**end.train_metrics, LOSS: end.train_loss},
        validation=validation,
        higher=frozenset(name for head in heads for name, metric in head.metrics if metric.higher_is_better),
    )


class Following:
    """Follows the results of one run.

    drops       what the schedule has made of the learning rate so far.
    met         (tag of the condition, why in words) once the run is to end; ("", "") before.
    """

    def __init__(self, training: TrainingSpec, plain: dict[str, Any] | None = None) -> None:
        plain = plain or {}
        self._training = training
        self._memories: dict[str, Memory] = {place: dict(kept) for place, kept in plain.get("memories", {}).items()}
        self.drops = [Drop(int(step), float(scale)) for step, scale in plain.get("drops", ())]
        tag, reason = plain.get("met", ("", ""))
        self.met: tuple[str, str] = (str(tag), str(reason))

    def to_plain(self) -> dict[str, Any]:
        """JSON types that restore to the same bits."""
        return {
            "memories": {place: dict(kept) for place, kept in self._memories.items()},
            "drops": [list(drop) for drop in self.drops],
            "met": list(self.met),
        }

    def adopt(self, training: TrainingSpec) -> None:
        """Go on with another training part: the same but for a live field."""
        self._training = training

    def go_on(self) -> None:
        """The run is prolonged: whatever ended it is forgotten, and patience begins anew."""
        self.met = "", ""
        for place, memory in self._memories.items():
            if place != SCHEDULE and "waited" in memory:
                memory["waited"] = 0

    @property
    def over(self) -> bool:
        """Whether a condition has ended the run."""
        return bool(self.met[0])

    def _conditions(self) -> list[tuple[str, Stopping]]:
        found = enumerate(self._training.stopping)
        return [(f"stopping[{i}]", item) for i, item in found if not isinstance(item, Unknown)]

    # -- the best snapshot ---------------------------------------------------------------------------------------------

    @property
    def restores(self) -> bool:
        """Whether the run is to end with its best state."""
        return any(isinstance(item, EarlyStopping) and item.restore_best for _, item in self._conditions())

    def judge(self, results: Results, best: float | None) -> float | None:
        """The value of the results where it is the best so far, else None: of what early stopping watches, or of the
        validation loss. `best` is the best one before."""
        watched = next((item for _, item in self._conditions() if isinstance(item, EarlyStopping)), EarlyStopping())
        value = results.value(watched.part, watched.metric)
        if value is None or (best is not None and not improves(value, best, results.higher_is_better(watched.metric))):
            return None
        return value

    # -- ends ----------------------------------------------------------------------------------------------------------

    @property
    def limit(self) -> int | None:
        """The step that the run does not go past, or None."""
        return min((limit for _, item in self._conditions() if (limit := item.limit()) is not None), default=None)

    def at_step(self, step: int) -> None:
        """The run has come to a step: whether that is one that it does not go past."""
        for _, item in self._conditions():
            if not self.over and (limit := item.limit()) is not None and step >= limit:
                self.met = info_of(item).tag, f"The limit of {limit:,} step{'s' if limit > 1 else ''} has been reached."

    def at_time(self, seconds: float) -> None:
        """The run has trained for so long."""
        for _, item in self._conditions():
            if not self.over and (reason := item.expired(seconds)):
                self.met = info_of(item).tag, reason

    def at_epoch_end(self, results: Results, steps_per_epoch: int) -> Drop | None:
        """Take an epoch's results in; returns the drop of the learning rate that they lead to, if any."""
        for place, item in self._conditions():
            reason = item.review(self._memories.setdefault(place, {}), results)
            if reason and not self.over:
                self.met = info_of(item).tag, reason
        if results.step <= self._training.warmup.length(steps_per_epoch):
            return None
        scale = self._training.schedule.review(self._memories.setdefault(SCHEDULE, {}), results)
        if scale is None:
            return None
        drop = Drop(results.step, scale)
        self.drops.append(drop)
        return drop
