"""A course drawn by hand: points, and what lies between them; and any course made into points."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from engine.kinds import Schedule
from engine.schema import component, field

__all__ = ["PointsSchedule", "as_points"]

MOST_POINTS = 24
"""Points that a course is turned into at most: more could not be taken hold of."""


@component(
    "points",
    label="Points",
    formula="η(t) = η₀ · (between the points around t)",
    source="Common practice: interpolation between given points; with “steps” it is Keras's PiecewiseConstantDecay",
    synonyms=("piecewise", "by hand", "custom", "drawn", "PiecewiseConstantDecay"),
    avoid="Searches over other settings: points stay where they are when the number of epochs changes, while cosine "
    "and linear follow it.",
    differs="PyTorch has no such schedule; there it is a LambdaLR with a function of one's own.",
)
class PointsSchedule(Schedule, frozen=True):
    """Follows points that are set by hand, on the curve of the learning rate or as numbers.

    Before the first point and after the last one the rate stays as at that point. Two points at one time make a jump.
    Times count from the end of warm-up.
    """

    epochs: Annotated[
        tuple[float, ...],
        field(ge=0, le=1e6, label="At epochs", live=True, help="The times of the points; parts are allowed."),
    ] = (0.0, 10.0, 20.0)
    shares: Annotated[
        tuple[float, ...],
        field(
            ge=0,
            le=1e4,
            live=True,
            help="What the base rate is multiplied by at each point: as many as there are times.",
        ),
    ] = (1.0, 0.5, 0.01)
    between: Annotated[
        Literal["linear", "logarithmic", "steps"],
        field(help="Straight lines, straight lines on a logarithmic axis, or the last point's rate."),
    ] = "linear"

    def points(self) -> list[tuple[float, float]]:
        """(epoch, share) in order of time; of lists of unequal length what they have in common."""
        return sorted(zip(self.epochs, self.shares, strict=False), key=lambda point: point[0])

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        points = self.points()
        if not points:
            return np.ones_like(steps)
        x = np.array([epoch for epoch, _ in points]) * steps_per_epoch
        y = np.array([share for _, share in points])
        after = np.searchsorted(x, steps, side="right")
        left, right = np.maximum(after - 1, 0), np.minimum(after, len(x) - 1)
        low, high = y[left], y[right]
        width = x[right] - x[left]
        part = np.where(width > 0, (steps - x[left]) / np.where(width > 0, width, 1.0), 0.0)
        if self.between == "steps":
            return low
        straight = low + (high - low) * part
        if self.between == "linear":
            return straight
        # A power of what is 0 would never leave it: there the line is straight.
        positive = (low > 0) & (high > 0)
        ratio = np.where(positive, high / np.where(low > 0, low, 1.0), 1.0)
        return np.where(positive, low * np.power(ratio, part), straight)


def as_points(epochs: np.ndarray, shares: np.ndarray, tolerance: float = 0.004) -> PointsSchedule:
    """The schedule whose points follow a curve, (n,) each, within about `tolerance` of its highest value.

    Points are put where the straight lines so far are furthest off (Ramer 1972; Douglas, Peucker 1973), at most
    `MOST_POINTS` of them; times and shares are rounded to what a person would write.
    """
    highest = float(shares.max(initial=0.0)) or 1.0
    kept = [0, len(epochs) - 1] if len(epochs) > 1 else [0]
    while len(kept) < MOST_POINTS:
        off = np.abs(np.interp(epochs, epochs[kept], shares[kept]) - shares)
        worst = int(off.argmax())
        if off[worst] <= tolerance * highest or worst in kept:
            break
        kept = sorted([*kept, worst])
    return PointsSchedule(
        epochs=tuple(round(float(epochs[i]), 4) for i in kept),
        shares=tuple(float(f"{shares[i]:.4g}") for i in kept),
    )
