"""A stand-in for CuPy on machines without a GPU that is stricter than CuPy itself.

`cp` is an array namespace over NumPy arrays wrapped as device arrays. It has only the names that CuPy 14 has (recorded
from its wheel in `cupy_names.json`), and refuses what CuPy refuses or does at a price:

- arrays of the host, as operands or mixed with arrays of the device;
- implicit conversion to a Python number, a truth value or a host array;
- output arrays whose shape is not exactly the result's, or that overlap an input without being it (NumPy makes a hidden
  copy there, CuPy a race);
- argument types for which the ufunc has no loop;
- within `cp.kernel()`, anything that allocates an array or copies one between host and device.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

NAMES = json.loads((Path(__file__).parent / "cupy_names.json").read_text())
NUMBERS = (bool, int, float, np.bool_, np.number)
_METHODS = frozenset(NAMES["ndarray"])


class StrictError(TypeError):
    """The code would not run on CuPy, or would allocate or synchronize there."""


class DeviceArray:
    """An array of the pretended device. Only what is written here or listed for CuPy's ndarray exists."""

    __array_ufunc__ = None  # NumPy's operators and ufuncs refuse it
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, host: np.ndarray, module: StrictCupy) -> None:
        self._host, self._module = host, module

    def _wrap(self, host: np.ndarray, what: str) -> DeviceArray:
        if not np.shares_memory(host, self._host) and host.size:
            self._module.allocated(what)
        return DeviceArray(host, self._module)

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    size = property(lambda self: self._host.size)
    ndim = property(lambda self: self._host.ndim)
    strides = property(lambda self: self._host.strides)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    flags = property(lambda self: self._host.flags)
    T = property(lambda self: self.transpose())

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator[DeviceArray]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> DeviceArray:
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, np.ndarray | DeviceArray | list) for part in parts):
            self._module.allocated("indexing by an array")
            parts = tuple(part._host if isinstance(part, DeviceArray) else part for part in parts)
        # With an ellipsis NumPy keeps an array where an integer index would give a number, as CuPy always does.
        return self._wrap(self._host[(*parts, ...)] if Ellipsis not in parts else self._host[parts], "indexing")

    def __setitem__(self, index: Any, value: Any) -> None:
        target = self[index]
        self._module.copyto(target, value)

    def reshape(self, *shape: Any) -> DeviceArray:
        return self._wrap(self._host.reshape(*shape), "reshape of an array that is not contiguous")

    def view(self, dtype: Any) -> DeviceArray:
        return self._wrap(self._host.view(dtype), "view")

    def transpose(self, *axes: int) -> DeviceArray:
        return self._wrap(self._host.transpose(*axes), "transpose")

    def fill(self, value: Any) -> None:
        self._module.number_only(value, "fill")
        self._host.fill(value)

    def set(self, host: np.ndarray) -> None:
        self._module.transferred("set")
        if host.shape != self.shape or host.dtype != self.dtype:
            raise StrictError("set() needs a host array of the same shape and type")
        self._host[...] = host

    def get(self) -> np.ndarray:
        self._module.transferred("get")
        return self._host.copy()

    def __getattr__(self, name: str) -> Any:
        if name in _METHODS:
            raise StrictError(f"ndarray.{name} allocates or synchronizes; use a function with out=")
        raise AttributeError(f"CuPy's ndarray has no attribute {name!r}")


def _refuse(name: str) -> Any:
    def method(self: DeviceArray, *args: Any, **kwargs: Any) -> Any:
        raise StrictError(f"{name} of a device array converts or allocates implicitly")

    return method


for _name in (
    *("__array__", "__bool__", "__int__", "__float__", "__index__", "__complex__", "__contains__"),
    *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__neg__", "__abs__", "__invert__"),
    *(f"__{side}{op}__" for op in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or")
      for side in ("", "r", "i")),
):  # fmt: skip
    setattr(DeviceArray, _name, _refuse(_name))


