"""Declarations of kernels are read as they stand, and what does not fit them is refused, with the kernel's name."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.kernels.cuda import signatures as module
from engine.kernels.cuda.binding import size_of
from engine.kernels.cuda.launches import Launch
from engine.kernels.cuda.signatures import (
    ELEMENTS,
    NULL,
    Packed,
    Parameter,
    Pointer,
    SignatureError,
    read_signatures,
    signatures,
)
from engine.kernels.cuda.stages import Stages
from engine.ops.base import DType, Role, Value

FLOATS = Pointer(0x1000, np.dtype(np.float32))

TRIAL = """
#include "common.cuh"

// extern "C" __global__ void __launch_bounds__(1) commented(float* x) {}
__device__ float helper(const float* x) { return *x; }

extern "C" __global__ void __launch_bounds__(128) trial(
    const float* __restrict__ x,  // what is read, and
    float *y,
    volatile unsigned* ticket, float* const* table, const void* any, bool* flags, long long* counts,
    int n, unsigned long_count, float factor, double exact, long long many) {
    /* no __global__ here */
}
extern "C" __global__ void __launch_bounds__(256, 2) ending(float* y, int n, const __grid_constant__ Stages stages) {}
extern "C" __global__ void __launch_bounds__(32) empty() {}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Kernels of our own in place of the package's."""
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    (tmp_path / "trial.cu").write_text(TRIAL)
    signatures.cache_clear()
    yield tmp_path
    signatures.cache_clear()


def arguments() -> dict[str, object]:
    """What fits `trial`."""
    kinds = {"x": "float", "y": "float", "ticket": "unsigned", "flags": "bool", "counts": "long long"}
    found: dict[str, object] = {name: Pointer(0x1000, ELEMENTS[kind]) for name, kind in kinds.items()}
    found |= {"table": Pointer(0x2000, np.dtype(np.uint64)), "any": FLOATS}
    found |= {"n": -5, "long_count": 2**32 - 1, "factor": 0.5, "exact": 1e300, "many": 2**62}
    names = ("x", "y", "ticket", "table", "any", "flags", "counts", "n", "long_count", "factor", "exact", "many")
    return {name: found[name] for name in names}


# -- reading -----------------------------------------------------------------------------------------------------------


def test_a_source_is_read() -> None:
    trial, ending, empty = read_signatures(TRIAL, "trial")
    assert (trial.kernel, trial.source, trial.threads, trial.staged) == ("trial", "trial", 128, False)
    assert [(item.name, item.type, item.stars) for item in trial.parameters] == [
        ("x", "float", 1),
        ("y", "float", 1),
        ("ticket", "unsigned", 1),
        ("table", "float", 2),
        ("any", "void", 1),
        ("flags", "bool", 1),
        ("counts", "long long", 1),
        ("n", "int", 0),
        ("long_count", "unsigned", 0),
        ("factor", "float", 0),
        ("exact", "double", 0),
        ("many", "long long", 0),
    ]
    assert ending.staged and ending.threads == 256
    assert empty.parameters == () and not empty.staged


def test_every_kernel_of_the_package_is_known() -> None:
    known = signatures()
    for path in sorted(module.FOLDER.glob("*.cu")):
        assert any(item.source == path.stem for item in known.values()), f"{path.name} has no kernel"
    assert known["elementwise"].staged and known["elementwise"].source == "elementwise"
    assert all(32 <= item.threads <= 1024 and item.threads % 32 == 0 for item in known.values())


