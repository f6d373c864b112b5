import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.errors import DataError
from engine.data.split import divide, part_sizes
from engine.experiment import SplitSpec


def test_the_documented_order() -> None:
    order = np.random.default_rng(1234).permutation(1797)
    train, validation, test = divide(1797, 0, SplitSpec(validation=400, test=397, seed=1234))
    np.testing.assert_array_equal(train, order[:1000])
    np.testing.assert_array_equal(validation, order[1000:1400])
    np.testing.assert_array_equal(test, order[1400:])


def test_without_shuffling_the_order_is_the_files() -> None:
    train, validation, test = divide(10, 0, SplitSpec(validation=0.2, test=0.3, shuffle=False))
    assert (train.tolist(), validation.tolist(), test.tolist()) == ([0, 1, 2, 3, 4], [5, 6], [7, 8, 9])


def test_a_training_limit_leaves_the_other_parts_alone() -> None:
    whole = divide(100, 0, SplitSpec(validation=20, test=10))
    limited = divide(100, 0, SplitSpec(validation=20, test=10, train_limit=7))
    np.testing.assert_array_equal(limited[0], whole[0][:7])
    np.testing.assert_array_equal(limited[1], whole[1])
    np.testing.assert_array_equal(limited[2], whole[2])


def test_an_own_test_part_is_not_divided() -> None:
    train, validation, test = divide(12, 4, SplitSpec(validation=0.25, test=0.5, seed=5))
    assert test.tolist() == [8, 9, 10, 11]
    order = np.random.default_rng(5).permutation(8)
    np.testing.assert_array_equal(train, order[:6])
    np.testing.assert_array_equal(validation, order[6:])


@pytest.mark.parametrize(
    ("samples", "split", "sizes"),
    [
        (100, SplitSpec(validation=0.2, test=0.1), (70, 20, 10)),
        (5, SplitSpec(validation=0.5), (2, 3, 0)),
        (100, SplitSpec(validation=1, test=1), (98, 1, 1)),
        (100, SplitSpec(validation=0, test=0, train_limit=1000), (100, 0, 0)),
        (3, SplitSpec(validation=0.1), (3, 0, 0)),
    ],
)
def test_shares_and_counts(samples: int, split: SplitSpec, sizes: tuple[int, int, int]) -> None:
    assert part_sizes(samples, 0, split) == sizes


@pytest.mark.parametrize(
    ("split", "words", "field"),
    [
        (SplitSpec(validation=101), "101 validation samples are wanted, but there are only 100", "split.validation"),
        (SplitSpec(test=2.5), "give a share below 1 or a whole number", "split.test"),
        (
            SplitSpec(validation=60, test=40),
            "of 100, it takes 60 for validation and 40 for the test",
            "split.validation",
        ),
        (SplitSpec(validation=0.3, test=0.9), "leaves no training samples", "split.test"),
        (SplitSpec(validation=100), "of 100, it takes 100 for validation", "split.validation"),
    ],
)
def test_impossible_splits_get_words(split: SplitSpec, words: str, field: str) -> None:
    with pytest.raises(DataError) as caught:
        part_sizes(100, 0, split)
    assert words in caught.value.message
    assert caught.value.field == field


@given(
    samples=st.integers(1, 300),
    own=st.integers(0, 50),
    validation=st.floats(0, 1) | st.integers(0, 300),
    test=st.floats(0, 1) | st.integers(0, 300),
    shuffle=st.booleans(),
)
def test_every_sample_is_in_one_part(samples: int, own: int, validation: float, test: float, shuffle: bool) -> None:
    split = SplitSpec(validation=validation, test=test, shuffle=shuffle)
    try:
        parts = divide(samples + own, own, split)
    except DataError:
        return
    assert sorted(np.concatenate(parts).tolist()) == list(range(samples + own))
    assert tuple(map(len, parts)) == part_sizes(samples + own, own, split)
