"""Grouping neighbouring calls into the larger operations that an executor runs at once.

A group is a run of calls, each reading what the one before it wrote: a matrix product with its bias and activation, a
normalization with its activation and dropout, the same backwards. Which place in a group an operation can take, it
declares itself (`Op.fusion`). The group's name spells out its parts, such as "matmul+add_bias+relu". The array executor
runs the parts one after the other; together with `Op.in_place` that saves the memory of what lies between. A compiled
executor looks the name up in its table of fused kernels and falls back to the parts where it has none, so that fusion
changes speed and never results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from engine.ops.base import Call


@dataclass(frozen=True)
class Group:
    """Calls that belong together, in order."""

    calls: tuple[Call, ...]

    @property
    def name(self) -> str:
        runs = [(name, len(list(same))) for name, same in groupby(call.op.name for call in self.calls)]
        return "+".join(name if count == 1 else f"{name}×{count}" for name, count in runs)

    @property
    def node(self) -> str:
        """The node that the first call came from."""
        return self.calls[0].node

    @property
    def phase(self) -> str:
        return self.calls[0].phase

    @property
    def flops(self) -> int:
        return sum(call.op.flops(*(value.tensor for value in call.inputs)) for call in self.calls)


def fuse(calls: Sequence[Call]) -> tuple[Group, ...]:
    """Group `calls` without changing their order."""
    groups: list[list[Call]] = []
    for call in calls:
        if groups and _continues(groups[-1], call):
            groups[-1].append(call)
        else:
            groups.append([call])
    return tuple(Group(tuple(group)) for group in groups)


def _continues(group: list[Call], call: Call) -> bool:
    previous = group[-1]
    if previous.phase != call.phase:
        return False
    if call.phase == "update":
        # All updates are one pass over the arenas.
        return call.op.name == previous.op.name
    if call.phase == "backward":
        return call.op.fusion == "epilogue_gradient" and previous.outputs[0] in call.inputs
    if call.phase != "forward":
        return False
    return group[0].op.fusion == "head" and call.op.fusion == "epilogue" and call.inputs[0] is previous.outputs[0]
