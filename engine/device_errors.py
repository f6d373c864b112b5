"""Errors of a GPU in words. CuPy's classes are told by their names: nothing here imports CuPy."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.text import bytes_text, shortened

__all__ = ["DeviceError", "DeviceLost", "OutOfDeviceMemory", "bare", "translated"]

REMEDY = "Choose a smaller batch size, or more micro-batches (gradient accumulation)."

_MEMORY = frozenset({"cudaErrorMemoryAllocation", "CUDA_ERROR_OUT_OF_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED"})
_LOST = frozenset(
    {
        # After these the context of the process is unusable: CUDA's "sticky" errors, and devices that went away.
        *(f"cudaError{name}" for name in (
            "AssertionTriggered", "ContextIsDestroyed", "CudartUnloading", "DeviceUninitialized", "DevicesUnavailable",
            "ECCUncorrectable", "HardwareStackError", "IllegalAddress", "IllegalInstruction", "InvalidAddressSpace",
            "InvalidPc", "LaunchFailure", "LaunchTimeout", "MisalignedAddress", "NoDevice", "NvlinkUncorrectable",
            "Unknown",
        )),
        *(f"CUDA_ERROR_{name}" for name in (
            "ASSERT", "CONTEXT_IS_DESTROYED", "DEINITIALIZED", "DEVICE_UNAVAILABLE", "ECC_UNCORRECTABLE",
            "HARDWARE_STACK_ERROR", "ILLEGAL_ADDRESS", "ILLEGAL_INSTRUCTION", "INVALID_ADDRESS_SPACE", "INVALID_PC",
            "LAUNCH_FAILED", "LAUNCH_TIMEOUT", "MISALIGNED_ADDRESS", "NO_DEVICE", "NVLINK_UNCORRECTABLE", "UNKNOWN",
        )),
    }
)  # fmt: skip
_CUPY = ("cupy", "cupy_backends", "cupyx")
_MEMORY_CLASS = "OutOfMemoryError"
_CLASSES = frozenset(
    {"CUDARuntimeError", "CUDADriverError", "CUBLASError", "NVRTCError", "CompileException", _MEMORY_CLASS}
)


class DeviceError(RuntimeError):
    """A GPU failed, or cannot be used; `message` says how, in words. Nothing on that device counts any more."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class OutOfDeviceMemory(DeviceError):
    """A GPU has less memory than a run needs."""


class DeviceLost(DeviceError):
    """A GPU does not answer any more: nothing that lies there can be read, and this process cannot use it again."""


def translated(error: BaseException) -> DeviceError | None:
    """The error as one of a device, or None for any other. Those that it was raised from are looked at too."""
    for item in _chain(error):
        if isinstance(item, DeviceError):
            return item
        name = next((cls.__name__ for cls in type(item).__mro__ if _is_cupys(cls)), "")
        if name == _MEMORY_CLASS or (isinstance(item, MemoryError) and type(item).__name__ == _MEMORY_CLASS):
            return OutOfDeviceMemory(_memory_words(str(item)))
        if name:
            return _of_status(str(item))
    return None


def bare(error: BaseException) -> None:
    """Take from an error what holds on to the frames in which it arose, and so to all that lay on the device."""
    for item in tuple(_chain(error)):
        item.__traceback__ = item.__cause__ = item.__context__ = None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    item: BaseException | None = error
    while item is not None and id(item) not in seen:
        seen.add(id(item))
        yield item
        item = item.__cause__


def _is_cupys(cls: type) -> bool:
    return cls.__name__ in _CLASSES and cls.__module__.partition(".")[0] in _CUPY


def _of_status(text: str) -> DeviceError:
    """What CuPy raises for a status: "cudaErrorIllegalAddress: an illegal memory access was encountered"."""
    name = text.partition(":")[0].strip()
    words = shortened(text, 200).rstrip(".")
    if name in _MEMORY:
        return OutOfDeviceMemory(_memory_words(""))
    if name in _LOST:
        return DeviceLost(f"The GPU does not answer any more ({words}).")
    return DeviceError(f"The GPU reports an error ({words}).")


def _memory_words(text: str) -> str:
    """CuPy's "Out of memory allocating 1,024 bytes (allocated so far: 2,048 bytes)." for people."""
    numbers = [int(item.replace(",", "")) for item in re.findall(r"([\d,]+) bytes", text)]
    if len(numbers) >= 2:
        more, so_far = map(bytes_text, numbers[:2])
        return f"The GPU's memory is full: {more} more were needed, {so_far} are in use by this program. {REMEDY}"
    return f"The GPU's memory is full. {REMEDY}"
