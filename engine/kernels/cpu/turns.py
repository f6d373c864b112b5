"""Observers that take turns: in a rotation of `period` steps each looks once, at its own step.

A rotation is two int64 in memory: the period, which the host may change between runs, and the address of the step's
counters (`engine.random`). Which step an observer looks at depends on these alone.
"""

from __future__ import annotations

from engine.kernels.cpu.language import device, i64, u32

__all__ = ["period_of", "steps_until"]


@device
def period_of(rotation: int) -> int:
    """The period of the rotation at this address; 1 where there is none."""
    return 1 if rotation == 0 else max(1, i64(rotation)[0])


@device
def steps_until(rotation: int, turn: int) -> int:
    """How many steps it is until the observer of place `turn` looks; 0: it looks now."""
    period = period_of(rotation)
    if period == 1:
        return 0
    counters = u32(i64(rotation)[1])
    step = int(counters[2]) + (int(counters[3]) << 32)
    return (turn % period + period - step % period) % period