class StrictUfunc:
    def __init__(self, name: str, module: StrictCupy) -> None:
        self._name, self._module, self._ufunc = name, module, getattr(np, name)
        self._loops = [loop.split("->")[0] for loop in NAMES["ufuncs"][name].split()]

    def __call__(self, *args: Any, out: DeviceArray | None = None) -> DeviceArray:
        if len(args) != self._ufunc.nin:
            raise StrictError(f"{self._name}: pass the output as out=")
        module = self._module
        hosts = [module.operand(arg, self._name) for arg in args]
        self._require_loop(hosts)
        shape = np.broadcast_shapes(*(np.shape(host) for host in hosts))
        return module.finish(self._name, hosts, shape, out, lambda target: self._ufunc(*hosts, out=target))

    def _require_loop(self, hosts: list[Any]) -> None:
        arrays = [host for host in hosts if isinstance(host, np.ndarray | np.generic)]
        common = [np.result_type(*(h if isinstance(h, np.ndarray | np.generic) else _weak(h) for h in hosts))]
        kinds = [host.dtype for host in arrays] if len(arrays) == len(hosts) else common * len(hosts)
        for loop in self._loops:
            if all(np.can_cast(kind, np.dtype(char), "safe") for kind, char in zip(kinds, loop, strict=True)):
                return
        raise StrictError(f"{self._name} has no loop for {[str(kind) for kind in kinds]}")

    def at(self, target: DeviceArray, indices: DeviceArray, values: Any) -> None:
        if self._name not in NAMES["scatter"]:
            raise StrictError(f"{self._name}.at does not exist in CuPy")
        if target.dtype not in (np.int32, np.uint32, np.uint64, np.float32, np.float64):
            raise StrictError(f"CuPy cannot add atomically to {target.dtype}")
        hosts = [self._module.operand(arg, f"{self._name}.at") for arg in (target, indices, values)]
        self._ufunc.at(*hosts)


def _weak(value: Any) -> Any:
    return type(value)(0) if not isinstance(value, np.generic) else value


