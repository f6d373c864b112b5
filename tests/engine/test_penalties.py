"""Penalties: their shares of the control block. (What they do to weights: optimizers/.)"""

from engine.penalties import L1, L2, WeightDecay, penalty_scalars
from engine.schema import fields_of


def test_strengths_of_a_kind_add_up() -> None:
    found = penalty_scalars([L1(strength=1.0), L2(strength=2.0), L2(strength=0.5), WeightDecay(strength=3.0)])
    assert found == {"l1": 1.0, "l2": 2.5, "decoupled_decay": 3.0}


def test_without_penalties_every_name_is_there() -> None:
    assert penalty_scalars([]) == {"l1": 0.0, "l2": 0.0, "decoupled_decay": 0.0}


def test_every_strength_can_be_moved_during_a_run() -> None:
    for cls in (L1, L2, WeightDecay):
        (spec,) = fields_of(cls)
        assert spec.name == "strength" and spec.live and spec.scale == "log"