BOUND = "__launch_bounds__(32) "


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("__global__ void k(int n) {}", r'odd\.cu: every kernel is declared as extern "C" __global__ void name'),
        (f'extern "C" __global__ int {BOUND}k(int n) {{}}', r"odd\.cu: every kernel is declared"),
        ('extern "C" __global__ void k(int n) {}', r"k says by __launch_bounds__\(number\)"),
        ('extern "C" __global__ void __launch_bounds__(MOST) k(int n) {}', r"k says by __launch_bounds__"),
        ('extern "C" __global__ void __launch_bounds__(32, TWO) k(int n) {}', r"k says by __launch_bounds__"),
        ('extern "C" __global__ void __launch_bounds__(32, 1, 1) k(int n) {}', r"k says by __launch_bounds__"),
        (f'extern "C" __global__ void {BOUND}k(float) {{}}', r"k: the parameter “float” is not understood"),
        (f'extern "C" __global__ void {BOUND}k(float*) {{}}', r"k: the parameter “float\*” is not understood"),
        (f'extern "C" __global__ void {BOUND}k(short n) {{}}', r"k: a parameter cannot be of the type short"),
        (f'extern "C" __global__ void {BOUND}k(bool on) {{}}', r"k: a parameter cannot be of the type bool"),
        (f'extern "C" __global__ void {BOUND}k(const half* x) {{}}', r"k: a parameter cannot point to half"),
        (
            f'extern "C" __global__ void {BOUND}k(unsigned long long* x) {{}}',
            r"k: a parameter cannot point to unsigned long long",
        ),
    ],
)
def test_declarations_that_are_not_understood(text: str, complaint: str) -> None:
    with pytest.raises(SignatureError, match=complaint):
        read_signatures(text, "odd")


def test_two_kernels_of_one_name(folder: Path) -> None:
    assert set(signatures()) == {"trial", "ending", "empty"}
    signatures.cache_clear()
    (folder / "other.cu").write_text(f'extern "C" __global__ void {BOUND}empty() {{}}')
    with pytest.raises(SignatureError, match="two kernels are called empty: see other and trial"):
        signatures()


# -- packing -----------------------------------------------------------------------------------------------------------


def test_what_fits_is_packed_as_it_is() -> None:
    trial = read_signatures(TRIAL, "trial")[0]
    packed = trial.pack(list(arguments().values()))  # type: ignore[arg-type]
    assert [value.value for value in packed.values] == [
        *(0x1000, 0x1000, 0x1000, 0x2000, 0x1000, 0x1000, 0x1000),
        *(-5, 2**32 - 1, 0.5, 1e300, 2**62),
    ]
    addresses = (ctypes.c_void_p * 12).from_address(packed.address)
    assert list(addresses) == [ctypes.addressof(value) for value in packed.values]
    assert ctypes.c_double.from_address(addresses[10]).value == 1e300
    assert packed.pointers() == [0x1000, 0x1000, 0x1000, 0x2000, 0x1000, 0x1000, 0x1000]


def test_no_arguments_at_all() -> None:
    packed = read_signatures(TRIAL, "trial")[2].pack([])
    assert packed.address and packed.pointers() == []


def test_what_a_number_may_be() -> None:
    assert Parameter("n", "int", 0).pack(-(2**31), "k").value == -(2**31)
    assert math.isinf(Parameter("x", "float", 0).pack(math.inf, "k").value)
    assert Parameter("x", "float", 0).pack(3, "k").value == 3.0
    assert Parameter("x", "float", 1).pack(NULL, "k").value is None


@pytest.mark.parametrize(
    ("name", "argument", "complaint"),
    [
        ("x", 7, "trial: “x” is a pointer, not int"),
        ("x", Pointer(0x1000, np.dtype(np.float64)), "trial: “x” points to float32, not to float64"),
        ("ticket", Pointer(0x1000, np.dtype(np.int32)), "trial: “ticket” points to uint32, not to int32"),
        ("flags", Pointer(0x1000, np.dtype(np.uint8)), "trial: “flags” points to bool, not to uint8"),
        ("table", FLOATS, "trial: “table” points to uint64, not to float32"),
        ("n", FLOATS, "trial: “n” is int, not Pointer"),
        ("n", True, "trial: “n” is int, not bool"),
        ("n", 1.0, "trial: “n” is int, which 1.0 is not"),
        ("n", 2**31, "trial: “n” is int, which 2147483648 is not"),
        ("n", -(2**31) - 1, "trial: “n” is int, which -2147483649 is not"),
        ("long_count", -1, "trial: “long_count” is unsigned, which -1 is not"),
        ("long_count", 2**32, "trial: “long_count” is unsigned, which 4294967296 is not"),
        ("many", 2**63, "trial: “many” is long long, which 9223372036854775808 is not"),
        ("factor", False, "trial: “factor” is float, not bool"),
        ("factor", "1", "trial: “factor” is float, not str"),
        ("exact", Stages(), "trial: “exact” is double, not Stages"),
    ],
)
def test_what_does_not_fit_is_named(name: str, argument: object, complaint: str) -> None:
    given = arguments()
    assert name in given
    given[name] = argument
    with pytest.raises(SignatureError) as error:
        read_signatures(TRIAL, "trial")[0].pack(list(given.values()))  # type: ignore[arg-type]
    assert str(error.value) == complaint


