"""The body of a run's thread: it makes the trainer, lets it run, and sees to it that every run ends with a word."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from engine.training.events import Event, Failed, Finished

if TYPE_CHECKING:
    from engine.experiment import Experiment

__all__ = ["Runnable", "TrainerFactory", "default_trainer", "run_trainer"]


class Runnable(Protocol):
    """What a trainer factory returns."""

    def run(self) -> object: ...


TrainerFactory = Callable[..., Runnable]
"""Called on the run's thread as factory(experiment, report=..., control=..., resume=..., device=..., executor=...,
math=..., store=...)."""


def default_trainer(experiment: Experiment, **arguments: Any) -> Runnable:
    """The engine's trainer, imported when the first run starts."""
    from engine.training.trainer import Trainer

    return Trainer(experiment, **arguments)


def run_trainer(factory: TrainerFactory, experiment: Experiment, arguments: dict[str, Any], holder: list[Any]) -> None:
    """Make a trainer, append it to `holder`, and run it.

    An error that the trainer did not report itself becomes `Failed` and `Finished`.
    """
    report = arguments["report"]
    last = Seen(report)
    arguments["report"] = last.post
    try:
        trainer = factory(experiment, **arguments)
        holder.append(trainer)
        trainer.run()
    except Exception as error:
        from engine.training.result import words

        if not last.failed:
            node = getattr(error, "node", "")
            details = traceback.format_exc()
            report(Failed(run=last.run, step=last.step, node=node, message=words(error), details=details))
        if not last.finished:
            report(Finished(run=last.run, step=last.step, reason="failed", seconds=0.0))
    else:
        if not last.finished:
            report(Finished(run=last.run, step=last.step, reason="done", seconds=0.0))


class Seen:
    """Remembers of a run's events what is needed to report its end, should it die without a word."""

    def __init__(self, report: Callable[[Event], None]) -> None:
        self._report = report
        self.run, self.step = "", 0
        self.failed = self.finished = False

    def post(self, event: Event) -> None:
        self.run, self.step = event.run, event.step
        if event.lane == "event":
            self.failed = self.failed or isinstance(event, Failed)
            self.finished = self.finished or isinstance(event, Finished)
        self._report(event)
