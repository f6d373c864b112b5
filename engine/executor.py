"""The array executor: a program run call by call with the reference kernels, on NumPy or on CuPy.

Binding resolves everything once: each call becomes a kernel with its arrays already in place, so that a step is one
loop over ready-made functions that allocate nothing.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np

from engine.backend import choose
from engine.kernels.reference import KERNELS
from engine.observations import Observations, read_observations
from engine.ops.base import Call, DType, Role, Value
from engine.placement import ARENA_ROLES, numpy_dtype
from engine.plan import Program
from engine.state import State
from engine.timeline import Timeline


@dataclass(frozen=True)
class Chunk:
    """Several steps that were run in one call.

    done        how many of them were completed; less than asked for means that the loss of the next one was not
                finite: nothing was updated by it, and its batch is in place for `first_nonfinite`.
    losses      float64, one for each step that was run: the weighted sums, also of the one that is not finite.
    penalties   the penalties' parts, likewise; for the one that is not finite, that of the step before it.
    outputs     the predictions of the completed steps by loss node, (done, batch, ...); empty unless asked for.
    """

    done: int
    losses: np.ndarray
    penalties: np.ndarray
    outputs: dict[str, np.ndarray]


class ArrayExecutor:
    """Runs programs on one state. Programs share one arena: they never run at the same time."""

    kind: Literal["array"] = "array"
    ways: ClassVar[dict[str, dict[str, str]]] = {}

    def __init__(self, state: State) -> None:
        self.state = state
        self.backend = state.backend
        self._arena = self.backend.xp.empty(0, dtype=np.uint8)

    @property
    def label(self) -> str:
        """What it runs on: "NumPy · 2 threads"."""
        return self.backend.label

    def close(self) -> None:
        """Nothing is held but memory."""

    def bind(self, program: Program) -> BoundProgram:
        """Give the program its arrays. Bind the largest program first: later, smaller ones then share its arena."""
        return BoundProgram(program, self.state, self.arena(program))

    def arena(self, program: Program) -> Any:
        """The bytes that the program's values are placed in, made larger first where they do not suffice."""
        if program.arena_bytes > self._arena.nbytes:
            xp, alignment = self.backend.xp, self.backend.alignment
            raw = xp.empty(program.arena_bytes + alignment, dtype=np.uint8)
            address = raw.data.ptr if self.backend.name == "cupy" else raw.ctypes.data
            start = -address % alignment
            self._arena = raw[start : start + program.arena_bytes]
        return self._arena


