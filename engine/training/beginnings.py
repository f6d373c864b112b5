"""What is told of a run before its first step: from the beginning, from a checkpoint, or without its GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.training import events
from engine.training.evaluate import expected_initial_loss

if TYPE_CHECKING:
    from engine.device_errors import DeviceError
    from engine.training.loop import Loop
    from engine.training.unit_variance import LayerScale

__all__ = ["failed", "rounded", "started", "weights_scaled"]


def started(loop: Loop, *, loaded: bool) -> events.Started:
    """The run begins, or goes on from a checkpoint."""
    executor = loop.programs.executor
    return events.Started(
        run=loop.run_id,
        step=loop.step,
        total_steps=loop.limit,
        steps_per_epoch=loop.steps_per_epoch,
        epochs=loop.experiment.training.epochs,
        device=executor.label,
        expected_initial_loss=expected_initial_loss(loop.experiment, loop.report, loop.heads),
        parameter_count=loop.report.parameter_count,
        executor=executor.kind,
        loaded=loaded,
        math=loop.math,
    )


def rounded(loop: Loop) -> events.Rounded:
    """How far products that round are off on the first batch."""
    from engine.training.rounding import gradient_error

    return events.Rounded(run=loop.run_id, step=loop.step, math=loop.math, error=gradient_error(loop))


def weights_scaled(loop: Loop, scaled: Sequence[LayerScale]) -> events.WeightsScaled:
    """What LSUV has done to the weights."""
    return events.WeightsScaled(
        run=loop.run_id,
        step=loop.step,
        before={item.node: item.before for item in scaled},
        after={item.node: item.after for item in scaled},
        tries={item.node: item.tries for item in scaled},
    )


def failed(loop: Loop, failure: DeviceError, failed_at: int) -> events.DeviceFailed:
    """The GPU has failed at a step, and the run goes on with this loop."""
    executor = loop.programs.executor
    return events.DeviceFailed(
        run=loop.run_id,
        step=loop.step,
        failed_at=failed_at,
        executor=executor.kind,
        device=executor.label,
        message=failure.message,
    )
