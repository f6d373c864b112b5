"""Dropped parts and added noise. See `engine.ops.noise`; the random bits are those of the array executor."""

from __future__ import annotations

from engine.kernels.cuda import stages
from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import BLOCK, Launch, Work, blocks, elementwise, launches_of
from engine.kernels.cuda.signatures import Argument
from engine.kernels.cuda.stages import Stage
from engine.ops.base import Call, Value
from engine.ops.noise import Drop, DropGradient, Expected, GaussianNoise

WIDE = 4
"""Numbers that a thread takes at a time, where it can: one at a time would keep too few loads under way."""


def _parts(part: str, x: Value) -> tuple[int, int, int]:
    """How many elements lie together that have all their parts to themselves, how many parts that are, and whether
    four elements can be taken at a time."""
    per_sample = x.size // x.shape[0]
    outer, inner = {"channel": (per_sample, x.shape[-1]), "sample": (per_sample, 1), "batch": (x.size, 1)}[part]
    return outer, inner, int(outer % WIDE == 0 and (inner == 1 or inner % WIDE == 0))


@launches_of(Drop)
def _drop(call: Call, b: Binding) -> list[Work]:
    (x, rate, counters), (y, mask) = call.inputs, call.outputs
    attributes = call.op.attributes()
    flags = (0 if attributes["inverted"] else stages.PLAIN) + (stages.SURVIVAL if attributes["survival"] else 0)
    stream = attributes["stream"]
    if attributes["part"] == "element":
        target, share, key = b.pointers(mask, rate, counters)
        stage = Stage(stages.DROPOUT, target, float(flags), extra=share, counters=key, stream=stream)
        return [elementwise(b.pointer(x), y, [stage], b)]
    shape = (x.size, *_parts(attributes["part"], x))
    return [
        Launch(
            "drop_parts", [*b.pointers(x, y, mask, rate, counters), stream, flags, *shape], blocks(x.size, WIDE * BLOCK)
        )
    ]


@launches_of(DropGradient)
def _drop_gradient(call: Call, b: Binding) -> list[Work]:
    (mask, dy), (dx,) = call.inputs, call.outputs
    part = call.op.attributes()["part"]
    if part == "element":
        return [elementwise(b.pointer(dy), dx, [Stage(stages.MULTIPLY, b.pointer(mask))], b)]
    arguments: list[Argument] = [*b.pointers(mask, dy, dx), dy.size, *_parts(part, dy)]
    return [Launch("multiply_parts", arguments, blocks(dy.size, WIDE * BLOCK))]


@launches_of(Expected)
def _expected(call: Call, b: Binding) -> list[Work]:
    (y,) = call.outputs
    survival = int(call.op.attributes()["survival"])
    return [Launch("expected", [*b.pointers(*call.inputs, y), y.size, survival], blocks(y.size, WIDE * BLOCK))]


@launches_of(GaussianNoise)
def _gaussian_noise(call: Call, b: Binding) -> list[Work]:
    (x, deviation, counters), (y,) = call.inputs, call.outputs
    attributes = call.op.attributes()
    arguments = [*b.pointers(x, y, deviation, counters), attributes["radius"], attributes["angle"], y.size]
    return [Launch("gaussian_noise", arguments, blocks(y.size, WIDE * BLOCK))]
