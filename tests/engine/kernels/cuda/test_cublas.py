"""The calls of cuBLAS, against a library with the same declarations that computes on the processor. Needs no GPU."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.backend import MathMode
from engine.kernels.cuda import cublas
from engine.kernels.cuda.cublas import Cublas, CublasError

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")

STREAM, WORKSPACE, ROOM = 0x7F0012345678, 0x7F00ABCDEF00, 32 << 20


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    path = tmp_path_factory.mktemp("cublas") / "libfake.so"
    source = Path(__file__).with_name("cublas_fake.c")
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-O1", "-Wall", "-o", path, source], check=True)
    return cublas.prototyped(ctypes.CDLL(str(path)))


@pytest.fixture
def history(library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """Makes the library cuBLAS; the calls since the last time, each with its arguments."""
    monkeypatch.setattr(cublas, "_library", lambda: library)

    def take() -> list[str]:
        room = ctypes.create_string_buffer(4096)
        library.take_history(room, len(room))
        return room.value.decode().splitlines()

    take()
    yield take
    library.fail_in(b"", 0)


@pytest.fixture
def blas(history: Callable[[], list[str]]) -> Iterator[Cublas]:
    made = Cublas(STREAM, WORKSPACE, ROOM)
    history()
    yield made
    made.close()


def stored(array: np.ndarray, distance: int) -> np.ndarray:
    """A matrix by columns, `distance` elements apart, as a flat array; what lies between is not a number."""
    rows, columns = array.shape
    room = np.full((columns, distance), np.nan, np.float32)
    room[:, :rows] = array.T
    return room.reshape(-1)


def seen(flat: np.ndarray, rows: int, distance: int) -> np.ndarray:
    return flat.reshape(-1, distance)[:, :rows].T


def whole_numbers(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Small ones: their products have no rounding errors."""
    return generator.integers(-4, 5, shape).astype(np.float32)


def test_it_starts_with_the_stream_and_then_the_workspace(history: Callable[[], list[str]]) -> None:
    made = Cublas(STREAM, WORKSPACE, ROOM)
    assert history() == [
        "cublasCreate_v2",
        f"cublasSetStream_v2 1 {STREAM:#x}",
        f"cublasSetWorkspace_v2 1 {WORKSPACE:#x} {ROOM}",
        "cublasSetPointerMode_v2 1 0",
        "cublasSetAtomicsMode 1 0",
        "cublasSetMathMode 1 0",
    ]
    assert made.version() == "13.1.2"
    history()
    made.close()
    made.close()
    assert history() == ["cublasDestroy_v2 1"]
    with pytest.raises(CublasError, match="closed"):
        made.version()


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_products(blas: Cublas, history: Callable[[], list[str]], transpose_a: bool, transpose_b: bool) -> None:
    m, n, k, alpha, beta = 3, 5, 4, 0.5, -2.0
    generator = np.random.default_rng(1)
    a, b, c = (whole_numbers(generator, *shape) for shape in ((m, k), (k, n), (m, n)))
    lda, ldb, ldc = 7, 9, 6
    flat_a = stored(a.T if transpose_a else a, lda)
    flat_b = stored(b.T if transpose_b else b, ldb)
    flat_c = stored(c, ldc)
    blas.gemm(
        *(transpose_a, transpose_b, m, n, k, alpha, flat_a.ctypes.data, lda, flat_b.ctypes.data, ldb),
        *(beta, flat_c.ctypes.data, ldc),
    )
    np.testing.assert_array_equal(seen(flat_c, m, ldc), alpha * (a @ b) + beta * c)
    assert np.isnan(flat_c.reshape(-1, ldc)[:, m:]).all()
    assert history() == ["cublasGemmEx 1 types 0 0 0 compute 68 algorithm -1"]


def test_products_of_a_batch(blas: Cublas, history: Callable[[], list[str]]) -> None:
    m, n, k, count = 3, 2, 4, 5
    generator = np.random.default_rng(2)
    a, b = whole_numbers(generator, count, m, k), whole_numbers(generator, k, n)
    flat_a = np.concatenate([stored(item, 4) for item in a])
    flat_b, flat_c = stored(b.T, 2), np.full(count * 8, np.nan, np.float32)
    blas.gemm_batched(
        *(False, True, m, n, k, 1.0, flat_a.ctypes.data, 4, 16, flat_b.ctypes.data, 2, 0),
        *(0.0, flat_c.ctypes.data, 3, 8, count, "tf32"),
    )
    for index in range(count):
        np.testing.assert_array_equal(seen(flat_c[index * 8 : index * 8 + 6], m, 3), a[index] @ b)
    assert np.isnan(flat_c.reshape(count, 8)[:, 6:]).all()
    assert history() == ["cublasGemmStridedBatchedEx 1 types 0 0 0 compute 77 algorithm -1 strides 16 0 8"]