def test_too_few_and_too_many() -> None:
    trial, ending, empty = read_signatures(TRIAL, "trial")
    with pytest.raises(SignatureError, match=r"ending takes \(y, n, stages\), not 2 arguments"):
        ending.pack([FLOATS, 1])
    with pytest.raises(SignatureError, match=r"empty takes \(\), not 1 arguments"):
        empty.pack([1])
    with pytest.raises(SignatureError, match="not 13 arguments"):
        trial.pack([*arguments().values(), 1])  # type: ignore[list-item]


def test_structures() -> None:
    ending = read_signatures(TRIAL, "trial")[1]

    class Other(ctypes.Structure):
        _fields_ = [("x", ctypes.c_int32)]

    assert ending.pack([FLOATS, 1, Stages()]).values[2].__class__ is Stages
    with pytest.raises(SignatureError, match="ending: “stages” is Stages, not Other"):
        ending.pack([FLOATS, 1, Other()])
    with pytest.raises(SignatureError, match="ending: “stages” is Stages, not int"):
        ending.pack([FLOATS, 1, 5])


def test_addresses_within_structures_are_found() -> None:
    class Inner(ctypes.Structure):
        _fields_ = [("at", ctypes.c_void_p), ("n", ctypes.c_int32)]

    class Outer(ctypes.Structure):
        _fields_ = [("n", ctypes.c_int32), ("one", Inner), ("some", Inner * 2), ("numbers", ctypes.c_int32 * 3)]

    outer = Outer(1, Inner(0x10, 5), (Inner * 2)(Inner(0x20, 6), Inner(None, 7)))
    assert Packed([ctypes.c_int32(3), outer, ctypes.c_void_p(0x30), ctypes.c_void_p(0)]).pointers() == [
        0x10,
        0x20,
        0x30,
    ]


# -- launches ----------------------------------------------------------------------------------------------------------


ENDS = "a kernel that ends with stages says where its result goes, no other"


@pytest.mark.parametrize(
    ("launch", "complaint"),
    [
        (Launch("trail", []), "there is no kernel “trail”"),
        (Launch("empty", [], block=33), "empty runs with up to 32 threads a block, not 33"),
        (Launch("empty", [], block=0), "empty runs with up to 32 threads a block, not 0"),
        (Launch("empty", [], block=24), "empty: a block is made of whole warps, 32 threads each, not 24"),
        (Launch("empty", [], 0, 32), "empty: no device has a grid of (0, 1, 1) blocks"),
        (Launch("empty", [], 2**31, 32), "empty: no device has a grid of (2147483648, 1, 1) blocks"),
        (Launch("empty", [], (1, 65536), 32), "empty: no device has a grid of (1, 65536, 1) blocks"),
        (Launch("empty", [], (1, 1, 65536), 32), "empty: no device has a grid of (1, 1, 65536) blocks"),
        (Launch("empty", [], 1, 32, output=0), f"empty: {ENDS}"),
        (Launch("ending", [FLOATS, 1]), f"ending: {ENDS}"),
        (Launch("ending", [FLOATS], output=0), "ending takes (y, n, stages), not 2 arguments"),
    ],
)
def test_launches_that_no_device_would_take(folder: Path, launch: Launch, complaint: str) -> None:
    with pytest.raises(SignatureError) as error:
        launch.pack()
    assert str(error.value) == complaint


def test_launches_that_fit(folder: Path) -> None:
    assert Launch("empty", [], (2**31 - 1, 65535, 65535), 32).pack().values == ()
    packed = Launch("ending", [FLOATS, 8], 1, 256, output=0, columns=4).pack()
    assert (packed.values[2].count, packed.values[2].columns) == (0, 4)


def test_arrays_beyond_the_reach_of_an_index() -> None:
    def value(*shape: int) -> Value:
        return Value(0, shape, DType.FLOAT, Role.INPUT, "x")

    assert size_of(value(2**31 - 1)) == 2**31 - 1
    with pytest.raises(
        SignatureError, match=r"cannot index an array of 2,147,483,648 elements: choose a smaller batch"
    ):
        size_of(value(2**15, 2**16))
