"""The random numbers of augmentation: pure functions of (seed, step, place in the batch, place in the list).

They come from the counter-based hash of `engine.random`, so that a batch has the same samples whoever prepares it, and
whenever: on any device, ahead of time, after a resume, or once more to be looked at.
"""

from __future__ import annotations

import numpy as np

from engine.random import rows_of_bits, stream_of

__all__ = ["Draws"]

ONE = 2.0**-32


class Draws:
    """The draws of one augmentation for `steps` batches of `batch` samples each, from step `first` on.

    `index` is the augmentation's place in the list. Results have a row for each sample, batch after batch: n = steps x
    batch of them. The same `purpose` always gives the same numbers.
    """

    def __init__(self, seed: int, first: int, steps: int, batch: int, index: int) -> None:
        self.seed, self.first, self.steps, self.batch, self.index = seed, first, steps, batch, index

    @property
    def count(self) -> int:
        """The number of samples."""
        return self.steps * self.batch

    def bits(self, purpose: str, width: int = 1) -> np.ndarray:
        """uint32 (n, width)."""
        stream = stream_of("augmentation", f"{self.index} {purpose}")
        return rows_of_bits(self.batch * width, self.seed, self.first, self.steps, stream).reshape(-1, width)

    def uniform(self, purpose: str, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """float64 (n,), uniform between `low` and `high`, neither of which is reached unless they are equal."""
        return low + (high - low) * self._unit(self.bits(purpose)[:, 0])

    def uniform_of_batches(self, purpose: str) -> np.ndarray:
        """As `uniform` from 0 to 1, but one number for all samples of a batch."""
        stream = stream_of("augmentation", f"{self.index} {purpose} of the batch")
        return np.repeat(self._unit(rows_of_bits(1, self.seed, self.first, self.steps, stream)[:, 0]), self.batch)

    def whole(self, purpose: str, low: int, high: int) -> np.ndarray:
        """int64 (n,), every number from `low` to `high` equally likely."""
        span = np.uint64(high - low + 1)
        return low + (self.bits(purpose)[:, 0] * span >> np.uint64(32)).astype(np.int64)

    def chosen(self, probability: float) -> np.ndarray:
        """bool (n,): the samples that are changed."""
        if probability >= 1:
            return np.ones(self.count, bool)
        return self.uniform("chosen") < probability

    def normal(self, purpose: str, width: int) -> np.ndarray:
        """float32 (n, width), standard normal: two of each pair of bits (Box and Muller 1958)."""
        pairs = -(-width // 2)
        # 2^-24 is the smallest step that float32 tells from 1: the largest value is sqrt(2 ln 2^25) = 5.9.
        unit = (self.bits(purpose, 2 * pairs) >> np.uint32(8)).astype(np.float32)
        unit += np.float32(0.5)
        unit *= np.float32(2.0**-24)
        radius, angle = np.ascontiguousarray(unit[:, :pairs]), np.ascontiguousarray(unit[:, pairs:])
        np.log(radius, out=radius)
        radius *= np.float32(-2)
        np.sqrt(radius, out=radius)
        angle *= np.float32(2 * np.pi)
        both = np.concatenate((radius * np.cos(angle), radius * np.sin(angle)), axis=1)
        return np.ascontiguousarray(both[:, :width])

    def beta(self, purpose: str, alpha: float, *, of_batches: bool = False) -> np.ndarray:
        """float64 (n,), of the distribution Beta(alpha, alpha), without rejection.

        T = sqrt(2 alpha (U^(-1/alpha) - 1)) cos(2 pi V) has Student's distribution with 2 alpha degrees of freedom
        (Bailey 1994, "Polar generation of random variates with the t-distribution"), and (1 + T / sqrt(2 alpha + T^2))
        / 2 then is Beta(alpha, alpha).
        """
        draw = self.uniform_of_batches if of_batches else self.uniform
        cosine = np.cos(2 * np.pi * draw(f"{purpose} angle"))
        with np.errstate(over="ignore", divide="ignore"):
            # T^2 / (2 alpha); infinite where alpha is so small that only 0 and 1 occur.
            square = np.expm1(-np.log(draw(f"{purpose} radius")) / alpha) * cosine * cosine
            return 0.5 + 0.5 * np.sign(cosine) / np.sqrt(1.0 + 1.0 / square)

    def partners(self, purpose: str) -> np.ndarray:
        """int64 (n,): for each sample another one of its batch, or itself; a random order of each batch."""
        keys = self.bits(f"{purpose} high").astype(np.uint64) << np.uint64(32) | self.bits(f"{purpose} low")
        order = np.argsort(keys.reshape(self.steps, self.batch), axis=1)
        return (order + np.arange(0, self.count, self.batch)[:, None]).reshape(-1)

    @staticmethod
    def _unit(bits: np.ndarray) -> np.ndarray:
        """uint32 as float64 between 0 and 1, both excluded."""
        return (bits + 0.5) * ONE
