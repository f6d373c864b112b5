"""Pieces, frames and orders of axes: numbers arrive where NumPy puts them, by the kernel that is meant for them."""

from __future__ import annotations

import numpy as np
import pytest

from engine.kernels.cuda.arrange import Axis, join
from engine.kernels.cuda.launches import Launch
from engine.ops.arrange import Concatenate, Crop, Pad, Permute
from engine.ops.base import Op
from tests.support.cuda_bench import CudaBench
from tests.support.interpreter import Interpreter


def moved(benches: tuple[CudaBench, ...], op: Op, *shapes: tuple[int, ...]) -> Launch:
    """Check that numbers that tell their places arrive where the reference kernel puts them; returns the launch."""
    machine = Interpreter(precision="float32")
    values = [machine.value(np.arange(np.prod(shape)).reshape(shape) + 1000.0 * i) for i, shape in enumerate(shapes)]
    call = machine.call(op, *values)
    (result,) = call.outputs
    for bench in benches:
        found = bench.run([call], {value.id: machine.host(value) for value in values})[result.id]
        np.testing.assert_array_equal(found, machine.host(result))
    (work,) = benches[0].works
    assert isinstance(work, Launch)
    return work


@pytest.mark.parametrize(
    ("axes", "shape", "kernel"),
    [
        ((1, 0), (40, 70), "transpose"),
        ((1, 0), (33, 8), "transpose"),
        ((1, 0), (3, 70), "rearrange"),
        ((0, 2, 1), (5, 9, 34), "transpose"),
        ((0, 3, 1, 2), (2, 5, 6, 16), "transpose"),
        ((0, 2, 3, 1), (2, 16, 5, 6), "transpose"),
        ((0, 2, 1, 3), (2, 5, 3, 8), "rearrange"),
        ((0, 2, 1, 3), (2, 5, 3, 7), "rearrange"),
        ((2, 1, 0), (9, 10, 11), "rearrange"),
        ((1, 0, 2), (9, 10, 1), "transpose"),
        ((2, 0, 1), (9, 1, 10), "transpose"),
        ((0, 1, 2), (3, 4, 5), "rearrange"),
        ((4, 3, 2, 1, 0), (2, 3, 4, 5, 6), "rearrange"),
        ((0,), (7,), "rearrange"),
    ],
    ids=str,
)
def test_orders_of_axes(
    axes: tuple[int, ...], shape: tuple[int, ...], kernel: str, benches: tuple[CudaBench, ...]
) -> None:
    assert moved(benches, Permute(axes), shape).kernel == kernel


@pytest.mark.parametrize(
    ("begin", "piece", "whole", "wide"),
    [
        ((0, 0), (5, 8), (5, 24), True),
        ((0, 8), (5, 8), (5, 24), True),
        ((0, 6), (5, 8), (5, 24), False),
        ((0, 8), (5, 7), (5, 24), False),
        ((0, 4), (3, 4), (3, 10), False),
        ((2, 0), (3, 5), (9, 5), False),
        ((2, 0), (4, 7), (8, 7), False),
        ((0, 1, 2, 0), (2, 3, 4, 4), (2, 5, 7, 4), True),
        ((0, 1, 2, 0), (2, 3, 4, 3), (2, 5, 7, 3), False),
        ((1, 3, 0, 2), (1, 1, 4, 3), (3, 5, 7, 6), False),
        ((0,), (1,), (5,), False),
    ],
    ids=str,
)
def test_pieces_and_frames(
    begin: tuple[int, ...], piece: tuple[int, ...], whole: tuple[int, ...], wide: bool, benches: tuple[CudaBench, ...]
) -> None:
    for op, shape in ((Crop(begin, piece), whole), (Pad(begin, whole), piece)):
        work = moved(benches, op, shape)
        assert bool(work.arguments[3].wide) == wide  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("widths", "wide"), [((3, 4), 0), ((4, 8), 1), ((1, 1, 1), 0), ((8, 4, 12, 4, 4, 16, 4, 4, 8), 1)], ids=str
)
@pytest.mark.parametrize("lead", [(1,), (5,), (2, 3, 3)], ids=str)
def test_arrays_side_by_side(
    lead: tuple[int, ...], widths: tuple[int, ...], wide: int, benches: tuple[CudaBench, ...]
) -> None:
    assert moved(benches, Concatenate(), *((*lead, width) for width in widths)).arguments[-1] == wide


def test_axes_that_stay_together_are_one() -> None:
    rows, columns = Axis(4, 0, 4, 15), Axis(5, 0, 5, 3)
    assert join([rows, columns, Axis(3, 0, 3, 1)]) == [Axis(60, 0, 60, 1)]
    # What begins elsewhere is joined with what lies whole inside it, not with what it lies in.
    assert join([rows, Axis(2, -1, 5, 3), Axis(3, 0, 3, 1)]) == [rows, Axis(6, -3, 15, 1)]
    assert join([Axis(1, 0, 1, 9)]) == [Axis(1, 0, 1, 1)]
