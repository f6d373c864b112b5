import numpy as np
import pytest

from engine.data import Batches, DataError
from engine.random import permutation


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])])
def test_an_epoch_holds_every_sample_once(drop_last: bool, sizes: list[int]) -> None:
    batches = Batches(10, 4, drop_last=drop_last, seed=3)
    assert batches.steps_per_epoch == len(sizes)
    for epoch in range(3):
        parts = [batches.indices(epoch * len(sizes) + i) for i in range(len(sizes))]
        assert [len(part) for part in parts] == sizes
        assert all(part.dtype == np.int64 for part in parts)
        np.testing.assert_array_equal(np.concatenate(parts), permutation(10, 3, epoch)[: sum(sizes)])


def test_a_batch_depends_on_nothing_but_the_step() -> None:
    forward, jumping = Batches(50, 8, seed=1), Batches(50, 8, seed=1)
    expected = [forward.indices(step).tolist() for step in range(30)]
    for step in np.random.default_rng(0).permutation(30):
        assert jumping.indices(int(step)).tolist() == expected[step]
    assert expected[:7] != expected[7:14]
    assert Batches(50, 8, seed=2).indices(0).tolist() != expected[0]


def test_without_shuffling_the_order_stays() -> None:
    batches = Batches(5, 2, shuffle=False)
    assert [batches.indices(step).tolist() for step in range(4)] == [[0, 1], [2, 3], [4], [0, 1]]


def test_a_batch_larger_than_the_data_is_the_data() -> None:
    batches = Batches(3, 10)
    assert batches.steps_per_epoch == 1
    assert sorted(batches.indices(0).tolist()) == [0, 1, 2]


def test_no_batches_get_words() -> None:
    with pytest.raises(DataError, match="a batch of 10 is more than the 3 training samples") as caught:
        Batches(3, 10, drop_last=True)
    assert caught.value.field == "training.batch_size"
    with pytest.raises(DataError, match="no samples"):
        Batches(0, 10)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_chunk_is_its_batches(shuffle: bool) -> None:
    batches = Batches(22, 4, shuffle=shuffle, seed=3)
    for step, count in ((0, 5), (2, 3), (6, 1), (5, 1), (8, 2)):
        expected = [batches.indices(step + i).tolist() for i in range(count)]
        assert batches.chunk(step, count).tolist() == expected
    assert batches.chunk(5, 1).shape == (1, 2)
    with pytest.raises(IndexError, match="one epoch"):
        batches.chunk(3, 3)
