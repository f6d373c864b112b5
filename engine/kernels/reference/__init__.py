"""Kernels on arrays, written once for NumPy and CuPy: readable, without allocation, and the measure of all others.

A kernel is a function `(xp, *inputs, *outputs, *scratch, **attributes)`, where `xp` is the array namespace and the
arrays come in the order of the call. It writes every output completely, allocates no arrays, moves nothing between host
and device, and asks no array for a Python number. Where an operation declares `in_place`, that output may be the memory
of that input.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.kernels.reference import (
    activation,
    arrange,
    convolution,
    dropout,
    elementwise,
    group_norm,
    grouped_convolution,
    linear,
    loss,
    noise,
    normalization,
    observe,
    pooling,
    update,
)

Kernel = Callable[..., None]

_MODULES = (
    activation,
    arrange,
    convolution,
    dropout,
    elementwise,
    group_norm,
    grouped_convolution,
    linear,
    loss,
    noise,
    normalization,
    observe,
    pooling,
    update,
)

KERNELS: dict[str, Kernel] = {name: kernel for module in _MODULES for name, kernel in module.KERNELS.items()}

__all__ = ["KERNELS", "Kernel"]
