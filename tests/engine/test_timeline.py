"""Where a step's time went: spans, shares of rows, and what does not fit together."""

import numpy as np
import pytest

from engine.timeline import Span, Timeline

NAN = float("nan")


def timeline() -> Timeline:
    """Two threads; the second has no part in the last row and waits for the first after row 0."""
    return Timeline(
        rows=("matmul+add_bias+relu", "softmax_cross_entropy", "adam"),
        nodes=("dense_1", "loss", ""),
        phases=("forward", "loss", "update"),
        begin=np.array([[0.0, 4.0, 5.0], [0.5, 4.0, NAN]]),
        end=np.array([[4.0, 5.0, 9.0], [3.0, 4.5, NAN]]),
        wait=np.array([[0.0, 0.0, 0.0], [1.0, 0.5, 0.0]]),
        flops=np.array([100.0, NAN, 10.0]),
    )


def test_spans_leave_out_who_had_no_part() -> None:
    found = timeline().spans()
    assert len(found) == 5 and found[0] == Span(0, 0, 0.0, 4.0) and found[-1] == Span(1, 1, 4.0, 4.5)


def test_busy_time_adds_up_threads_and_elapsed_time_spans_them() -> None:
    seen = timeline()
    assert seen.threads == 2 and seen.seconds == 9.0
    assert seen.busy().tolist() == [6.5, 1.5, 4.0]
    assert seen.elapsed().tolist() == [4.0, 1.0, 4.0]


def test_nothing_ran() -> None:
    empty = np.full((2, 1), NAN)
    seen = Timeline(("matmul",), ("a",), ("forward",), empty, empty, empty, np.ones(1))
    assert seen.seconds == 0.0 and seen.elapsed().tolist() == [0.0] and seen.spans() == ()


def test_equal_by_value() -> None:
    assert timeline() == timeline()
    other = timeline()
    other.end[0, 0] = 4.5
    assert timeline() != other


def test_shapes_must_fit() -> None:
    one = np.zeros((1, 2))
    with pytest.raises(ValueError, match="one shape"):
        Timeline(("a", "b"), ("", ""), ("", ""), one, one, np.zeros((2, 2)), np.zeros(2))
    with pytest.raises(ValueError, match="different numbers of rows"):
        Timeline(("a",), ("", ""), ("", ""), one, one, one, np.zeros(2))
