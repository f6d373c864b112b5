"""The kernels' signatures, read from their sources, and arguments packed as they demand.

The sources are the only declaration of a kernel's parameters. What a launch hands over is held against them when a
program is bound: the number of arguments, the element type behind every pointer, the range of every number.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

__all__ = ["FOLDER", "NULL", "Argument", "Packed", "Parameter", "Pointer", "Signature", "SignatureError", "signatures"]

FOLDER = Path(__file__).parent

ELEMENTS = {
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
    "int": np.dtype(np.int32),
    "unsigned": np.dtype(np.uint32),
    "long long": np.dtype(np.int64),
    "bool": np.dtype(np.bool_),
    "unsigned char": np.dtype(np.uint8),
}
"""What a pointer may point to, by its type in the sources. `void` fits all."""

NUMBERS: dict[str, type[ctypes._SimpleCData]] = {  # type: ignore[type-arg]
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "int": ctypes.c_int32,
    "unsigned": ctypes.c_uint32,
    "long long": ctypes.c_int64,
}

_KERNEL = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\(([^)]*)\)\s*)?(\w+)\s*\(([^)]*)\)')
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


class SignatureError(TypeError):
    """A launch does not fit its kernel, or a kernel is declared in a way that is not understood."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """An address on the device and the type of what lies there; None of anything."""

    address: int
    dtype: np.dtype | None

    def __add__(self, elements: int) -> Pointer:
        assert self.dtype is not None
        return Pointer(self.address + elements * self.dtype.itemsize, self.dtype)


NULL = Pointer(0, None)

Argument = int | float | Pointer | ctypes.Structure


@dataclass(frozen=True)
class Parameter:
    """One parameter: its type without qualifiers, and whether it is a pointer to that, or one to such pointers."""

    name: str
    type: str
    stars: int

    def pack(self, argument: Argument, kernel: str) -> ctypes._SimpleCData | ctypes.Structure:  # type: ignore[type-arg]
        """The argument as the kernel expects it. Raises SignatureError where it does not fit."""
        if self.stars:
            if not isinstance(argument, Pointer):
                raise SignatureError(f"{kernel}: “{self.name}” is a pointer, not {type(argument).__name__}")
            expected = np.dtype(np.uint64) if self.stars > 1 else ELEMENTS.get(self.type)
            if argument.dtype is not None and expected is not None and argument.dtype != expected:
                raise SignatureError(f"{kernel}: “{self.name}” points to {expected}, not to {argument.dtype}")
            return ctypes.c_void_p(argument.address)
        if isinstance(argument, ctypes.Structure):
            if type(argument).__name__ != self.type:
                raise SignatureError(f"{kernel}: “{self.name}” is {self.type}, not {type(argument).__name__}")
            return argument
        if self.type not in NUMBERS or not isinstance(argument, int | float) or isinstance(argument, bool):
            raise SignatureError(f"{kernel}: “{self.name}” is {self.type}, not {type(argument).__name__}")
        if self.type in ("float", "double"):
            return NUMBERS[self.type](float(argument))
        packed = NUMBERS[self.type](argument) if isinstance(argument, int) else None
        if packed is None or packed.value != argument:
            raise SignatureError(f"{kernel}: “{self.name}” is {self.type}, which {argument} is not")
        return packed


@dataclass(frozen=True)
class Signature:
    """A kernel: its source's name without ".cu", its parameters, and the most threads a block may have."""

    kernel: str
    source: str
    parameters: tuple[Parameter, ...]
    threads: int

    def pack(self, arguments: Sequence[Argument]) -> Packed:
        """The arguments, ready to be launched with. Raises SignatureError where they do not fit."""
        if len(arguments) != len(self.parameters):
            names = ", ".join(item.name for item in self.parameters)
            raise SignatureError(f"{self.kernel} takes ({names}), not {len(arguments)} arguments")
        return Packed(
            tuple(
                parameter.pack(argument, self.kernel)
                for parameter, argument in zip(self.parameters, arguments, strict=True)
            )
        )

    @property
    def staged(self) -> bool:
        """Whether the kernel ends with stages: then they are its last parameter."""
        return bool(self.parameters) and self.parameters[-1].type == "Stages"


