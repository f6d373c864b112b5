"""Which samples make up which batch: a pure function of the step, so that a resumed run needs no state."""

from __future__ import annotations

import numpy as np

from engine.data.errors import DataError
from engine.random import permutations

__all__ = ["Batches"]

AHEAD = 1 << 14
"""Samples up to which the orders of several epochs are drawn at once."""


class Batches:
    """The batches of `size` samples. Each epoch has a new order, drawn from (`seed`, epoch), when `shuffle` is on.

    Safe to use from several threads. Raises DataError when there are no samples, or when dropping the incomplete batch
    would leave none.
    """

    def __init__(
        self, size: int, batch_size: int, shuffle: bool = True, drop_last: bool = False, seed: int = 0
    ) -> None:
        if size < 1:
            raise DataError("there are no samples to make batches of", "split.validation")
        if drop_last and size < batch_size:
            raise DataError(
                f"a batch of {batch_size} is more than the {size} training samples, and incomplete batches are "
                f"dropped: make batches of at most {size}",
                "training.batch_size",
            )
        self.size, self.batch_size = size, batch_size
        self.shuffle, self.drop_last, self.seed = shuffle, drop_last, seed
        self.steps_per_epoch = size // batch_size if drop_last else -(-size // batch_size)
        self._ahead = max(1, min(64, AHEAD // size))
        self._orders: tuple[int, np.ndarray] = (-1, np.empty((0, 0)))

    def indices(self, step: int) -> np.ndarray:
        """The samples of the batch at `step`, counted from 0 over the whole run: int64, at most `batch_size` long."""
        epoch, position = divmod(step, self.steps_per_epoch)
        start = position * self.batch_size
        stop = min(start + self.batch_size, self.size)
        if not self.shuffle:
            return np.arange(start, stop, dtype=np.int64)
        return self.order(epoch)[start:stop]

    def chunk(self, step: int, count: int) -> np.ndarray:
        """The samples of `count` batches of one size from `step` on, all of one epoch: int64 (count, batch). Read only:
        they lie in the epoch's order."""
        if count == 1:
            return self.indices(step)[np.newaxis]
        epoch, position = divmod(step, self.steps_per_epoch)
        start = position * self.batch_size
        stop = start + count * self.batch_size
        if stop > self.size:
            raise IndexError(f"{count} batches of {self.batch_size} from number {position} on are not in one epoch")
        every = self.order(epoch)[start:stop] if self.shuffle else np.arange(start, stop, dtype=np.int64)
        return every.reshape(count, self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """The order of all samples in an epoch, counted from 0."""
        block, place = divmod(epoch, self._ahead)
        orders = self._orders  # one look: another thread may replace it meanwhile
        if block != orders[0]:
            orders = self._orders = block, permutations(self.size, self.seed, block * self._ahead, self._ahead)
        return orders[1][place]
