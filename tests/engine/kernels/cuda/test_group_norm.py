"""Normalization over groups of channels on the GPU, where sizes change the way that is taken."""

from __future__ import annotations

import ctypes

import pytest

from engine import ops
from engine.kernels.cuda.group_norm import Groups
from engine.kernels.cuda.launches import Launch
from engine.ops.group_norm import GroupNorm, GroupNormGradient
from tests.engine.kernels.cuda.test_operations import near
from tests.engine.ops.cases import Case, normal
from tests.support.cuda_bench import CudaBench
from tests.support.cuda_groups import Build, Draw, check_group
from tests.support.interpreter import Interpreter
from tests.support.records import records_of

AT_ONCE = ["group_norm"]
IN_TWO = ["group_norm_statistics", "group_normalize"]
DENSE = ["group_norm_gain", "group_norm_gradient"]
BACK = ["group_norm_sums", "group_norm_rest"]

WAYS = (
    # the shape of x, groups, what runs forward and backward
    ((600, 12), 1, AT_ONCE, DENSE),  # parts of samples
    ((5, 1032), 1, AT_ONCE, DENSE),  # a block for each sample
    ((5, 514), 1, AT_ONCE, DENSE),
    ((9, 48), 3, AT_ONCE, DENSE),
    ((3, 7, 7, 20), 1, AT_ONCE, BACK),  # a group in one piece
    ((3, 5, 5, 32), 2, AT_ONCE, BACK),  # a warp for each group
    ((3, 9, 9, 32), 2, AT_ONCE, BACK),  # a block for each group
    ((2, 9, 9, 45), 3, AT_ONCE, BACK),  # columns that are not a multiple of four
    ((2, 40, 40, 16), 2, AT_ONCE, BACK),  # parts of places backwards
    ((2, 30, 30, 44), 1, IN_TWO, BACK),  # parts of places, groups that are joined by warps
    ((2, 40, 40, 20), 20, IN_TWO, BACK),  # parts of places, groups of one channel
    ((4, 3, 3, 36), 36, IN_TWO, BACK),
    ((2, 5, 5, 35), 7, IN_TWO, BACK),
)


@pytest.fixture(scope="module")
def bench() -> CudaBench:
    return CudaBench(order=2)


def kernels(bench: CudaBench) -> list[str]:
    return [work.kernel for work in bench.works if isinstance(work, Launch)]


@pytest.mark.parametrize("affine", [True, False], ids=["gain", "plain"])
@pytest.mark.parametrize(("shape", "groups", "forward", "backward"), WAYS, ids=str)
def test_agrees_in_sizes_of_every_way(
    shape: tuple[int, ...], groups: int, forward: list[str], backward: list[str], affine: bool, bench: CudaBench
) -> None:
    c = shape[-1]
    x = normal(*shape, scale=2.0, shift=20.0)
    inputs = (x, normal(c, shift=1.0), normal(c)) if affine else (x,)
    first, second = records_of(Case(GroupNorm(groups, 1e-3, affine), inputs, tuple(range(len(inputs)))))
    for record, expected in ((first, forward), (second, backward)):
        found = bench.run([record.call], record.inputs, times=2)
        # Nobody asks for sums where there is no gain.
        assert kernels(bench) == [name for name in expected if affine or name != "group_norm_gain"]
        for value_id in record.reference("float64"):
            near(found[value_id], record, value_id)


def test_structure_is_as_long_as_the_device_takes_it_to_be() -> None:
    assert ctypes.sizeof(Groups) == 44


@pytest.mark.parametrize("shape", [(40, 7), (3, 1, 1, 4)], ids=str)
def test_a_group_of_one_number_leaves_nothing(shape: tuple[int, ...], bench: CudaBench) -> None:
    """It is its own mean: normalized it is 0, and has no influence."""
    c = shape[-1]
    inputs = (normal(*shape, shift=9.0), normal(c, shift=1.0), normal(c))
    first, second = records_of(Case(GroupNorm(c, 1e-5), inputs, (0, 1, 2)))
    found = bench.run([first.call], first.inputs)
    assert (found[first.call.outputs[0].id] == first.before[2]).all()
    found = bench.run([second.call], second.inputs)
    assert not found[second.call.outputs[0].id].any()


# -- what follows ------------------------------------------------------------------------------------------------------


def backward(groups: int, *shape: int) -> Build:
    def build(machine: Interpreter, draw: Draw) -> None:
        c, statistics = shape[-1], (shape[0], groups)
        x, dy, gamma = draw(*shape), draw(*shape), draw(c)
        dx, *_ = machine.op(GroupNormGradient(groups), x, gamma, draw(*statistics), draw(*statistics), dy)
        machine.op(ops.SigmoidGradient(), draw(*shape), machine.op(ops.DropoutGradient(), draw(*shape), dx))

    return build


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (backward(1, 37, 130), DENSE),
        (backward(2, 37, 128), DENSE),
        (backward(5, 3, 9, 7, 20), BACK),
        (backward(3, 3, 9, 7, 21), BACK),
    ],
)
def test_what_follows_becomes_stages(build: Build, expected: list[str], bench: CudaBench) -> None:
    assert check_group(build, bench) == expected
