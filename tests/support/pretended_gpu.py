"""A machine whose GPU is the pretended device: runs on "cuda" go all the way, with the kernels that a real one has."""

from __future__ import annotations

from typing import Any

import pytest

from engine import backend, cuda_executor
from engine.backend import Backend
from engine.kernels.cuda import device
from engine.kernels.cuda.choice import Chooser
from engine.training import trainer
from tests.support.fake_cuda import FakeDevice

__all__ = ["install"]


def install(monkeypatch: pytest.MonkeyPatch, **options: Any) -> list[FakeDevice]:
    """Let "cuda" be a pretended device, made anew for each run; returns those that were made. `options` as for
    `FakeDevice`."""
    made: list[FakeDevice] = []

    def found(index: int | None) -> Backend:
        made.append(FakeDevice(**options))
        return made[-1].backend

    monkeypatch.setattr(backend, "_cupy", found)
    monkeypatch.setattr(device, "CudaDevice", lambda xp: xp.owner)
    monkeypatch.setattr(trainer, "await_gpu_kernels", lambda *arguments: True)
    # What a pretended device takes for something says nothing, and is not to be remembered.
    monkeypatch.setattr(cuda_executor, "TimingChooser", lambda device, given=None: Chooser(given))
    return made
