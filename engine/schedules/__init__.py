"""The learning rate's course over a run: a warm-up, then a schedule; both are factors of the optimizer's base rate.

Steps are counted from 0: the first update of a run uses `learning_rate(training, 0, ...)`. The schedule starts to count
when warm-up is over, as with PyTorch's `SequentialLR([LinearLR(...), ...], milestones=[length])`. All but the drops of
the plateau schedule is a pure function of the step, so that a run that is resumed needs no schedule state; steps are
arrays, so that the rates of many steps cost what that of one does.
"""

from engine.schedules.cosine import CosineRestarts, CosineSchedule
from engine.schedules.course import (
    Drop,
    curve,
    learning_rate,
    learning_rate_factors,
    learning_rates,
    opposed_momenta,
)
from engine.schedules.cycles import CyclicalSchedule, OneCycle
from engine.schedules.decays import (
    ConstantSchedule,
    ExponentialSchedule,
    InverseSquareRoot,
    InverseTime,
    LinearSchedule,
    PolynomialSchedule,
)
from engine.schedules.drops import MultiStepSchedule, StepSchedule
from engine.schedules.plateau import PlateauSchedule
from engine.schedules.points import PointsSchedule, as_points
from engine.schedules.warmups import ConstantWarmup, LinearWarmup, NoWarmup

__all__ = [
    "ConstantSchedule",
    "ConstantWarmup",
    "CosineRestarts",
    "CosineSchedule",
    "CyclicalSchedule",
    "Drop",
    "ExponentialSchedule",
    "InverseSquareRoot",
    "InverseTime",
    "LinearSchedule",
    "LinearWarmup",
    "MultiStepSchedule",
    "NoWarmup",
    "OneCycle",
    "PlateauSchedule",
    "PointsSchedule",
    "PolynomialSchedule",
    "StepSchedule",
    "as_points",
    "curve",
    "learning_rate",
    "learning_rate_factors",
    "learning_rates",
    "opposed_momenta",
]
