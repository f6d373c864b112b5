"""Live changes: fields that may change while a run goes on, and the change of one in the run's own experiment."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from engine.experiment import Experiment
from engine.paths import get_path, set_path, spec_at
from engine.schema import SchemaError, Unknown, fields_of

__all__ = ["change", "live_paths"]


def change(experiment: Experiment, path: str, value: Any) -> tuple[Experiment, Any]:
    """The experiment with the live field at `path` set to `value`, and the value before.

    Paths are those of `engine.paths`: `training.optimizer.learning_rate`, `training.penalties[0].strength`,
    `training.clip_norm`, `nodes.dropout_1.rate`. Raises SchemaError when there is no such field, when it is not a live
    one, or when it cannot hold `value`.
    """
    spec = spec_at(experiment, path)
    if not spec.live:
        raise SchemaError(path, f"“{spec.label}” cannot change during a run")
    return set_path(experiment, path, value), get_path(experiment, path)


def live_paths(experiment: Experiment) -> tuple[str, ...]:
    """The paths of everything that may change during a run of this experiment."""
    paths = _live("training", experiment.training)
    for node in experiment.network.nodes:
        if not isinstance(node.component, Unknown):
            paths += _live(f"nodes.{node.id}", node.component)
    return tuple(paths)


def _live(prefix: str, struct: Struct) -> list[str]:
    paths: list[str] = []
    for spec in fields_of(type(struct)):
        value = getattr(struct, spec.name)
        if spec.live:
            paths.append(f"{prefix}.{spec.name}")
        elif isinstance(value, Struct):
            paths += _live(f"{prefix}.{spec.name}", value)
        elif isinstance(value, tuple):
            for i, item in enumerate(value):
                if isinstance(item, Struct):
                    paths += _live(f"{prefix}.{spec.name}[{i}]", item)
    return paths
