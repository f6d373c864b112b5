"""The checks as data: what each is called, asks, can be told, and how its result is laid out as a table.

Window and command line are made from this one list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Struct

from engine.checks.base import Watch, go_on
from engine.checks.gradients import GradientCheck, check_gradients
from engine.checks.initial import InitialLoss, initial_loss
from engine.checks.overfit import Overfit, overfit
from engine.checks.ranges import RangeTest, range_test
from engine.checks.summary import Summary, summarize
from engine.schema import field
from engine.text import bytes_text, count_text, shape_text

if TYPE_CHECKING:
    from engine.data import Dataset
    from engine.experiment import Experiment

__all__ = [
    "CHECKS",
    "Check",
    "GradientOptions",
    "NoOptions",
    "OverfitOptions",
    "RangeOptions",
    "Table",
    "check_named",
]

Table = tuple[tuple[str, ...], Sequence[tuple[str, ...]]]
"""The names of the columns, and the rows, as text."""
LISTED = 20
"""Points of a curve that a table shows."""


class NoOptions(Struct, frozen=True, kw_only=True):
    """Nothing can be told."""


class OverfitOptions(Struct, frozen=True, kw_only=True):
    """How much is to be learned by heart."""

    samples: Annotated[int, field(ge=1, le=100_000, scale="log", help="How many training samples.")] = 20
    steps: Annotated[int, field(ge=1, le=1_000_000, scale="log", help="Steps at most.")] = 500


class RangeOptions(Struct, frozen=True, kw_only=True):
    """Which rates are tried."""

    low: Annotated[float, field(gt=0, le=1e6, scale="log", label="From", help="The first learning rate.")] = 1e-5
    high: Annotated[float, field(gt=0, le=1e6, scale="log", label="To", help="The last one; more than the first.")] = (
        10.0
    )
    steps: Annotated[
        int, field(ge=20, le=100_000, scale="log", help="In how many steps the rate grows from one to the other.")
    ] = 200


class GradientOptions(Struct, frozen=True, kw_only=True):
    """How thoroughly gradients are checked."""

    samples: Annotated[int, field(ge=1, le=1000, scale="log", help="How many training samples.")] = 8
    entries: Annotated[int, field(ge=1, le=10_000, scale="log", help="How many entries of each parameter.")] = 12
    step: Annotated[
        float,
        field(ge=1e-12, le=1, scale="log", label="Step", symbol="h", help="The width of the differences of the loss."),
    ] = 1e-5


class Check(Struct, frozen=True):
    """One check. `run(experiment, dataset, options, watch)` gives a result with `severity` and `words`; `table` lays it
    out. Raises TrainingError and DataError in words, ValueError for options that contradict one another, Cancelled."""

    tag: str
    label: str
    question: str
    options: type[Struct]
    run: Callable[[Experiment, Dataset, Any, Watch], Any]
    table: Callable[[Any], Table]


def _initial(experiment: Experiment, dataset: Dataset, options: NoOptions, watch: Watch = go_on) -> InitialLoss:
    return initial_loss(experiment, dataset)


def _overfit(experiment: Experiment, dataset: Dataset, options: OverfitOptions, watch: Watch = go_on) -> Overfit:
    return overfit(experiment, dataset, options.samples, options.steps, watch=watch)


def _range(experiment: Experiment, dataset: Dataset, options: RangeOptions, watch: Watch = go_on) -> RangeTest:
    return range_test(experiment, dataset, options.low, options.high, options.steps, watch)


def _gradients(
    experiment: Experiment, dataset: Dataset, options: GradientOptions, watch: Watch = go_on
) -> GradientCheck:
    return check_gradients(experiment, dataset, options.samples, options.entries, options.step, watch)


def _summary(experiment: Experiment, dataset: Dataset, options: NoOptions, watch: Watch = go_on) -> Summary:
    return summarize(experiment, dataset.signature)


def _initial_table(found: InitialLoss) -> Table:
    rows = []
    for head in found.heads:
        numbers = (head.loss, head.expected, head.constant)
        excess = "–" if head.excess is None else f"{head.excess:+.1%}"
        rows.append((head.node, *("–" if number is None else f"{number:.4g}" for number in numbers), excess))
    if found.penalty:
        rows.append(("penalties", f"{found.penalty:.4g}", "–", "–", f"{found.penalty_share:.1%} of the whole"))
    return ("Loss", "Before step 1", "Equal answers", "Best constant", "Excess"), rows


def _points(count: int) -> Sequence[int]:
    return sorted({round(k * (count - 1) / (LISTED - 1)) for k in range(LISTED)}) if count else ()


def _overfit_table(found: Overfit) -> Table:
    accuracy = found.accuracy if len(found.accuracy) == len(found.losses) else None
    rows = [
        (f"{k + 1:,}", f"{found.losses[k]:.4g}", "–" if accuracy is None else f"{accuracy[k]:.1%}")
        for k in _points(len(found.losses))
    ]
    return ("Step", "Loss", "Accuracy"), rows


def _range_table(found: RangeTest) -> Table:
    rows = [
        (f"{found.rates[k]:.2e}", f"{found.losses[k]:.4g}", f"{found.smooth[k]:.4g}") for k in _points(len(found.rates))
    ]
    return ("Rate", "Loss", "Smoothed"), rows


def _gradient_table(found: GradientCheck) -> Table:
    rows = [
        (
            item.name,
            str(item.checked),
            str(item.kinks),
            f"{item.norm:.2e}",
            f"{item.ratio:.1e}" if item.resolved else "–",
            f"{item.median:.1e}" if item.resolved else "–",
        )
        for item in found.arrays
    ]
    return ("Parameter", "Checked", "Kinks", "‖g‖", "Norm ratio", "Median"), rows


def _summary_table(found: Summary) -> Table:
    rows = [
        (
            row.node,
            row.title,
            ", ".join(row.inputs) or "–",
            shape_text(row.shape),
            count_text(row.parameters),
            ", ".join(f"{name} {shape_text(shape)}" for name, shape in row.arrays) or "–",
            count_text(row.flops),
            bytes_text(row.output_bytes),
        )
        for row in found.rows
    ]
    return ("Node", "Layer", "Reads", "Output", "Parameters", "Arrays", "FLOPs", "A batch’s output"), rows


CHECKS: tuple[Check, ...] = (
    Check("summary", "Summary", "What does the network consist of?", NoOptions, _summary, _summary_table),
    Check(
        "initial-loss",
        "First loss",
        "Is the loss before the first step what a network that knows nothing should have?",
        NoOptions,
        _initial,
        _initial_table,
    ),
    Check(
        "overfit",
        "Overfit",
        "Can the network learn a handful of samples by heart? One that cannot has a bug.",
        OverfitOptions,
        _overfit,
        _overfit_table,
    ),
    Check(
        "lr-range",
        "Learning rates",
        "Which learning rates does the network bear? In a short run the rate grows from step to step.",
        RangeOptions,
        _range,
        _range_table,
    ),
    Check(
        "gradient-check",
        "Gradients",
        "Does back-propagation agree with differences of the loss, parameter by parameter?",
        GradientOptions,
        _gradients,
        _gradient_table,
    ),
)


def check_named(tag: str) -> Check:
    """The check of that tag. Raises KeyError."""
    for check in CHECKS:
        if check.tag == tag:
            return check
    raise KeyError(tag)
