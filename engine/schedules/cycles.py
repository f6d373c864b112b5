"""Schedules that raise the rate and lower it again, momentum opposed: cyclical rates and one cycle."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from engine.kinds import Schedule
from engine.schedules.units import Unit, in_steps
from engine.schema import component, field

__all__ = ["CyclicalSchedule", "OneCycle"]


@component(
    "cyclical",
    label="Cyclical",
    formula="η(t) = η₀ · (ε + (1 − ε) Λ(t) s),  Λ a triangle from 0 to 1 and back;  s = 1, 2^(1−cycle) or γᵗ",
    source="Smith: Cyclical learning rates for training neural networks (WACV 2017), sections 3.1 and 3.2; PyTorch's "
    "CyclicLR",
    synonyms=("CLR", "triangular", "triangular2", "exp_range", "CyclicLR"),
    avoid="Together with decay schedules of one's own: the cycle already sweeps the rate. A run should end with a "
    "falling half.",
    differs="PyTorch's CyclicLR is told the lowest rate (base_lr) and the highest (max_lr) and ignores the "
    "optimizer's; here the optimizer's rate is the highest, and the lowest is a share of it. Lengths there are in "
    "steps.",
)
class CyclicalSchedule(Schedule, frozen=True):
    """Lets the learning rate swing between a low and a high value along triangles.

    The high halves cross flat regions and saddles, the low ones settle. “triangular2” halves the height of the swing
    with each cycle, “exp_range” multiplies it by γ at each step.
    """

    up: Annotated[float, field(gt=0, le=1e9, label="Rising half", help="How long the rate rises in each cycle.")] = 2.0
    down: Annotated[
        float, field(ge=0, le=1e9, label="Falling half", help="How long it falls; 0: as long as it rises.")
    ] = 0.0
    unit: Annotated[Unit, field(help="What the halves count.")] = "epochs"
    low: Annotated[
        float,
        field(ge=0, le=1, label="Lowest share", symbol="ε", help="The lowest rate, as a share of the optimizer's."),
    ] = 0.1
    mode: Annotated[
        Literal["triangular", "triangular2", "exp_range"], field(help="How the height of the swing goes on.")
    ] = "triangular"
    gamma: Annotated[
        float,
        field(gt=0, le=1, symbol="γ", advanced=True, help="With exp_range: what each step leaves of the height."),
    ] = 0.9999
    cycle_momentum: Annotated[
        bool,
        field(label="Opposed momentum", help="Lower momentum (Adam: β₁) while the rate rises, and the other way."),
    ] = True
    momentum_low: Annotated[
        float, field(ge=0, lt=1, label="Lowest momentum", help="Momentum where the rate is highest.", advanced=True)
    ] = 0.8
    momentum_high: Annotated[
        float, field(ge=0, lt=1, label="Highest momentum", help="Momentum where the rate is lowest.", advanced=True)
    ] = 0.9

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        return self.low + (1.0 - self.low) * self._heights(steps, steps_per_epoch)

    def opposed_momenta(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray | None:
        if not self.cycle_momentum:
            return None
        low, high = sorted((self.momentum_low, self.momentum_high))
        return high - (high - low) * self._heights(steps, steps_per_epoch)

    def _heights(self, steps: np.ndarray, steps_per_epoch: int) -> np.ndarray:
        """The swing at each step, from 0 to 1."""
        up = max(1, round(in_steps(self.up, self.unit, steps_per_epoch)))
        down = max(1, round(in_steps(self.down, self.unit, steps_per_epoch))) if self.down > 0 else up
        since = steps % (up + down)
        triangle = np.where(since <= up, since / up, (up + down - since) / down)
        if self.mode == "triangular":
            return triangle
        if self.mode == "triangular2":
            return triangle * np.power(0.5, np.floor(steps / (up + down)))
        return triangle * np.power(self.gamma, steps)


@component(
    "one_cycle",
    label="One cycle",
    formula="η: η₀ / d → η₀ over a share p of the run, then → η₀ / (d f)",
    source="Smith, Topin: Super-convergence (2018); Smith: A disciplined approach to neural network hyper-parameters "
    "(2018); PyTorch's OneCycleLR",
    synonyms=("1cycle", "super-convergence", "OneCycleLR"),
    avoid="Runs without a planned end; and beside a warm-up, since it has its own. On small tasks it does not beat a "
    "well chosen cosine.",
    differs="Smith's cycle is made of straight lines with a last, shorter fall (three phases, linear); PyTorch and "
    "fastai use cosines in two phases, the default here. PyTorch's total_steps is the whole run's, as here.",
)
class OneCycle(Schedule, frozen=True):
    """Raises the learning rate to its highest and lowers it to almost nothing, once over the whole run.

    The optimizer's rate is the highest; momentum goes the other way, so that the effective rate does not grow too far.
    The rise is a long warm-up, which lets the rate be higher than otherwise.
    """

    rise: Annotated[
        float,
        field(
            gt=0,
            lt=1,
            label="Rising share",
            symbol="p",
            search=(0.1, 0.5),
            help="The share of the run in which the rate rises.",
        ),
    ] = 0.3
    divisor: Annotated[
        float,
        field(ge=1, le=1e9, label="First divisor", symbol="d", help="The rate begins at the highest divided by this."),
    ] = 25.0
    final_divisor: Annotated[
        float,
        field(
            ge=1, le=1e12, label="Last divisor", symbol="f", scale="log",
            help="The rate ends at the first one divided by this.",
        ),
    ] = 1e4  # fmt: skip
    shape: Annotated[Literal["cosine", "linear"], field(help="The shape of rise and fall.")] = "cosine"
    three_phases: Annotated[
        bool,
        field(help="Fall as long as it rises, back to the first rate, then to the last one.", advanced=True),
    ] = False
    cycle_momentum: Annotated[
        bool,
        field(label="Opposed momentum", help="Lower momentum (Adam: β₁) while the rate rises, and the other way."),
    ] = True
    momentum_low: Annotated[
        float, field(ge=0, lt=1, label="Lowest momentum", help="Momentum where the rate is highest.", advanced=True)
    ] = 0.85
    momentum_high: Annotated[
        float, field(ge=0, lt=1, label="Highest momentum", help="Momentum at the start and the end.", advanced=True)
    ] = 0.95

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        first = 1.0 / self.divisor
        last = first / self.final_divisor
        stations = (first, 1.0, first, last) if self.three_phases else (first, 1.0, last)
        return self._along(steps, total_steps, stations)

    def opposed_momenta(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray | None:
        if not self.cycle_momentum:
            return None
        low, high = sorted((self.momentum_low, self.momentum_high))
        return self._along(steps, total_steps, (high, low, high, high) if self.three_phases else (high, low, high))

    def _along(self, steps: np.ndarray, total_steps: int, stations: tuple[float, ...]) -> np.ndarray:
        """The way from station to station; their times are PyTorch's, whose last update is at the last station."""
        peak, end = self.rise * total_steps - 1.0, total_steps - 1.0
        times = (0.0, peak, 2.0 * self.rise * total_steps - 2.0, end) if self.three_phases else (0.0, peak, end)
        value = np.full_like(steps, stations[0])
        for before, after, begin, stop in zip(stations, stations[1:], times, times[1:], strict=False):
            part = np.clip((steps - begin) / (stop - begin), 0.0, 1.0) if stop > begin else np.ones_like(steps)
            if self.shape == "cosine":
                found = after + (before - after) / 2.0 * (1.0 + np.cos(np.pi * part))
            else:
                found = before + (after - before) * part
            value = np.where(steps >= max(begin, 0.0), found, value)
        return value
