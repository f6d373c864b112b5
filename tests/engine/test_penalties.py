"""Penalties: their shares of the control block. (What they do to weights: optimizers/.)"""

import math

from engine.penalties import L1, L2, ElasticNet, MaxNorm, WeightDecay, penalty_scalars
from engine.schema import fields_of

NOTHING = {"l1": 0.0, "l2": 0.0, "decoupled_decay": 0.0, "proximal_l1": 0.0, "unit_norm": math.inf}


def test_strengths_of_a_kind_add_up() -> None:
    found = penalty_scalars([L1(strength=1.0), L2(strength=2.0), L2(strength=0.5), WeightDecay(strength=3.0)])
    assert found == NOTHING | {"l1": 1.0, "l2": 2.5, "decoupled_decay": 3.0}


def test_the_elastic_net_is_both_and_the_method_says_where_l1_goes() -> None:
    found = penalty_scalars([ElasticNet(strength=0.5, ratio=3.0), L1(strength=1.0, method="proximal")])
    assert found == NOTHING | {"l1": 0.5, "l2": 1.5, "proximal_l1": 1.0}
    found = penalty_scalars([ElasticNet(strength=0.5, ratio=3.0, method="proximal")])
    assert found == NOTHING | {"l2": 1.5, "proximal_l1": 0.5}


def test_of_several_bounds_the_least_holds() -> None:
    assert penalty_scalars([MaxNorm(bound=3.0), MaxNorm(bound=2.0)]) == NOTHING | {"unit_norm": 2.0}


def test_without_penalties_every_name_is_there() -> None:
    assert penalty_scalars([]) == NOTHING


def test_every_strength_can_be_moved_during_a_run() -> None:
    for cls in (L1, L2, ElasticNet, WeightDecay, MaxNorm):
        spec = fields_of(cls)[0]
        assert spec.name in ("strength", "bound") and spec.live and spec.scale == "log"
