"""Live changes: fields that may change while a run goes on, and the change of one in the run's own experiment."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from engine.experiment import Experiment
from engine.migrations import clipping_of
from engine.paths import get_path, set_path, spec_at
from engine.schema import Component, SchemaError, Unknown, fields_of

__all__ = ["change", "live_changes"]


def change(experiment: Experiment, path: str, value: Any) -> tuple[Experiment, Any]:
    """The experiment with the live field at `path` set to `value`, and the value before.

    Paths are those of `engine.paths`: `training.optimizer.learning_rate`, `training.penalties[0].strength`,
    `training.clipping`, `nodes.dropout_1.rate`. Raises SchemaError when there is no such field, when it is not a live
    one, or when it cannot hold `value`.
    """
    if path == "training.clip_norm":  # ordered in a run of the time when there was no other clipping
        path, value = "training.clipping", clipping_of(value)
    spec = spec_at(experiment, path)
    if not spec.live:
        raise SchemaError(path, f"“{spec.label}” cannot change during a run")
    return set_path(experiment, path, value), get_path(experiment, path)


def live_changes(before: Experiment, after: Experiment, run: Experiment) -> list[tuple[str, Any]]:
    """What an edit from `before` to `after` means for a `run` that goes on: (path, value) of its live fields.

    Only a field whose owner is of the same type in all three counts, and in a list only where all entries are: another
    optimizer, or a penalty put before the others, is no change of the one that the run has.
    """
    found = _changes("training", before.training, after.training, run.training)
    nodes, running = ({node.id: node.component for node in item.network.nodes} for item in (before, run))
    for node in after.network.nodes:
        if node.id in nodes and node.id in running:
            found += _changes(f"nodes.{node.id}", nodes[node.id], node.component, running[node.id])
    return found


def _changes(place: str, before: Any, after: Any, run: Any) -> list[tuple[str, Any]]:
    if type(before) is not type(after) or type(run) is not type(after) or before == after:
        return []
    found: list[tuple[str, Any]] = []
    if isinstance(after, tuple):
        kinds = {tuple(map(type, items)) for items in (before, after, run)}
        if len(kinds) == 1:
            for i, values in enumerate(zip(before, after, run, strict=True)):
                found += _changes(f"{place}[{i}]", *values)
    elif isinstance(after, Struct) and not isinstance(after, Unknown):
        for spec in fields_of(type(after)):
            path, old, new, its = f"{place}.{spec.name}", *(getattr(item, spec.name) for item in (before, after, run))
            same = isinstance(new, Component) and type(old) is type(new) is type(its)
            if not spec.live or same:
                found += _changes(path, old, new, its)
            elif old != new != its:
                found.append((path, new))
    return found
