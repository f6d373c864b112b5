"""Counter-based randomness: fixed values that every executor must reproduce, uniformity, independence, permutations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from engine.random import bits, count_into, generator, permutation, permutations, stream_of

MASK = 0xFFFFFFFF

KNOWN = [
    [3971395227, 2940473775, 1183476298, 3482007059, 2706715802, 1924535092],
    [952367613, 959383348, 3502633240, 1167673511, 4276998818, 692417157],
    [1689655374, 86499529, 3546971614, 1659776300, 1861486711, 1388137344],
]
STREAMS = [3355356193, 4095139142, 1943522549]
ORDER = [6, 1, 4, 8, 9, 7, 0, 5, 2, 3]
DRAWN = [1049963269, 921187190, 767178176]


def by_definition(index: int, seed: int, step: int, stream: int) -> int:
    """One element, from the formulas in the module's text, in Python's integers."""

    def shifted(x: int, shift: int) -> int:
        return x ^ (x >> shift)

    def mix(x: int) -> int:
        x = shifted(x, 16) * 0x7FEB352D & MASK
        x = shifted(x, 15) * 0x846CA68B & MASK
        return shifted(x, 16)

    counters = (seed & MASK, seed >> 32, step & MASK, step >> 32)
    w, k = 0x9E3779B9, 0x2C1B3C6D
    v = [(counter + stream + j * w) & MASK for j, counter in enumerate(counters)]
    u = [mix((v[j] * k + v[j + 2]) & MASK) for j in range(2)]
    key = [(u[1 - j] * k + u[j]) & MASK for j in range(2)]
    x = (key[0] + index * w) & MASK
    x = shifted(x, 16) * 0x7FEB352D & MASK
    x = shifted(x, 15) * 0x846CA68B & MASK
    x = (x + key[1]) & MASK
    x = shifted(x, 16) * 0x85EBCA6B & MASK
    x = shifted(x, 13) * 0xC2B2AE35 & MASK
    return shifted(x, 16)


def test_known_values() -> None:
    assert bits(6, seed=0, step=0, stream=0).tolist() == KNOWN[0]
    assert bits(6, seed=42, step=1000, stream=0xDEADBEEF).tolist() == KNOWN[1]
    assert bits(6, seed=2**40 + 7, step=2**33 + 1, stream=1).tolist() == KNOWN[2]
    assert [stream_of("dropout_1", "dropout"), stream_of("dropout_2", "dropout"), stream_of("a", "b")] == STREAMS
    assert permutation(10, seed=3, epoch=2).tolist() == ORDER


@pytest.mark.parametrize(("seed", "step", "stream"), [(0, 0, 0), (1, 2, 3), (2**31 - 1, 99, MASK), (2**50, 2**40, 77)])
def test_values_follow_the_definition_across_blocks(seed: int, step: int, stream: int) -> None:
    count = (1 << 16) + 1000
    values = bits(count, seed, step, stream)
    for index in (0, 1, 2, 3, 1000, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, count - 1):
        assert int(values[index]) == by_definition(index, seed, step, stream)


def test_a_prefix_does_not_depend_on_the_length() -> None:
    long = bits(5000, 1, 2, 3)
    for count in (1, 2, 3, 5, 4096):
        assert np.array_equal(bits(count, 1, 2, 3), long[:count])


def test_every_bit_is_fair() -> None:
    values = bits(1 << 16, seed=5, step=1, stream=9)
    ones = [(values >> np.uint32(b) & np.uint32(1)).mean() for b in range(32)]
    # The standard deviation of a mean of 65536 fair bits is 0.002.
    assert np.max(np.abs(np.array(ones) - 0.5)) < 5 * 0.002


@pytest.mark.parametrize("shift", [0, 8, 16, 24])
def test_bytes_are_uniform(shift: int) -> None:
    values = bits(1 << 16, seed=11, step=4, stream=123)
    counts = np.bincount((values >> np.uint32(shift)) & np.uint32(255), minlength=256)
    chi_square = np.sum((counts - 256.0) ** 2) / 256.0
    # 255 degrees of freedom: mean 255, standard deviation 22.6.
    assert 255 - 5 * 22.6 < chi_square < 255 + 5 * 22.6


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.astype(np.float64), b.astype(np.float64))[0, 1])


def test_neighbouring_keys_give_independent_streams() -> None:
    count = 1 << 14
    keys = [(0, 0, 0), (1, 0, 0), (2, 0, 0), (0, 1, 0), (0, 2, 0), (0, 0, 1), (1, 1, 0), (2**32, 0, 0), (0, 2**32, 0)]
    streams = [bits(count, *each) for each in keys]
    for a, b in itertools.combinations(streams, 2):
        assert abs(_correlation(a, b)) < 5 / np.sqrt(count)
        assert abs(_correlation(a[1:], b[:-1])) < 5 / np.sqrt(count)
        assert len(np.intersect1d(a, b)) <= 4  # chance alone: 0.06 expected


def test_neighbouring_elements_are_independent() -> None:
    values = bits(1 << 15, seed=3, step=7, stream=5)
    for lag in (1, 2, 3, 64, 256):
        assert abs(_correlation(values[lag:], values[:-lag])) < 5 / np.sqrt(len(values))


def test_changing_one_bit_of_a_counter_changes_half_of_the_bits() -> None:
    before = bits(2000, seed=0b1010, step=5, stream=9)
    for seed, step, stream in ((0b1011, 5, 9), (0b1010, 4, 9), (0b1010, 5, 8), (0b1010 | 1 << 40, 5, 9)):
        changed = np.bitwise_count(before ^ bits(2000, seed, step, stream)).mean()
        assert 15.8 < changed < 16.2


def test_dropped_shares_over_many_steps() -> None:
    # The share of elements below a threshold, step by step: mean and spread of a binomial.
    count, steps, rate = 400, 500, 0.3
    dropped = np.array([(bits(count, 1, step, 77) < rate * 2**32).sum() for step in range(steps)])
    deviation = np.sqrt(count * rate * (1 - rate))
    assert abs(dropped.mean() - count * rate) < 4 * deviation / np.sqrt(steps)
    assert 0.85 < dropped.std() / deviation < 1.15


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 1000, 4097])
@pytest.mark.parametrize("dtype", [np.int64, np.uint32])
def test_counting_by_doubling(size: int, dtype: type) -> None:
    out = np.full(size, 9, dtype)
    count_into(np, out)
    assert np.array_equal(out, np.arange(size))


@pytest.mark.parametrize("count", [0, 1, 2, 17, 1000])
def test_a_permutation_holds_every_index_once(count: int) -> None:
    order = permutation(count, seed=1, epoch=0)
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(count))


def test_permutations_depend_on_seed_and_epoch_only() -> None:
    orders = [permutation(200, seed, epoch) for seed in range(4) for epoch in range(4)]
    for a, b in itertools.combinations(orders, 2):
        assert np.sum(a == b) < 10
    assert np.array_equal(permutation(200, 3, 1), orders[13])


def test_the_orders_of_many_epochs_are_those_of_each() -> None:
    seed, first = 2**40 + 7, 2**33 - 2
    together = permutations(77, seed, first, 5)
    assert together.dtype == np.int64
    for place in range(5):
        assert np.array_equal(together[place], permutation(77, seed, first + place))
        high, low = (bits(77, seed, first + place, stream_of("batches", f"order {part}")) for part in ("high", "low"))
        assert together[place].tolist() == sorted(range(77), key=lambda i: (high[i], low[i]))


def test_every_order_is_equally_likely() -> None:
    counts: dict[tuple[int, ...], int] = {}
    for epoch in range(2400):
        key = tuple(permutation(4, seed=8, epoch=epoch).tolist())
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 24
    # 23 degrees of freedom: mean 23, standard deviation 6.8.
    assert sum((n - 100) ** 2 / 100 for n in counts.values()) < 23 + 5 * 6.8


def test_generators_are_keyed_by_seed_and_path() -> None:
    first = generator(1, "dense_1/weight").standard_normal(4)
    assert np.array_equal(first, generator(1, "dense_1/weight").standard_normal(4))
    assert not np.array_equal(first, generator(2, "dense_1/weight").standard_normal(4))
    assert not np.array_equal(first, generator(1, "dense_1/bias").standard_normal(4))
    assert generator(7, "data").integers(0, 1 << 30, 3).tolist() == DRAWN
