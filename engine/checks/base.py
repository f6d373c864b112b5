"""What the checks share: cancelling, experiments reduced to what is checked, programs on a state of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from msgspec.structs import replace

from engine.data import Dataset, Part
from engine.experiment import DataSpec, Experiment, Node, TrainingSpec
from engine.schedules import ConstantSchedule, NoWarmup
from engine.schema import Unknown, info_of

if TYPE_CHECKING:
    from engine.diagnostics import Report
    from engine.training.programs import Programs

__all__ = ["Cancelled", "Severity", "Watch", "go_on", "programs_for", "reduced", "subset", "without_noise"]

Severity = Literal["ok", "info", "warning", "error"]

Watch = Callable[[float, str], bool]
"""Told how much of a check is done (0 to 1) and what is going on; whether to go on."""


class Cancelled(Exception):
    """A check was ended by whoever watches it."""


def go_on(share: float, words: str) -> bool:
    """A `Watch` that never ends anything."""
    return True


def reduced(experiment: Experiment, **training: Any) -> Experiment:
    """The experiment with its optimizer, metrics and precision, but nothing else of the training: a constant rate, no
    warm-up, no penalties, no clipping, no augmentation. `training` sets further fields."""
    own, data = experiment.training, experiment.data
    kept: dict[str, Any] = {
        "optimizer": own.optimizer,
        "metrics": own.metrics,
        "precision": own.precision,
        "schedule": ConstantSchedule(),
        "warmup": NoWarmup(),
    }
    return replace(
        experiment,
        data=DataSpec(source=data.source, split=data.split, preprocessing=data.preprocessing),
        training=TrainingSpec(**(kept | training)),
    )


def without_noise(experiment: Experiment) -> tuple[Experiment, tuple[str, ...]]:
    """The experiment with the layers that act in training only (dropout and its kin) taken out, and their ids."""

    def quiet(node: Node) -> bool:
        known = not isinstance(node.component, Unknown)
        return known and not node.bypass and info_of(node.component).group == "Regularization"

    out = tuple(node.id for node in experiment.network.nodes if quiet(node))
    nodes = tuple(replace(node, bypass=True) if node.id in out else node for node in experiment.network.nodes)
    return replace(experiment, network=replace(experiment.network, nodes=nodes)), out


def subset(dataset: Dataset, count: int) -> Dataset:
    """The first `count` training samples as the training part, of each class about as many, and nothing else."""
    part = dataset.train
    rows = np.sort(_first_of_each(dataset, count))
    empty = np.arange(0)
    train = Part({name: array[rows] for name, array in part.arrays.items()}, part.indices[rows])
    nothing = Part({name: array[empty] for name, array in part.arrays.items()}, part.indices[empty])
    signature = replace(dataset.signature, train_size=len(rows), validation_size=0, test_size=0)
    return Dataset(signature, train, nothing, nothing, dataset.info, dataset.raw, dataset.fitted)


def _first_of_each(dataset: Dataset, count: int) -> np.ndarray:
    """Places of the samples: in turn the first of every class, the second of every class, and so on."""
    part = dataset.train
    count = min(count, part.size)
    name = next((key for key, target in dataset.signature.targets.items() if target.classes), None)
    if name is None:
        return np.arange(count)
    labels = part.arrays[name]
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[order])
    rank = np.empty(part.size, np.int64)
    rank[order] = np.arange(part.size) - starts
    return np.lexsort((labels, rank))[:count]


def programs_for(experiment: Experiment, dataset: Dataset) -> tuple[Report, Programs]:
    """Programs of the array executor on the state that a run of the experiment begins with. Raises TrainingError in
    words."""
    from engine import backend
    from engine.executor import ArrayExecutor
    from engine.training.programs import Programs
    from engine.training.setup import check_targets, check_tokens, checked, new_state
    from engine.training.unit_variance import scale_weights

    report = checked(experiment, dataset.signature)
    check_targets(experiment, report, dataset)
    check_tokens(experiment, report, dataset)
    state = new_state(experiment, report, backend.choose("cpu"))
    scale_weights(experiment, report, dataset, state)
    return report, Programs(experiment, report, dataset.signature, ArrayExecutor(state))
