"""Thinning: many rows become few, and no spike is lost. Pure functions on arrays, shared by mailbox and history.

A table holds rows of one training step, or of several that thinning has put together, as columns of float64: the
numbers of one step (those of the run store), then the mean loss over the steps that the row stands for and their count.
"""

from __future__ import annotations

import numpy as np

from engine.training import history

__all__ = ["COLUMNS", "COUNT", "LOSS", "MEAN", "minmax_indices", "thin_table"]

COLUMNS = (*history.COLUMNS, "mean", "count")
LOSS, MEAN, COUNT = COLUMNS.index("loss"), COLUMNS.index("mean"), COLUMNS.index("count")


def minmax_indices(values: np.ndarray, groups: int) -> np.ndarray:
    """Ascending indices of the first, the last, and of each group's lowest and highest value. NaN counts as highest:
    it is the spike of which nothing may be lost.

    At most 2 * groups + 2 indices; all of them when there are no more than that.
    """
    n = len(values)
    if n <= 2 * groups + 2:
        return np.arange(n)
    size = -(-n // groups)
    padded = np.full(groups * size, np.nan)
    padded[:n] = values
    rows = padded.reshape(groups, size)
    missing = np.isnan(rows)
    low = np.where(missing, np.inf, rows)
    high = low.copy()
    high.reshape(-1)[n:] = -np.inf
    base = np.arange(groups) * size
    chosen = np.zeros(groups * size, dtype=bool)
    chosen[base + low.argmin(axis=1)] = True
    chosen[base + high.argmax(axis=1)] = True
    chosen[[0, n - 1]] = True
    return np.flatnonzero(chosen[:n])


def thin_table(table: np.ndarray, groups: int) -> np.ndarray:
    """A table (7, n) as one of at most 2 * groups + 2 rows: of each group those of lowest and highest loss.

    What is left of a group carries the mean over all its steps and shares their count, so that sums are kept.
    """
    kept = minmax_indices(table[LOSS], groups)
    n = table.shape[1]
    if len(kept) == n:
        return table
    size = -(-n // groups)
    group = np.arange(n) // size
    counts = np.bincount(group, table[COUNT])
    finite = np.isfinite(table[MEAN])
    weights = np.where(finite, table[COUNT], 0.0)
    sums = np.bincount(group, np.where(finite, table[MEAN], 0.0) * weights)
    with np.errstate(invalid="ignore", over="ignore"):
        means = sums / np.bincount(group, weights)
    result = table[:, kept].copy()
    left = group[kept]
    result[MEAN] = means[left]
    result[COUNT] = counts[left] / np.bincount(left)[left]
    return result
