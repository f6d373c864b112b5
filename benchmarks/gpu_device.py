"""What a measurement asks of a device: a clock, graphs, ways to multiply. A card, and a processor in a card's place.

On the processor everything runs as it does on a card but for what only a card has, so that a person who has one meets
no slip; nothing that is timed there means anything.
"""

from __future__ import annotations

import gc
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch

from engine.backend import MathMode

__all__ = ["Card", "Device", "Processor", "multiply"]

WARM_UPS = 3
"""Calls before a capture: libraries choose their algorithms and take their memory in them."""


class Device(Protocol):
    """Where PyTorch and the engine compute."""

    name: str
    """As PyTorch calls it: "cuda" or "cpu"."""
    compiling: dict[str, Any]
    """Arguments of `torch.compile`."""
    call: float
    """Seconds that a call of several steps is to take about."""

    def clock(self) -> float:
        """Seconds, once everything that was asked for is done."""

    def captured(self, run: Callable[[], None]) -> Callable[[], None]:
        """`run` as one graph: what it launches is launched at once. It is called some times before that."""

    def free(self) -> None:
        """Let memory go that nobody uses any more."""

    def describe(self) -> dict[str, str]:
        """The device and its software, for the record."""


class Card:
    """The NVIDIA GPU that is PyTorch's current one."""

    name = "cuda"
    call = 0.05

    def __init__(self, mode: str = "max-autotune") -> None:
        self.compiling = {"mode": mode}
        self._seconds = 0.0
        self._last = self._mark()

    def clock(self) -> float:
        """By CUDA events. They count in milliseconds and in float32: what passes from one to the next is added up."""
        torch.cuda.synchronize()
        event = self._mark()
        self._seconds += self._last.elapsed_time(event) / 1e3
        self._last = event
        return self._seconds

    def captured(self, run: Callable[[], None]) -> Callable[[], None]:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                run()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            run()
        return graph.replay

    def free(self) -> None:
        import cupy

        gc.collect()
        torch.cuda.empty_cache()
        cupy.get_default_memory_pool().free_all_blocks()

    def describe(self) -> dict[str, str]:
        import cupy

        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        return {
            "card": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": str(properties.multi_processor_count),
            "card_memory": f"{properties.total_memory / 2**30:.0f} GiB",
            "driver": _driver(),
            "cuda": str(torch.version.cuda),
            "cudnn": str(torch.backends.cudnn.version()),
            "cupy": str(cupy.__version__),
        }

    def _mark(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        event.synchronize()
        return event


class Processor:
    """The processor in a card's place."""

    name = "cpu"
    # What is compiled there takes minutes and tells nothing of a card.
    compiling: dict[str, Any] = {"backend": "eager"}
    call = 0.002

    def clock(self) -> float:
        """By the system."""
        return time.perf_counter()

    def captured(self, run: Callable[[], None]) -> Callable[[], None]:
        """`run` itself, called as often before as on a card."""
        for _ in range(WARM_UPS + 1):
            run()
        return run

    def free(self) -> None:
        gc.collect()

    def describe(self) -> dict[str, str]:
        names = ("card", "capability", "multiprocessors", "card_memory", "driver", "cuda", "cudnn", "cupy")
        return dict.fromkeys(names, "none")


def multiply(math: MathMode, device: str) -> Callable[[], AbstractContextManager[object]]:
    """Let PyTorch multiply so from now on, and return what makes the context for a forward pass: TF32 is off unless
    asked for, and bfloat16 is PyTorch's automatic mixed precision."""
    rounded = math == "tf32"
    # By the old settings and by the new one: the compiler reads both, and PyTorch raises where they disagree.
    torch.set_float32_matmul_precision("high" if rounded else "highest")
    torch.backends.cudnn.allow_tf32 = rounded
    torch.backends.cudnn.fp32_precision = "tf32" if rounded else "ieee"
    return lambda: torch.autocast(device, torch.bfloat16, enabled=math == "bf16")


def _driver() -> str:
    try:
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "?"
