"""Launches, products and plans with everything looked up and packed: what is left to do is one call of the driver or of
a library each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from engine.kernels.cuda.launches import Launch, Library, Work

if TYPE_CHECKING:
    from engine.kernels.cuda.device import Device

__all__ = ["Prepared", "prepare"]

Prepared = Callable[[], object]


def prepare(works: Iterable[Work], device: Device, math: str) -> list[Prepared]:
    """The works as functions, in order. Raises SignatureError where a launch does not fit its kernel."""
    return [_prepared(work, device, math) for work in works]


def _prepared(work: Work, device: Device, math: str) -> Prepared:
    if isinstance(work, Launch):
        return partial(device.launch, device.function(work.kernel), work.size, work.block, work.pack())
    if isinstance(work, Library):
        return work.issue
    return partial(work.issue, device.blas, math)
