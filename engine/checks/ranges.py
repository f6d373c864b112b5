"""The learning-rate range test: one short run whose rate grows from step to step, and the loss beside it.

Source: L. N. Smith, “Cyclical learning rates for training neural networks” (2017), section 3.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace

from engine.checks.base import Cancelled, Severity, Watch, go_on, reduced
from engine.data import Dataset, Part
from engine.experiment import Experiment
from engine.kinds import Schedule
from engine.training import events
from engine.training.control import Control
from engine.training.trainer import Trainer

__all__ = ["RangeTest", "range_test", "smoothed", "suggestions"]

BLOWN = 4.0
"""The test ends when the smoothed loss is so many times the lowest."""
MEMORY = 0.9
"""What the smoothing keeps of the past at each step."""
SKIPPED = 10
"""Steps at the beginning whose smoothed loss says nothing yet."""


class _Rise(Schedule, frozen=True):
    """From `low` to `high` times the base rate in equal ratios. No component: nobody chooses it."""

    low: float
    high: float
    length: int

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        parts = np.minimum(steps / max(self.length - 1, 1), 1.0)
        return np.exp(math.log(self.low) + parts * math.log(self.high / self.low))


@dataclass(frozen=True)
class RangeTest:
    """The test: learning rates, losses and smoothed losses by step, float64 (steps,).

    `steepest` is the rate at which the smoothed loss falls fastest per decade, `tenth` a tenth of the rate of its
    minimum, `largest` the rate from which on it rises: each None where the curve does not show it. `blown` tells
    whether the test ended early because the loss ran away.
    """

    rates: np.ndarray
    losses: np.ndarray
    smooth: np.ndarray
    steepest: float | None
    tenth: float | None
    largest: float | None
    blown: bool
    severity: Severity
    words: str


def range_test(
    experiment: Experiment,
    dataset: Dataset,
    low: float = 1e-5,
    high: float = 10.0,
    steps: int = 200,
    watch: Watch = go_on,
) -> RangeTest:
    """Train a fresh copy for `steps` steps while the rate grows from `low` to `high` in equal ratios.

    The experiment's own schedule, warm-up and clipping are left out, which would hide what the rate does; its penalties
    count. Nothing of the experiment is changed. Raises ValueError for a range that is none, TrainingError in words,
    Cancelled.
    """
    if not 0 < low < high:
        raise ValueError(f"expected 0 < low < high, got {low:g} and {high:g}")
    part = dataset.train
    size = min(experiment.training.batch_size, part.size)
    per_epoch = max(1, part.size // size)
    plain = reduced(
        experiment,
        batch_size=size,
        drop_last=True,
        epochs=-(-steps // per_epoch),
        metrics=(),
        penalties=experiment.training.penalties,
    )
    optimizer = replace(plain.training.optimizer, learning_rate=1.0)
    rise = _Rise(low=low, high=high, length=steps)
    plain = replace(plain, training=replace(plain.training, optimizer=optimizer, schedule=rise))
    nothing = replace(dataset.signature, validation_size=0)
    data = Dataset(nothing, part, _nobody(dataset), _nobody(dataset), dataset.info, dataset.raw, dataset.fitted)
    rates: list[float] = []
    losses: list[float] = []
    control = Control()
    cancelled = False

    def follow(event: events.Event) -> None:
        nonlocal cancelled
        if isinstance(event, events.StepRows):
            rates.extend(event.column("learning_rate").tolist())
            losses.extend(event.column("loss").tolist())
            if _blown_at(smoothed(np.array(losses))) is not None:
                control.stop()
            if not watch(len(losses) / steps, f"rate {rates[-1]:.2g}, loss {losses[-1]:.3g}"):
                cancelled = True
                control.stop()

    Trainer(plain, dataset=data, device="cpu", executor="array", steps=steps, report=follow, control=control).run()
    if cancelled:
        raise Cancelled
    smooth = smoothed(np.array(losses))
    # How many steps come in one report depends on the clock; where the curve ends must not.
    end = _blown_at(smooth)
    count = len(smooth) if end is None else end + 1
    found, smooth, grown = np.array(losses)[:count], smooth[:count], np.array(rates)[:count]
    steepest, tenth, largest = suggestions(grown, smooth)
    blown = count < steps
    severity, words = _verdict(steepest, tenth, largest, blown, low, high)
    return RangeTest(grown, found, smooth, steepest, tenth, largest, blown, severity, words)


def _blown_at(smooth: np.ndarray) -> int | None:
    """The first step at which the loss has run away, or None."""
    if len(smooth) <= SKIPPED:
        return None
    rest = smooth[SKIPPED:]
    away = ~(rest <= BLOWN * np.minimum.accumulate(rest))
    return SKIPPED + int(np.argmax(away)) if away.any() else None


def _nobody(dataset: Dataset) -> Part:
    part = dataset.train
    none = np.arange(0)
    return Part({name: array[none] for name, array in part.arrays.items()}, part.indices[none])


def smoothed(losses: np.ndarray) -> np.ndarray:
    """The exponential moving average, corrected for its start at zero (Kingma and Ba 2015, section 3); what is not
    finite stays so from there on."""
    out = np.empty_like(losses)
    mean = 0.0
    for k, loss in enumerate(losses):
        mean = MEMORY * mean + (1 - MEMORY) * loss
        out[k] = mean / (1 - MEMORY ** (k + 1))
    return out


def suggestions(rates: np.ndarray, smooth: np.ndarray) -> tuple[float | None, float | None, float | None]:
    """(steepest, tenth, largest) of a curve; see `RangeTest`."""
    sane = np.isfinite(smooth)
    rates, smooth = rates[sane], smooth[sane]
    if len(smooth) < SKIPPED + 3:
        return None, None, None
    lowest = SKIPPED + int(np.argmin(smooth[SKIPPED:]))
    if smooth[lowest] > 0.95 * smooth[SKIPPED]:
        return None, None, None
    # Over a tenth of the range on either side: from one step to the next a batch's own loss counts for more.
    reach = max(2, len(smooth) // 10)
    places = np.arange(SKIPPED, lowest + 1)
    left, right = np.maximum(places - reach, SKIPPED - 1), np.minimum(places + reach, lowest)
    slope = (smooth[right] - smooth[left]) / np.log10(rates[right] / rates[left])
    steepest = float(rates[places[int(np.argmin(slope))]])
    tenth = float(rates[lowest]) / 10
    rises = lowest < len(smooth) - 1 and smooth[lowest + 1 :].max() > 1.05 * smooth[lowest]
    return steepest, tenth, float(rates[lowest]) if rises else None


def _verdict(
    steepest: float | None, tenth: float | None, largest: float | None, blown: bool, low: float, high: float
) -> tuple[Severity, str]:
    if steepest is None or tenth is None:
        if blown:
            return "warning", (
                f"The loss only rises: {low:.4g} is too large already, or the network does not learn. Begin the "
                "test at a lower rate."
            )
        return "warning", f"Between {low:.4g} and {high:.4g} the loss hardly moves: test higher rates."
    words = f"The loss falls fastest at {steepest:.2g}"
    if largest is None:
        return "info", f"{words} and still falls at the end of the range: test higher rates."
    return "ok", (
        f"{words} and begins to rise at {largest:.2g}. Take the former, or a tenth of the latter, {tenth:.2g}."
    )
