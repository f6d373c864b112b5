"""Giving every value of a program its bytes: one arena, planned once, so that a step allocates nothing.

Values that are never alive together share memory. Two values become one outright when an operation may overwrite its
input and nobody else needs it (`Op.in_place`), or when it only looks at it under another shape (`Op.view`).

Source of the packing order: Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", MLSys 2020
workshop (greedy by size, on tensors with their intervals of use).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from engine.ops.base import Call, DType, Role, Value

ARENA_ROLES = frozenset({Role.ACTIVATION, Role.ADJOINT, Role.SCRATCH})
"""What lives in the arena; everything else outlives a step."""


@dataclass(frozen=True)
class Placement:
    """Where values lie: `offsets` in bytes by value id, `size` of the arena. Values that share an offset and a `root`
    are one piece of memory. `roots` maps every value id to the id of the value whose memory it is."""

    offsets: dict[int, int]
    roots: dict[int, int]
    size: int


def numpy_dtype(dtype: DType, precision: str) -> np.dtype:
    """The NumPy type behind an element type at a precision ("float32" or "float64")."""
    return np.dtype(precision) if dtype is DType.FLOAT else np.dtype(dtype.value)


def nbytes(value: Value, precision: str) -> int:
    """How many bytes the value takes."""
    return value.size * numpy_dtype(value.dtype, precision).itemsize


def place(calls: Sequence[Call], kept: Collection[int], precision: str, alignment: int) -> Placement:
    """Plan the arena of `calls`, executed in order. Values with their id in `kept` stay intact to the end."""
    first, last = _lifetimes(calls)
    end = len(calls)
    for value_id in kept:
        last[value_id] = end
    roots = _merge(calls, first, last, set(kept))

    roles = {v.id: v.role for call in calls for v in (*call.inputs, *call.outputs, *call.scratch)}
    tenants = {
        v.id: v
        for call in calls
        for v in (*call.outputs, *call.scratch)
        if v.role in ARENA_ROLES and roles[roots[v.id]] in ARENA_ROLES
    }
    sizes: dict[int, int] = {}
    births: dict[int, int] = {}
    deaths: dict[int, int] = {}
    for value in tenants.values():
        root = roots[value.id]
        sizes[root] = max(sizes.get(root, 0), nbytes(value, precision))
        births[root] = min(births.get(root, end), first[value.id])
        deaths[root] = max(deaths.get(root, 0), last[value.id])
    offsets, size = _pack(sizes, births, deaths, alignment)
    return Placement({value_id: offsets[roots[value_id]] for value_id in tenants}, roots, size)


def _lifetimes(calls: Sequence[Call]) -> tuple[dict[int, int], dict[int, int]]:
    """The call that first writes each value, and the call that last touches it."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for index, call in enumerate(calls):
        for value in (*call.inputs, *call.outputs, *call.scratch):
            first.setdefault(value.id, index)
            last[value.id] = index
    return first, last


def _merge(calls: Sequence[Call], first: dict[int, int], last: dict[int, int], kept: set[int]) -> dict[int, int]:
    """Which value's memory each value uses. `ends` follows the last use of a whole piece of memory, which grows when a
    view is added to it."""
    roles = {v.id: v.role for call in calls for v in (*call.inputs, *call.outputs, *call.scratch)}
    roots = dict(zip(roles, roles, strict=True))
    members: dict[int, list[int]] = {}
    ends = dict(last)
    held = set(kept)

    def join(child: Value, parent: Value) -> None:
        root = roots[parent.id]
        roots[child.id] = root
        members.setdefault(root, []).append(child.id)
        ends[root] = max(ends[root], last[child.id])
        if child.id in held:
            held.add(root)

    # A view must be joined before anyone asks whether its memory may be overwritten, whatever the order of the calls.
    for call in calls:
        if call.op.view:
            join(call.outputs[0], call.inputs[0])
    for index, call in enumerate(calls):
        for out_index, in_index in call.op.in_place:
            if in_index >= len(call.inputs) or out_index >= len(call.outputs):
                continue
            source, result = call.inputs[in_index], call.outputs[out_index]
            root = roots[source.id]
            free = (
                source.role in ARENA_ROLES
                and result.role in ARENA_ROLES
                and roles[root] in ARENA_ROLES  # a view of an input or a parameter is not ours to overwrite
                and source.size == result.size
                and source.dtype == result.dtype
                and ends[root] == index
                and root not in held
                and sum(roots[value.id] == root for value in call.inputs) == 1
                and roots[result.id] == result.id
            )
            if free:
                ends[root] = max(ends[root], ends[result.id])
                for child in (result.id, *members.pop(result.id, ())):
                    roots[child] = root
                    members.setdefault(root, []).append(child)
                if result.id in held:
                    held.add(root)
                break
    return roots


def _pack(
    sizes: dict[int, int], births: dict[int, int], deaths: dict[int, int], alignment: int
) -> tuple[dict[int, int], int]:
    """Greedy by size: the largest piece first, each at the lowest gap that no living neighbour occupies."""
    offsets: dict[int, int] = {}
    total = 0
    # Who lives together with a piece: whoever lives at its birth, and whoever is born while it lives.
    length = max(deaths.values(), default=0) + 1
    living: list[list[tuple[int, int]]] = [[] for _ in range(length)]
    born: list[list[tuple[int, int]]] = [[] for _ in range(length)]
    for root in sorted(sizes, key=lambda item: (-sizes[item], births[item], item)):
        size = -(-sizes[root] // alignment) * alignment
        birth, death = births[root], deaths[root]
        offset = 0
        for start, stop in sorted(chain(living[birth], *born[birth + 1 : death + 1])):
            if offset + size <= start:
                break
            offset = max(offset, stop)
        offsets[root] = offset
        born[birth].append((offset, offset + size))
        for index in range(birth, death + 1):
            living[index].append((offset, offset + size))
        total = max(total, offset + size)
    return offsets, total
