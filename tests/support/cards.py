"""CuPy as far as the search for devices asks it: cards with names, memory and faults. Nothing can be computed there."""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from typing import Any

import pytest

from engine import devices

__all__ = ["CUDARuntimeError", "Card", "cupy_with", "install"]


class CUDARuntimeError(RuntimeError):
    """As CuPy raises it: a status, and its name and words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


CUDARuntimeError.__module__ = "cupy_backends.cuda.api.runtime"


class Card(types.SimpleNamespace):
    """A device."""

    def __init__(
        self,
        name: str = "Some GPU",
        total: int = 24 << 30,
        free: int = 23 << 30,
        capability: tuple[int, int] = (8, 9),
        fault: Exception | None = None,
    ) -> None:
        super().__init__(name=name, total=total, free=free, capability=capability, fault=fault)


def cupy_with(
    cards: Sequence[Card] = (Card(),),
    *,
    version: str = "14.2.0",
    runtime: int = 13020,
    hip: bool = False,
    fault: Exception | None = None,
) -> types.ModuleType:
    """A module with as much of CuPy as looking for devices needs. `used` lists the devices that were made current."""
    module = types.ModuleType("cupy")
    state: dict[str, Any] = {"current": 0, "used": []}

    class Device:
        def __init__(self, index: int) -> None:
            self.id, self._before = index, 0

        def use(self) -> None:
            state["current"] = self.id
            state["used"].append(self.id)

        def __enter__(self) -> Device:
            self._before, state["current"] = state["current"], self.id
            return self

        def __exit__(self, *error: object) -> None:
            state["current"] = self._before

    def count() -> int:
        if fault is not None:
            raise fault
        return len(cards)

    def properties(index: int) -> dict[str, Any]:
        card = cards[index]
        major, minor = card.capability
        return {"name": card.name.encode(), "totalGlobalMem": card.total, "major": major, "minor": minor}

    def memory() -> tuple[int, int]:
        card = cards[state["current"]]
        if card.fault is not None:
            raise card.fault
        return card.free, card.total

    module.__version__ = version  # type: ignore[attr-defined]
    module.used = state["used"]  # type: ignore[attr-defined]
    module.get_default_memory_pool = lambda: types.SimpleNamespace(free_bytes=lambda: 1000)  # type: ignore[attr-defined]
    module.cuda = types.SimpleNamespace(  # type: ignore[attr-defined]
        Device=Device,
        runtime=types.SimpleNamespace(
            is_hip=hip,
            runtimeGetVersion=lambda: runtime,
            getDeviceCount=count,
            getDeviceProperties=properties,
            memGetInfo=memory,
        ),
    )
    return module


def install(monkeypatch: pytest.MonkeyPatch, module: types.ModuleType | None, *, driver: int | None = 13000) -> None:
    """Let the program find this CuPy (None: none), a driver for this version of CUDA, and CUDA's libraries."""
    monkeypatch.setattr(devices, "driver_version", lambda: driver)
    monkeypatch.setattr(devices, "_found", None)
    monkeypatch.setattr(devices.sys, "platform", "linux")
    found = devices.importlib.util.find_spec

    def find_spec(name: str) -> Any:
        return module if name == "cupy" else found(name)

    monkeypatch.setattr(devices.importlib.util, "find_spec", find_spec)
    monkeypatch.setitem(sys.modules, "cupy", module)
    pathfinder = types.ModuleType("cuda.pathfinder")
    pathfinder.load_nvidia_dynamic_lib = lambda name: name  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cuda", types.ModuleType("cuda"))
    monkeypatch.setitem(sys.modules, "cuda.pathfinder", pathfinder)
