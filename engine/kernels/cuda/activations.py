"""Activations: stages all of them. Their shapes are numbered as in activations.cuh."""

from __future__ import annotations

from engine.kernels.cuda import stages
from engine.kernels.cuda.launches import Binding, stage_of
from engine.kernels.cuda.stages import Stage
from engine.ops import (
    LeakyReLU,
    LeakyReLUGradient,
    ReLU,
    ReLUGradient,
    Sigmoid,
    SigmoidGradient,
    Tanh,
    TanhGradient,
)
from engine.ops.base import Call, Op

RELU, LEAKY_RELU, SIGMOID, TANH = range(1, 5)

PLAIN: dict[type[Op], int] = {ReLU: RELU, Sigmoid: SIGMOID, Tanh: TANH}
PLAIN_GRADIENTS: dict[type[Op], int] = {ReLUGradient: RELU, SigmoidGradient: SIGMOID, TanhGradient: TANH}


@stage_of(*PLAIN)
def _plain(call: Call, b: Binding) -> Stage:
    return Stage(stages.SHAPE, shape=PLAIN[type(call.op)])


@stage_of(*PLAIN_GRADIENTS, chain=1)
def _plain_gradient(call: Call, b: Binding) -> Stage:
    return Stage(stages.SLOPE, b.pointer(call.inputs[0]), shape=PLAIN_GRADIENTS[type(call.op)])


@stage_of(LeakyReLU)
def _leaky_relu(call: Call, b: Binding) -> Stage:
    return Stage(stages.SHAPE, shape=LEAKY_RELU, number=call.op.attributes()["slope"])


@stage_of(LeakyReLUGradient, chain=1)
def _leaky_relu_gradient(call: Call, b: Binding) -> Stage:
    return Stage(stages.SLOPE, b.pointer(call.inputs[0]), shape=LEAKY_RELU, number=call.op.attributes()["slope"])
