"""What the update operations declare: shapes, scratch, cost."""

import pytest

from engine.ops import OPS
from engine.ops.array_rules import UpdateMuon
from engine.ops.base import Tensor
from engine.ops.tiling import BLOCK
from engine.ops.update import (
    COMMON,
    ClipScale,
    GradientNorm,
    PenaltyValue,
    UpdateAdam,
    UpdateRule,
    UpdateSGD,
)

ONE = Tensor((1,))
RULES = [op for op in OPS.values() if issubclass(op, UpdateRule)]
each_rule = pytest.mark.parametrize("cls", RULES, ids=lambda cls: cls.name)


def operands(op: UpdateRule, *shape: int) -> list[Tensor]:
    scalars = len(COMMON) + len(op.RULE_SCALARS)
    return [Tensor(shape), Tensor(shape), *[ONE] * scalars, *[Tensor(shape)] * len(op.SLOTS)]


def test_operations_are_registered() -> None:
    for cls in (ClipScale, GradientNorm, PenaltyValue, UpdateAdam, UpdateSGD):
        assert OPS[cls.name] is cls


@each_rule
def test_output_only_when_norms_are_wanted(cls: type[UpdateRule]) -> None:
    assert cls().infer(*operands(cls(), 3, 4)) == ()
    assert cls(norms=True).infer(*operands(cls(), 3, 4)) == (Tensor((3,)),)


@each_rule
def test_scratch_is_bounded_by_a_block(cls: type[UpdateRule]) -> None:
    op = cls(norms=True)
    assert max(t.size for t in op.scratch(*operands(op, 3, 4))) == 12
    if not issubclass(cls, UpdateMuon):  # its products need whole matrices
        assert max(t.size for t in op.scratch(*operands(op, 1000, 1000))) == BLOCK


@each_rule
def test_mutated_inputs_are_the_parameter_and_the_slots(cls: type[UpdateRule]) -> None:
    first = 2 + len(COMMON) + len(cls.RULE_SCALARS)
    assert cls.mutates == (0, *range(first, first + len(cls.SLOTS)))


def test_the_slots_come_last() -> None:
    assert UpdateSGD.mutates == (0, 8) and UpdateAdam.mutates == (0, 13, 14)


def test_cost_counts_what_moves_and_grows_with_penalties() -> None:
    plain, full = UpdateSGD(), UpdateSGD(has_l1=True, has_l2=True, has_decay=True, has_clip=True, norms=True)
    cost = plain.cost(*operands(plain, 10))
    assert (cost.flops, cost.bytes) == (40, 4 * 10 * 5)
    assert full.flops(*operands(full, 10)) == 10 * (4 + 2 + 3 + 1 + 1 + 7)
    assert UpdateAdam().cost(*operands(UpdateAdam(), 10)).bytes == 4 * 10 * 7


def test_sums_have_one_element() -> None:
    assert GradientNorm().infer(Tensor((5,)), Tensor((2, 3))) == (ONE,)
    assert GradientNorm().flops(Tensor((5,)), Tensor((2, 3))) == 22
    assert ClipScale().infer(ONE, ONE) == (ONE,) and ClipScale().flops(ONE, ONE) == 4
    assert PenaltyValue().infer(ONE, ONE, Tensor((5,))) == (ONE,)
    assert PenaltyValue(has_l1=False).flops(ONE, ONE, Tensor((5,))) == 10
