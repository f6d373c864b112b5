"""Running one layer by itself, eagerly."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.layers.base import Layer
from tests.support.interpreter import Interpreter


class Lone:
    """A layer lowered on given input batches, with given parameters (its own initializers where none are given)."""

    def __init__(
        self, layer: Layer, *inputs: np.ndarray, parameters: dict[str, np.ndarray] | None = None, **options: Any
    ) -> None:
        self.b = Interpreter(batch_size=len(inputs[0]), **options)
        shapes = tuple(array.shape[1:] for array in inputs)
        rng = np.random.default_rng(0)
        for spec in layer.parameters(shapes):
            drawn = spec.initializer.sample(rng, spec.shape, spec.fan_in, spec.fan_out)
            array = (parameters or {}).get(spec.name, drawn)
            assert array.shape == spec.shape
            self.b.value(array, name=spec.name)
        for kept in layer.buffers(shapes):
            self.b.value(np.full(kept.shape, kept.initial), needed=False, name=kept.name)
        self.inputs = [self.b.value(array) for array in inputs]
        self.value = layer.lower(self.b, *self.inputs)  # type: ignore[arg-type]
        assert self.value.shape == (len(inputs[0]), *layer.infer(shapes))

    @property
    def output(self) -> np.ndarray:
        return self.b.host(self.value)

    def named(self, name: str) -> np.ndarray:
        """A parameter or buffer as it is now."""
        return self.b.host(self.b.parameter(name))

    @property
    def flops(self) -> int:
        return sum(call.op.flops(*(value.tensor for value in call.inputs)) for call in self.b.calls)
