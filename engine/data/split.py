"""Dividing samples into training, validation and test part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.data.errors import DataError

if TYPE_CHECKING:
    from engine.experiment import SplitSpec

__all__ = ["divide", "part_sizes"]


def part_sizes(samples: int, own_test: int, split: SplitSpec) -> tuple[int, int, int]:
    """Numbers of training, validation and test samples. Raises DataError when too few are left to train on.

    Shares are of all samples that are divided (rounded, halves up). A source's own test part is not divided: it is the
    test part, and `split.test` has no effect.
    """
    divided = samples - own_test
    validation = _count(split.validation, divided, "validation")
    test = own_test or _count(split.test, divided, "test")
    train = divided - validation - (0 if own_test else test)
    if train < 1:
        wanted = f"{validation} for validation" + (f" and {test} for the test" if not own_test and test else "")
        raise DataError(
            f"the split leaves no training samples: of {divided}, it takes {wanted}",
            "split.validation" if validation >= (0 if own_test else test) else "split.test",
        )
    return (min(train, split.train_limit) if split.train_limit else train), validation, test


def _count(wanted: float, samples: int, part: str) -> int:
    if wanted < 1:
        return int(wanted * samples + 0.5)
    if wanted != int(wanted):
        raise DataError(
            f"{wanted:g} {part} samples: give a share below 1 or a whole number of samples", f"split.{part}"
        )
    if wanted > samples:
        raise DataError(f"{int(wanted)} {part} samples are wanted, but there are only {samples}", f"split.{part}")
    return int(wanted)


def divide(samples: int, own_test: int, split: SplitSpec) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices (int64) of the training, validation and test samples.

    `order = numpy.random.default_rng(split.seed).permutation(N)` (or 0 .. N-1 without shuffling) of the N samples that
    are divided; the training part is its beginning, then comes the validation part, then the test part. A training
    limit shortens the training part from its end and leaves the other parts as they are.
    """
    train, validation, test = part_sizes(samples, own_test, split)
    divided = samples - own_test
    order = np.random.default_rng(split.seed).permutation(divided) if split.shuffle else np.arange(divided)
    end = divided if own_test else divided - test
    tail = np.arange(divided, samples) if own_test else order[end:]
    return tuple(part.astype(np.int64) for part in (order[:train], order[end - validation : end], tail))  # type: ignore[return-value]
