"""CuPy's errors in words, told by the names of their classes."""

from __future__ import annotations

import pytest

from engine.device_errors import DeviceError, DeviceLost, OutOfDeviceMemory, translated
from engine.kernels.cuda.libraries import MissingLibrary
from tests.support.cards import CUDARuntimeError


class OutOfMemoryError(MemoryError):
    """As CuPy has it."""


OutOfMemoryError.__module__ = "cupy.cuda.memory"


class CUBLASError(RuntimeError):
    """As CuPy has it."""


CUBLASError.__module__ = "cupy_backends.cuda.libs.cublas"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OutOfMemoryError("Out of memory allocating 2,147,483,648 bytes (allocated so far: 1,073,741,824 bytes)."),
         OutOfDeviceMemory, "2.0 GiB more were needed, 1.0 GiB are in use"),
        (OutOfMemoryError("Out of memory allocating 512 bytes"), OutOfDeviceMemory, "memory is full"),
        (CUDARuntimeError(2, "cudaErrorMemoryAllocation: out of memory"), OutOfDeviceMemory, "smaller batch size"),
        (CUBLASError("CUBLAS_STATUS_ALLOC_FAILED"), OutOfDeviceMemory, "micro-batches"),
        (CUDARuntimeError(700, "cudaErrorIllegalAddress: an illegal memory access was encountered"), DeviceLost,
         "does not answer any more (cudaErrorIllegalAddress"),
        (CUDARuntimeError(999, "cudaErrorUnknown: unknown error"), DeviceLost, "unknown error"),
        (CUDARuntimeError(1, "cudaErrorInvalidValue: invalid argument"), DeviceError, "reports an error"),
        (CUBLASError("CUBLAS_STATUS_EXECUTION_FAILED"), DeviceError, "CUBLAS_STATUS_EXECUTION_FAILED"),
    ],
)  # fmt: skip
def test_errors_of_a_device(error: Exception, kind: type[DeviceError], words: str) -> None:
    found = translated(error)
    assert type(found) is kind and words in found.message and found.message.endswith(".")


def test_what_an_error_was_raised_from_counts() -> None:
    error = ValueError("the step failed")
    error.__cause__ = CUDARuntimeError(719, "cudaErrorLaunchFailure: unspecified launch failure")
    assert type(translated(error)) is DeviceLost
    error.__cause__.__cause__ = error  # however they lie
    assert translated(error) is not None


def test_errors_of_others() -> None:
    own = DeviceLost("It is gone.")
    assert translated(own) is own
    library = MissingLibrary("cuBLAS is not on this machine: install it.")
    assert translated(library) is library, "it is one itself"
    assert translated(MemoryError()) is None
    assert translated(type("CUDARuntimeError", (RuntimeError,), {})()) is None, "of another library"
