"""The control block of a step: the numbers that an update reads beside its arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from engine.penalties import penalty_scalars

if TYPE_CHECKING:
    from engine.kinds import Numbers, Penalty

__all__ = ["group_control", "update_scalars"]


def group_control(group: int, name: str) -> str:
    """What the number `name` is called for a parameter group (by its index; -1: for parameters of none)."""
    # No node's number can be called so: an id holds no "/".
    return name if group < 0 else f"groups/{group}/{name}"


def update_scalars(training: Any, learning_rate: Numbers, step: Numbers) -> dict[str, Any]:
    """The control block of the update number `step`, counted from 1, in the order of the operation's inputs.

    With arrays (steps,) of rates and steps, what differs from step to step is an array too.

    `training` is a `TrainingSpec`. Up to the rule's own numbers the names are `engine.ops.update.COMMON` without
    `clip_scale`, and `keep` is 1 - learning_rate * decoupled decay (the penalties' and the rule's own), formed in
    float64. Behind the rule's come those of what stands beside it: `penalty_l1`, the whole factor of sum |w| in the
    loss; `threshold`, learning_rate * proximal L1; `unit_norm`; `max_norm` or `max_value` of the clipping;
    `average_rest`. Each parameter group has all of the update's numbers once more, with its own rate and penalties,
    under the names that `group_control` gives.
    """
    rule = training.optimizer
    block = _block(rule, training.penalties, rule.decoupled_decay(), learning_rate, step)
    block |= {"max_norm": math.inf, "max_value": math.inf} | training.clipping.scalars()
    block["average_rest"] = training.averaging.rest(step)
    for index, group in enumerate(training.groups):
        penalties = group.penalties if group.own_penalties else training.penalties
        decay = 0.0 if group.parameters == "biases" else rule.decoupled_decay()
        own = _block(rule, penalties, decay, learning_rate * group.rate, step)
        block |= {group_control(index, name): value for name, value in own.items()}
    return block


def _block(
    optimizer: Any, penalties: Iterable[Penalty], decay: float, learning_rate: Numbers, step: Numbers
) -> dict[str, Any]:
    """The numbers of one part of the parameters; `decay` is the rule's own."""
    strengths = penalty_scalars(penalties)
    return {
        "learning_rate": learning_rate,
        "l1": strengths["l1"],
        "l2": strengths["l2"],
        "keep": 1.0 - learning_rate * (strengths["decoupled_decay"] + decay),
        **optimizer.scalars(learning_rate, step),
        "penalty_l1": strengths["l1"] + strengths["proximal_l1"],
        "threshold": learning_rate * strengths["proximal_l1"],
        "unit_norm": strengths["unit_norm"],
    }
