"""Running a few operations at once, where no program is wanted: each call by its reference kernel, on new arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.kernels.reference import KERNELS
from engine.ops.base import Call, DType, Tensor

__all__ = ["run"]


def run(calls: Iterable[Call], arrays: dict[int, Any], xp: Any, precision: str = "float32") -> None:
    """Run `calls` in order. `arrays` holds what they read, by the values' ids, and takes what they write.

    `xp` is the array namespace (NumPy or CuPy), `precision` the type of floats. Nothing is shared or reused: this is
    for small work, done once.
    """
    for call in calls:
        inputs = [arrays[value.id] for value in call.inputs]
        if call.op.view:
            (output,) = call.outputs
            arrays[output.id] = inputs[0].reshape(output.shape)
            continue
        for value in call.outputs:
            arrays[value.id] = _blank(value.tensor, xp, precision)
        scratch = [_blank(value.tensor, xp, precision) for value in call.scratch]
        outputs = [arrays[value.id] for value in call.outputs]
        KERNELS[call.op.name](xp, *inputs, *outputs, *scratch, **call.op.attributes())


def _blank(tensor: Tensor, xp: Any, precision: str) -> Any:
    return xp.empty(tensor.shape, dtype=precision if tensor.dtype is DType.FLOAT else str(tensor.dtype))