def test_results_of_a_batch_may_be_parts_of_the_same_columns(blas: Cublas) -> None:
    m, n, k, count = 2, 3, 4, 3
    generator = np.random.default_rng(3)
    a, b = whole_numbers(generator, count, m, k), whole_numbers(generator, k, n)
    flat_a, flat_b = np.concatenate([stored(item, m) for item in a]), stored(b, k)
    flat_c = np.full(n * count * m, np.nan, np.float32)
    blas.gemm_batched(
        *(False, False, m, n, k, 1.0, flat_a.ctypes.data, m, m * k, flat_b.ctypes.data, k, 0),
        *(0.0, flat_c.ctypes.data, count * m, m, count),
    )
    np.testing.assert_array_equal(seen(flat_c, count * m, count * m), (a @ b).reshape(count * m, n))


def test_distances_beyond_32_bits(blas: Cublas, history: Callable[[], list[str]]) -> None:
    room = np.zeros(4, np.float32)
    far, at = 5 << 31, room.ctypes.data
    blas.gemm_batched(False, False, 1, 1, 1, 1.0, at, 1, far, at, 1, far + 1, 0.0, at, 1, far + 2, 1)
    assert history()[0].endswith(f"strides {far} {far + 1} {far + 2}")


@pytest.mark.parametrize(("math", "code"), [("float32", 68), ("tf32", 77), ("bf16", 75)])
def test_how_numbers_are_multiplied(blas: Cublas, history: Callable[[], list[str]], math: MathMode, code: int) -> None:
    room = np.ones(3, np.float32)
    a, b, c = (room.ctypes.data + 4 * index for index in range(3))
    blas.gemm(False, False, 1, 1, 1, 3.0, a, 1, b, 1, 2.0, c, 1, math)
    assert room[2] == 5 and f"compute {code} " in history()[0]


def test_sizes_that_cannot_be_are_refused(blas: Cublas, history: Callable[[], list[str]]) -> None:
    def refused(words: str, **changes: object) -> None:
        given = {"transpose_a": False, "transpose_b": False, "m": 4, "n": 3, "k": 2, "alpha": 1.0, "beta": 0.0}
        given |= {"a": 64, "lda": 4, "b": 64, "ldb": 2, "c": 64, "ldc": 4}
        with pytest.raises(CublasError, match=words):
            blas.gemm(**(given | changes))  # type: ignore[arg-type]

    refused("m = -1", m=-1)
    refused("k = 2147483648", k=1 << 31)
    refused("columns of A, of 4 rows, lie 3 elements apart", lda=3)
    refused("columns of A, of 2 rows, lie 1 elements apart", lda=1, transpose_a=True)
    refused("columns of B, of 3 rows", ldb=2, transpose_b=True)
    refused("columns of C", ldc=3)
    refused("Matrix A of a product has no memory", a=0)
    refused("Matrix C starts at 0x42", c=66)
    refused("no way “fp8”", math="fp8")
    batch = (False, False, 4, 3, 2, 1.0, 64, 4, 8, 64, 2, 6, 0.0, 64, 4)
    with pytest.raises(CublasError, match=r"8, 6 and 11 elements apart; results of 4 x 3 .* need 12"):
        blas.gemm_batched(*batch, 11, 2)
    with pytest.raises(CublasError, match="8, 6 and 4 elements apart"):
        blas.gemm_batched(*batch[:-1], 11, 4, 3)  # 12 rows do not fit in columns 11 apart
    with pytest.raises(CublasError, match="has -1 matrix products"):
        blas.gemm_batched(*batch, 12, -1)
    assert history() == []


def test_a_workspace_has_to_be_aligned(history: Callable[[], list[str]]) -> None:
    with pytest.raises(CublasError, match="multiple of 256 bytes; this one starts at 0x80"):
        Cublas(STREAM, 128, ROOM)
    with pytest.raises(CublasError, match="multiple of 256"):
        Cublas(STREAM, 0, ROOM)
    assert history() == []


def test_what_cublas_refuses_is_said_in_words(
    blas: Cublas, library: ctypes.CDLL, history: Callable[[], list[str]]
) -> None:
    room = np.zeros(4, np.float32).ctypes.data
    for status, words in [*cublas.STATUSES.items(), (99, "not known")]:
        library.fail_in(b"cublasGemmEx", status)
        with pytest.raises(CublasError, match=rf"product of 2 x 1 and 1 x 2 \(float32\) failed: .*{re.escape(words)}"):
            blas.gemm(False, False, 2, 2, 1, 1.0, room, 2, room, 1, 0.0, room, 2)
    library.fail_in(b"cublasGemmStridedBatchedEx", 13)
    with pytest.raises(CublasError, match=r"3 matrix products .* could not run it \(cuBLAS status 13\)"):
        blas.gemm_batched(False, False, 1, 1, 1, 1.0, room, 1, 1, room, 1, 1, 0.0, room, 1, 1, 3)


def test_a_start_that_fails_leaves_nothing(library: ctypes.CDLL, history: Callable[[], list[str]]) -> None:
    library.fail_in(b"cublasCreate_v2", 3)
    with pytest.raises(CublasError, match="could not be started: there is not enough memory"):
        Cublas(STREAM, WORKSPACE, ROOM)
    library.fail_in(b"cublasSetWorkspace_v2", 7)
    history()
    with pytest.raises(CublasError, match="does not take its workspace"):
        Cublas(STREAM, WORKSPACE, ROOM)
    assert history()[-1] == "cublasDestroy_v2 1"
