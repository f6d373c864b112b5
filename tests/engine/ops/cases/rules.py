"""The operations of the rules, beside the first two."""

from __future__ import annotations

from engine import ops
from engine.ops.update import COMMON, UpdateRule
from tests.engine.ops.cases.base import Case, constant, normal, uniform

_COMMON = {"learning_rate": 0.1, "l1": 0.01, "l2": 0.02, "keep": 0.99, "clip_scale": 0.5}
_SCALARS = {
    "alpha": 0.9,
    "alpha_rest": 0.1,
    "adaptive_size": 0.03,
    "beta1_rest": 0.1,
    "decay": 0.3,
    "beta2": 0.99,
    "beta2_rest": 0.01,
    "epsilon": 1e-3,
    "gradient_size": 0.02,
    "mean_correction": 0.3,
    "mean_size": 0.05,
    "momentum": 0.9,
    "momentum_rest": 0.1,
    "plain_size": 0.01,
    "rho": 0.9,
    "rho_rest": 0.1,
    "square_correction": 0.5,
    "step_size": 0.05,
}
_SIGNED = {"displacement", "mean", "velocity"}
"""Slots whose numbers may be negative; a square is not less than a mean's."""


def case(op: UpdateRule, *shape: int) -> Case:
    scalars = [constant(_COMMON[name]) for name in COMMON] + [constant(_SCALARS[name]) for name in op.RULE_SCALARS]
    slots = [normal(*shape, scale=0.3) if name in _SIGNED else uniform(*shape, low=1.0, high=2.0) for name in op.SLOTS]
    return Case(op, (normal(*shape), normal(*shape), *scalars, *slots), ())


def _cases() -> list[Case]:
    cases = []
    for flags in ((False,) * 5, (True,) * 5):
        cases += [case(ops.rules.UpdateRateInside(*flags, nesterov=nesterov), 7, 5) for nesterov in (False, True)]
        for cls in (ops.rules.UpdateAdagrad, ops.rules.UpdateRMSprop, ops.rules.UpdateCenteredRMSprop):
            cases += [case(cls(*flags, inside=inside), 7, 5) for inside in (False, True)]
        for plain in (
            ops.rules.UpdateAdadelta,
            ops.rules.UpdateAMSGrad,
            ops.rules.UpdateNadam,
            ops.rules.UpdateRAdam,
            ops.rules.UpdateAdamax,
            ops.rules.UpdateLion,
        ):
            cases.append(case(plain(*flags), 7, 5))
        cases.append(case(ops.array_rules.UpdateLAMB(*flags), 7, 5))
        for nesterov, like_adam, shape in ((True, True, (7, 5)), (False, False, (4, 9)), (True, False, (2, 3, 3, 5))):
            cases.append(case(ops.array_rules.UpdateMuon(*flags, nesterov, 5, like_adam), *shape))
    return cases


UPDATES: list[Case] = _cases()
LARGE: list[Case] = [
    case(ops.array_rules.UpdateLAMB(norms=True), 1000, 400),
    case(ops.array_rules.UpdateMuon(norms=True), 2000, 200),
]
