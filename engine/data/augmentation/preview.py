"""A batch as the network gets it, beside the samples that it was made of: what people look at before they train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.data.augmentation.base import Samples
from engine.data.augmentation.pipeline import Augmenter
from engine.data.batches import Batches
from engine.data.errors import DataError

if TYPE_CHECKING:
    from engine.data.dataset import Dataset
    from engine.data.signature import DataSignature, TargetSignature
    from engine.experiment import Experiment

__all__ = ["BatchPreview", "preview_batch", "shares_text"]

LEAST = 0.005
"""Shares below this are not told."""


@dataclass(frozen=True)
class BatchPreview:
    """The batch of one step.

    step, steps_per_epoch   its number, counted from 0, and how many an epoch has.
    name                    the input that is shown.
    indices                 the samples' places in the source.
    before, after           float32 (batch, ...): as preprocessing leaves them, and as the network gets them.
    names                   of the features of a table, or empty.
    labels                  each sample's targets in words: "7 · 62 %, 1 · 38 %".
    classes                 the class of the largest share, or None where no target has classes.
    """

    step: int
    steps_per_epoch: int
    name: str
    indices: np.ndarray
    before: np.ndarray
    after: np.ndarray
    names: tuple[str, ...]
    labels: tuple[str, ...]
    classes: np.ndarray | None


def preview_batch(experiment: Experiment, dataset: Dataset, step: int, name: str = "") -> BatchPreview:
    """The batch that `step` of a run of this experiment trains on. `name`: the input to show; the first by default.

    It depends on the data, the seed and the batch size, not on the network. Raises DataError where there is no batch.
    """
    training, part, signature = experiment.training, dataset.train, dataset.signature
    names = tuple(signature.inputs)
    if name and name not in names:
        raise DataError(f"there is no input “{name}”; the inputs are {', '.join(names)}")
    name = name or names[0]
    batches = Batches(part.size, training.batch_size, training.shuffle, training.drop_last, experiment.seed)
    rows = batches.indices(step)
    augmenter = Augmenter(
        experiment.data.augmentation,
        part.arrays,
        signature,
        experiment.seed,
        inputs=names,
        targets=tuple(signature.targets),
        fitted=dataset.fitted,
    )
    samples = augmenter.prepare(rows[np.newaxis], step)
    target = next((key for key, found in signature.targets.items() if found.classes), "")
    classes = None
    if target:
        classes = samples.shares[target].argmax(axis=1) if augmenter.mixes else part.arrays[target][rows]
    return BatchPreview(
        step=step,
        steps_per_epoch=batches.steps_per_epoch,
        name=name,
        indices=part.indices[rows],
        before=part.arrays[name][rows],
        after=samples.inputs[name],
        names=signature.input_names,
        labels=_labels(samples, signature, {key: part.arrays[key][rows] for key in signature.targets}),
        classes=classes,
    )


def shares_text(shares: np.ndarray, names: tuple[str, ...]) -> str:
    """The classes by share, the largest first: "7 · 62 %, 1 · 38 %"; one class alone by its name."""
    order = [int(index) for index in np.argsort(-shares, kind="stable") if shares[index] >= LEAST]
    if len(order) == 1:
        return names[order[0]]
    return ", ".join(f"{names[index]} · {100 * shares[index]:.0f} %" for index in order)


def _labels(samples: Samples, signature: DataSignature, targets: dict[str, np.ndarray]) -> tuple[str, ...]:
    columns = [_column(samples, key, signature.targets[key], values) for key, values in targets.items()]
    return tuple(" | ".join(texts) for texts in zip(*columns, strict=True))


def _column(samples: Samples, name: str, target: TargetSignature, values: np.ndarray) -> list[str]:
    if not target.classes:
        return [", ".join(f"{number:.4g}" for number in row) for row in samples.numbers[name].reshape(len(values), -1)]
    names = target.class_names or tuple(str(index) for index in range(target.classes))
    if name in samples.shares:
        return [shares_text(row, names) for row in samples.shares[name]]
    return [names[value] for value in values]
