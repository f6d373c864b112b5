"""Made-up sequences of tokens: problems in which it matters what stands where, or how often."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from engine.data.raw import Outline, Raw
from engine.data.signature import TargetSignature
from engine.data.sources.base import DataSource
from engine.schema import component, field

__all__ = ["Brackets", "MostFrequentToken"]

Samples = Annotated[int, field(ge=10, le=200_000, scale="log", help="Number of sequences, over all classes.")]
Seed = Annotated[int, field(ge=0, le=2**31 - 1, help="Seed of the sequences. The same seed gives the same ones.")]


class _Tokens(DataSource, frozen=True):
    """Sequences of token numbers from 0 on, in classes of (nearly) equal size."""

    def positions(self) -> int:
        """How many tokens a sequence has."""
        raise NotImplementedError

    def names(self) -> tuple[str, ...]:
        """The names of the classes."""
        raise NotImplementedError

    def sequences(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Sequences of these classes, int64 (N, positions)."""
        raise NotImplementedError

    def outline(self) -> Outline:
        target = TargetSignature(classes=len(self.names()), class_names=self.names())
        return Outline({"x": (self.positions(),)}, {"y": target}, self.samples)  # type: ignore[attr-defined]

    def read(self) -> Raw:
        rng = np.random.default_rng(self.seed)  # type: ignore[attr-defined]
        labels = np.sort(np.arange(self.samples) % len(self.names()))  # type: ignore[attr-defined]
        tokens = self.sequences(labels, rng).astype(np.float32)
        return Raw({"x": tokens}, {"y": labels.astype(np.int64)}, self.outline().targets)


@component(
    "brackets",
    label="Brackets",
    group="Sequences",
    formula="class = 1 where every bracket is closed by its own kind, in the right order",
    source="Chomsky, Schützenberger: The algebraic theory of context-free languages (1963), for Dyck languages",
    synonyms=("balanced", "parentheses", "dyck", "tokens", "sequence", "transformer", "attention"),
    avoid="Few pairs make few different sequences (10 pairs: 16,796 balanced ones of one kind), so that many samples "
    "stand in the training and in the validation part.",
)
class Brackets(_Tokens, frozen=True):
    """Is a sequence of brackets balanced? Every sequence has as many opening as closing ones, so that counting is vain:
    it takes their order.

    Kind k opens with token 2k and closes with token 2k + 1. Balanced sequences of one kind are drawn evenly among all
    that there are; the others are such sequences in which two brackets were exchanged, so that they no longer are. A
    network that sees each token by itself stays at one half; causal attention can count what is open so far.
    """

    samples: Samples = 4000
    pairs: Annotated[int, field(ge=1, le=256, help="Pairs of brackets: a sequence has twice as many tokens.")] = 10
    kinds: Annotated[
        int, field(ge=1, le=32, help="Kinds of brackets. With several, they must also match: much harder.")
    ] = 1
    seed: Seed = 0

    def positions(self) -> int:
        return 2 * self.pairs

    def names(self) -> tuple[str, ...]:
        return ("broken", "balanced")

    def sequences(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        whole = self._balanced(len(labels), rng)
        tokens = whole.copy()
        sound = np.flatnonzero(labels == 0)
        while len(sound):
            rows, exchanged = np.arange(len(sound)), whole[sound]
            first, second = rng.integers(0, self.positions(), (2, len(sound)))
            exchanged[rows, first], exchanged[rows, second] = whole[sound, second], whole[sound, first]
            tokens[sound] = exchanged
            sound = sound[is_balanced(exchanged)]
        return tokens

    def _balanced(self, count: int, rng: np.random.Generator) -> np.ndarray:
        # Of the rotations of n + 1 ups and n downs exactly one stays above zero (Dvoretzky and Motzkin's cycle lemma):
        # it begins behind the last place where the sum is smallest. Without its first step it is a balanced sequence.
        length = 2 * self.pairs + 1
        ordered = np.tile(np.where(np.arange(length) <= self.pairs, 1, -1), (count, 1))
        steps: np.ndarray = rng.permuted(ordered, axis=1)
        lowest = length - 1 - np.argmin(np.cumsum(steps, axis=1)[:, ::-1], axis=1)
        places = (lowest[:, None] + 2 + np.arange(length - 1)) % length
        opens = np.take_along_axis(steps, places, axis=1) > 0

        tokens = np.empty((count, length - 1), np.int64)
        kinds = rng.integers(0, self.kinds, tokens.shape)
        stack, depth, rows = np.zeros((count, self.pairs + 1), np.int64), np.zeros(count, np.int64), np.arange(count)
        for t in range(tokens.shape[1]):
            opening = opens[:, t]
            stack[rows, depth] = np.where(opening, kinds[:, t], stack[rows, depth])
            depth += np.where(opening, 1, -1)
            tokens[:, t] = np.where(opening, 2 * kinds[:, t], 2 * stack[rows, np.where(opening, 0, depth)] + 1)
        return tokens


def is_balanced(tokens: np.ndarray) -> np.ndarray:
    """Whether each sequence (N, T) of brackets is balanced: even tokens open, the odd ones behind them close."""
    count, length = tokens.shape
    stack, depth, rows = np.full((count, length + 2), -1), np.zeros(count, np.int64), np.arange(count)
    sound = np.ones(count, bool)
    for t in range(length):
        opening, kind = tokens[:, t] % 2 == 0, tokens[:, t] // 2
        sound &= opening | (stack[rows, depth] == kind)
        depth = np.clip(depth + np.where(opening, 1, -1), 0, None)
        stack[rows, depth] = np.where(opening, kind, stack[rows, depth])
        stack[:, 0] = -1
    return sound & (depth == 0)


@component(
    "most_frequent_token",
    label="Most frequent token",
    group="Sequences",
    formula="class = the token that stands in most places",
    source="Weiss, Goldberg, Yahav: Thinking like transformers (ICML 2021), for histograms and most frequent tokens "
    "as problems for transformers",
    synonyms=("majority", "mode", "counting", "bag of words", "tokens", "sequence"),
)
class MostFrequentToken(_Tokens, frozen=True):
    """Which token occurs most often? The order does not matter: an embedding and the mean over positions solve it
    without attention, and show where attention gains nothing.

    Sequences are drawn evenly among those with a single winner.
    """

    samples: Samples = 2000
    length: Annotated[int, field(ge=2, le=512, help="Tokens in a sequence.")] = 12
    vocabulary: Annotated[int, field(ge=2, le=100, help="Different tokens, each a class.")] = 4
    seed: Seed = 0

    def positions(self) -> int:
        return self.length

    def names(self) -> tuple[str, ...]:
        return tuple(str(token) for token in range(self.vocabulary))

    def sequences(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        tokens = np.zeros((len(labels), self.length), np.int64)
        open_rows = np.arange(len(labels))
        while len(open_rows):
            drawn = rng.integers(0, self.vocabulary, (len(open_rows), self.length))
            counts = (drawn[:, :, None] == np.arange(self.vocabulary)).sum(axis=1)
            best = counts.argmax(axis=1)
            alone = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) == 1
            # The winner and the token that is to win change places.
            wanted = labels[open_rows]
            first, second = drawn == best[:, None], drawn == wanted[:, None]
            drawn = np.where(first, wanted[:, None], np.where(second, best[:, None], drawn))
            tokens[open_rows[alone]] = drawn[alone]
            open_rows = open_rows[~alone]
        return tokens