class BoundProgram:
    """A program with its arrays. `inputs` and `targets` are the device arrays that a batch is written to."""

    def __init__(self, program: Program, state: State, arena: Any) -> None:
        self.program, self.state, self.backend = program, state, state.backend
        self._arrays: dict[int, Any] = {}
        xp = self.backend.xp
        self._control_names = list(program.controls)
        self._control_host = np.array([program.controls[n] for n in self._control_names], dtype=program.precision)
        self._control = xp.array(self._control_host)
        self._counters_host = np.zeros(4, dtype=np.uint32)
        self._counters = xp.array(self._counters_host)
        self._place(arena)
        self.inputs = {name: self._arrays[value.id] for name, value in program.inputs.items()}
        self.targets = {name: self._arrays[value.id] for name, value in program.targets.items()}
        functions = [self._bind_call(call) for call in program.calls]
        self._before = tuple(f for f in functions[: program.guard] if f is not None)
        self._after = tuple(f for f in functions[program.guard :] if f is not None)
        self._bound_calls = tuple(call for call, f in zip(program.calls, functions, strict=True) if f is not None)
        self._times: list[tuple[float, float]] = []
        self.stamping = False
        """Whether the last step of each run is timed, operation by operation."""
        self._losses = {node: self._arrays[value.id] for node, value in program.losses.items()}
        self._index = {name: index for index, name in enumerate(self._control_names)}

    # -- a step ----------------------------------------------------------------------------------------------------

    def feed(self, inputs: dict[str, np.ndarray], targets: dict[str, np.ndarray]) -> None:
        """Copy a batch in: arrays of exactly the program's batch size, by the data's names."""
        for name, array in self.inputs.items():
            self.backend.write(array, inputs[name])
        for name, array in self.targets.items():
            self.backend.write(array, targets[name])

    def gather(self, arrays: dict[str, np.ndarray], indices: np.ndarray) -> None:
        """Copy the samples at `indices` in, from host arrays that hold all samples by name; no temporary on a CPU."""
        for group in (self.inputs, self.targets):
            for name, array in group.items():
                source = arrays[name]
                if self.backend.name == "numpy" and source.dtype == array.dtype:
                    # mode="clip" writes straight into `out`; the indices are a permutation of valid ones.
                    np.take(source, indices, axis=0, out=array, mode="clip")
                else:
                    self.backend.write(array, source[indices])

    def run(self, scalars: dict[str, float] | None = None, step: int = 0, seed: int = 0) -> bool:
        """Run one step; False when the loss is not finite, in which case no parameter and no slot was updated (running
        statistics move in the forward pass: whoever goes on must put them back).

        `scalars` sets controls by name, the others keep their last value; `step` (from 0) and `seed` feed the random
        streams.
        """
        self._write_controls(scalars, step, seed)
        # Overflow is a result here, not an accident: the loss tells it, and the doctor names its origin.
        self._times.clear()
        with np.errstate(all="ignore"):
            self._call(self._before)
            if not math.isfinite(self.loss()):
                return False
            self._call(self._after)
        return True

    def differentiate(self, scalars: dict[str, float] | None = None, step: int = 0, seed: int = 0) -> bool:
        """Run the forward and the backward pass of a step without its update: losses and gradients are there as after
        `run`, parameters and slots stay (running statistics move). False when the loss is not finite."""
        self._write_controls(scalars, step, seed)
        self._times.clear()
        with np.errstate(all="ignore"):
            self._call(self._before)
        return math.isfinite(self.loss())

    def _call(self, functions: tuple[Callable[[], object], ...]) -> None:
        if not self.stamping:
            for function in functions:
                function()
            return
        for function in functions:
            begin = time.perf_counter()
            function()
            self.backend.synchronize()
            self._times.append((begin, time.perf_counter()))

    def _write_controls(self, scalars: dict[str, float] | None, step: int, seed: int) -> None:
        if scalars:
            for name, value in scalars.items():
                index = self._index.get(name)
                if index is not None:
                    self._control_host[index] = value
        self._counters_host[:] = (seed & 0xFFFFFFFF, seed >> 32, step & 0xFFFFFFFF, step >> 32)
        self.backend.write(self._control, self._control_host)
        self.backend.write(self._counters, self._counters_host)

    def run_chunk(
        self,
        arrays: dict[str, np.ndarray],
        indices: np.ndarray,
        scalars: Mapping[str, float | np.ndarray],
        step: int,
        seed: int,
        outputs: bool = False,
    ) -> Chunk:
        """Run a step for each row of `indices` (steps, batch): the same bits as `gather` and `run` for one after the
        other.

        `arrays` hold all samples by name; a scalar is one number for all steps or float64 (steps,); `step` is the
        number of the first. With `outputs`, the predictions of every step are kept.
        """
        count = len(indices)
        fixed = {name: value for name, value in scalars.items() if not isinstance(value, np.ndarray)}
        varying = {name: value.tolist() for name, value in scalars.items() if isinstance(value, np.ndarray)}
        losses, penalties = np.empty(count), np.empty(count)
        kept: dict[str, np.ndarray] = {}
        for k in range(count):
            self.gather(arrays, indices[k])
            # Controls keep their last value: what stays as it is need not be written again.
            here = {name: values[k] for name, values in varying.items()}
            finite = self.run(here if k else fixed | here, step + k, seed)
            losses[k], penalties[k] = self.loss(), self.penalty()
            if not finite:
                kept = {node: array[:k] for node, array in kept.items()}
                return Chunk(k, losses[: k + 1], penalties[: k + 1], kept)
            if outputs:
                for node, value in self.program.predictions.items():
                    if node not in kept:
                        kept[node] = np.empty((count, *value.shape), dtype=self.program.precision)
                    kept[node][k] = self.backend.to_host(self._arrays[value.id])
        return Chunk(count, losses, penalties, kept)

    @property
    def arrays(self) -> dict[int, Any]:
        """Every value's array by the value's id."""
        return self._arrays

    def rotate(self, period: int) -> None:
        """Let the observers of an observed program take turns, where the executor can: each array is then looked at in
        one of `period` steps (1: in every step), and what `observations` tells of it is from that step. The norms are
        of the last step always. This executor looks at everything in every step.

        Which step shows which array depends on the step's number alone, and no parameter's bits on the period.
        """

    # -- what a step left behind -----------------------------------------------------------------------------------

    def timeline(self) -> Timeline | None:
        """When each operation of the last step ran, if that was run with `stamping` on; else None."""
        if len(self._times) < len(self._bound_calls) or not self._times:
            return None
        begin, end = (np.array([column]) - self._times[0][0] for column in zip(*self._times, strict=True))
        calls = self._bound_calls
        return Timeline(
            rows=tuple(call.op.name for call in calls),
            nodes=tuple(call.node for call in calls),
            phases=tuple(call.phase for call in calls),
            begin=begin,
            end=end,
            wait=np.zeros_like(begin),
            flops=np.array([float(call.op.flops(*(value.tensor for value in call.inputs))) for call in calls]),
        )

    def loss(self) -> float:
        """The weighted sum of all losses, batch means, without penalties."""
        total = 0.0
        for node, value in self._losses.items():
            weight = float(self._control_host[self._index[self.program.loss_weights[node]]])
            total += weight * float(value[0])
        return total

    def losses(self) -> dict[str, float]:
        """Each loss node's own batch mean, unweighted."""
        return {node: float(value[0]) for node, value in self._losses.items()}

    def penalty(self) -> float:
        """The penalties' part of the loss, at the weights before the update; 0 without penalties."""
        return 0.0 if self.program.penalty is None else float(self._arrays[self.program.penalty.id][0])

    def outputs(self) -> dict[str, np.ndarray]:
        """Host copies of the predictions by loss node."""
        return {node: self.backend.to_host(self._arrays[v.id]) for node, v in self.program.predictions.items()}

    def value(self, node: str) -> Any:
        """A node's output array. It holds only until something overwrites it, unless the program observes."""
        return self._arrays[self.program.outputs[node].id]

    def gradient(self, name: str) -> Any:
        """The gradient of the parameter "dense_1/weight" that the last step left. An executor that does not keep large
        gradients leaves those of the last observed step."""
        return self.state.gradients[name]

    def observations(self) -> Observations:
        """The statistics that an observed program took, on the host."""
        return read_observations(self.program, lambda value: self.backend.to_host(self._arrays[value.id]))

    def first_nonfinite(self) -> tuple[str, str] | None:
        """Replay the forward and backward pass of the batch that is still in place, with checks on.

        Returns (node, operation) of the first call that yields a value that is not finite, or None. Inputs and
        parameters that are not finite themselves are told as (node, "parameter") or ("", "input").
        """
        xp = self.backend.xp

        def broken(value: Value) -> bool:
            return value.dtype is DType.FLOAT and not bool(xp.isfinite(self._arrays[value.id]).all())

        for value in self.program.inputs.values():
            if broken(value):
                return "", "input"
        for segment in self.program.layout.parameters:
            if not bool(xp.isfinite(self.state.parameters[segment.name]).all()):
                return segment.node, "parameter"
        with np.errstate(all="ignore"):
            for call in self.program.calls[: self.program.guard]:
                function = self._bind_call(call)
                if function is None or call.phase == "observe":
                    continue
                function()
                if any(broken(value) for value in call.outputs):
                    return call.node, call.op.name
        return None

    # -- binding ---------------------------------------------------------------------------------------------------

    def _place(self, arena: Any) -> None:
        program, placement = self.program, self.program.placement
        by_id = {value.id: value for value in program.values}
        alone: list[Value] = []
        # Roots first: a view takes its array from the value whose memory it is.
        for value in program.values:
            if value.role is Role.CONTROL:
                self._arrays[value.id] = self._control_array(value)
            elif value.id in program.locations:
                where = program.locations[value.id]
                flat = self.state.arenas[where.arena][where.start : where.start + where.size]
                self._arrays[value.id] = flat.reshape(value.shape)
            elif value.id in placement.offsets:
                dtype = numpy_dtype(value.dtype, program.precision)
                offset = placement.offsets[value.id]
                piece = arena[offset : offset + value.size * dtype.itemsize]
                self._arrays[value.id] = piece.view(dtype).reshape(value.shape)
            elif placement.roots.get(value.id, value.id) == value.id:
                assert value.role not in ARENA_ROLES or value.id not in placement.roots
                alone.append(value)
        self._arrays |= self._stand_alone(alone)
        for value in program.values:
            if value.id not in self._arrays:
                root = by_id[placement.roots[value.id]]
                self._arrays[value.id] = self._arrays[root.id].reshape(value.shape)

    def _stand_alone(self, values: list[Value]) -> dict[int, Any]:
        """Arrays, by id, for values that lie neither in the state nor in the arena."""
        kinds = [numpy_dtype(value.dtype, self.program.precision) for value in values]
        xp = self.backend.xp
        return {value.id: xp.zeros(value.shape, dtype=kind) for value, kind in zip(values, kinds, strict=True)}

    def _control_array(self, value: Value) -> Any:
        if value.name == "counters":
            return self._counters
        index = self._control_names.index(value.name)
        return self._control[index : index + 1]

    def _bind_call(self, call: Call) -> Callable[[], object] | None:
        if call.op.view:
            return None
        arrays = [self._arrays[value.id] for value in (*call.inputs, *call.outputs, *call.scratch)]
        return partial(KERNELS[call.op.name], self.backend.xp, *arrays, **call.op.attributes())


def on_paper(program: Program) -> BoundProgram:
    """The program on memory of the host that nothing is ever written to, for whoever asks what it would become."""
    length = 1 + max(program.layout.parameter_length, program.layout.buffer_length)

    class Paper:
        backend = choose("cpu")
        arenas: ClassVar[dict[str, np.ndarray]] = defaultdict(lambda: np.empty(length, program.precision))

    return BoundProgram(program, Paper(), np.empty(program.arena_bytes + 1, np.uint8))  # type: ignore[arg-type]
