"""Sequences of tokens: what is promised, who is right about the classes, and what there is to learn."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from engine.data.sources import Brackets, MostFrequentToken
from engine.data.sources.sequences import is_balanced

SOURCES = [
    Brackets(),
    Brackets(samples=301, pairs=1),
    Brackets(kinds=3, pairs=5),
    MostFrequentToken(),
    MostFrequentToken(samples=99, length=2, vocabulary=7),
    MostFrequentToken(length=9, vocabulary=2),
]


def by_hand(tokens: np.ndarray) -> bool:
    """Whether a sequence is balanced, with a stack."""
    stack: list[int] = []
    for token in tokens.astype(int).tolist():
        if token % 2 == 0:
            stack.append(token)
        elif not stack or stack.pop() != token - 1:
            return False
    return not stack


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_promised_is_what_comes(source) -> None:
    raw, again = source.read(), source.read()
    assert raw.outline() == source.outline()
    np.testing.assert_array_equal(raw.inputs["x"], again.inputs["x"])
    x = raw.inputs["x"]
    assert x.dtype == np.float32 and x.min() >= 0
    np.testing.assert_array_equal(x, np.round(x))
    counts = np.bincount(raw.targets["y"])
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("source", [source for source in SOURCES if isinstance(source, Brackets)])
def test_the_classes_are_those_that_a_stack_finds(source) -> None:
    raw = source.read()
    x, y = raw.inputs["x"], raw.targets["y"]
    assert [by_hand(row) for row in x[:200]] + [by_hand(row) for row in x[-200:]] == [*(y[:200] == 1), *(y[-200:] == 1)]
    assert x.max() <= 2 * source.kinds - 1
    # As many of each kind open as close, in every sequence: counting tells nothing.
    for kind in range(source.kinds):
        np.testing.assert_array_equal((x == 2 * kind).sum(axis=1), (x == 2 * kind + 1).sum(axis=1))


def test_all_sequences_of_a_length_are_told_apart() -> None:
    every = np.array(list(itertools.product(range(4), repeat=6)))
    expected = np.array([by_hand(row) for row in every])
    np.testing.assert_array_equal(is_balanced(every), expected)
    assert expected.sum() == 5 * 2**3  # the third Catalan number, and two kinds for each pair


def test_balanced_sequences_are_drawn_evenly() -> None:
    raw = Brackets(samples=8400, pairs=4, seed=3).read()
    balanced = raw.inputs["x"][raw.targets["y"] == 1]
    _, counts = np.unique(balanced, axis=0, return_counts=True)
    assert len(counts) == math.comb(8, 4) // 5
    assert counts.min() > 4200 / 14 - 5 * np.sqrt(300) and counts.max() < 4200 / 14 + 5 * np.sqrt(300)


@pytest.mark.parametrize("source", [source for source in SOURCES if isinstance(source, MostFrequentToken)])
def test_the_most_frequent_token_is_the_class_and_alone(source) -> None:
    raw = source.read()
    counts = (raw.inputs["x"][:, :, None] == np.arange(source.vocabulary)).sum(axis=1)
    np.testing.assert_array_equal(counts.argmax(axis=1), raw.targets["y"])
    assert ((counts == counts.max(axis=1, keepdims=True)).sum(axis=1) == 1).all()


@pytest.mark.parametrize("cls", [Brackets, MostFrequentToken])
def test_another_seed_gives_other_sequences(cls) -> None:
    first, second = (cls(seed=seed).read().inputs["x"] for seed in (1, 2))
    assert (first != second).any(axis=1).mean() > 0.5
