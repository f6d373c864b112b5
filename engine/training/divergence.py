"""Where the first value that is not finite arose, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.training.setup import named

if TYPE_CHECKING:
    from engine.training.evaluate import Divergence
    from engine.training.loop import Loop

__all__ = ["origin"]


def origin(loop: Loop, divergence: Divergence) -> tuple[str, str]:
    """The node at fault, or "", and what is said of it. The batch is replayed with checks on, and taken back."""
    found = divergence.bound.first_nonfinite()
    loop.steps.restore_buffers()
    node, what = found or ("", "")
    name = named(loop.experiment, node) if node else ""
    match what:
        case "":
            place = "No single layer could be found at fault"
        case "input":
            place = "The data of that batch hold values that are not finite"
        case "parameter":
            place = f"The weights of {name} are not finite any more"
        case _:
            place = f"The first value that is not finite came from {name}"
    when = f"after step {loop.step}" if divergence.validation else f"at step {loop.step + 1}"
    message = (
        f"The {'validation ' if divergence.validation else ''}loss stopped being finite {when}. {place}. "
        "Usual remedies: a smaller learning rate, clipping of the gradient norm, or another initializer."
    )
    return node, message
