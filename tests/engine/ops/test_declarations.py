"""What operations declare: names, shapes, costs, and refusals of what does not fit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from engine import ops
from engine.kernels.reference import KERNELS
from engine.ops import OPS, DType, Tensor
from engine.ops.base import Op
from engine.ops.tiling import BLOCK, TILE, block, images_at_once, repeats, tile
from tests.engine.ops.cases import ALL, Case
from tests.support.interpreter import Interpreter


def test_every_operation_has_a_kernel_unless_it_is_a_view() -> None:
    assert set(KERNELS) == {name for name, op in OPS.items() if not op.view}
    for name, op in OPS.items():
        assert op.name == name
        assert dataclasses.is_dataclass(op)
        assert op.__doc__


def test_operations_are_values() -> None:
    assert ops.Conv2d(2, 1) == ops.Conv2d(stride=2, padding=1)
    assert len({ops.ReLU(), ops.ReLU(), ops.LeakyReLU(0.1), ops.LeakyReLU(0.2)}) == 3
    assert ops.Conv2d(2, 1).attributes() == {"stride": 2, "padding": 1}


MOVES = {"concatenate", "crop", "embedding", "fill", "pad", "permute"}
"""Operations that compute nothing."""


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.id)
def test_costs_are_positive_and_count_what_moves(case: Case) -> None:
    machine = Interpreter()
    tensors = [machine.value(array).tensor for array in case.draw()]
    cost = case.op.cost(*tensors)
    moved = sum(t.size for t in tensors) + sum(t.size for t in case.op.infer(*tensors))
    assert cost.bytes == 4 * moved
    assert (cost.flops > 0) != (case.op.view or case.op.name in MOVES)


def test_costs_of_products() -> None:
    a, b = Tensor((3, 4)), Tensor((4, 5))
    assert ops.MatMul().flops(a, b) == 2 * 3 * 4 * 5
    assert ops.MatMul(True, True).flops(Tensor((4, 3)), Tensor((5, 4))) == 2 * 3 * 4 * 5
    x, w = Tensor((2, 8, 8, 3)), Tensor((3, 3, 3, 16))
    forward = ops.Conv2d(1, 1).flops(x, w)
    assert forward == 2 * (2 * 8 * 8 * 16) * 27
    dy = ops.Conv2d(1, 1).infer(x, w)[0]
    assert ops.Conv2dInputGradient(x.shape, 1, 1).flops(dy, w) == forward
    assert ops.Conv2dWeightGradient((3, 3), 1, 1).flops(x, dy) == forward


REFUSED: list[tuple[Op, tuple[Tensor, ...]]] = [
    (ops.MatMul(), (Tensor((3, 4)), Tensor((5, 4)))),
    (ops.MatMul(transpose_a=True), (Tensor((3, 4)), Tensor((4, 5)))),
    (ops.AddBias(), (Tensor((3, 4)), Tensor((3,)))),
    (ops.Conv2d(), (Tensor((1, 5, 5, 2)), Tensor((3, 3, 3, 4)))),
    (ops.Conv2d(), (Tensor((1, 2, 9, 2)), Tensor((3, 3, 2, 4)))),
    (ops.MaxPool(4, 4, 0), (Tensor((1, 3, 3, 1)),)),
    (ops.Reshape((5,)), (Tensor((2, 3)),)),
    (ops.Add(), (Tensor((2, 3)), Tensor((3, 2)))),
    (ops.Multiply(), (Tensor((2, 3)), Tensor((3, 2)))),
    (ops.Concatenate(), (Tensor((2, 3)), Tensor((3, 3)))),
    (ops.Concatenate(), (Tensor((2, 3)),)),
    (ops.Crop((0, 2), (2, 2)), (Tensor((2, 3)),)),
    (ops.Crop((0,), (2,)), (Tensor((2, 3)),)),
    (ops.Pad((0, 2), (2, 4)), (Tensor((2, 3)),)),
    (ops.Permute((0, 0)), (Tensor((2, 3)),)),
    (ops.BatchMatMul(), (Tensor((2, 3, 4)), Tensor((2, 3, 4)))),
    (ops.BatchMatMul(), (Tensor((3, 4)), Tensor((4, 3)))),
    (ops.AttentionWeights(), (Tensor((3,)),)),
    (ops.Embedding(), (Tensor((3,)), Tensor((4, 3)))),
    (ops.AddPositions(), (Tensor((2, 3, 4)), Tensor((4, 3)))),
    (ops.AddSinusoids(), (Tensor((2, 3)),)),
    (ops.Add(), (Tensor((2, 3)),)),
    (ops.SoftmaxCrossEntropy(), (Tensor((4, 3)), Tensor((5,), DType.INT64))),
    (ops.MeanSquaredError(), (Tensor((4, 3)), Tensor((4,)))),
]


@pytest.mark.parametrize(("op", "inputs"), REFUSED, ids=lambda value: getattr(value, "name", ""))
def test_shapes_that_do_not_fit_are_refused(op: Op, inputs: tuple[Tensor, ...]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        op.infer(*inputs)


def test_an_operation_without_a_derivative_says_so() -> None:
    machine = Interpreter()
    call = machine.call(ops.Observe(4), machine.value(np.ones((2, 2))))
    with pytest.raises(NotImplementedError, match="observe has no derivative"):
        call.op.vjp(machine, call, None)  # type: ignore[arg-type]


def test_unneeded_gradients_are_not_computed() -> None:
    machine = Interpreter()
    x, w = machine.value(np.ones((2, 3)), needed=False), machine.value(np.ones((3, 4)))
    y = machine.op(ops.MatMul(), x, w)
    machine.gradients({y: np.ones((2, 4))})
    assert [call.op for call in machine.calls] == [ops.MatMul(), ops.MatMul(transpose_a=True)]


@pytest.mark.parametrize(
    ("rows", "channels"), [(1, 1), (7, 3), (64, 32), (97, 10), (100_003, 4), (4096, 1), (12, 4096)]
)
def test_joined_rows_divide_the_rows_and_fit_a_tile(rows: int, channels: int) -> None:
    count = repeats(rows, channels)
    assert count >= 1 and rows % count == 0
    assert count == 1 or count * channels <= TILE
    assert tile((rows, channels)) == count * channels


def test_blocks_and_chunks() -> None:
    assert block((3, 4)) == (3, 4)
    assert block((BLOCK, 2)) == (BLOCK,)
    assert images_at_once(10, 1) == 10
    assert images_at_once(10, 1 << 40) == 1
