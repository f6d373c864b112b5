"""The control block of a step: the numbers that an update reads beside its arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from engine.penalties import penalty_scalars

if TYPE_CHECKING:
    from engine.kinds import Numbers

__all__ = ["update_scalars"]


def update_scalars(training: Any, learning_rate: Numbers, step: Numbers) -> dict[str, Any]:
    """The control block of the update number `step`, counted from 1, in the order of the operation's inputs.

    With arrays (steps,) of rates and steps, what differs from step to step is an array too.

    `training` is a `TrainingSpec`. `keep` is 1 - learning_rate * decoupled decay (the penalties' and the rule's own),
    formed in float64; `max_norm` is the bound of the gradient's norm, infinite when clipping is off. `max_norm` feeds
    `ClipScale`; the other names up to the rule's own are `engine.ops.update.COMMON` without `clip_scale`.
    """
    penalties = penalty_scalars(training.penalties)
    decay = penalties["decoupled_decay"] + training.optimizer.decoupled_decay()
    return {
        "learning_rate": learning_rate,
        "l1": penalties["l1"],
        "l2": penalties["l2"],
        "keep": 1.0 - learning_rate * decay,
        "max_norm": training.clip_norm if training.clip_norm > 0 else math.inf,
        **training.optimizer.scalars(learning_rate, step),
    }
