"""The control block: names, order and values."""

import math

import pytest

from engine.clipping import ClipByGlobalNorm
from engine.experiment import TrainingSpec
from engine.kinds import Optimizer
from engine.ops.update import COMMON
from engine.optimizers import SGD, Adam, update_scalars
from engine.penalties import L1, L2, WeightDecay
from engine.schedules import ConstantSchedule, NoWarmup


@pytest.mark.parametrize("optimizer", [SGD(learning_rate=0.3, momentum=0.5), Adam(learning_rate=0.3)])
def test_control_block_lists_the_operations_scalars_in_order(optimizer: Optimizer) -> None:
    training = TrainingSpec(
        optimizer=optimizer,
        schedule=ConstantSchedule(),
        warmup=NoWarmup(),
        penalties=(L2(strength=0.25), L2(strength=0.5), L1(strength=2.0), WeightDecay(strength=0.5)),
        clipping=ClipByGlobalNorm(max_norm=3.0),
    )
    scalars = update_scalars(training, 0.2, 7)
    beside = ("penalty_l1", "threshold", "unit_norm", "max_norm", "max_value", "average_rest")
    names = [name for name in scalars if name not in beside]
    op = optimizer.update_op()
    assert names == [n for n in COMMON if n != "clip_scale"] + list(op.RULE_SCALARS)  # type: ignore[attr-defined]
    assert [slot.name for slot in optimizer.slots()] == list(op.SLOTS)  # type: ignore[attr-defined]
    assert op.mutates == (0, *range(2 + len(COMMON) + len(op.RULE_SCALARS), 2 + len(names) + 1 + len(op.SLOTS)))  # type: ignore[attr-defined]
    assert (scalars["l1"], scalars["l2"], scalars["keep"], scalars["max_norm"]) == (2.0, 0.75, 0.9, 3.0)


def test_no_clipping_is_an_infinite_bound() -> None:
    training = TrainingSpec(optimizer=SGD(), schedule=ConstantSchedule(), warmup=NoWarmup())
    assert update_scalars(training, 0.1, 1)["max_norm"] == math.inf
