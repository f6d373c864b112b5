"""What training changes: parameters, gradients, optimizer slots, running statistics, in flat arenas on one device."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.backend import Backend
from engine.diagnostics import Report
from engine.experiment import NetworkSpec
from engine.kinds import Optimizer
from engine.layout import Layout, Segment, layout_of
from engine.random import generator


class StateError(ValueError):
    """Saved arrays do not fit the network; the message says which and how."""


class State:
    """The arenas of one network. `parameters`, `gradients` and `buffers` hold views by path ("dense_1/weight"), `slots`
    the optimizer's arrays by slot, then by path; with `averaged`, `averages` holds the parameters' averages (else it is
    empty); with `accumulating`, there is an arena for gradients that add up within a step. Initial weights depend on
    `seed` and each array's path alone."""

    def __init__(
        self,
        network: NetworkSpec,
        report: Report,
        optimizer: Optimizer,
        backend: Backend,
        *,
        precision: str = "float32",
        seed: int = 0,
        averaged: bool = False,
        accumulating: bool = False,
    ) -> None:
        self.backend, self.precision = backend, precision
        self.layout: Layout = layout_of(network, report, alignment=backend.alignment // 4)
        length = self.layout.parameter_length
        self.arenas: dict[str, Any] = {
            "parameters": self._zeros(length),
            "gradients": self._zeros(length),
            "buffers": self._zeros(self.layout.buffer_length),
        }
        self._slots = optimizer.slots()
        for slot in self._slots:
            self.arenas[f"slot:{slot.name}"] = self._zeros(length)
        if averaged:
            self.arenas["average"] = self._zeros(length)
        if accumulating:
            self.arenas["accumulated"] = self._zeros(length)
        self.parameters = self._views("parameters", self.layout.parameters)
        self.averages = self._views("average", self.layout.parameters) if averaged else {}
        self.gradients = self._views("gradients", self.layout.parameters)
        self.buffers = self._views("buffers", self.layout.buffers)
        self.slots = {slot.name: self._views(f"slot:{slot.name}", self.layout.parameters) for slot in self._slots}
        self.initialize(seed)

    def initialize(self, seed: int) -> None:
        """Back to the start: fresh weights for `seed`, fresh slots and running statistics."""
        for segment in self.layout.parameters:
            spec = self.layout.specs[segment.name]
            values = spec.initializer.sample(
                generator(seed, f"initial/{segment.name}"), spec.shape, spec.fan_in, spec.fan_out
            )
            self.backend.write(self.parameters[segment.name], values)
        for name, view in self.buffers.items():
            self._fill(view, self.layout.initial[name])
        for slot in self._slots:
            for view in self.slots[slot.name].values():
                self._fill(view, slot.initial)
        self.begin_average()

    def begin_average(self) -> None:
        """Let the parameters as they are now be their averages, where there are any."""
        if self.averages:
            self.backend.xp.copyto(self.arenas["average"], self.arenas["parameters"])

    def to_host(self) -> dict[str, np.ndarray]:
        """Copies of everything that a later run needs, keyed "parameter/...", "buffer/...", "slot/<slot>/..."
        and "average/..."."""
        groups = {"parameter": self.parameters, "buffer": self.buffers, "average": self.averages}
        groups |= {f"slot/{name}": views for name, views in self.slots.items()}
        return {
            f"{kind}/{name}": self.backend.to_host(view)
            for kind, views in groups.items()
            for name, view in views.items()
        }

    def load(self, arrays: dict[str, np.ndarray], *, partial: bool = False) -> None:
        """Take over what `to_host` returned. With `partial`, what is missing keeps its value (weights alone, say);
        averages begin at the parameters when none of them is given.

        Raises StateError, before anything is changed, where an array is missing, unknown or of another shape.
        """
        targets = {f"parameter/{name}": view for name, view in self.parameters.items()}
        targets |= {f"buffer/{name}": view for name, view in self.buffers.items()}
        targets |= {f"slot/{slot}/{name}": v for slot, views in self.slots.items() for name, v in views.items()}
        targets |= {f"average/{name}": view for name, view in self.averages.items()}
        for name in arrays:
            if name not in targets:
                raise StateError(f"The network has no place for the array “{name}”.")
        for name, view in targets.items():
            if name not in arrays:
                if partial:
                    continue
                raise StateError(f"The array “{name}” is missing.")
            if arrays[name].shape != view.shape:
                raise StateError(
                    f"The array “{name}” has the shape {arrays[name].shape}; the network needs {view.shape}."
                )
            if arrays[name].dtype.kind not in "fiu":
                raise StateError(f"The array “{name}” holds {arrays[name].dtype}, not numbers.")
        for name, array in arrays.items():
            self.backend.write(targets[name], np.asarray(array, dtype=self.precision))
        if not any(name.startswith("average/") for name in arrays):
            self.begin_average()

    def _fill(self, view: Any, number: float) -> None:
        if number:
            # Copied, as CuPy compiles a kernel before it fills an array with anything but zeros.
            self.backend.write(view, np.full(view.shape, number, self.precision))
        else:
            view.fill(0)

    def _zeros(self, length: int) -> Any:
        return self.backend.xp.zeros(max(length, 1), dtype=self.precision)

    def _views(self, arena: str, segments: tuple[Segment, ...]) -> dict[str, Any]:
        return {s.name: self.arenas[arena][s.start : s.start + s.size].reshape(s.shape) for s in segments}
