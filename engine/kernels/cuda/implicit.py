"""Convolutions by tiles that look patches up where they need them: see implicit.cu."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.choice import Candidate
from engine.kernels.cuda.gemm import Gemm, Plan, plans, tiled
from engine.kernels.cuda.launches import Work
from engine.kernels.cuda.windows import Filter
from engine.ops.base import Value

__all__ = ["correlation", "mirrored", "results"]

Maker = Callable[[Plan, Binding], list[Work]]

LOOKED_UP = 1.2
"""How much longer tiles of patches are expected to take than those of matrices."""


def correlation(f: Filter, x: Value, w: Value, y: Value) -> list[Candidate]:
    """The ways to have y = what the weights see of x."""
    group = f.filters // f.groups

    def make(plan: Plan, b: Binding) -> list[Work]:
        sizes = Gemm(
            rows=f.batch * f.pixels, columns=group, inner=f.depth,
            b_column=1, b_inner=f.filters, b_group=group, y_row=f.filters, y_group=group,
            wide_a=_wide(f.channels, f.groups), wide_b=_wide(f.filters, f.groups),
        )  # fmt: skip
        return tiled("correlate", plan, b.pointers(x, w), sizes, y, b, [f.taps_of(b), f.windows()])

    return _candidates(plans(f.batch * f.pixels, group, f.depth, f.groups), make, y)


def mirrored(f: Filter, dy: Value, w: Value, dx: Value) -> list[Candidate]:
    """The ways to have dx = what the mirrored weights see of dy; `f` moves over dy."""
    group = f.filters // f.groups

    def make(plan: Plan, b: Binding) -> list[Work]:
        sizes = Gemm(
            rows=f.batch * f.pixels, columns=group, inner=f.depth,
            b_column=f.channels, b_inner=1, b_group=f.channels // f.groups, y_row=f.filters, y_group=group,
            wide_a=_wide(f.channels, f.groups), wide_b=_wide(f.channels, f.groups),
        )  # fmt: skip
        return tiled("correlate_mirrored", plan, b.pointers(dy, w), sizes, dx, b, [f.taps_of(b), f.windows()])

    return _candidates(plans(f.batch * f.pixels, group, f.depth, f.groups), make, dx)


def results(f: Filter, x: Value, dy: Value, dw: Value) -> list[Candidate]:
    """The ways to have the gradient by the weights."""
    group, pixels = f.filters // f.groups, f.batch * f.pixels

    def make(plan: Plan, b: Binding) -> list[Work]:
        sizes = Gemm(
            rows=f.depth, columns=group, inner=pixels,
            b_column=1, b_inner=f.filters, b_group=group, y_row=f.filters, y_group=group,
            wide_a=_wide(f.channels, f.groups), wide_b=_wide(f.filters, f.groups),
        )  # fmt: skip
        return tiled("correlate_results", plan, b.pointers(x, dy), sizes, dw, b, [f.taps_of(b), f.windows()])

    return _candidates(plans(f.depth, group, pixels, f.groups), make, dw)


def _candidates(found: list[Plan], make: Maker, y: Value) -> list[Candidate]:
    return [Candidate(f"windows {plan.name}", partial(make, plan), LOOKED_UP * plan.seconds(y.size)) for plan in found]


def _wide(channels: int, groups: int) -> int:
    """Whether four channels of a group can be read at once: values begin where that is possible."""
    return int(channels // groups % 4 == 0)
