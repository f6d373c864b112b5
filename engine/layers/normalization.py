"""Layers that bring activations to a common scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import engine.ops.normalization as ops
from engine.initializers import Constant
from engine.layers.base import BufferSpec, Layer, ParameterSpec, Shape
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value


@component(
    "batch_norm",
    label="BatchNorm",
    group="Normalization",
    formula="y = γ (x − μ) / √(σ² + ε) + β",
    source="Ioffe, Szegedy: Batch Normalization (2015), algorithms 1 and 2",
    synonyms=("batch normalization", "bn", "running statistics"),
    avoid="With batches of fewer than about 16 samples, whose statistics are mostly noise, and where the samples of a "
    "batch belong together (sorted by class, frames of one film): group or layer normalization knows no batch.",
    differs="γ that gives the input back is √(σ² + ε), the deviation, not the variance σ² that some notes name. The "
    "running variance takes the unbiased variance of the batch (n − 1), as PyTorch and the paper do; Keras takes the "
    "biased one. Momentum is the weight of the new batch, as in PyTorch; Keras's is the weight of the old average.",
)
class BatchNorm(Layer, frozen=True):
    """Normalizes each feature (of images: each channel) to mean 0, variance 1 over the batch; then scales and shifts.

    In training μ and σ² are the batch's own mean and biased variance; γ starts at 1, β at 0, and both are learned. In
    evaluation running averages take their place, so that a sample's result does not depend on its companions: a network
    that computes well in one mode may fail in the other. The running variance averages the unbiased variance; its
    average starts at 1, the mean's at 0, and with momentum m they are 1 − (1 − m)^k of the way after k steps. At
    evaluation the layer is one factor and one shift for each feature, and can be folded into the layer before it.
    """

    needs_batch: ClassVar[bool] = True

    momentum: Annotated[
        float,
        field(
            gt=0,
            le=1,
            help="Weight of the newest batch in the running averages: running = (1 − momentum) running + momentum new. "
            "This is PyTorch's convention; in Keras's 0.1 here is 0.9.",
        ),
    ] = 0.1
    epsilon: Annotated[
        float,
        field(ge=1e-30, le=0.1, symbol="ε", scale="log", help="Added to the variance before the root.", advanced=True),
    ] = 1e-5

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return shapes[0]

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        shape = shapes[0][-1:]
        return (
            ParameterSpec(name="gamma", shape=shape, initializer=Constant(value=1.0), fan_in=1, fan_out=1, decay=False),
            ParameterSpec(name="beta", shape=shape, initializer=Constant(), fan_in=1, fan_out=1, decay=False),
        )

    def buffers(self, shapes: tuple[Shape, ...]) -> tuple[BufferSpec, ...]:
        shape = shapes[0][-1:]
        return (
            BufferSpec(name="running_mean", shape=shape, initial=0.0),
            BufferSpec(name="running_var", shape=shape, initial=1.0),
        )

    def title(self) -> str:
        return "BatchNorm"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        (x,) = inputs
        gamma, beta = b.parameter("gamma"), b.parameter("beta")
        mean, variance = b.buffer("running_mean"), b.buffer("running_var")
        if b.training:
            return b.op(ops.BatchNorm(self.momentum, self.epsilon), x, gamma, beta, mean, variance)[0]
        return b.op(ops.BatchNormInference(self.epsilon), x, gamma, beta, mean, variance)
