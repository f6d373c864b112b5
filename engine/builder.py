"""The list of operations under construction: what a layer's `lower` and an operation's `vjp` append to."""

from __future__ import annotations

from typing import Any, Literal

from engine.ops.base import Call, DType, Op, Role, Tensor, Value
from engine.random import stream_of

Phase = Literal["forward", "backward", "update", "observe"]


class Builder:
    """Collects calls and values for one program (one batch size, training or evaluation).

    `node` is the network node being lowered; names given to `parameter`, `buffer` and `control` are local to it.
    """

    def __init__(self, batch_size: int, training: bool) -> None:
        self.batch_size = batch_size
        self.training = training
        self.node = ""
        self.phase: Phase = "forward"
        self.values: list[Value] = []
        self.calls: list[Call] = []
        self.controls: dict[str, float] = {}
        self._declared: dict[str, tuple[int, ...]] = {}
        self._named: dict[tuple[Role, str], Value] = {}
        self._differentiable: set[int] = set()

    # -- what layers and derivatives use ---------------------------------------------------------------------------

    def op(self, op: Op, *inputs: Value) -> Any:
        """Append an operation; returns its output, or a tuple when it has several."""
        outputs = self.call(op, *inputs).outputs
        return outputs[0] if len(outputs) == 1 else outputs

    def parameter(self, name: str) -> Value:
        """A learned array that the node's `parameters` declared."""
        return self._named_value(f"{self.node}/{name}", Role.PARAMETER)

    def buffer(self, name: str) -> Value:
        """A kept array that the node's `buffers` declared."""
        return self._named_value(f"{self.node}/{name}", Role.BUFFER)

    def control(self, name: str, value: float) -> Value:
        """A scalar (1,) that the host may change between steps without a new program; `value` is its default."""
        path = f"{self.node}/{name}" if self.node else name
        self.controls.setdefault(path, value)
        return self._named.get((Role.CONTROL, path)) or self._new(path, Tensor((1,)), Role.CONTROL)

    def counters(self) -> Value:
        """uint32 (4,): low and high words of the seed, low and high words of the step."""
        return self._named.get((Role.CONTROL, "counters")) or self._new(
            "counters", Tensor((4,), DType.UINT32), Role.CONTROL
        )

    def stream(self, purpose: str) -> int:
        """The random stream of this node for one purpose: stable under renumbering and reordering of layers."""
        return stream_of(self.node, purpose)

    def needs(self, value: Value) -> bool:
        """Whether some parameter lies behind `value`, so that its adjoint is wanted."""
        return value.id in self._differentiable

    # -- what the compiler uses ------------------------------------------------------------------------------------

    def declare(self, name: str, shape: tuple[int, ...]) -> None:
        """Announce a parameter or buffer ("dense_1/weight") before its node is lowered."""
        self._declared[name] = shape

    def external(self, name: str, tensor: Tensor, role: Role) -> Value:
        """A value that is written from outside: a batch, a gradient, an optimizer slot. One value per role and name."""
        return self._named.get((role, name)) or self._new(name, tensor, role)

    def call(self, op: Op, *inputs: Value) -> Call:
        """Append an operation and return the call."""
        tensors = [value.tensor for value in inputs]
        role = {"forward": Role.ACTIVATION, "backward": Role.ADJOINT}.get(self.phase, Role.RESULT)
        label = self.node or self.phase
        results = op.infer(*tensors)
        outputs = tuple(
            self._append(f"{label}.{op.name}{'' if len(results) == 1 else f'[{i}]'}", tensor, role)
            for i, tensor in enumerate(results)
        )
        scratch = tuple(self._append(f"{label}.{op.name}.scratch", t, Role.SCRATCH) for t in op.scratch(*tensors))
        if self.phase == "forward" and any(v.id in self._differentiable for v in inputs):
            self._differentiable.update(v.id for v in outputs if v.dtype is DType.FLOAT)
        call = Call(op, inputs, outputs, scratch, self.node, self.phase)
        self.calls.append(call)
        return call

    def _named_value(self, path: str, role: Role) -> Value:
        value = self._named.get((role, path)) or self._new(path, Tensor(self._declared[path]), role)
        if role is Role.PARAMETER:
            self._differentiable.add(value.id)
        return value

    def _new(self, name: str, tensor: Tensor, role: Role) -> Value:
        value = self._append(name, tensor, role)
        self._named[role, name] = value
        return value

    def _append(self, name: str, tensor: Tensor, role: Role) -> Value:
        value = Value(len(self.values), tensor.shape, tensor.dtype, role, name)
        self.values.append(value)
        return value
