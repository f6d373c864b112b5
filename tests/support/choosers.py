"""Choosers that take what a test says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.choice import Candidate, Chooser
from engine.ops.base import Call
from tests.support.cuda_bench import CudaBench
from tests.support.records import Record

__all__ = ["Listing", "Told", "in_every_order", "ways"]


class Told(Chooser):
    """Takes the way with a name, or what a plain chooser takes where there is none."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def _decide(self, key: str, call: Call, binding: Binding, candidates: Mapping[str, Candidate]) -> str:
        return self.name if self.name in candidates else super()._decide(key, call, binding, candidates)


class Listing(Chooser):
    """Notes what there is to be chosen from."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def _decide(self, key: str, call: Call, binding: Binding, candidates: Mapping[str, Candidate]) -> str:
        self.names += candidates
        return super()._decide(key, call, binding, candidates)


def ways(bench: CudaBench, calls: Sequence[Call], inputs: dict[int, np.ndarray]) -> list[str]:
    """The names of all ways that calls of one group can go."""
    chooser = Listing()
    bench.chooser = lambda: chooser
    bench.run(calls, inputs)
    return list(dict.fromkeys(chooser.names))


def in_every_order(benches: Sequence[CudaBench], name: str, record: Record, value_id: int) -> list[np.ndarray]:
    """A result of a call that goes the way with a name, from each bench."""
    found = []
    for bench in benches:
        bench.chooser = lambda: Told(name)
        found.append(bench.run([record.call], record.inputs, times=2)[value_id])
    return found
