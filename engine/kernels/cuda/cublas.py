"""Matrix products on the GPU: cuBLAS, called directly, so that the calls can be captured into a CUDA graph.

cuBLAS gets its workspace from its owner and allocates nothing; sums are taken in an order that depends on sizes alone.
Source of the calls: NVIDIA, "cuBLAS", CUDA Toolkit Documentation 13 (cublasGemmEx, cublasGemmStridedBatchedEx,
cublasSetWorkspace).
"""

from __future__ import annotations

import ctypes
from functools import cache

from engine.backend import MATH_MODES, MathMode
from engine.device_errors import DeviceError
from engine.kernels.cuda import libraries

__all__ = ["Cublas", "CublasError", "STATUSES", "WORKSPACE_ALIGNMENT"]

STATUSES = {
    1: "the library is not initialized",
    3: "there is not enough memory on the GPU",
    7: "an argument is not valid",
    8: "the GPU is too old for it",
    11: "memory of the GPU could not be reached",
    13: "the GPU could not run it",
    14: "an operation inside the library failed",
    15: "it is not supported",
    16: "there is no licence for it",
}
"""What cuBLAS's status codes say."""

WORKSPACE_ALIGNMENT = 256
"""Of the workspace's start, in bytes, as cublasSetWorkspace asks for."""

_COMPUTE: dict[MathMode, int] = {"float32": 68, "bf16": 75, "tf32": 77}  # CUBLAS_COMPUTE_32F, _FAST_16BF, _FAST_TF32
_FLOAT32 = 0  # CUDA_R_32F
_DEFAULT_ALGORITHM = -1  # CUBLAS_GEMM_DEFAULT
_DEFAULT_MATH = 0  # CUBLAS_DEFAULT_MATH: the compute type of each call decides
_HOST_POINTERS = 0  # CUBLAS_POINTER_MODE_HOST
_NO_ATOMICS = 0  # CUBLAS_ATOMICS_NOT_ALLOWED
_LARGEST = (1 << 31) - 1


class CublasError(DeviceError):
    """cuBLAS refuses; the message says what was asked for and why not."""


