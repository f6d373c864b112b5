"""What a run comes to: the numbers of its loop, or those of a run that was stopped before its first step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.training.result import Reason, Result

if TYPE_CHECKING:
    from engine.training.loop import Loop

__all__ = ["concluded", "stopped_early"]


def concluded(loop: Loop, reason: Reason, message: str, earlier: float) -> Result:
    """The result of a loop that is over. `earlier` are seconds of training on a device that failed since."""
    loop.finish()
    evaluation = loop.last
    own = loop.session_seconds()
    train_loss = loop.train_loss if loop.evaluated else loop.sums.mean_loss()
    return Result(
        run=loop.run_id,
        epochs=loop.evaluated,
        steps=loop.step,
        train_loss=train_loss,
        val_loss=evaluation.loss if evaluation else None,
        val_accuracy=evaluation.accuracy if evaluation else None,
        metrics=dict(evaluation.metrics) if evaluation else {},
        seconds=earlier + own,
        samples_per_second=(loop.samples - loop.samples_before) / own if own > 0 else 0.0,
        device=loop.programs.executor.label,
        reason=reason,
        waited=loop.steps.feed.waited,
        message=message or loop.following.met[1],
    )


def stopped_early(run: str, device: str) -> Result:
    """The result of a run that was stopped before its first step."""
    return Result(
        run=run,
        epochs=0,
        steps=0,
        train_loss=None,
        val_loss=None,
        val_accuracy=None,
        metrics={},
        seconds=0.0,
        samples_per_second=0.0,
        device=device,
        reason="stopped",
    )
