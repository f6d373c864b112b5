"""Thinning keeps the extremes of every group, the ends, the order and the sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.thinning import COUNT, LOSS, MEAN, minmax_indices, thin_table


@settings(deadline=None)
@given(st.lists(st.floats(allow_infinity=True, allow_nan=True), min_size=1, max_size=300), st.integers(1, 40))
def test_minmax_indices_keep_extremes(values: list[float], groups: int) -> None:
    array = np.array(values)
    kept = minmax_indices(array, groups)
    assert len(kept) <= 2 * groups + 2
    assert np.all(np.diff(kept) > 0)
    assert kept[0] == 0 and kept[-1] == len(values) - 1
    finite = array[~np.isnan(array)]
    if len(finite):
        assert np.nanmin(array[kept]) == finite.min()
    if len(finite) < len(array):
        assert np.isnan(array[kept]).any()
    else:
        assert array[kept].max() == array.max()


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(1, 30), st.booleans())
def test_a_thinned_table_keeps_counts_and_means(seed: int, size: int, groups: int, holes: bool) -> None:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(7, size))
    table[COUNT] = rng.integers(1, 5, size)
    if holes:
        table[LOSS, rng.integers(0, size, 3)] = np.nan
        table[MEAN, rng.integers(0, size, 3)] = np.inf
    thinned = thin_table(table, groups)
    assert thinned.shape[1] <= 2 * groups + 2
    assert thinned[COUNT].sum() == pytest.approx(table[COUNT].sum())
    if not holes:
        assert np.dot(thinned[MEAN], thinned[COUNT]) == pytest.approx(np.dot(table[MEAN], table[COUNT]), abs=1e-9)


def test_each_group_keeps_its_own_spike() -> None:
    values = np.ones(1000)
    values[[37, 437, 999]] = 50.0
    values[[38, 640]] = -50.0
    assert {37, 38, 437, 640, 999} <= set(minmax_indices(values, 100).tolist())
