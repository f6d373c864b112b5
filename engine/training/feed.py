"""Where a run's batches come from: the training arrays as they are, or augmented batches that are prepared ahead.

Either way a chunk of steps reads arrays by indices. Augmented batches lie in a ring: the batch of step t in slot t
modulo the number of slots, so that the arrays are the same ones from step to step and nothing grows.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Protocol

import numpy as np

from engine.training.prefetch import Prefetch

if TYPE_CHECKING:
    from engine.data import Batches, Dataset, Part
    from engine.data.augmentation import Samples
    from engine.experiment import Experiment
    from engine.layers.base import Loss

__all__ = ["AugmentedFeed", "Fed", "Feed", "PlainFeed", "feed_of"]

RING_BYTES = 8 << 20
"""Memory of the batches that are prepared ahead: what stays near the cores."""
LEAST, MOST = 2, 4096
"""Batches that the ring has at least and at most."""
GROUPS = 4
"""Groups of batches that the ring has room for, where batches are small."""
GROUP_VALUES = 1 << 17
"""Numbers that are prepared at a time: some batches at once where they are small."""


@dataclass(frozen=True)
class Fed:
    """What steps read: the samples at `indices` (steps, batch) of `arrays` by name.

    `compared` is what metrics compare predictions with, at the same indices: of samples that were mixed, the class of
    the largest share. It all holds until the next `Feed.take`.
    """

    arrays: dict[str, np.ndarray]
    indices: np.ndarray
    compared: dict[str, np.ndarray]


class Feed(Protocol):
    """The batches of a run by step, and of a full batch or an epoch's incomplete one by the number of samples."""

    @property
    def waited(self) -> float:
        """Seconds that `take` has waited for batches."""
        ...

    def take(self, step: int, count: int) -> Fed:
        """The batches of up to `count` steps of one size and epoch from `step` on, at least one: fewer where no more
        are ready. Steps are taken in order; what a step reads does not depend on how they are divided."""
        ...

    def look(self, step: int) -> Fed:
        """The batch of any one step, aside from those that are taken."""
        ...

    def close(self) -> None:
        """Let threads go; nothing may be taken afterwards. Closing twice is harmless."""
        ...


class PlainFeed:
    """The training part as it is."""

    waited = 0.0

    def __init__(self, part: Part, batches: Batches) -> None:
        self._arrays, self._batches = part.arrays, batches

    def take(self, step: int, count: int) -> Fed:
        return Fed(self._arrays, self._batches.chunk(step, count), self._arrays)

    def look(self, step: int) -> Fed:
        return self.take(step, 1)

    def close(self) -> None:
        """Nothing is held."""


