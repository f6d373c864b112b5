"""Training steps in PyTorch on a GPU: eager, eager with what makes it faster, as one CUDA graph, and compiled.

All keep the samples on the device, gather each batch there, and put every loss into an array that is read once a call.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import nn

from benchmarks.gpu_device import Device, multiply
from benchmarks.peer_torch import network_of, optimizer_of
from benchmarks.workloads import Workload
from engine.backend import MathMode

__all__ = ["LONGEST", "PEERS", "Chunk", "Make"]

LONGEST = 1024
"""Most steps of a call: the losses that are kept."""

Weights = dict[str, np.ndarray]
Chunk = Callable[[int], list[float]]
"""Trains so many steps, at most `LONGEST`, and returns the loss before each."""


Make = Callable[[Workload, Weights, Device, MathMode], Chunk]
"""Begins to train a workload from these weights."""


class _Training:
    """A network with its data on a device. `tuned`: channels last in memory, one kernel for the whole update, and
    convolutions that try their algorithms."""

    def __init__(
        self,
        workload: Workload,
        weights: Weights,
        device: Device,
        math: MathMode,
        *,
        tuned: bool = True,
        capturable: bool = False,
    ) -> None:
        self.tuned = tuned
        self.context: Callable[[], AbstractContextManager[object]] = multiply(math, device.name)
        x, y = torch.from_numpy(workload.arrays["x"]), torch.from_numpy(workload.arrays["y"])
        network = network_of(workload, weights).to(device.name)
        if x.dim() == 4:
            x = x.permute(0, 3, 1, 2).contiguous()
            if tuned:
                x = x.to(memory_format=torch.channels_last)
                network = network.to(memory_format=torch.channels_last)
        self.x, self.y = x.to(device.name), y.to(device.name)
        self.network = network
        self.batches = torch.from_numpy(workload.batches).to(device.name)
        self.criterion = nn.CrossEntropyLoss() if workload.classes else nn.MSELoss()
        capturable = capturable and device.name == "cuda"  # elsewhere optimizers refuse the word
        self.optimizer = optimizer_of(workload, network, fused=tuned, capturable=capturable)
        self.losses = torch.zeros(LONGEST, device=device.name)
        self.forward: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = self._forward
        self.begin: Callable[[], None] = lambda: None
        self.step = 0

    def _forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        with self.context():
            loss: torch.Tensor = self.criterion(self.network(inputs), targets)
            return loss

    def train(self, rows: torch.Tensor) -> torch.Tensor:
        """One step on the samples of these rows; returns the loss on the device."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.forward(self.x.index_select(0, rows), self.y.index_select(0, rows))
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def chunk(self, steps: int) -> list[float]:
        """Step after step, each asked for by the interpreter."""
        torch.backends.cudnn.benchmark = self.tuned
        for place in range(steps):
            self.begin()
            self.losses[place] = self.train(self.batches[self.step % len(self.batches)])
            self.step += 1
        return self.losses[:steps].tolist()

    def state(self) -> list[torch.Tensor]:
        """All that a step changes but the optimizer's own arrays."""
        return [*self.network.parameters(), *self.network.buffers()]


def _eager(workload: Workload, weights: Weights, device: Device, math: MathMode) -> Chunk:
    return _Training(workload, weights, device, math, tuned=False).chunk


def _tuned(workload: Workload, weights: Weights, device: Device, math: MathMode) -> Chunk:
    return _Training(workload, weights, device, math).chunk


def _compiled(workload: Workload, weights: Weights, device: Device, math: MathMode) -> Chunk:
    training = _Training(workload, weights, device, math)
    training.forward = torch.compile(training.forward, **device.compiling)
    training.begin = torch.compiler.cudagraph_mark_step_begin  # what the step before left may be overwritten
    return training.chunk


def _graphed(workload: Workload, weights: Weights, device: Device, math: MathMode) -> Chunk:
    """The whole step, from the choice of its samples to the update, as one graph; its counters are on the device."""
    training = _Training(workload, weights, device, math, capturable=True)
    row, place = (torch.zeros(1, dtype=torch.int64, device=device.name) for _ in range(2))

    def step() -> None:
        loss = training.train(training.batches.index_select(0, row).squeeze(0))
        training.losses.index_copy_(0, place, loss.reshape(1))
        row.add_(1).remainder_(len(training.batches))
        place.add_(1)

    torch.backends.cudnn.benchmark = True
    before = [tensor.detach().clone() for tensor in training.state()]
    replay = device.captured(step)
    # What was trained on the way is taken back, in place: the graph knows these addresses.
    with torch.no_grad():
        for tensor, kept in zip(training.state(), before, strict=True):
            tensor.copy_(kept)
        for slots in training.optimizer.state.values():
            for slot in slots.values():
                if isinstance(slot, torch.Tensor):
                    slot.zero_()
    row.zero_()

    def chunk(steps: int) -> list[float]:
        place.zero_()
        for _ in range(steps):
            replay()
        return training.losses[:steps].tolist()

    return chunk


PEERS: dict[str, Make] = {"eager": _eager, "tuned": _tuned, "graph": _graphed, "compile": _compiled}
"""By the names of `benchmarks.gpu_names`."""
