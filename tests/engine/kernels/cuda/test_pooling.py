"""Pooling on the GPU: four channels at a time, regions of many pixels, and what follows a gradient."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from engine import ops
from engine.kernels.cuda.launches import Launch
from engine.kernels.cuda.pooling import Pixels, Strided
from engine.ops import regions
from engine.ops.base import Op
from tests.engine.kernels.cuda.test_operations import near
from tests.engine.ops.cases import Case, key, normal
from tests.support.cuda_bench import CudaBench
from tests.support.cuda_groups import Build, Draw, check_group
from tests.support.interpreter import Interpreter
from tests.support.records import records_of

IMAGE = (3, 9, 7, 20)
ODD = (2, 9, 7, 3)


@pytest.fixture(scope="module")
def bench() -> CudaBench:
    return CudaBench(order=2)


@pytest.mark.parametrize(
    ("op", "shape", "kernel"),
    [
        (ops.MaxPool(3, 2, 1), IMAGE, "pool"),
        (ops.AveragePool(3, 2, 1), IMAGE, "pool"),
        (regions.AdaptiveMaxPool((4, 3)), IMAGE, "adaptive_pool"),
        (regions.AdaptiveAveragePool((4, 3)), IMAGE, "adaptive_pool"),
        (regions.AdaptiveAveragePool((11, 9)), IMAGE, "adaptive_pool"),
        (regions.AdaptiveMaxPool((2, 1)), IMAGE, "pool_regions"),
        (regions.AdaptiveMaxPool((2, 1)), ODD, "pool_regions"),
        (regions.AdaptiveAveragePool((1, 2)), IMAGE, "pool_regions"),
        (ops.GlobalAveragePool(), (2, 9, 7, 132), "pool_regions"),
        (ops.GlobalAveragePool(), (2, 9, 7, 65), "pool_regions"),
        (ops.GlobalAveragePool(), (2, 3, 3, 65), "adaptive_pool"),
    ],
    ids=str,
)
def test_agrees_in_sizes_of_every_way(op: Op, shape: tuple[int, ...], kernel: str, bench: CudaBench) -> None:
    records = records_of(Case(op, (equal_numbers(*shape),)))
    assert len(records) == 2
    for record in records:
        found = bench.run([record.call], record.inputs, times=2)
        if record is records[0]:
            assert [work.kernel for work in bench.works if isinstance(work, Launch)] == [kernel]
        for value_id in record.reference("float64"):
            near(found[value_id], record, value_id)


@pytest.mark.parametrize("kind", ["fixed", "disjoint", "overlapping"])
@pytest.mark.parametrize("offset", [-1, 0, (1 << 24) - 1])
@pytest.mark.parametrize("size", [(8, 5), (5, 4), (7, 6)])
def test_fractional_regions_are_those_of_the_reference(
    kind: regions.Regions, offset: int, size: tuple[int, int], bench: CudaBench
) -> None:
    op = regions.FractionalMaxPool(size, kind, 77, offset)
    forward, backward = records_of(Case(op, (equal_numbers(2, 9, 8, 4), key(5, 1, 2, 3))))
    found = bench.run([forward.call], forward.inputs)
    for value_id, expected in forward.reference("float32").items():
        np.testing.assert_array_equal(found[value_id], expected)
    (dx,) = backward.call.outputs
    near(bench.run([backward.call], backward.inputs)[dx.id], backward, dx.id)


def equal_numbers(*shape: int):  # type: ignore[no-untyped-def]
    """Few different numbers: the first of the largest ones counts."""
    return lambda rng: np.round(normal(*shape, scale=2.0)(rng))


def test_structures_are_as_long_as_the_device_takes_them_to_be() -> None:
    assert (ctypes.sizeof(Pixels), ctypes.sizeof(Strided)) == (60, 24)


# -- what follows ------------------------------------------------------------------------------------------------------


def largest_backwards(forward: Op, backward: Op, shape: tuple[int, ...]) -> Build:
    def build(machine: Interpreter, draw: Draw) -> None:
        x = draw(*shape)
        y = machine.op(forward, x)
        machine.calls.clear()
        machine.op(ops.ReLUGradient(), draw(*shape), machine.op(backward, x, y, draw(*y.shape)))

    return build


def average_backwards(backward: Op, *pooled: int) -> Build:
    def build(machine: Interpreter, draw: Draw) -> None:
        machine.op(ops.LeakyReLUGradient(0.1), draw(*IMAGE), machine.op(backward, draw(*pooled)))

    return build


@pytest.mark.parametrize(
    ("build", "kernel"),
    [
        (largest_backwards(ops.MaxPool(2, 2), ops.MaxPoolGradient(2, 2), IMAGE), "max_pool_gradient"),
        (largest_backwards(ops.MaxPool(3, 2, 1), ops.MaxPoolGradient(3, 2, 1), ODD), "max_pool_gradient"),
        (
            largest_backwards(regions.AdaptiveMaxPool((2, 3)), regions.AdaptiveMaxPoolGradient((2, 3)), IMAGE),
            "adaptive_max_pool_gradient",
        ),
        (average_backwards(ops.AveragePoolGradient(3, 2, 1, IMAGE), 3, 5, 4, 20), "average_pool_gradient"),
        (average_backwards(ops.GlobalAveragePoolGradient(IMAGE), 3, 20), "adaptive_average_pool_gradient"),
        (
            average_backwards(regions.AdaptiveAveragePoolGradient(IMAGE), 3, 4, 5, 20),
            "adaptive_average_pool_gradient",
        ),
    ],
)
def test_what_follows_becomes_stages(build: Build, kernel: str, bench: CudaBench) -> None:
    assert check_group(build, bench) == [kernel]
