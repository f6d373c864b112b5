"""An eager stand-in for the compiler: runs each operation's reference kernel at once, and differentiates by the VJPs.

It has the methods of `engine.builder.Builder` that `Layer.lower` and `Op.vjp` use and shares no code with the compiler,
so that the two can be held against each other. Outputs and work space start as NaN or nonsense, so that a kernel that
does not write all of its output, or reads what it has not written, is found out.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from engine.kernels.reference import KERNELS
from engine.ops.base import Call, DType, Op, Role, Tensor, Value
from engine.random import stream_of


class Interpreter:
    def __init__(
        self,
        *,
        xp: Any = np,
        precision: str = "float64",
        batch_size: int = 1,
        training: bool = True,
        seed: int = 0,
        step: int = 0,
        watch: Callable[[Op], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        """`watch(op)` gives a context in which the operation's kernel runs."""
        self.watch = watch
        self.xp = xp
        self.precision = precision
        self.batch_size = batch_size
        self.training = training
        self.node = "node"
        self.calls: list[Call] = []
        self._arrays: dict[int, Any] = {}
        self._named: dict[str, Value] = {}
        self._needed: set[int] = set()
        self._counters = np.array([seed & 0xFFFFFFFF, seed >> 32, step & 0xFFFFFFFF, step >> 32], np.uint32)

    # -- the builder's methods -----------------------------------------------------------------------------------------

    def op(self, op: Op, *inputs: Value) -> Any:
        outputs = self.call(op, *inputs).outputs
        return outputs[0] if len(outputs) == 1 else outputs

    def call(self, op: Op, *inputs: Value) -> Call:
        tensors = [value.tensor for value in inputs]
        results = op.infer(*tensors)
        arrays = [self[value] for value in inputs]
        if op.view:
            outputs = tuple(self._add(arrays[0].reshape(t.shape), t, Role.ACTIVATION) for t in results)
            scratch: tuple[Value, ...] = ()
        else:
            outputs = tuple(self._add(self.blank(t), t, Role.ACTIVATION) for t in results)
            scratch = tuple(self._add(self.blank(t), t, Role.SCRATCH) for t in op.scratch(*tensors))
            with np.errstate(all="ignore"), self.watch(op):
                KERNELS[op.name](
                    self.xp, *arrays, *(self[v] for v in outputs), *(self[v] for v in scratch), **op.attributes()
                )
        if any(value.id in self._needed for value in inputs):
            self._needed.update(value.id for value in outputs)
        call = Call(op, inputs, outputs, scratch, self.node, "forward")
        self.calls.append(call)
        return call

    def parameter(self, name: str) -> Value:
        return self._named[name]

    def buffer(self, name: str) -> Value:
        return self._named[name]

    def control(self, name: str, value: float) -> Value:
        if name not in self._named:
            self._named[name] = self.value(np.array([value]), needed=False)
        return self._named[name]

    def counters(self) -> Value:
        if "counters" not in self._named:
            self._named["counters"] = self.value(self._counters, needed=False)
        return self._named["counters"]

    def stream(self, purpose: str) -> int:
        return stream_of(self.node, purpose)

    def needs(self, value: Value) -> bool:
        return value.id in self._needed

    # -- values --------------------------------------------------------------------------------------------------------

    def value(self, array: np.ndarray, *, needed: bool = True, name: str = "") -> Value:
        """A value from a host array; floats take the program's precision."""
        dtype = {"f": DType.FLOAT, "u": DType.UINT32, "i": DType.INT64, "b": DType.BOOL}[array.dtype.kind]
        host = np.array(array, self.numpy_type(dtype), order="C", copy=True)
        value = self._add(self.xp.asarray(host), Tensor(host.shape, dtype), Role.INPUT)
        if needed and dtype is DType.FLOAT:
            self._needed.add(value.id)
        if name:
            self._named[name] = value
        return value

    def __getitem__(self, value: Value) -> Any:
        return self._arrays[value.id]

    def host(self, value: Value) -> np.ndarray:
        """A copy on the host."""
        array = self._arrays[value.id]
        return np.array(array.get() if hasattr(array, "get") else array)

    def numpy_type(self, dtype: DType) -> np.dtype:
        return np.dtype(self.precision if dtype is DType.FLOAT else str(dtype))

    def blank(self, tensor: Tensor) -> Any:
        """An array of nonsense."""
        kind = self.numpy_type(tensor.dtype)
        nonsense: dict[str, Any] = {"f": np.nan, "u": 0xDEADBEEF, "i": -(2**62), "b": True}
        return self.xp.asarray(np.full(tensor.shape, nonsense[kind.kind], kind))

    def _add(self, array: Any, tensor: Tensor, role: Role) -> Value:
        value = Value(len(self._arrays), tensor.shape, tensor.dtype, role, f"v{len(self._arrays)}")
        self._arrays[value.id] = array
        return value

    # -- derivatives ---------------------------------------------------------------------------------------------------

    def gradients(self, of: dict[Value, np.ndarray]) -> Callable[[Value], np.ndarray]:
        """Reverse differentiation of sum over `of` of <value, weights>; returns a function value -> gradient (host)."""
        adjoints: dict[int, np.ndarray] = {value.id: np.array(weight, np.float64) for value, weight in of.items()}
        for call in reversed(list(self.calls)):
            incoming = [
                self.value(adjoints[v.id].reshape(v.shape), needed=False) if v.id in adjoints else None
                for v in call.outputs
            ]
            if all(item is None for item in incoming) or not any(self.needs(v) for v in call.inputs):
                continue
            results = call.op.vjp(self, call, *incoming)  # type: ignore[arg-type]
            assert len(results) == len(call.inputs), call.op.name
            for value, result in zip(call.inputs, results, strict=True):
                if result is not None and self.needs(value):
                    assert result.shape == value.shape, (call.op.name, result.shape, value.shape)
                    adjoints[value.id] = adjoints.get(value.id, 0.0) + self.host(result)
        return lambda value: adjoints.get(value.id, np.zeros(value.shape))


def run_op(op: Op, *arrays: np.ndarray, precision: str = "float64", xp: Any = np) -> tuple[np.ndarray, ...]:
    """The outputs of one operation on host arrays."""
    machine = Interpreter(xp=xp, precision=precision)
    call = machine.call(op, *(machine.value(array) for array in arrays))
    return tuple(machine.host(value) for value in call.outputs)