class Cublas:
    """cuBLAS on a stream (a `cudaStream_t` as a number), with a workspace in the GPU's memory that its owner keeps.

    Making one allocates memory on the GPU, so do it before a capture begins. One thread uses it. Raises
    MissingLibrary, and CublasError.
    """

    def __init__(self, stream: int, workspace: int, workspace_bytes: int) -> None:
        if workspace_bytes < 0 or workspace % WORKSPACE_ALIGNMENT or (workspace_bytes > 0 and not workspace):
            raise CublasError(
                f"A workspace of cuBLAS starts at a multiple of {WORKSPACE_ALIGNMENT} bytes; this one starts at "
                f"{workspace:#x} and has {workspace_bytes} bytes."
            )
        self._library = _library()
        handle = ctypes.c_void_p()
        _check(self._library.cublasCreate_v2(ctypes.byref(handle)), "cuBLAS could not be started")
        self._handle: ctypes.c_void_p | None = handle
        try:
            # The stream first: setting it takes the workspace away again.
            self._set(self._library.cublasSetStream_v2, "stream", stream)
            self._set(self._library.cublasSetWorkspace_v2, "workspace", workspace, workspace_bytes)
            self._set(self._library.cublasSetPointerMode_v2, "pointer mode", _HOST_POINTERS)
            self._set(self._library.cublasSetAtomicsMode, "atomics", _NO_ATOMICS)
            self._set(self._library.cublasSetMathMode, "math mode", _DEFAULT_MATH)
        except CublasError:
            self.close()
            raise

    def version(self) -> str:
        """ "13.1.0"."""
        number = ctypes.c_int()
        _check(self._library.cublasGetVersion_v2(self._open(), ctypes.byref(number)), "cuBLAS could not be asked")
        return f"{number.value // 10000}.{number.value // 100 % 100}.{number.value % 100}"

    def gemm(
        self,
        transpose_a: bool,
        transpose_b: bool,
        m: int,
        n: int,
        k: int,
        alpha: float,
        a: int,
        lda: int,
        b: int,
        ldb: int,
        beta: float,
        c: int,
        ldc: int,
        math: MathMode = "float32",
    ) -> None:
        """C = alpha op(A) op(B) + beta C, with float32 matrices stored by columns in the GPU's memory.

        op(A) is m x k, op(B) k x n, C m x n; `a`, `b`, `c` are addresses, and `lda`, `ldb`, `ldc` the distances between
        the beginnings of two columns, in elements. C is not read where beta is 0. Raises CublasError.
        """
        handle = self._open()
        _check_sizes(transpose_a, transpose_b, m, n, k, lda, ldb, ldc)
        _check_addresses(m, n, k, a, b, c, alpha)
        status = self._library.cublasGemmEx(
            *(handle, int(transpose_a), int(transpose_b), m, n, k, ctypes.byref(ctypes.c_float(alpha))),
            *(a, _FLOAT32, lda, b, _FLOAT32, ldb, ctypes.byref(ctypes.c_float(beta)), c, _FLOAT32, ldc),
            *(_compute(math), _DEFAULT_ALGORITHM),
        )
        if status:
            _check(status, f"A matrix product of {m} x {k} and {k} x {n} ({math}) failed")

    def gemm_batched(
        self,
        transpose_a: bool,
        transpose_b: bool,
        m: int,
        n: int,
        k: int,
        alpha: float,
        a: int,
        lda: int,
        stride_a: int,
        b: int,
        ldb: int,
        stride_b: int,
        beta: float,
        c: int,
        ldc: int,
        stride_c: int,
        count: int,
        math: MathMode = "float32",
    ) -> None:
        """`gemm` of `count` matrices each, `stride_a`, `stride_b` and `stride_c` elements apart; a stride of 0 for A or
        B takes the same matrix every time. Raises CublasError."""
        handle = self._open()
        _check_sizes(transpose_a, transpose_b, m, n, k, lda, ldb, ldc)
        if not 0 <= count <= _LARGEST:
            raise CublasError(f"A batch has {count} matrix products; it may have 0 to {_LARGEST}.")
        # Results lie one behind the other, or as parts of the same columns.
        apart = stride_c >= _extent(m, n, ldc) or (stride_c >= m and (count - 1) * stride_c + m <= ldc)
        if stride_a < 0 or stride_b < 0 or (count > 1 and not apart):
            raise CublasError(
                f"The matrices of a batch lie {stride_a}, {stride_b} and {stride_c} elements apart; results of {m} x "
                f"{n} with columns {ldc} apart need {_extent(m, n, ldc)}, and no distance may be negative."
            )
        _check_addresses(m if count else 0, n, k, a, b, c, alpha)
        status = self._library.cublasGemmStridedBatchedEx(
            *(handle, int(transpose_a), int(transpose_b), m, n, k, ctypes.byref(ctypes.c_float(alpha))),
            *(a, _FLOAT32, lda, stride_a, b, _FLOAT32, ldb, stride_b),
            *(ctypes.byref(ctypes.c_float(beta)), c, _FLOAT32, ldc, stride_c, count),
            *(_compute(math), _DEFAULT_ALGORITHM),
        )
        if status:
            _check(status, f"{count} matrix products of {m} x {k} and {k} x {n} ({math}) failed")

    def close(self) -> None:
        """Let the library's memory go; closing twice is harmless. Graphs that hold its calls must not be run
        afterwards."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            _check(self._library.cublasDestroy_v2(handle), "cuBLAS could not be ended")

    def _open(self) -> ctypes.c_void_p:
        if self._handle is None:
            raise CublasError("cuBLAS was closed already.")
        return self._handle

    def _set(self, function: ctypes._NamedFuncPointer, what: str, *values: int) -> None:
        _check(function(self._handle, *values), f"cuBLAS does not take its {what}")


def _check_sizes(transpose_a: bool, transpose_b: bool, m: int, n: int, k: int, lda: int, ldb: int, ldc: int) -> None:
    for name, size in (("m", m), ("n", n), ("k", k), ("lda", lda), ("ldb", ldb), ("ldc", ldc)):
        if not 0 <= size <= _LARGEST:
            raise CublasError(f"A matrix product has {name} = {size}; it may be 0 to {_LARGEST}.")
    rows = {"A": k if transpose_a else m, "B": n if transpose_b else k, "C": m}
    for (name, least), given in zip(rows.items(), (lda, ldb, ldc), strict=True):
        if given < max(1, least):
            raise CublasError(
                f"The columns of {name}, of {least} rows, lie {given} elements apart; that is too close "
                f"(m = {m}, n = {n}, k = {k})."
            )


def _check_addresses(m: int, n: int, k: int, a: int, b: int, c: int, alpha: float) -> None:
    for name, address, used in (("A", a, k and alpha), ("B", b, k and alpha), ("C", c, True)):
        if m and n and used and not address:
            raise CublasError(f"Matrix {name} of a product has no memory.")
        if address % 4:
            raise CublasError(f"Matrix {name} starts at {address:#x}, which is no place for float32.")


def _extent(rows: int, columns: int, distance: int) -> int:
    return (columns - 1) * distance + rows if rows and columns else 0


def _compute(math: MathMode) -> int:
    try:
        return _COMPUTE[math]
    except KeyError:
        raise CublasError(f"There is no way “{math}” to multiply: use {', '.join(MATH_MODES)}.") from None


def _check(status: int, what: str) -> None:
    if status:
        raise CublasError(f"{what}: {STATUSES.get(status, 'a status that is not known')} (cuBLAS status {status}).")


@cache
def _library() -> ctypes.CDLL:
    return prototyped(libraries.load("cublas"))


def prototyped(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library, with the types of its functions' parameters, as `cublas_api.h` declares them."""
    pointer, number, long = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
    matrix, strided = [pointer, number, number], [pointer, number, number, long]
    begin, end = [pointer, number, number, number, number, number, pointer], [number, number]
    for name, parameters in {
        "cublasCreate_v2": [ctypes.POINTER(pointer)],
        "cublasDestroy_v2": [pointer],
        "cublasGetVersion_v2": [pointer, ctypes.POINTER(number)],
        "cublasSetStream_v2": [pointer, pointer],
        "cublasSetWorkspace_v2": [pointer, pointer, ctypes.c_size_t],
        "cublasSetPointerMode_v2": [pointer, number],
        "cublasSetAtomicsMode": [pointer, number],
        "cublasSetMathMode": [pointer, number],
        "cublasGemmEx": [*begin, *matrix, *matrix, pointer, *matrix, *end],
        "cublasGemmStridedBatchedEx": [*begin, *strided, *strided, pointer, *strided, number, *end],
    }.items():
        function = getattr(library, name)
        function.argtypes, function.restype = parameters, number
    return library
