"""The GPU's executor: a program as launches of kernels, captured into graphs of one step or of several, and replayed.

It stands on the array executor: values lie where that puts them. What the host says for a step (rates, counters, which
samples) lies in device memory that a graph reads, so that nothing is captured anew when it changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from engine.cuda_chunks import Frame, Residence
from engine.cuda_works import Prepared, prepare
from engine.executor import ArrayExecutor, BoundProgram, Chunk, on_paper
from engine.fuse import Group
from engine.kernels.cuda import declare
from engine.kernels.cuda.binding import Binding, address_of, kind_of, pointer_to
from engine.kernels.cuda.choice import Chooser
from engine.kernels.cuda.launches import Covered, Launch, blocks, cover, cover_group
from engine.kernels.cuda.signatures import NULL, Pointer
from engine.kernels.cuda.timing import TimingChooser
from engine.observations import Observations, read_observations
from engine.ops.base import DType, Role, Value

if TYPE_CHECKING:
    from engine.backend import MathMode
    from engine.executors import Ways
    from engine.kernels.cuda.device import Device
    from engine.plan import Program
    from engine.state import State
    from engine.timeline import Timeline

__all__ = ["CUDAExecutor", "CUDAProgram", "paper_binding"]

NODES = 1024
"""Launches that a graph of several steps has at most."""

STEPS = 32
"""Steps that a graph has at most."""


class CUDAExecutor:
    """Runs float32 programs on the GPU that is CuPy's current one on this thread, which alone may use it.

    A float64 program, as the gradient check uses, is run by the array executor. `math` says how matrix products
    multiply (see `engine.backend.MathMode`); `chooser` which way an operation goes that can go several: what is fastest
    as measured, or by sizes alone where a `device` is given; `ways` are taken again on the device of that name. Raises
    what CuPy raises where the device has too little memory or is lost.
    """

    kind: Literal["cuda"] = "cuda"

    def __init__(
        self,
        state: State,
        *,
        math: MathMode = "float32",
        device: Device | None = None,
        chooser: Chooser | None = None,
        ways: Ways | None = None,
    ) -> None:
        declare()
        if device is None:
            from engine.kernels.cuda.device import CudaDevice

            device = CudaDevice(state.backend.xp)
            chooser = chooser or TimingChooser(device, (ways or {}).get(device.name))
        self.chooser = chooser or Chooser((ways or {}).get(device.name))
        """Says which way each operation goes, and keeps what it said."""
        self.state, self.math, self.device = state, math, device
        self._arrays = ArrayExecutor(state)
        self._residence = Residence(device)
        self._closed = False

    @property
    def label(self) -> str:
        """What it runs on: "CUDA · NVIDIA H200"."""
        return f"CUDA · {self.device.name}{'' if self.math == 'float32' else f' · {self.math.upper()}'}"

    @property
    def ways(self) -> dict[str, dict[str, str]]:
        """Which way each operation went that can go several, by the device's name."""
        return {self.device.name: dict(self.chooser.taken)}

    def bind(self, program: Program, *, math: MathMode | None = None) -> BoundProgram:
        """Give the program its memory, ready to be run. Bind the largest program first. `math` is the executor's way to
        multiply where none is given."""
        if program.precision != "float32":
            return self._arrays.bind(program)
        arena = self._arrays.arena(program)
        return CUDAProgram(program, self.state, arena, self.device, self._residence, math or self.math, self.chooser)

    def close(self) -> None:
        """Let the device go. Programs must not be run afterwards; closing twice is harmless."""
        self._residence.clear()
        if not self._closed:
            self._closed = True
            self.device.close()


def paper_binding(program: Program) -> Binding:
    """A binding on host memory that nothing is ever written to: it tells which launches a program would become."""
    declare()
    return Binding(program, on_paper(program).arrays, np, NULL)


