"""Back-propagation beside differences of the loss, parameter by parameter, in float64.

Source: CS231n, “Neural Networks Part 3: Learning and Evaluation”, gradient checks: centred differences, float64, few
samples, and an eye on kinks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.checks.base import Cancelled, Severity, Watch, go_on, programs_for, reduced, subset
from engine.data import Dataset
from engine.experiment import Experiment
from engine.random import generator

__all__ = ["GOOD", "ArrayCheck", "GradientCheck", "check_gradients"]

GOOD = 1e-6
"""Norm ratios below this are rounding."""
BAD = 1e-4
"""Norm ratios above this are a bug, unless a kink lies between the two points."""
TINY = 1e-11
"""Below this a gradient and its difference are both zero but for rounding."""


@dataclass(frozen=True)
class ArrayCheck:
    """One parameter: `ratio` = ‖a − n‖ / (‖a‖ + ‖n‖) of the checked entries' gradients a and differences n, `median`
    of the entries' own ratios, `norm` of a; `kinks` counts the entries left out because the loss has a kink beside
    them. `resolved` is false where gradient and differences are apart by no more than the loss's own rounding makes
    differences wrong, and are not clearly larger than that either: the numbers then say nothing."""

    name: str
    node: str
    checked: int
    kinks: int
    norm: float
    ratio: float
    median: float
    severity: Severity
    resolved: bool = True


@dataclass(frozen=True)
class GradientCheck:
    """All parameters, in the order of the network."""

    arrays: tuple[ArrayCheck, ...]
    step: float
    samples: int
    severity: Severity
    words: str


def check_gradients(
    experiment: Experiment,
    dataset: Dataset,
    samples: int = 8,
    entries: int = 12,
    step: float = 1e-5,
    watch: Watch = go_on,
) -> GradientCheck:
    """Compare the gradient of the data loss with centred differences, for `entries` entries of each parameter (half of
    them those of the largest gradients, the others drawn by the seed), on `samples` training samples in float64.

    Random layers draw the same masks each time, and batch normalization goes by the batch, as in training. Raises
    TrainingError in words when the network cannot be trained, Cancelled.
    """
    plain = reduced(experiment, batch_size=samples, shuffle=False, precision="float64", metrics=())
    few = subset(dataset, samples)
    _, programs = programs_for(plain, few)
    state = programs.state
    bound = programs.train(few.train.size)
    bound.gather(few.train.arrays, np.arange(few.train.size))

    def loss() -> float:
        bound.differentiate(seed=experiment.seed)
        return bound.loss()

    middle = loss()
    gradients = {name: np.array(state.gradients[name]) for name in state.parameters}
    rng = generator(experiment.seed, "checks/gradients")
    found = []
    for i, (name, values) in enumerate(state.parameters.items()):
        chosen = _entries(gradients[name], entries, rng)

        def look(done: int, i: int = i, name: str = name, count: int = len(chosen)) -> None:
            if not watch((i + done / count) / len(state.parameters), name):
                raise Cancelled

        found.append(_check(name, values.reshape(-1), gradients[name].reshape(-1), chosen, step, middle, loss, look))
    return _result(tuple(found), step, few.train.size)


def _entries(gradient: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The places of the entries that are checked."""
    flat = np.abs(gradient.reshape(-1))
    if flat.size <= count:
        return np.arange(flat.size)
    large = np.argsort(-flat, kind="stable")[: count // 2]
    others = rng.permutation(np.setdiff1d(np.arange(flat.size), large))[: count - len(large)]
    return np.concatenate((large, others))


def _check(
    name: str,
    values: Any,
    gradient: np.ndarray,
    chosen: np.ndarray,
    step: float,
    middle: float,
    loss: Callable[[], float],
    look: Callable[[int], None],
) -> ArrayCheck:
    exact, numeric, noise = [], [], []
    kinks = 0
    for done, place in enumerate(chosen):
        look(done)
        kept = float(values[place])
        h = step * max(1.0, abs(kept))
        sides = []
        for shift in (h, -h, h / 2, -h / 2):
            values[place] = kept + shift
            sides.append(loss())
        values[place] = kept
        whole, half = (sides[0] - sides[1]) / (2 * h), (sides[2] - sides[3]) / h
        bend = (sides[0] - 2 * middle + sides[1]) / h
        bend_half = (sides[2] - 2 * middle + sides[3]) / (h / 2)
        if _kinked(whole, half, bend, bend_half, middle, h):
            kinks += 1
            continue
        exact.append(float(gradient[place]))
        # Richardson: the two estimates differ by 3/4 of the error of the coarser one.
        numeric.append((4 * half - whole) / 3)
        noise.append(_rounding(middle, h))
    a, n = np.array(exact), np.array(numeric)
    norm = float(np.linalg.norm(a))
    total = norm + float(np.linalg.norm(n))
    ratio = float(np.linalg.norm(a - n)) / total if total > TINY else 0.0
    sizes = np.abs(a) + np.abs(n)
    known = sizes > TINY
    median = float(np.median(np.abs(a - n)[known] / sizes[known])) if known.any() else 0.0
    # Where a gradient is zero but for rounding (a bias whose effect a normalization or a softmax cancels), or nearly so
    # (the first layers of a deep network whose signals vanish), the differences are nothing but the loss's rounding.
    resolved = ratio <= GOOD or float(np.linalg.norm(a - n)) > float(np.linalg.norm(noise))
    severity: Severity = "ok" if ratio <= GOOD or not resolved else "error" if ratio > BAD else "warning"
    return ArrayCheck(name, name.rpartition("/")[0], len(a), kinks, norm, ratio, median, severity, resolved)


def _rounding(middle: float, h: float) -> float:
    """How far a difference of the loss over the distance `h` may be wrong because losses are rounded."""
    return float(64 * np.finfo(np.float64).eps * max(1.0, abs(middle)) / h)


def _kinked(whole: float, half: float, bend: float, bend_half: float, middle: float, h: float) -> bool:
    """Whether the loss has a kink between the points.

    The one-sided slopes of a smooth function differ by h f'', which halves with h; at a kink, the difference of the
    slopes stays (inside both distances), or is there for one distance alone.
    """
    noise = _rounding(middle, h)
    if abs(whole - half) > 1e-4 * (abs(whole) + abs(half)) + noise:
        return True
    large = max(abs(bend), abs(bend_half))
    return bool(large > 1e-4 * (abs(whole) + abs(half)) + 4 * noise and abs(bend_half) > 0.75 * abs(bend))


def _result(arrays: tuple[ArrayCheck, ...], step: float, samples: int) -> GradientCheck:
    kinks = sum(item.kinks for item in arrays)
    beside = (
        f" {kinks} entries lie beside a kink (of a ReLU, a maximum, an absolute value), where differences say nothing; "
        "they are left out."
        if kinks
        else ""
    )
    small = [item.name for item in arrays if not item.resolved]
    if small:
        beside += f" Too small for differences to tell from 0: the gradient of {', '.join(small)}."
    bad = [item for item in arrays if item.severity == "error"]
    silent = [item.name for item in arrays if item.checked and not item.norm]
    nothing = f" No gradient arrives at {', '.join(silent)}." if silent else ""
    if bad:
        worst = max(bad, key=lambda item: item.ratio)
        return GradientCheck(
            arrays, step, samples, "error",
            f"The gradient of {worst.name} is off by {worst.ratio:.1e} of its size: back-propagation and the loss "
            f"disagree.{beside}{nothing}",
        )  # fmt: skip
    largest = max((item.ratio for item in arrays if item.resolved), default=0.0)
    severity: Severity = "warning" if any(item.severity == "warning" for item in arrays) or silent else "ok"
    return GradientCheck(
        arrays, step, samples, severity,
        f"Gradients and differences agree: they differ by {largest:.1e} of their size at most.{beside}{nothing}",
    )  # fmt: skip
