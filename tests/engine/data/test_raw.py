import numpy as np
import pytest

from engine.data import raw
from engine.data.errors import DataError


def test_task_auto() -> None:
    assert raw.targets_of(np.array([1.0, 2.0, 1.0, 2.0]), "auto", "y")[1].class_names == ("1", "2")
    assert raw.targets_of(np.array([1, 2, 3, 4]), "auto", "y")[1].classes == 0
    assert raw.targets_of(np.array([True, False]), "classification", "y")[1].class_names == ("0", "1")
    assert raw.targets_of(np.array([0.5, 1.0] * 9), "auto", "y")[1].shape == (1,)
    assert raw.targets_of(np.array([[1.0], [2.0], [1.0], [2.0]]), "auto", "y")[1].classes == 2
    assert raw.targets_of(np.full((4, 2), 2.0), "auto", "y")[1].shape == (2,)


def test_labels_with_gaps_become_dense_indices() -> None:
    encoded, signature = raw.targets_of(np.array([30, -4, 30, 7]), "classification", "y")
    assert encoded.tolist() == [2, 0, 2, 1]
    assert signature.class_names == ("-4", "7", "30")


def test_whole_numbers_of_any_size_are_labels() -> None:
    big = np.array([2**64 - 1, 0, 0], np.uint64)
    assert raw.targets_of(big, "classification", "y")[1].class_names == ("0", str(2**64 - 1))
    assert raw.targets_of(np.array([1e300, 0.0]), "classification", "y")[0].tolist() == [1, 0]


def test_regression_of_text_and_of_huge_numbers_is_refused() -> None:
    with pytest.raises(DataError, match="regression needs numbers"):
        raw.targets_of(np.array(["a", "b"]), "regression", "y")
    with pytest.raises(DataError, match="too large for float32"):
        raw.targets_of(np.array([1e39, 0]), "regression", "y")
    with pytest.raises(DataError, match="not one-hot"):
        raw.targets_of(np.array([[1, 1], [0, 1]]), "classification", "y")


def test_bytes_are_text() -> None:
    assert raw.targets_of(np.array([b"no", b"yes"]), "auto", "y")[1].class_names == ("no", "yes")


def test_nan_is_found_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.zeros((1000, 50, 100), np.float32)
    array[999, 49, 0] = np.nan
    with pytest.raises(DataError, match="in sample 1000, at 50, 1"):
        raw.check_finite(array, "x")
