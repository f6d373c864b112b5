"""Activations: stages all of them. Their shapes are numbered as in activations.cuh."""

from __future__ import annotations

from engine.kernels.cuda import stages
from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import stage_of
from engine.kernels.cuda.stages import ONE_FOR_ALL, Stage
from engine.ops import (
    LeakyReLU,
    LeakyReLUGradient,
    ReLU,
    ReLUGradient,
    Sigmoid,
    SigmoidGradient,
    Tanh,
    TanhGradient,
    learned,
    pointwise,
)
from engine.ops.base import Call, Op

RELU, LEAKY_RELU, SIGMOID, TANH, ELU, SWISH, GELU, GELU_TANH, SOFTPLUS, MISH, HARD_TANH, PRELU, LEARNED_SWISH = range(
    1, 14
)

PLAIN: dict[type[Op], int] = {
    ReLU: RELU,
    LeakyReLU: LEAKY_RELU,
    Sigmoid: SIGMOID,
    Tanh: TANH,
    pointwise.ELU: ELU,
    pointwise.Swish: SWISH,
    pointwise.GELU: GELU,
    pointwise.TanhGELU: GELU_TANH,
    pointwise.Softplus: SOFTPLUS,
    pointwise.Mish: MISH,
    pointwise.HardTanh: HARD_TANH,
}
PLAIN_GRADIENTS: dict[type[Op], int] = {
    ReLUGradient: RELU,
    LeakyReLUGradient: LEAKY_RELU,
    SigmoidGradient: SIGMOID,
    TanhGradient: TANH,
}
PLAIN_GRADIENTS |= {made: PLAIN[made.forward] for made in pointwise.GRADIENTS.values()}
LEARNED: dict[type[Op], int] = {learned.PReLU: PRELU, learned.LearnedSwish: LEARNED_SWISH}


def _numbers(op: Op) -> tuple[float, float]:
    """The two numbers of an activation."""
    attributes = op.attributes()
    if "alpha" in attributes:
        return attributes["scale"], attributes["alpha"] * attributes["scale"]
    return attributes.get("beta", attributes.get("slope", 0.0)), 0.0


@stage_of(*PLAIN)
def _plain(call: Call, b: Binding) -> Stage:
    number, second = _numbers(call.op)
    return Stage(stages.SHAPE, shape=PLAIN[type(call.op)], number=number, second=second)


@stage_of(*PLAIN_GRADIENTS, chain=1)
def _plain_gradient(call: Call, b: Binding) -> Stage:
    number, second = _numbers(call.op)
    other = b.pointer(call.inputs[0])
    return Stage(stages.SLOPE, other, shape=PLAIN_GRADIENTS[type(call.op)], number=number, second=second)


@stage_of(*LEARNED)
def _learned(call: Call, b: Binding) -> Stage:
    parameter = call.inputs[1]
    one = ONE_FOR_ALL if parameter.size == 1 else 0
    return Stage(stages.LEARNED, extra=b.pointer(parameter), shape=LEARNED[type(call.op)] + one)