class CUDAProgram(BoundProgram):
    """A program with its arrays, its launches and its graphs.

    A step is what `Frame` begins with, the program's works, and what it ends with; eager and captured it is the same
    launches in the same order, so that the bits are the same.
    """

    def __init__(
        self,
        program: Program,
        state: State,
        arena: Any,
        device: Device,
        residence: Residence,
        math_mode: MathMode,
        chooser: Chooser,
    ) -> None:
        self._device, self._residence, self._math, self._chooser = device, residence, math_mode, chooser
        self._halt = state.backend.xp.zeros(1, dtype=np.int32)
        self._results: list[tuple[Value, int]] = []
        self._block: Any = None
        super().__init__(program, state, arena)
        self._binding, self.covered = self._settled(cover)
        self._works = [(item, prepare(item.works, device, math_mode)) for item in self.covered]
        self._frame = Frame(self, device, residence, address_of(self._halt), self._control, self._counters)
        self._mirror = device.pinned(max(1, self._result_bytes), np.uint8)
        self._graphs: dict[tuple[int, bool, bool], Any] = {}
        nodes = 3 + sum(len(works) for _, works in self._works)
        self._at_once = 1 << max(0, min(STEPS, NODES // nodes).bit_length() - 1)
        self._stamps: list[Any] = []
        self._warm_up()

    # -- a step --------------------------------------------------------------------------------------------------------

    def gather(self, arrays: dict[str, np.ndarray], indices: np.ndarray) -> None:
        self._frame.bring(arrays, np.ascontiguousarray(indices, np.int64)[np.newaxis])
        self._frame.begin(gather=True)

    def run(self, scalars: dict[str, float] | None = None, step: int = 0, seed: int = 0) -> bool:
        self._write_controls(scalars, step, seed)
        self._frame.start(self._control_host[np.newaxis], step, seed)
        self._stamps = []
        if self.stamping:
            self._stamped_step(gather=False, outputs=False)
        else:
            self._device.replay(self._graph(1, False, False))
        losses, _, done = self._finish(1)
        return done == 1 and math.isfinite(losses[0])

    def differentiate(self, scalars: dict[str, float] | None = None, step: int = 0, seed: int = 0) -> bool:
        self._write_controls(scalars, step, seed)
        self._frame.start(self._control_host[np.newaxis], step, seed)
        self._frame.begin(gather=False)
        calls = 0
        for item, works in self._works:
            calls += len(item.calls)
            if calls > self.program.guard:
                break
            self._issue(works)
        self._device.synchronize()
        return math.isfinite(self.loss())

    def run_chunk(
        self,
        arrays: dict[str, np.ndarray],
        indices: np.ndarray,
        scalars: Mapping[str, float | np.ndarray],
        step: int,
        seed: int,
        outputs: bool = False,
    ) -> Chunk:
        count = len(indices)
        indices = np.ascontiguousarray(indices, np.int64)
        self._check(arrays, indices)
        controls = np.repeat(self._control_host[np.newaxis], count, axis=0)
        for name, value in scalars.items():
            index = self._index.get(name)
            if index is not None:
                controls[:, index] = value
        frame, first = self._frame, 0
        if outputs:
            frame.make_room()
        self._stamps = []
        for part in frame.parts(arrays, indices, outputs):
            frame.start(controls[first : first + len(part)], step + first, seed, fresh=first == 0)
            frame.load(part)
            last = first + len(part) == count
            self._steps(len(part), outputs, stamped=last and self.stamping)
            first += len(part)
            frame.collect(len(part), outputs)
        losses, penalties, done = self._finish(count)
        self._control_host[:] = controls[-1]
        ran = min(done + 1, count)
        if done < ran:
            penalties[done] = penalties[done - 1] if done else self.penalty()
        return Chunk(done, losses[:ran], penalties[:ran], frame.outputs(done) if outputs else {})

    def _write_controls(self, scalars: dict[str, float] | None, step: int, seed: int) -> None:
        """Put down what the host says; `Frame.start` sends it."""
        for name, value in (scalars or {}).items():
            index = self._index.get(name)
            if index is not None:
                self._control_host[index] = value

    def _steps(self, count: int, outputs: bool, *, stamped: bool) -> None:
        """Run so many steps, by as few graphs as there are: each is of a power of two of steps."""
        plain = count - stamped
        while plain:
            steps = min(self._at_once, 1 << (plain.bit_length() - 1))
            self._device.replay(self._graph(steps, True, outputs))
            plain -= steps
        if stamped:
            self._stamped_step(gather=True, outputs=outputs)

    def _graph(self, steps: int, gather: bool, outputs: bool) -> Any:
        """So many steps, captured when they are first asked for."""
        key = steps, gather, outputs
        if key not in self._graphs:
            with self._device.capture() as graph:
                for _ in range(steps):
                    self._frame.begin(gather=gather)
                    for _, works in self._watched():
                        self._issue(works)
                    self._frame.end(outputs)
            self._graphs[key] = graph
        return self._graphs[key]

    def _warm_up(self) -> None:
        """Let every kernel run once: the driver may load it only then, which it must not while a graph is captured. As
        after a loss that was not finite, so that nothing but what each step makes anew is changed."""
        self.backend.write(self._halt, np.ones(1, np.int32))
        self._frame.begin(gather=True)
        for _, works in self._watched():
            self._issue(works)
        self._frame.end(outputs=False)
        self._halt.fill(0)

    def _watched(self) -> list[tuple[Covered | None, list[Prepared]]]:
        """The works of a step, the look at its loss among them: as soon as that is known."""
        found: list[tuple[Covered | None, list[Prepared]]] = list(self._works)
        at = next((i for i, (item, _) in enumerate(self._works) if item.calls[0].phase in ("backward", "update")), None)
        found.insert(len(found) if at is None else at, (None, [self._frame.watch]))
        return found

    def _issue(self, works: list[Prepared]) -> None:
        for work in works:
            work()

    def _stamped_step(self, *, gather: bool, outputs: bool) -> None:
        """A step, operation by operation, with a mark between each."""
        device = self._device
        self._frame.begin(gather=gather)
        marks = [device.mark()]
        device.record(marks[0])
        for item, works in self._watched():
            self._issue(works)
            if item is None or works:
                marks.append(device.mark())
                device.record(marks[-1])
        self._frame.end(outputs)
        self._stamps = marks

    def _finish(self, count: int) -> tuple[np.ndarray, np.ndarray, int]:
        """Wait until the steps are done; their losses and penalties, float64 (count,), and how many were completed."""
        if self.program.observe and self._result_bytes:
            self._device.to_host(self._mirror[: self._result_bytes], address_of(self._block))
        return self._frame.finish(count)

    def _check(self, arrays: dict[str, np.ndarray], indices: np.ndarray) -> None:
        """Refuse what a kernel would read past the end of the samples for."""
        if indices.ndim != 2 or indices.shape[1] != self.program.batch_size:
            raise ValueError(f"indices are (steps, {self.program.batch_size}), got {indices.shape}")
        names = (*self.program.inputs, *self.program.targets)
        samples = min((len(arrays[name]) for name in names), default=0)
        if indices.size and not (int(indices.min()) >= 0 and int(indices.max()) < samples):
            raise ValueError(f"indices lie from 0 to {samples - 1}, got {indices.min()} to {indices.max()}")

    # -- what a step left behind ---------------------------------------------------------------------------------------

    def _numbers(self, values: list[Value]) -> list[float]:
        """The first number of each value."""
        room = self._device.pinned(max(1, len(values)), np.float32)
        for place, value in enumerate(values):
            self._device.to_host(room[place : place + 1], self._binding.pointer(value).address)
        self._device.synchronize()
        return [float(number) for number in room]

    def loss(self) -> float:
        names = [self.program.loss_weights[node] for node in self.program.losses]
        weights = [float(self._control_host[self._index[name]]) for name in names]
        return sum(weight * loss for weight, loss in zip(weights, self.losses().values(), strict=True))

    def losses(self) -> dict[str, float]:
        return dict(zip(self.program.losses, self._numbers(list(self.program.losses.values())), strict=False))

    def penalty(self) -> float:
        return 0.0 if self.program.penalty is None else self._numbers([self.program.penalty])[0]

    def observations(self) -> Observations:
        return read_observations(self.program, self._observed)

    def _observed(self, value: Value) -> np.ndarray:
        """A result on the host: without a wait where it came along with the step."""
        for held, start in self._results:
            if held is value:
                kind = kind_of(value)
                piece = self._mirror[start : start + value.size * kind.itemsize]
                return piece.view(kind).reshape(value.shape).copy()
        return self.backend.to_host(self._arrays[value.id])

    def timeline(self) -> Timeline | None:
        from engine.timeline import Timeline

        if not self._stamps:
            return None
        items = [item for item, works in self._watched() if item is None or works]
        times = np.array([[self._device.seconds(self._stamps[0], mark) for mark in self._stamps]])
        return Timeline(
            rows=tuple("watch" if item is None else item.name for item in items),
            nodes=tuple("" if item is None else item.calls[0].node for item in items),
            phases=tuple("loss" if item is None else item.calls[0].phase for item in items),
            begin=times[:, :-1],
            end=times[:, 1:],
            wait=np.zeros((1, len(items))),
            flops=np.array([math.nan if item is None else item.flops for item in items]),
        )

    def first_nonfinite(self) -> tuple[str, str] | None:
        self._halt.fill(0)
        values = [value for value in self.program.inputs.values() if value.dtype is DType.FLOAT]
        if any(self._broken(self._binding.pointer(value), value.size) for value in values):
            return "", "input"
        for segment in self.program.layout.parameters:
            if self._broken(pointer_to(self.state.parameters[segment.name]), segment.size):
                return segment.node, "parameter"
        for call in self.program.calls[: self.program.guard]:
            if call.phase == "observe":
                continue
            # Each by itself: in a group the first of several would not be told from the others.
            # It may go another way then, which wants more work memory.
            _binding, (item,) = self._settled(partial(cover_group, Group((call,))))
            self._issue(prepare(item.works, self._device, self._math))
            values = [value for value in call.outputs if value.dtype is DType.FLOAT]
            if any(self._broken(self._binding.pointer(value), value.size) for value in values):
                return call.node, call.op.name
        return None

    def _broken(self, at: Pointer, size: int) -> bool:
        found = self.backend.xp.zeros(1, dtype=np.int32)
        look = Launch("find_nonfinite", [at, size, pointer_to(found)], blocks(size))
        self._issue(prepare((look,), self._device, self._math))
        seen = self._device.pinned(1, np.int32)
        self._device.to_host(seen, address_of(found))
        self._device.synchronize()
        return bool(seen[0])

    # -- binding -------------------------------------------------------------------------------------------------------

    def _bind_call(self, call: Any) -> None:
        """Nothing is run by the reference kernels here."""

    def _settled(self, covering: Callable[[Binding], list[Covered]]) -> tuple[Binding, list[Covered]]:
        """What covers calls, and the binding of its own that it is made in."""
        binding = Binding(self.program, self._arrays, self.backend.xp, pointer_to(self._halt))
        binding.chooser, binding.math = self._chooser, self._math
        binding.convolutions = self._device.convolutions
        return binding, binding.settled(partial(covering, binding))

    def _stand_alone(self, values: list[Value]) -> dict[int, Any]:
        """One block for all results, so that they come to the host in one copy."""
        alignment, at = self.backend.alignment, 0
        results = [value for value in values if value.role is Role.RESULT]
        for value in results:
            self._results.append((value, at))
            at += -(-value.size * kind_of(value).itemsize // alignment) * alignment
        self._block = self.backend.xp.zeros(max(1, at), dtype=np.uint8)
        found = super()._stand_alone([value for value in values if value.role is not Role.RESULT])
        for value, start in self._results:
            kind = kind_of(value)
            piece = self._block[start : start + value.size * kind.itemsize]
            found[value.id] = piece.view(kind).reshape(value.shape)
        return found

    @property
    def _result_bytes(self) -> int:
        return int(self._block.nbytes) if self._results else 0