class AugmentedFeed:
    """Batches that `Augmenter` prepares, by `workers` threads ahead of the steps; 0 prepares when they are taken.

    experiment      its augmentations, seed and batch size count.
    inputs          the names of the inputs that the network reads.
    losses          the losses that are trained: they decide what becomes of mixed classes.
    total           the number of steps of the whole run; nothing is prepared beyond.
    """

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        batches: Batches,
        *,
        inputs: Sequence[str],
        losses: Sequence[Loss],
        total: int,
        workers: int | None = None,
    ) -> None:
        from engine.data.augmentation import Augmenter
        from engine.lower import target_tensor

        part, signature = dataset.train, dataset.signature
        targets = tuple(dict.fromkeys(loss.target for loss in losses))
        self._augmenter = Augmenter(
            experiment.data.augmentation,
            part.arrays,
            signature,
            experiment.seed,
            inputs=inputs,
            targets=targets,
            fitted=dataset.fitted,
        )
        self._part, self._batches = part, batches
        mixes = self._augmenter.mixes
        self._classes = tuple(name for name in targets if signature.known_target(name).classes)
        self._fed = tuple(name for name in targets if name in inputs)
        """What is predicted as it is fed."""
        self._wide = {loss.target: len(target_tensor(loss, signature, 1, shares=mixes).shape) == 2 for loss in losses}
        """Whether a loss reads the shares of all classes, or that of class 1 alone."""
        one = self._prepared(self.look_indices(0), 0)
        size = min(batches.size, batches.batch_size)
        values = sum(prod(array.shape[1:]) for array in one.arrays.values()) * size
        nbytes = sum(array.nbytes for group in (one.arrays, one.compared) for array in group.values())
        slots = max(LEAST, min(MOST, RING_BYTES // max(1, nbytes)))
        group = max(1, min(GROUP_VALUES // max(1, values), slots // GROUPS))
        self._size, self._slots = size, slots
        self._rings = [
            {name: np.empty((slots * size, *array.shape[1:]), array.dtype) for name, array in arrays.items()}
            for arrays in (one.arrays, one.compared)
        ]
        workers = default_workers() if workers is None else workers
        self._prefetch = Prefetch(self._fill, self._room, slots, group, total, workers) if workers else None

    @property
    def waited(self) -> float:
        return self._prefetch.waited if self._prefetch is not None else 0.0

    def take(self, step: int, count: int) -> Fed:
        if self._prefetch is None:
            count = min(count, self._slots)
            self._fill(step, count)
        else:
            count = min(count, self._prefetch.take(step))
        slots = np.arange(step, step + count) % self._slots
        indices = slots[:, None] * self._size + np.arange(self._samples(step))
        return Fed(self._rings[0], indices, self._rings[1])

    def look(self, step: int) -> Fed:
        return self._prepared(self.look_indices(step), step)

    def look_indices(self, step: int) -> np.ndarray:
        return self._batches.indices(step)[np.newaxis]

    def close(self) -> None:
        if self._prefetch is not None:
            self._prefetch.close()

    def _samples(self, step: int) -> int:
        """How many samples the batch of a step has."""
        batches = self._batches
        return min(self._size, batches.size - step % batches.steps_per_epoch * self._size)

    # -- preparing -----------------------------------------------------------------------------------------------------

    def _room(self, step: int, most: int) -> int:
        """How many batches from `step` on are of one size and epoch and lie one after the other in the ring."""
        batches = self._batches
        position = step % batches.steps_per_epoch
        full = batches.size // self._size
        return min(most, max(1, full - position), self._slots - step % self._slots)

    def _fill(self, step: int, count: int) -> None:
        """Prepare these batches and put them into the ring."""
        done = 0
        while done < count:
            here = self._room(step + done, count - done)
            first = step + done
            found = self._prepared(self._batches.chunk(first, here), first)
            start = first % self._slots * self._size
            for ring, arrays in zip(self._rings, (found.arrays, found.compared), strict=True):
                for name, array in arrays.items():
                    ring[name][start : start + len(array)] = array
            done += here

    def _prepared(self, indices: np.ndarray, step: int) -> Fed:
        samples = self._augmenter.prepare(indices, step)
        arrays, compared = self._targets(samples, indices.reshape(-1))
        return Fed(samples.inputs | arrays, np.arange(indices.size).reshape(indices.shape), compared)

    def _targets(self, samples: Samples, flat: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """What losses read, and what metrics compare with."""
        read, compared = dict(samples.numbers), dict(samples.numbers)
        compared |= {name: samples.inputs[name] for name in self._fed}
        for name in self._classes:
            if name not in samples.shares:
                read[name] = compared[name] = self._part.arrays[name][flat]
                continue
            shares = samples.shares[name]
            read[name] = shares if self._wide[name] else np.ascontiguousarray(shares[:, 1])
            compared[name] = shares.argmax(axis=1)
        return read, compared


def feed_of(
    experiment: Experiment,
    dataset: Dataset,
    batches: Batches,
    *,
    inputs: Sequence[str],
    losses: Sequence[Loss],
    total: int,
) -> Feed:
    """The feed that the experiment asks for."""
    if not any(getattr(item, "probability", 0) > 0 for item in experiment.data.augmentation):
        return PlainFeed(dataset.train, batches)
    return AugmentedFeed(experiment, dataset, batches, inputs=inputs, losses=losses, total=total)


def default_workers() -> int:
    """Threads that prepare batches: one for every four cores that this process may use, four at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(4, cores // 4))
