"""A GPU that fails when it is told to, and has so much memory: for what becomes of runs.

It computes with the array executor, so that nothing depends on kernels; its arrays cannot be read after it is lost, as
those of a real one. The pretended device (`fake_cuda`) is the one that runs the kernels.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

from engine import backend, devices, executors
from engine.backend import Backend
from engine.device_errors import DeviceLost
from engine.devices import Devices, Gpu
from engine.executor import ArrayExecutor, BoundProgram
from engine.executors import ExecutorKind
from engine.plan import Program
from engine.state import State
from engine.training import beginnings, trainer
from tests.support.cards import CUDARuntimeError

__all__ = ["FailingGpu"]


class FailingGpu:
    """A machine with one GPU, from `install` on.

    fail_at     the optimizer step (counted from 0) that fails, or None; `error` is what it raises.
    free        bytes of memory that are free.
    lost        whether it has failed; whatever touches its arrays then raises.
    """

    label = "CUDA · Pretended GPU"

    def __init__(self, fail_at: int | None = None, error: Exception | None = None, free: int = 1 << 40) -> None:
        self.fail_at, self.free = fail_at, free
        self.error = error or DeviceLost("The GPU does not answer any more (cudaErrorLaunchFailure).")
        self.lost, self.refuses_to_bind, self.lost_by_binding = False, False, False
        self.made: list[CudaExecutor] = []
        self.states: list[weakref.ref[State]] = []
        self.chosen: list[tuple[str, str, str]] = []
        """Device, executor and matrix products of each executor that was made."""
        gpu = self

        class Memory(Backend):
            """The GPU's arrays."""

            def to_host(self, array: Any) -> np.ndarray:
                gpu.touch()
                return np.array(array)

            def write(self, target: Any, source: np.ndarray) -> None:
                gpu.touch()
                np.copyto(target, source, casting="same_kind")

            def synchronize(self) -> None:
                gpu.touch()

            def free_memory(self) -> int:
                gpu.touch()
                return gpu.free

            def release(self) -> None:
                gpu.touch()

        self.backend = Memory("cupy", Namespace(self), "CuPy · Pretended GPU", 256, 0)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> FailingGpu:
        """Let the program find this GPU."""
        real_executor, real_backend = executors.choose, backend._cupy
        assert callable(real_backend)

        def choose(kind: ExecutorKind, state: State, *, math: Any = "float32", ways: Any = None) -> Any:
            on_gpu = state.backend is self.backend
            self.chosen.append((state.backend.kind, kind, math))
            if on_gpu and kind in ("auto", "cuda") and state.precision == "float32":
                self.touch()
                self.states.append(weakref.ref(state))
                self.made.append(CudaExecutor(state, self))
                return self.made[-1]
            return real_executor(kind, state, math=math, ways=ways)

        card = Gpu(index=0, name="Pretended GPU", total=1 << 40, free=1 << 40, capability=(9, 0))
        monkeypatch.setattr(devices, "_found", Devices(gpus=(card,), driver=13000, runtime=13000, cupy="14.2.0"))
        # What a real executor's products round is no affair of this one.
        monkeypatch.setattr(beginnings, "rounded", lambda loop: None)
        monkeypatch.setattr(backend, "_cupy", lambda index: self.backend)
        monkeypatch.setattr(executors, "choose", choose)
        monkeypatch.setattr(trainer, "await_gpu_kernels", lambda *arguments: True)
        return self

    def touch(self) -> None:
        """Something is asked of the GPU."""
        if self.lost:
            raise CUDARuntimeError(719, "cudaErrorLaunchFailure: unspecified launch failure")


class Namespace:
    """NumPy's names, each of which asks the GPU."""

    def __init__(self, gpu: FailingGpu) -> None:
        self._gpu = gpu

    def __getattr__(self, name: str) -> Any:
        self._gpu.touch()
        return getattr(np, name)


class CudaExecutor(ArrayExecutor):
    """Stands for the CUDA executor: the array executor's bits."""

    kind = "cuda"  # type: ignore[assignment]

    def __init__(self, state: State, gpu: FailingGpu) -> None:
        super().__init__(state)
        self._gpu, self.closed = gpu, False

    @property
    def label(self) -> str:
        return self._gpu.label

    def arena(self, program: Program) -> Any:
        return np.empty(program.arena_bytes, np.uint8)

    def bind(self, program: Program) -> BoundProgram:
        if self._gpu.refuses_to_bind:
            self._gpu.lost = self._gpu.lost_by_binding
            raise self._gpu.error
        return FailingProgram(program, self.state, self.arena(program), self._gpu)

    def close(self) -> None:
        self.closed = True
        self._gpu.touch()


class FailingProgram(BoundProgram):
    """A program that fails at the step."""

    def __init__(self, program: Program, state: State, arena: Any, gpu: FailingGpu) -> None:
        self._gpu = gpu
        super().__init__(program, state, arena)

    def run(self, scalars: dict[str, float] | None = None, step: int = 0, seed: int = 0) -> bool:
        self._gpu.touch()
        if self.program.training and step == self._gpu.fail_at:
            self._gpu.lost = isinstance(self._gpu.error, DeviceLost | CUDARuntimeError)
            raise self._gpu.error
        return super().run(scalars, step, seed)
