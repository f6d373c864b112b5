"""A program as text: what runs, in which order, on which memory, at which cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from engine.ops.base import DType, Role, Value
from engine.placement import nbytes
from engine.text import shortened

if TYPE_CHECKING:
    from engine.plan import Program


def listing(program: Program, kernels: Sequence[str] | None = None) -> str:
    """One line per group of operations, with the calls of a group indented below it where there are several.

    `kernels` names for each group what an executor runs it with, in a last column.
    """
    mode = "training step" if program.training else "evaluation"
    lines = [
        f"{shortened(program.title)} · {mode}{' with instruments' if program.observe else ''} · "
        f"batch {program.batch_size} · {program.precision}",
        f"{len(program.calls)} operations in {len(program.groups)} groups · {_count(program.flops)}FLOP · arena "
        f"{_bytes(program.arena_bytes)} of {_bytes(_unshared(program))} unshared · parameters "
        f"{sum(s.size for s in program.layout.parameters):,}",
        "",
    ]
    for kind, values in (("input", program.inputs), ("target", program.targets)):
        lines += [f"{kind:<8} {name:<20} {_shape(value)}" for name, value in values.items()]
    lines += [f"{'control':<8} {name:<20} {default:g}" for name, default in program.controls.items()]
    width = max([4, *(len(group.node) for group in program.groups)])
    row = partial(_row, program, width)
    heading = f"{'':>4}  {'phase':<9} {'node':<{width}} {'operation':<34} {'result':<30} {'at':>10} {'FLOP':>8}"
    lines += ["", heading if kernels is None else f"{heading}  kernel"]
    for index, group in enumerate(program.groups):
        line = row(f"{index:>4}", group.phase, group.node, group.name, group.calls[-1].outputs, group.flops)
        lines.append(line if kernels is None else f"{line:<{len(heading)}}  {kernels[index]}")
        if len(group.calls) > 1:
            for call in group.calls:
                flops = call.op.flops(*(value.tensor for value in call.inputs))
                lines.append(row("", "", "", f"  · {call.op.name}", call.outputs, flops))
    return "\n".join(lines)


def _row(
    program: Program, width: int, index: str, phase: str, node: str, name: str, outputs: tuple[Value, ...], flops: int
) -> str:
    name = name if len(name) <= 34 else name[:33] + "…"
    result, place = "", ""
    if outputs:
        result = _shape(outputs[0]) + (f" and {len(outputs) - 1} more" if len(outputs) > 1 else "")
        place = _place(program, outputs[0])
    return f"{index:>4}  {phase:<9} {node:<{width}} {name:<34} {result:<30} {place:>10} {_count(flops):>8}".rstrip()


def _place(program: Program, value: Value) -> str:
    if value.id in program.placement.offsets:
        return f"{program.placement.offsets[value.id]:#x}"
    if value.id in program.locations:
        location = program.locations[value.id]
        return f"{location.arena[:4]}+{location.start}"
    root = program.placement.roots.get(value.id, value.id)
    return "view" if root != value.id else value.role.value


def _unshared(program: Program) -> int:
    roles = (Role.ACTIVATION, Role.ADJOINT, Role.SCRATCH)
    return sum(nbytes(value, program.precision) for value in program.values if value.role in roles)


def _shape(value: Value) -> str:
    kind = "" if value.dtype is DType.FLOAT else f" {value.dtype}"
    return "×".join(map(str, value.shape)) + kind


def _count(number: float) -> str:
    if number < 999.5:
        return f"{number:.0f} "
    for unit in ("k", "M", "G", "T", "P"):
        number /= 1000
        if number < 999.5:
            return f"{number:.3g} {unit}"
    return f"{number:.0f} P"


def _bytes(number: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number < 1023.5:
            return f"{number:.4g} {unit}"
        number /= 1024
    return f"{number:.4g} GiB"
