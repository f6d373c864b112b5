"""Reverse-mode differentiation of a list of calls: every operation brings its own vector-Jacobian product.

Source: Baydin et al., "Automatic differentiation in machine learning: a survey", JMLR 18 (2018), section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine.builder import Builder
from engine.ops.base import DType, Role, Value
from engine.ops.elementwise import Add


def differentiate(
    b: Builder,
    seeds: Iterable[tuple[Value, Value]],
    on_adjoint: Callable[[Value, Value], None] | None = None,
) -> dict[str, Value]:
    """Append the backward pass of everything in `b` and return each parameter's gradient by the parameter's name.

    `seeds` pairs each loss (shape (1,)) with its adjoint, a value of shape (1,). `on_adjoint(value, adjoint)` is called
    when the adjoint of a forward value is complete and still in memory: the place for an observer.
    """
    contributions: dict[int, list[Value]] = {}
    for loss, adjoint in seeds:
        contributions.setdefault(loss.id, []).append(adjoint)
    forward = list(b.calls)
    b.phase = "backward"
    parameters: dict[int, Value] = {}
    for call in reversed(forward):
        b.node = call.node
        adjoints: tuple[Value | None, ...] = tuple(_complete(b, contributions, value) for value in call.outputs)
        if all(adjoint is None for adjoint in adjoints):
            continue
        if on_adjoint is not None:
            for value, complete in zip(call.outputs, adjoints, strict=True):
                if complete is not None:
                    on_adjoint(value, complete)
        for value, part in zip(call.inputs, call.op.vjp(b, call, *adjoints), strict=True):
            if part is None or value.dtype is not DType.FLOAT or not b.needs(value):
                continue
            contributions.setdefault(value.id, []).append(part)
            if value.role is Role.PARAMETER:
                parameters[value.id] = value
    gradients = {}
    for value in parameters.values():
        b.node = value.name.split("/")[0]
        gradient = _complete(b, contributions, value)
        assert gradient is not None
        gradients[value.name] = gradient
    b.node = ""
    return gradients


def _complete(b: Builder, contributions: dict[int, list[Value]], value: Value) -> Value | None:
    """The sum of all contributions to a value's adjoint."""
    parts = contributions.get(value.id)
    if not parts:
        return None
    if len(parts) > 1:
        total = b.op(Add(), *parts)
        assert isinstance(total, Value)
        contributions[value.id] = [total]
    return contributions[value.id][0]
