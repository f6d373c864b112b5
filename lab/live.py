"""What the window remembers of a run: bounded columns for curves, the epochs, and a moment to look back at per epoch.

Of steps and frames nothing grows without bound: when a column is full, groups of four rows are replaced by their lowest
and highest, so that a spike of one step stays visible in a run of a hundred million. Exact rows are in the run
store. Epochs are kept, all of them: a few hundred bytes each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from engine.training.events import Changed, Confusion, EpochEnd, FirstLayer, Frame, RateDropped, Surface
from lab.thinning import COLUMNS, COUNT, minmax_indices, thin_table

__all__ = ["LiveHistory", "Moment", "Series", "smooth"]

CURVE_ROWS = 20_000
LAYER_ROWS = 4_000
EPOCH_POINTS = 2_000
MOMENTS = 256
PICTURES = ("frame", "filters", "surface", "confusion")
"""The fields of a moment that hold pictures."""
Array = np.ndarray


class Series:
    """Rows of float columns, in order, of which at most `capacity` are kept: thinned by the column `key`.

    Of the columns `lab.thinning.COLUMNS`, mean and count go on to speak for all steps that a row stands for.
    """

    def __init__(self, names: Sequence[str], key: str, capacity: int = CURVE_ROWS) -> None:
        if capacity < 16:
            raise ValueError(f"a series needs room for at least 16 rows, got {capacity}")
        self._names = tuple(names)
        self._key = self._names.index(key)
        self._capacity = capacity
        self._data = np.empty((len(self._names), min(capacity, 256)))
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, name: str) -> Array:
        """One column, as a view that is valid until rows are added."""
        return self._data[self._names.index(name), : self._size]

    @property
    def nbytes(self) -> int:
        return self._data.nbytes

    def clear(self) -> None:
        self._size = 0

    def append(self, *values: float) -> None:
        """Add one row."""
        self.extend(np.array(values, dtype=float).reshape(-1, 1))

    def extend(self, rows: Array) -> None:
        """Add rows: an array of shape (columns, rows)."""
        start, total = 0, rows.shape[1]
        while start < total:
            if self._size == self._capacity:
                self._compress()
            take = min(total - start, self._capacity - self._size)
            self._reserve(self._size + take)
            self._data[:, self._size : self._size + take] = rows[:, start : start + take]
            self._size += take
            start += take

    def keep(self, rows: Array) -> None:
        """Keep the rows that a boolean array of shape (rows,) names."""
        kept = self._data[:, : self._size][:, rows]
        self._size = kept.shape[1]
        self._data[:, : self._size] = kept

    def _reserve(self, size: int) -> None:
        if size > self._data.shape[1]:
            grown = np.empty((len(self._names), min(self._capacity, max(size, 2 * self._data.shape[1]))))
            grown[:, : self._size] = self._data[:, : self._size]
            self._data = grown

    def _compress(self) -> None:
        data = self._data[:, : self._size]
        groups = self._capacity // 4 - 1
        if self._names == COLUMNS:
            compressed = thin_table(data, groups)
        else:
            compressed = data[:, minmax_indices(data[self._key], groups)].copy()
        self._size = compressed.shape[1]
        self._data[:, : self._size] = compressed


def smooth(x: Array, y: Array, weight: Array, span: float) -> Array:
    """Average of `y` around each point, weighted, with the time constant `span` in units of `x` (ascending).

    s_i = sum_j w_j y_j e^-|x_i - x_j|/span, over the same sum without y: it looks to both sides, for an average of what
    was would run behind a falling curve and lie above all of it. Values that are not finite are left out.
    """
    if not len(y) or span <= 0:
        return np.array(y, dtype=float)
    finite = np.isfinite(y)
    w = np.where(finite, weight, 0.0)
    v = np.where(finite, y, 0.0) * w
    x = np.asarray(x, dtype=float)
    past, future = _decaying_sums(x, v, w, span), _decaying_sums(-x[::-1], v[::-1], w[::-1], span)
    tops, bottoms = (one + other[::-1] - own for one, other, own in zip(past, future, (v, w), strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(bottoms > 0, tops / bottoms, np.nan)


def _decaying_sums(x: Array, v: Array, w: Array, span: float) -> tuple[Array, Array]:
    """sum_j<=i v_j e^-(x_i - x_j)/span for each i, and the same of w."""
    sums = np.empty((2, len(x)))
    top = bottom = 0.0
    previous, start = float(x[0]), 0
    while start < len(x):
        # Within a block exponents stay below e^40, so that sums of scaled terms neither overflow nor vanish.
        stop = max(start + 1, int(np.searchsorted(x, x[start] + 40.0 * span, side="right")))
        age = (x[start:stop] - x[start]) / span
        carried = np.exp(-(x[start] - previous) / span)
        growth = np.exp(age)
        sums[0, start:stop] = (top * carried + np.cumsum(v[start:stop] * growth)) / growth
        sums[1, start:stop] = (bottom * carried + np.cumsum(w[start:stop] * growth)) / growth
        (top, bottom), previous = sums[:, stop - 1], float(x[stop - 1])
        start = stop
    return sums[0], sums[1]


class Moment(Struct, kw_only=True):
    """What was seen of the network at the end of an epoch."""

    epoch: int
    step: int
    frame: Frame | None = None
    filters: FirstLayer | None = None
    surface: Surface | None = None
    confusion: Confusion | None = None


class LiveHistory:
    """Curves, epochs and moments of one run, bounded in memory whatever its length."""

    def __init__(self, capacity: int = CURVE_ROWS, moments: int = MOMENTS) -> None:
        self.steps = Series(COLUMNS, "loss", capacity)
        self.gradients: dict[str, Series] = {}
        """By node: columns "step", "epoch", "value"; the L2 norm of the gradient over the node's parameters."""
        self.epochs: list[EpochEnd] = []
        self.epoch_curves: dict[str, Series] = {}
        """Columns "epoch" and "value" by "train/loss", "validation/loss", "train/accuracy" and so on."""
        self.changes: list[Changed] = []
        self.drops: list[RateDropped] = []
        self.moments: list[Moment] = []
        self.step_count = 0
        """Steps reported in full, before any thinning."""
        self._last_frame = -1
        self._best: tuple[float, EpochEnd] | None = None
        self._moment_limit = moments
        self._moment_stride = 1

    def add_table(self, rows: Array) -> None:
        """Append the rows of a mail: a table (7, n) of `lab.thinning.COLUMNS`."""
        self.steps.extend(rows)
        self.step_count += round(rows[COUNT].sum())

    def add_columns(self, columns: Mapping[str, Array]) -> None:
        """Append the columns of a stored run, whose rows each stand for themselves: step, epoch, loss, penalty,
        learning_rate."""
        loss = np.asarray(columns["loss"], dtype=float)
        self.steps.extend(np.stack([*(columns[name] for name in COLUMNS[:5]), loss, np.ones(len(loss))]))
        self.step_count += len(loss)

    def add_frame(self, frame: Frame) -> None:
        """Append the gradient norm of every layer, unless this frame or a later one is there already."""
        if frame.step <= self._last_frame:
            return
        self._last_frame = frame.step
        squares: dict[str, float] = {}
        for stats in frame.parameters.values():
            squares[stats.node] = squares.get(stats.node, 0.0) + stats.gradient_norm**2
        for node, square in squares.items():
            series = self.gradients.get(node)
            if series is None:
                series = self.gradients[node] = Series(("step", "epoch", "value"), "value", LAYER_ROWS)
            series.append(frame.step, frame.epoch, square**0.5)

    @property
    def turns(self) -> list[Changed | RateDropped]:
        """Live changes and drops of the learning rate, in order of their steps."""
        return sorted([*self.changes, *self.drops], key=lambda event: event.step)

    def cut(self, step: int) -> None:
        """Forget what came after `step`, as when a run goes on from a checkpoint that is older than its last row."""
        for series in (self.steps, *self.gradients.values()):
            series.keep(series["step"] <= step)
        self.step_count = min(self.step_count, step)
        self._last_frame = min(self._last_frame, step)
        self.changes = [change for change in self.changes if change.step <= step]
        self.drops = [drop for drop in self.drops if drop.step <= step]
        self.moments = [moment for moment in self.moments if moment.step <= step]
        self.epochs, self.epoch_curves, self._best = [event for event in self.epochs if event.step <= step], {}, None
        self._add_values(self.epochs)

    def add_epoch(self, event: EpochEnd, moment: Moment | None = None) -> None:
        """Append an epoch and what was seen at its end. Of very long runs every second moment is let go."""
        self.add_epochs([(event, moment)])

    def add_epochs(self, ends: Sequence[tuple[EpochEnd, Moment | None]]) -> None:
        """Append epochs in order, each with what was seen at its end, or None."""
        self.add_ends([event for event, _ in ends], [moment for _, moment in ends].__getitem__)

    def add_ends(self, events: Sequence[EpochEnd], moment: Callable[[int], Moment | None]) -> None:
        """Append epochs in order; `moment(i)` is what was seen at the end of the i-th of them, and is asked only where
        it is kept: a tiny network ends hundreds of epochs a second."""
        self.epochs += events
        self._add_values(events)
        for i, event in enumerate(events):
            if event.epoch % self._moment_stride == 0:
                self._add_moment(event, moment(i))

    def _add_moment(self, event: EpochEnd, moment: Moment | None) -> None:
        if moment is None:
            return
        if moment.frame is not None:
            self.add_frame(moment.frame)
        self.moments.append(moment)
        if len(self.moments) > self._moment_limit:
            self._moment_stride *= 2
            self.moments = [item for item in self.moments if item.epoch % self._moment_stride == 0]

    def moment(self, epoch: int) -> Moment | None:
        """The kept moment that lies nearest to an epoch, or None before the first."""
        return min(self.moments, key=lambda item: abs(item.epoch - epoch), default=None)

    def pictured(self, moment: Moment) -> Moment:
        """The moment with those pictures of the run that lie nearest to it: its own may be from long before, where
        nobody was looking at its time."""

        def nearest(name: str) -> Any:
            kept = (picture for item in self.moments if (picture := getattr(item, name)) is not None)
            return min(kept, key=lambda picture: abs(picture.step - moment.step), default=None)

        return Moment(epoch=moment.epoch, step=moment.step, **{name: nearest(name) for name in PICTURES})

    def _add_values(self, events: Sequence[EpochEnd]) -> None:
        if not events:
            return
        epochs = np.array([event.epoch for event in events], dtype=float)
        self._add_curve("train/loss", epochs, [event.train_loss for event in events])
        self._add_curve("validation/loss", epochs, [event.validation_loss for event in events])
        for part in ("train", "validation"):
            found = [getattr(event, f"{part}_metrics") for event in events]
            for tag in dict.fromkeys(tag for metrics in (found[0], found[-1]) for tag in metrics):
                self._add_curve(f"{part}/{tag}", epochs, [metrics.get(tag) for metrics in found])
        for event in events:
            loss = event.train_loss if event.validation_loss is None else event.validation_loss
            if loss == loss and (self._best is None or loss < self._best[0]):
                self._best = (loss, event)

    def _add_curve(self, name: str, epochs: Array, found: Sequence[float | None]) -> None:
        """Append values where there are any."""
        values = np.array(found, dtype=float)  # None becomes NaN
        there = np.array([value is not None for value in found])
        if not there.any():
            return
        series = self.epoch_curves.get(name)
        if series is None:
            series = self.epoch_curves[name] = Series(("epoch", "value"), "value")
        series.extend(np.stack([epochs, values])[:, there])

    def epoch_curve(self, name: str, limit: int = EPOCH_POINTS) -> tuple[Array, Array]:
        """(epochs, values) of one of `epoch_curves`, thinned to about `limit` points; empty when there is none."""
        series = self.epoch_curves.get(name)
        if series is None:
            return np.empty(0), np.empty(0)
        kept = minmax_indices(series["value"], limit // 2)
        return series["epoch"][kept], series["value"][kept]

    def best_epoch(self) -> EpochEnd | None:
        """The epoch of the lowest validation loss (training loss where there are no validation data)."""
        return self._best[1] if self._best is not None else None

    @property
    def nbytes(self) -> int:
        """Bytes of the columns."""
        return self.steps.nbytes + sum(series.nbytes for series in self.gradients.values())