class StrictCupy:
    """The namespace. Names of CuPy that kernels have no use for yet raise StrictError, others AttributeError."""

    inf, pi, e, newaxis = np.inf, np.pi, np.e, None
    finfo, iinfo = staticmethod(np.finfo), staticmethod(np.iinfo)
    bool_, int64, uint32, uint64, float32, float64 = np.bool_, np.int64, np.uint32, np.uint64, np.float32, np.float64

    def __init__(self) -> None:
        self._in_kernel = False
        self._ufuncs: dict[str, StrictUfunc] = {}
        self.lib = SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=self._as_strided))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in NAMES["namespace"]:
            raise AttributeError(f"CuPy {NAMES['version']} has no {name!r}")
        if name in NAMES["ufuncs"]:
            return self._ufuncs.setdefault(name, StrictUfunc(name, self))
        raise StrictError(f"cupy.{name} allocates, synchronizes, or is not modelled here")

    # -- bookkeeping ---------------------------------------------------------------------------------------------------

    @contextmanager
    def kernel(self) -> Iterator[None]:
        """Inside, nothing may be allocated or moved between host and device."""
        self._in_kernel = True
        try:
            yield
        finally:
            self._in_kernel = False

    def allocated(self, what: str) -> None:
        if self._in_kernel:
            raise StrictError(f"{what} allocates an array")

    def transferred(self, what: str) -> None:
        if self._in_kernel:
            raise StrictError(f"{what} copies between host and device")

    def number_only(self, value: Any, what: str) -> None:
        if not isinstance(value, NUMBERS):
            raise StrictError(f"{what} takes a number, not {type(value).__name__}")

    def operand(self, value: Any, what: str) -> Any:
        if isinstance(value, DeviceArray):
            return value._host
        self.number_only(value, what)
        return value

    def finish(self, what: str, hosts: list[Any], shape: tuple[int, ...], out: Any, compute: Any) -> DeviceArray:
        if out is None:
            self.allocated(f"{what} without out=")
            return DeviceArray(np.asarray(compute(None)), self)
        if not isinstance(out, DeviceArray):
            raise StrictError(f"{what}: out= must be a device array")
        if out.shape != shape:
            raise StrictError(f"{what}: the result has shape {shape}, out= has {out.shape}")
        self.require_apart(what, hosts, out._host)
        compute(out._host)
        return out

    @staticmethod
    def require_apart(what: str, hosts: list[Any], out: np.ndarray) -> None:
        for host in hosts:
            if isinstance(host, np.ndarray) and np.shares_memory(host, out):
                same = host.ctypes.data == out.ctypes.data and host.strides == out.strides and host.shape == out.shape
                if not same:
                    raise StrictError(f"{what}: an input overlaps the output without being it")

    # -- functions -----------------------------------------------------------------------------------------------------

    def asarray(self, value: Any) -> DeviceArray:
        self.allocated("asarray")
        return value if isinstance(value, DeviceArray) else DeviceArray(np.array(value), self)

    array = asarray

    def empty(self, shape: Any, dtype: Any = np.float64) -> DeviceArray:
        self.allocated("empty")
        return DeviceArray(np.empty(shape, dtype), self)

    def asnumpy(self, value: DeviceArray) -> np.ndarray:
        return value.get()

    def copyto(self, dst: DeviceArray, src: Any, casting: str = "same_kind", where: Any = None) -> None:
        if not isinstance(dst, DeviceArray) or (where is not None and not isinstance(where, DeviceArray)):
            raise StrictError("copyto: destination and mask must be device arrays")
        host = self.operand(src, "copyto")
        self.require_apart("copyto", [host], dst._host)
        np.copyto(dst._host, host, casting=casting, where=True if where is None else where._host)  # type: ignore[arg-type]

    def matmul(self, a: DeviceArray, b: DeviceArray, out: DeviceArray | None = None) -> DeviceArray:
        hosts = [self.operand(a, "matmul"), self.operand(b, "matmul")]
        if out is not None and not out.flags.c_contiguous:
            raise StrictError("matmul: an output that is not contiguous is computed in a copy")
        if out is not None and any(np.shares_memory(host, out._host) for host in hosts):
            raise StrictError("matmul: an input overlaps the output")
        for host in hosts:
            # Many matrices at once are multiplied where they lie only if they lie row by row.
            if not (host.flags.c_contiguous or (host.ndim == 2 and host.flags.f_contiguous)):
                raise StrictError("matmul: an input that is not contiguous is copied first")
        if hosts[0].shape[:-2] != hosts[1].shape[:-2]:
            raise StrictError("matmul: as many matrices on both sides")
        shape = (*hosts[0].shape[:-1], hosts[1].shape[-1])
        return self.finish("matmul", hosts, shape, out, lambda target: np.matmul(*hosts, out=target))

    def dot(self, a: DeviceArray, b: DeviceArray, out: DeviceArray | None = None) -> DeviceArray:
        hosts = [self.operand(a, "dot"), self.operand(b, "dot")]
        if any(host.ndim != 1 for host in hosts):
            raise StrictError("dot: use matmul for matrices")
        return self.finish("dot", hosts, (), out, lambda target: np.dot(*hosts, out=target))

    def take(self, a: DeviceArray, indices: DeviceArray, axis: int, out: DeviceArray | None = None) -> DeviceArray:
        hosts = [self.operand(a, "take"), self.operand(indices, "take")]
        if hosts[1].size and not (hosts[1].min() >= 0 and hosts[1].max() < hosts[0].shape[axis]):
            raise StrictError("take: CuPy wraps indices that lie outside, NumPy clips them here")
        if out is not None and (not out.flags.c_contiguous or out.dtype != a.dtype):
            raise StrictError("take: an output that is not contiguous or of another type is computed in a copy")
        shape = (*hosts[0].shape[:axis], *hosts[1].shape, *hosts[0].shape[axis + 1 :])

        def compute(target: Any) -> Any:
            return np.take(*hosts, axis=axis, out=target, mode="clip")

        return self.finish("take", hosts, shape, out, compute)

    def _reduce(self, name: str, a: Any, axis: Any, out: Any, keepdims: bool) -> DeviceArray:
        host = self.operand(a, name)
        function = getattr(np, name)
        shape = np.empty(host.shape, bool).any(axis=axis, keepdims=keepdims).shape
        return self.finish(
            name, [host], shape, out, lambda target: function(host, axis=axis, keepdims=keepdims, out=target)
        )

    def sum(self, a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> DeviceArray:
        return self._reduce("sum", a, axis, out, keepdims)

    def max(self, a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> DeviceArray:
        return self._reduce("max", a, axis, out, keepdims)

    def min(self, a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> DeviceArray:
        return self._reduce("min", a, axis, out, keepdims)

    def any(self, a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> DeviceArray:
        return self._reduce("any", a, axis, out, keepdims)

    def all(self, a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> DeviceArray:
        return self._reduce("all", a, axis, out, keepdims)

    def _as_strided(self, x: DeviceArray, shape: Any, strides: Any) -> DeviceArray:
        low = sum(min(0, (n - 1) * s) for n, s in zip(shape, strides, strict=True))
        high = sum(max(0, (n - 1) * s) for n, s in zip(shape, strides, strict=True)) + x.itemsize
        start, stop = np.lib.array_utils.byte_bounds(x._host)
        address = x._host.ctypes.data
        if address + low < start or address + high > stop:
            raise StrictError("as_strided reaches outside its array")
        return DeviceArray(np.lib.stride_tricks.as_strided(x._host, shape, strides), self)


cp = StrictCupy()
