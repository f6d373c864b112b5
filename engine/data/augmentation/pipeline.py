"""The list of augmentations, applied to whole batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import numpy as np

from engine.data.augmentation.affine import AffineStep, Interpolation, move, product
from engine.data.augmentation.base import AugmentationStep, Samples
from engine.data.augmentation.draws import Draws
from engine.data.augmentation.pixels import Pixels
from engine.data.preprocessing.transformation import Transformation
from engine.data.signature import DataSignature
from engine.kinds import Augmentation
from engine.registry import Unknown

__all__ = ["Augmenter"]


class Augmenter:
    """Prepares batches of the training part `arrays` (inputs and targets by name), by the augmentations in order.

    fitted      by input, what preprocessing did to it: pixels are moved as they are in the source (see `pixels`).
    inputs      the names of the inputs that the network reads.
    targets     the names of its targets.

    A batch is a pure function of the seed, the step and the samples' indices; preparing several at once gives the same
    bits. Safe to use from several threads.
    """

    def __init__(
        self,
        augmentation: Sequence[Augmentation | Unknown],
        arrays: Mapping[str, np.ndarray],
        signature: DataSignature,
        seed: int,
        *,
        inputs: Sequence[str],
        targets: Sequence[str],
        fitted: Mapping[str, Sequence[Transformation]] | None = None,
    ) -> None:
        self._steps = [
            (index, step)
            for index, step in enumerate(augmentation)
            if isinstance(step, AugmentationStep) and step.probability > 0
        ]
        self._arrays, self._seed = arrays, seed
        self._inputs = tuple(inputs)
        shapes = {name: arrays[name].shape[1:] for name in inputs}
        self._pixels = {
            name: Pixels(steps, shapes[name])
            for name, steps in (fitted or {}).items()
            if steps and len(shapes.get(name, ())) == 3
        }
        # What is fed and predicted alike, as by an autoencoder, is prepared once, as an input.
        found = {name: signature.known_target(name).classes for name in targets if name not in self._inputs}
        self._numbers = tuple(name for name, classes in found.items() if not classes)
        self._classes = {name: classes for name, classes in found.items() if classes}
        self.mixes = any(step.mixes for _, step in self._steps)
        """Whether samples are mixed, so that `Samples.shares` is filled."""

    def prepare(self, indices: np.ndarray, step: int) -> Samples:
        """The batches of the samples `indices`, int64 (steps, batch), from `step` on."""
        steps, batch = indices.shape
        flat = indices.reshape(-1)
        samples = Samples(
            batch,
            {name: self._arrays[name][flat] for name in self._inputs},
            {name: self._arrays[name][flat] for name in self._numbers},
        )
        if self.mixes:
            for name, classes in self._classes.items():
                shares = samples.shares[name] = np.zeros((len(flat), classes), np.float32)
                shares[np.arange(len(flat)), self._arrays[name][flat]] = 1

        def draws(index: int) -> Draws:
            return Draws(self._seed, step, steps, batch, index)

        for moves, run in groupby(self._steps, key=lambda item: item[1].moves):
            if moves:
                self._move(samples, list(run), draws)
            else:
                for index, item in run:
                    item.apply(samples, draws(index))
        return samples

    def _move(self, samples: Samples, run: list[tuple[int, AugmentationStep]], draws: Callable[[int], Draws]) -> None:
        """Move the pixels of images as they are in the source."""
        for name, pixels in self._pixels.items():
            if pixels.even:
                samples.levels[name] = pixels.level
            else:
                samples.inputs[name] = pixels.undo(samples.inputs[name])
        for joined, part in groupby(run, key=_joining):
            several = list(part)
            if joined is None:
                for index, item in several:
                    item.apply(samples, draws(index))
                continue
            matrices = None
            for index, item in several:
                assert isinstance(item, AffineStep)
                found = item.matrices(draws(index))
                # Of the result's place the last map is taken back first.
                matrices = found if matrices is None else product(matrices, found)
            assert matrices is not None
            move(samples, matrices, *joined)
        for name, pixels in self._pixels.items():
            if not pixels.even:
                samples.inputs[name] = pixels.redo(samples.inputs[name])


def _joining(item: tuple[int, AugmentationStep]) -> tuple[float, Interpolation] | None:
    """What neighbouring linear maps must share to be made in one go."""
    step = item[1]
    return (step.background, step.interpolation) if isinstance(step, AffineStep) else None
