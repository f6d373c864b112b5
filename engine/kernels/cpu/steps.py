"""What a step begins and ends with: the numbers and the batch come in, the loss is watched, results are kept."""

from __future__ import annotations

import math
from typing import Any

from engine.kernels.cpu.interpreter import STOP, claim
from engine.kernels.cpu.language import atomic_store, copy, f32, f64, i64, kernel, u32

SAMPLES = 16
"""Samples that a thread copies at a time."""


@kernel
def begin(a: Any, me: int, team: int, step: int) -> None:
    """The step's controls and counters. Arguments: controls of all steps, how many, controls; counters, first step,
    seed."""
    if me != 0:
        return
    copy(a[2], a[0] + step * a[1] * 4, a[1] * 4)
    counters, number = u32(a[3]), a[4] + step
    counters[0] = a[5] & 0xFFFFFFFF
    counters[1] = (a[5] >> 32) & 0xFFFFFFFF
    counters[2] = number & 0xFFFFFFFF
    counters[3] = (number >> 32) & 0xFFFFFFFF


@kernel
def gather(a: Any, me: int, team: int, step: int) -> None:
    """The step's batch of one array. Arguments: shared, all samples, indices of all steps, batch, samples in a batch,
    bytes of a sample."""
    batch, size = a[4], a[5]
    indices = i64(a[2] + step * batch * 8)
    while True:
        first = claim(a[0]) * SAMPLES
        if first >= batch:
            return
        for i in range(first, min(first + SAMPLES, batch)):
            copy(a[3] + i * size, a[1] + indices[i] * size, size)


@kernel
def watch(a: Any, me: int, team: int, step: int) -> None:
    """Keep the weighted sum of the losses, and stop where it is not finite. Arguments: shared, kept, how many losses,
    their addresses and their weights' in turn."""
    if me != 0:
        return
    total = 0.0
    pairs = i64(a[3])
    for i in range(a[2]):
        total += float(f32(pairs[2 * i + 1])[0]) * float(f32(pairs[2 * i])[0])
    f64(a[1])[step] = total
    if not math.isfinite(total):
        atomic_store(a[0] + STOP, 1)


@kernel
def keep(a: Any, me: int, team: int, step: int) -> None:
    """Append one array to those of the steps before. Arguments: array, bytes, kept."""
    if me == 0:
        copy(a[2] + step * a[1], a[0], a[1])
