"""What launches are made from: where the values of a program lie, and the device memory that its launches ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from engine.kernels.cuda.choice import Chooser
from engine.kernels.cuda.signatures import Pointer, SignatureError
from engine.ops.base import Value
from engine.placement import numpy_dtype
from engine.plan import Program

if TYPE_CHECKING:
    from engine.kernels.cuda.cudnn import Cudnn

__all__ = ["Binding", "address_of", "kind_of", "pointer_to", "size_of"]

Made = TypeVar("Made")


class Binding:
    """Where the values of one bound program lie, and the device memory that its launches ask for.

    `xp` is the array namespace; `arrays` are the values' arrays by id; `halt` points to the int32 that is other than 0
    once a loss was not finite: kernels that change the state do nothing then.
    """

    def __init__(self, program: Program, arrays: dict[int, Any], xp: Any, halt: Pointer) -> None:
        self.program, self.xp, self.halt = program, xp, halt
        self.chooser = Chooser()
        """Says which way an operation goes that can go several."""
        self.math = "float32"
        """How matrix products are computed: see `engine.backend.MathMode`."""
        self.convolutions: Cudnn | None = None
        """The device's convolutions by cuDNN, where it has it."""
        self.followed = False
        """Whether the call that is being launched is followed by a stage, which a pass of its own would have to do
        where the launches end with a product of cuBLAS."""
        self._arrays = arrays
        self._held: list[Any] = []
        self._used = 0
        self._wanted = 256
        self._scratch = self._bytes(self._wanted)
        self._readers: dict[int, int] = {}
        for call in program.calls:
            for value in call.inputs:
                self._readers[value.id] = self._readers.get(value.id, 0) + 1
        self._shown = {value.id for group in (program.predictions, program.losses) for value in group.values()}
        if program.observe:
            self._shown |= {value.id for value in program.outputs.values()}

    def pointer(self, value: Value) -> Pointer:
        """To the value's first element."""
        size_of(value)
        return Pointer(address_of(self._arrays[value.id]), kind_of(value))

    def pointers(self, *values: Value) -> list[Pointer]:
        """One for each value."""
        return [self.pointer(value) for value in values]

    def span(self, value: Value) -> tuple[int, int]:
        """The addresses from and up to which the value lies."""
        start = self.pointer(value).address
        return start, start + int(self._arrays[value.id].nbytes)

    def scratch(self, count: int, dtype: Any = np.float32) -> Pointer:
        """Work memory for `count` elements, 256-byte aligned, that holds until the call's last launch is done."""
        kind = np.dtype(dtype)
        at = self._used
        self._used += -(-max(1, count) * kind.itemsize // 256) * 256
        self._wanted = max(self._wanted, self._used)
        # Until all is settled the address may lie beyond the memory: it is only counted then.
        return Pointer(address_of(self._scratch) + at, kind)

    def memory(self, count: int, dtype: Any = np.float32) -> Pointer:
        """`count` zeros of the launch's own, kept as long as the program."""
        piece = self.xp.zeros(max(1, count), dtype=np.dtype(dtype))
        self._held.append(piece)
        return pointer_to(piece)

    def constants(self, numbers: np.ndarray) -> Pointer:
        """Numbers that stay as they are, in a flat array of a type that kernels know (addresses: uint64)."""
        piece = self.xp.array(np.ascontiguousarray(numbers).reshape(-1))
        self._held.append(piece)
        return pointer_to(piece)

    def next_call(self) -> None:
        """Scratch may be used anew."""
        self._used = 0

    def settled(self, make: Callable[[], Made]) -> Made:
        """The launches that `make` makes, made anew where there was too little scratch for them."""
        while True:
            self.next_call()
            made = make()
            if self._wanted <= self._scratch.nbytes:
                return made
            self._scratch = self._bytes(self._wanted)
            self._held.clear()

    def is_read(self, value: Value) -> bool:
        """Whether more than one call reads the value, or someone after the program."""
        return self._readers.get(value.id, 0) > 1 or value.id in self._shown

    def _bytes(self, count: int) -> Any:
        return self.xp.empty(count, dtype=np.uint8)


def address_of(array: Any) -> int:
    """Of an array's first element: on the device, or on the host, where a program is only laid out."""
    return int(array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr)


def pointer_to(array: Any) -> Pointer:
    """To an array's first element."""
    return Pointer(address_of(array), np.dtype(array.dtype))


def kind_of(value: Value) -> np.dtype:
    """The element type of a value's array."""
    return numpy_dtype(value.dtype, "float32")


def size_of(value: Value) -> int:
    """Elements of a value, refused where an index of the kernels would not reach them. Raises SignatureError."""
    if value.size >= 2**31:
        raise SignatureError(f"the kernels cannot index an array of {value.size:,} elements: choose a smaller batch")
    return value.size
