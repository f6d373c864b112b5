"""What a run takes of a device's memory, and what is said where there is less."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.device_errors import OutOfDeviceMemory
from engine.device_memory import RESERVE, program_bytes, require
from engine.ops.base import DType

MIB = 1 << 20


def backend(free: int | None, label: str = "CuPy · Some GPU") -> Any:
    return SimpleNamespace(free_memory=lambda: free, label=label)


def test_what_fits_is_not_refused() -> None:
    require(backend(RESERVE + 3 * MIB), {"a": MIB, "b": 2 * MIB})
    require(backend(None), {"a": 1 << 60})


def test_what_does_not_fit_is_refused_with_numbers() -> None:
    with pytest.raises(OutOfDeviceMemory) as found:
        require(backend(RESERVE + 3 * MIB - 1), {"batches": MIB, "nothing": 0, "more": 2 * MIB}, 5 * MIB, "Do less.")
    assert found.value.message == (
        "This run needs 3.0 MiB of the GPU's memory beside 5.0 MiB that it has (1.0 MiB for batches, 2.0 MiB for "
        "more), and of Some GPU only 131.0 MiB are free, of which 128.0 MiB are left to the kernels. Do less."
    )


def test_programs_share_one_arena() -> None:
    def program(arena: int, *values: tuple[int, DType], precision: str = "float32") -> Any:
        made = {str(k): SimpleNamespace(size=size, dtype=dtype) for k, (size, dtype) in enumerate(values)}
        return SimpleNamespace(arena_bytes=arena, inputs=made, targets={}, precision=precision)

    one, two = program(1000, (10, DType.FLOAT), (5, DType.INT64)), program(400, (3, DType.FLOAT), precision="float64")
    assert program_bytes([one]) == 1000 + 10 * 4 + 5 * 8
    assert program_bytes(iter([two, one])) == 1000 + 80 + 3 * 8
    assert program_bytes([]) == 0
