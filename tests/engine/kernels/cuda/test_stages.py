"""What is declared twice, for the host and for the device, is declared alike: stages, shapes, and all structures."""

from __future__ import annotations

import ctypes
import importlib
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import engine.kernels.cuda as package
from engine.kernels.cuda import activations, stages
from engine.kernels.cuda.signatures import FOLDER, NUMBERS, Packed, Pointer
from engine.kernels.cuda.stages import LIMIT, Stage, Stages, encode

COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def source(path: Path) -> str:
    return COMMENT.sub("", path.read_text(encoding="utf-8"))


def enumeration(text: str, name: str) -> dict[str, int]:
    """The names of an enum and what they stand for."""
    (inside,) = re.findall(rf"enum {name} {{([^}}]*)}}", text)
    found: dict[str, int] = {}
    for item in filter(None, (part.strip() for part in inside.split(","))):
        key, _, number = (part.strip() for part in item.partition("="))
        found[key] = int(number) if number else max(found.values(), default=-1) + 1
    return found


def constant(text: str, name: str) -> int:
    (number,) = re.findall(rf"#define {name} (\d+)\b", text)
    return int(number)


def numbered(module: object, names: dict[str, int]) -> dict[str, int]:
    return {name: getattr(module, name) for name in names}


STAGES, ACTIVATIONS = source(FOLDER / "stages.cuh"), source(FOLDER / "activations.cuh")


def test_codes_of_stages() -> None:
    codes = enumeration(STAGES, "StageCode")
    assert len(codes) > 5 and numbered(stages, codes) == codes


def test_flags_and_limits() -> None:
    for name in ("PLAIN", "SURVIVAL", "ONE_FOR_ALL"):
        assert getattr(stages, name) == constant(STAGES, name)
    (limit,) = re.findall(r"Stage stage\[(\d+)\]", STAGES)
    assert int(limit) == LIMIT


def test_shapes_of_activations() -> None:
    shapes = enumeration(ACTIVATIONS, "Shape")
    assert len(shapes) > 5 and numbered(activations, shapes) == shapes
    used = {*activations.PLAIN.values(), *activations.PLAIN_GRADIENTS.values(), *activations.LEARNED.values()}
    assert used == set(shapes.values())
    # A flag added to a shape can be told from it.
    assert max(shapes.values()) < stages.ONE_FOR_ALL


# -- structures --------------------------------------------------------------------------------------------------------


def structures() -> list[type[ctypes.Structure]]:
    """All that the modules of the package declare."""
    found: dict[str, type[ctypes.Structure]] = {}
    for item in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{item.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, ctypes.Structure) and value.__module__ == module.__name__:
                found[value.__name__] = value
    return [found[name] for name in sorted(found)]


def declared() -> dict[str, str]:
    """The insides of all structures in the sources, by name."""
    text = "\n".join(source(path) for path in sorted(FOLDER.glob("*.cu*")))
    return dict(re.findall(r"^struct (\w+) {([^{}]*)};", text, re.MULTILINE))


def of_device(name: str, all_of_them: dict[str, str]) -> type[ctypes.Structure]:
    """A structure of the device, from its source."""
    fields: list[tuple[str, type]] = []
    for line in filter(None, (part.strip() for part in all_of_them[name].split(";"))):
        kind, names = re.fullmatch(r"(?:const )?(long long|\w+)((?:\s|\*).*)", line, re.DOTALL).groups()  # type: ignore[union-attr]
        for part in names.split(","):
            stars, field, count = re.fullmatch(r"\s*(\**)\s*(\w+)(?:\[(\w+)\])?\s*", part).groups()  # type: ignore[union-attr]
            plain = ctypes.c_void_p if stars else NUMBERS.get(kind) or of_device(kind, all_of_them)
            fields.append((field, plain * int(count) if count else plain))
    return type(name, (ctypes.Structure,), {"_fields_": fields})


def layout(structure: type[ctypes.Structure]) -> list[tuple[str, int, int, str]]:
    """Name, place, size and kind of each field."""
    found = []
    for name, kind, *_ in structure._fields_:
        place = getattr(structure, name)
        plain = getattr(kind, "_type_", None) if not issubclass(kind, ctypes.Array) else "array"
        found.append((name, place.offset, place.size, plain or "structure"))
    return found


@pytest.mark.parametrize("structure", structures(), ids=lambda structure: structure.__name__)
def test_structures_lie_alike(structure: type[ctypes.Structure]) -> None:
    known = declared()
    name = structure.__name__.lstrip("_")
    assert name in known, "the device knows no such structure"
    theirs = of_device(name, known)
    assert layout(structure) == layout(theirs)
    assert ctypes.sizeof(structure) == ctypes.sizeof(theirs)


def test_the_sizes_that_the_source_asserts() -> None:
    one, all_of_them = map(int, re.findall(r"sizeof\(Stages?\) == (\d+)", STAGES))
    assert ctypes.sizeof(stages._Stage) == one and ctypes.sizeof(Stages) == all_of_them


def test_a_difference_is_noticed() -> None:
    """The comparison itself: another order, another type and another length are seen."""
    text = {"Pair": " int a; float b, *c; Inner d[2]; ", "Inner": " unsigned x; "}

    class Inner(ctypes.Structure):
        _fields_ = [("x", ctypes.c_uint32)]

    def pair(*fields: tuple[str, type]) -> type[ctypes.Structure]:
        return type("Pair", (ctypes.Structure,), {"_fields_": list(fields)})

    a, b, c, d = ("a", ctypes.c_int32), ("b", ctypes.c_float), ("c", ctypes.c_void_p), ("d", Inner * 2)
    expected = layout(of_device("Pair", text))
    assert layout(pair(a, b, c, d)) == expected
    for other in ([b, a, c, d], [a, ("b", ctypes.c_int32), c, d], [a, b, c, ("d", Inner * 3)], [a, b, d, c]):
        assert layout(pair(*other)) != expected


def test_stages_as_the_device_gets_them() -> None:
    floats, words = np.dtype(np.float32), np.dtype(np.uint32)
    first = Stage(stages.SHAPE, number=0.5, second=-2.0, shape=3)
    mask, rate, counters = Pointer(0x100, floats), Pointer(0x200, floats), Pointer(0x300, words)
    second = Stage(stages.DROPOUT, mask, 3.0, extra=rate, counters=counters, stream=9)
    found = encode([first, second], 17)
    assert (found.count, found.columns) == (2, 17)
    one, two, *unused = found.stage
    assert (one.code, one.shape, one.number, one.second, one.other) == (stages.SHAPE, 3, 0.5, -2.0, None)
    assert (two.code, two.number, two.stream) == (stages.DROPOUT, 3.0, 9)
    assert (two.other, two.extra, two.counters) == (0x100, 0x200, 0x300)
    assert all(bytes(item) == bytes(48) for item in unused)
    assert Packed([found]).pointers() == [0x100, 0x200, 0x300]
