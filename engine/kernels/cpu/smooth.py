"""The smooth activations as stages of the rows before them."""

from __future__ import annotations

from engine.kernels.cpu import activation_stages as codes
from engine.kernels.cpu.rows import Binding, Stage, bits, stage_of
from engine.ops import pointwise
from engine.ops.base import Call, Op

CODES: dict[type[Op], int] = {
    pointwise.ELU: codes.ELU,
    pointwise.Swish: codes.SWISH,
    pointwise.GELU: codes.GELU,
    pointwise.TanhGELU: codes.GELU_TANH,
    pointwise.Softplus: codes.SOFTPLUS,
    pointwise.Mish: codes.MISH,
    pointwise.HardTanh: codes.HARD_TANH,
    pointwise.ELUGradient: codes.ELU_GRADIENT,
    pointwise.SwishGradient: codes.SWISH_GRADIENT,
    pointwise.GELUGradient: codes.GELU_GRADIENT,
    pointwise.TanhGELUGradient: codes.GELU_TANH_GRADIENT,
    pointwise.SoftplusGradient: codes.SOFTPLUS_GRADIENT,
    pointwise.MishGradient: codes.MISH_GRADIENT,
    pointwise.HardTanhGradient: codes.HARD_TANH_GRADIENT,
}


def _numbers(op: Op) -> tuple[float, float]:
    """The two numbers of a stage."""
    attributes = op.attributes()
    if "alpha" in attributes:
        return attributes["scale"], attributes["alpha"] * attributes["scale"]
    return attributes.get("beta", 0.0), 0.0


def _stage(call: Call, m: Binding) -> Stage:
    number, second = _numbers(call.op)
    # A gradient reads two arrays, of which it changes the second in place.
    other = m.address(call.inputs[0]) if len(call.inputs) > 1 else 0
    return Stage(CODES[type(call.op)], other, number, more=(bits(second), 0, 0))


for _op in CODES:
    stage_of(_op, chain=1 if issubclass(_op, pointwise.PointwiseGradient) else 0)(_stage)
