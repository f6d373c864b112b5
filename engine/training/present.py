"""What a run that stands still shows: every view that is watched, as of the step it has come to.

A frame of that step is what the instruments would see in the next one, which is run and taken back to the last bit.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.training.probes import FRAME_TOPICS

if TYPE_CHECKING:
    from engine.observations import Observations
    from engine.training.loop import Loop

__all__ = ["first_look", "frame", "look", "refresh"]

LAST_LOOK = 0.5  # seconds that an evaluation for the views of a run that was stopped may take


def first_look(loop: Loop) -> float:
    """Draw what is watched before the first step, so that what it costs is known, and no step bears it. Returns the
    seconds that it took."""
    begun = time.perf_counter()
    if loop.control.topics:
        refresh(loop)
        loop.policy.restart()
    return time.perf_counter() - begun


def refresh(loop: Loop, *, last: bool = False) -> None:
    """Draw anew what is watched. At a run's end (`last`) the decision surface is drawn in any case where it is kept."""
    topics = loop.control.topics
    if not FRAME_TOPICS.isdisjoint(topics):
        frame(loop)
    kept = last and loop.writer is not None
    loop.views.refresh(loop.step, topics, loop.scalars(), loop.experiment, with_surface=kept)
    if "confusion" in topics and not loop.evaluating:
        until = time.perf_counter() + LAST_LOOK

        def proceed() -> bool:
            return time.perf_counter() < until if loop.control.stopping else loop.steering.waiting and loop.control.idle

        loop.show_confusion(loop.evaluation(proceed))


def frame(loop: Loop) -> None:
    """Report a frame of the step that the run has come to, unless there is one."""
    if loop.framed != loop.step:
        seen = look(loop)
        if seen is not None:
            loop.show_frame(seen)


def look(loop: Loop) -> Observations | None:
    """Make the next step (the last one again where there is none, or the last full one where its batch is short) with
    instruments, and take it back. None when its loss is not finite."""
    step = min(loop.step, loop.total_steps - 1)
    steps = loop.steps
    step -= max(0, step % loop.steps_per_epoch - (steps.full - 1))
    bound = loop.programs.train(steps.batch_size, observe=True)
    xp, arenas = loop.state.backend.xp, loop.state.arenas
    kept = {name: loop.state.backend.copy(arena) for name, arena in arenas.items()}
    try:
        fed = steps.feed.look(step)
        bound.gather(fed.arrays, fed.indices[0])
        made = bound.run(steps.course.step(step)[1], step, loop.experiment.seed)
        return bound.observations() if made else None
    finally:
        for name, arena in arenas.items():
            xp.copyto(arena, kept[name])