class Packed:
    """Arguments in memory, and the array of their addresses that the driver reads."""

    def __init__(self, values: Sequence[ctypes._SimpleCData | ctypes.Structure]) -> None:  # type: ignore[type-arg]
        self.values = tuple(values)
        self._addresses = (ctypes.c_void_p * max(1, len(values)))(*(ctypes.addressof(value) for value in values))

    @property
    def address(self) -> int:
        """Of the array of addresses."""
        return ctypes.addressof(self._addresses)

    def pointers(self) -> list[int]:
        """Every address on the device among the arguments, those within structures included; zeros left out."""
        return [address for value in self.values for address in _pointers(value) if address]


def _pointers(value: ctypes._SimpleCData | ctypes.Structure | ctypes.Array) -> list[int]:  # type: ignore[type-arg]
    if isinstance(value, ctypes.c_void_p):
        return [value.value or 0]
    if isinstance(value, ctypes.Array):
        return [address for item in value if isinstance(item, ctypes.Structure) for address in _pointers(item)]
    if not isinstance(value, ctypes.Structure):
        return []
    found: list[int] = []
    for name, kind, *_ in value._fields_:
        part = getattr(value, name)
        if kind is ctypes.c_void_p:
            found.append(part or 0)
        elif isinstance(part, ctypes.Structure | ctypes.Array):
            found += _pointers(part)
    return found


@cache
def signatures() -> dict[str, Signature]:
    """Every kernel in the sources by its name. Raises SignatureError for a declaration that is not understood."""
    found: dict[str, Signature] = {}
    for path in sorted(FOLDER.glob("*.cu")):
        for item in read_signatures(path.read_text(encoding="utf-8"), path.stem):
            if item.kernel in found:
                raise SignatureError(
                    f"two kernels are called {item.kernel}: see {found[item.kernel].source} and {path.stem}"
                )
            found[item.kernel] = item
    return found


def read_signatures(text: str, source: str) -> list[Signature]:
    """The kernels of one source."""
    text = _COMMENT.sub(" ", text)
    found = [
        Signature(kernel, source, tuple(_parameters(inside, kernel)), _bound(bound, kernel))
        for bound, kernel, inside in _KERNEL.findall(text)
    ]
    if len(found) != text.count("__global__"):
        raise SignatureError(f'{source}.cu: every kernel is declared as extern "C" __global__ void name(…)')
    return found


def _bound(text: str, kernel: str) -> int:
    threads, *blocks = (item.strip() for item in text.split(","))
    if not threads.isdigit() or len(blocks) > 1 or not all(item.isdigit() for item in blocks):
        raise SignatureError(
            f"{kernel} says by __launch_bounds__(number) how many threads its blocks have at most; a second number may "
            "say how many blocks a multiprocessor shall have room for"
        )
    return int(threads)


def _parameters(inside: str, kernel: str) -> list[Parameter]:
    found = []
    for part in filter(None, (item.strip() for item in inside.split(","))):
        words = re.findall(r"\w+|\*", part)
        name = words.pop()
        stars = words.count("*")
        plain = [w for w in words if w not in ("const", "__restrict__", "__grid_constant__", "*", "struct", "volatile")]
        if not plain or name == "*":
            raise SignatureError(f"{kernel}: the parameter “{part}” is not understood")
        kind = " ".join(plain)
        if stars == 0 and kind not in NUMBERS and not kind[0].isupper():
            raise SignatureError(f"{kernel}: a parameter cannot be of the type {kind}")
        if stars == 1 and kind not in ELEMENTS and kind != "void":
            raise SignatureError(f"{kernel}: a parameter cannot point to {kind}")
        found.append(Parameter(name, kind, stars))
    return found
