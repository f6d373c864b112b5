"""Pieces of memory, held against plain sets of addresses."""

from __future__ import annotations

import numpy as np

from engine.kernels.cuda.spans import Spans


def test_meets_what_was_added_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        spans, taken = Spans(), set[int]()
        for _ in range(20):
            start, length = int(rng.integers(60)), int(rng.integers(6))
            here = set(range(start, start + length))
            assert spans.meets(start, start + length) == bool(taken & here), (start, length, taken)
            spans.add(start, start + length)
            taken |= here


def test_neighbours_do_not_meet() -> None:
    spans = Spans()
    spans.add(16, 32)
    assert not spans.meets(0, 16) and not spans.meets(32, 48)
    assert spans.meets(31, 32) and spans.meets(0, 100)
