"""Run an optimizer's update operation on plain arrays, the way a compiled program does."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from engine.kernels.reference import KERNELS
from engine.kinds import Optimizer, Penalty
from engine.ops.base import DType, Op, Tensor
from engine.penalties import penalty_scalars


def call(op: Op, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    """The outputs of a reference kernel; outputs and scratch start as NaN, so that nothing is read before it is
    written."""
    dtype = inputs[0].dtype
    tensors = [Tensor(array.shape, DType.FLOAT) for array in inputs]
    outputs = tuple(np.full(t.shape, np.nan, dtype) for t in op.infer(*tensors))
    scratch = tuple(np.full(t.shape, np.nan, dtype) for t in op.scratch(*tensors))
    KERNELS[op.name](np, *inputs, *outputs, *scratch, **op.attributes())
    return outputs


class Stepper:
    """One parameter and its slots. `norms` are those of the last step."""

    def __init__(
        self,
        optimizer: Optimizer,
        start: Iterable[float] | np.ndarray,
        *,
        dtype: type = np.float64,
        penalties: tuple[Penalty, ...] = (),
        norms: bool = False,
    ) -> None:
        self.optimizer, self.penalties, self.count = optimizer, penalties, 0
        self.parameter = np.array(start, dtype=dtype)
        self.slots = [np.full_like(self.parameter, slot.initial) for slot in optimizer.slots()]
        self.norms: np.ndarray | None = None
        self._observe = norms

    def step(self, gradient: np.ndarray, *, rate: float | None = None, clip_scale: float | None = None) -> np.ndarray:
        """One update; returns the parameter."""
        self.count += 1
        rate = self.optimizer.learning_rate if rate is None else rate
        strengths = penalty_scalars(self.penalties)
        op = self.optimizer.update_op(
            l1=strengths["l1"] > 0,
            l2=strengths["l2"] > 0,
            decay=strengths["decoupled_decay"] > 0 or self.optimizer.decays,
            clip=clip_scale is not None,
            norms=self._observe,
            shape=self.parameter.shape,
        )
        keep = 1.0 - rate * (strengths["decoupled_decay"] + self.optimizer.decoupled_decay())
        scale = 1.0 if clip_scale is None else clip_scale
        found = self.optimizer.scalars(rate, self.count)
        rule = [found[name] for name in op.RULE_SCALARS]
        scalars = [rate, strengths["l1"], strengths["l2"], keep, scale, *rule]
        dtype = self.parameter.dtype
        named = dict(zip((slot.name for slot in self.optimizer.slots()), self.slots, strict=True))
        slots = [named[name] for name in op.SLOTS]
        outputs = call(
            op, self.parameter, np.asarray(gradient, dtype), *(np.array([s], dtype) for s in scalars), *slots
        )
        self.norms = outputs[0] if outputs else None
        return self.parameter

    def run(self, gradient: Callable[[np.ndarray], np.ndarray], steps: int) -> np.ndarray:
        """`steps` updates along the gradient of a function."""
        for _ in range(steps):
            self.step(gradient(self.parameter))
        return self.parameter
