"""Measuring the machine: orders of magnitude, with and without numba."""

from __future__ import annotations

import sys

import pytest

from engine import peak


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One trial on small arrays."""
    monkeypatch.setattr(peak, "SIZES", (1 << 16, 1 << 20))
    monkeypatch.setattr(peak, "TRIALS", 1)


@pytest.mark.parametrize("threads", [1, 2])
def test_limits_are_those_of_a_processor(threads: int) -> None:
    found = peak.measure(threads)
    assert found.threads == threads
    assert 1e8 < found.flops < 1e14
    assert [level.size for level in found.levels] == [1 << 16, 1 << 20]
    assert all(1e7 < level.rate < 1e13 for level in found.levels)


def test_numpy_stands_in_where_numba_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("numba", "llvmlite"):
        monkeypatch.setitem(sys.modules, name, None)
    peak._fma.cache_clear()
    peak._triad.cache_clear()
    found = peak.measure(2)
    assert found.method == "a matrix product of NumPy"
    assert 1e8 < found.flops < 1e14


def test_threads_that_work_together_count_together() -> None:
    import time

    def work(index: int) -> float:
        time.sleep(0.02)
        return 1.0

    assert 60 < peak._together(work, 2) <= 100
