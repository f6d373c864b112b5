"""What to look at before a network is trained in earnest: each check is a function that leaves the experiment alone.

    initial_loss      is the first loss what it should be?
    overfit           can the network learn a handful of samples by heart?
    range_test        which learning rates does it bear?
    check_gradients   does back-propagation agree with differences of the loss?
    summarize         what does the network consist of?

Each takes an experiment and its data and returns a result that says in words what was found. Those that take long call
`watch(share, words)` now and then; where it answers False, they end with `Cancelled`.
"""

from engine.checks.base import Cancelled, Severity, Watch
from engine.checks.catalog import CHECKS, Check, check_named
from engine.checks.gradients import ArrayCheck, GradientCheck, check_gradients
from engine.checks.initial import HeadLoss, InitialLoss, initial_loss
from engine.checks.overfit import Overfit, overfit
from engine.checks.ranges import RangeTest, range_test
from engine.checks.summary import LayerRow, Summary, summarize

__all__ = [
    "CHECKS",
    "ArrayCheck",
    "Cancelled",
    "Check",
    "GradientCheck",
    "HeadLoss",
    "InitialLoss",
    "LayerRow",
    "Overfit",
    "RangeTest",
    "Severity",
    "Summary",
    "Watch",
    "check_gradients",
    "check_named",
    "initial_loss",
    "overfit",
    "range_test",
    "summarize",
]
