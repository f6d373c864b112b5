"""What one experiment has otherwise than another, field by field, and what was changed in one during its run: for lists
of runs and for words about an edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from engine.experiment import Experiment, NetworkSpec, Node
from engine.groups import ParameterGroup, words
from engine.paths import spec_at
from engine.schema import Component, SchemaError, Unknown, fields_of, info_of
from engine.text import number_text, shortened

if TYPE_CHECKING:
    from engine.training.events import Changed

__all__ = ["Change", "LiveChange", "differences", "during", "summary", "value_text"]

CLOSE = 0.02
"""Changes of one field within this share of a run's epochs are one: a slider that was dragged."""


class Change(Struct, frozen=True, kw_only=True):
    """One place: `path` as `engine.paths` writes it, `label` as a person calls it. `before` or `after` is None where
    the place exists in one of the two experiments only (a node that was added or taken out)."""

    path: str
    label: str
    before: Any
    after: Any

    @property
    def words(self) -> str:
        """What is there now: "learning rate 0.3", "dense_2 added"."""
        if self.before is None:
            return f"{self.label} added"
        if self.after is None:
            return f"{self.label} taken out"
        return f"{self.label} {value_text(self.after)}"


class LiveChange(Struct, frozen=True, kw_only=True):
    """A field that was changed while the run went on, in the epoch (counted from 1) whose steps follow."""

    path: str
    label: str
    before: Any
    after: Any
    epoch: int

    @property
    def words(self) -> str:
        """From what to what, and when: "learning rate 0.1 → 0.05 in epoch 12"."""
        return f"{self.label} {_short(self.before)} → {_short(self.after)} in epoch {self.epoch}"


def differences(before: Experiment, after: Experiment) -> tuple[Change, ...]:
    """Every field whose value differs, in order of declaration; nodes are matched by their id. Names, notes and where
    nodes lie on the canvas do not count: they change no result."""
    changes: list[Change] = []
    _compare(before.data, after.data, "data", "", changes)
    _compare_nodes(before.network, after.network, changes)
    _compare(before.training, after.training, "training", "", changes)
    if before.seed != after.seed:
        changes.append(Change(path="seed", label="seed", before=before.seed, after=after.seed))
    return tuple(changes)


def during(run: Experiment, changes: Sequence[Changed], steps_per_epoch: int) -> tuple[LiveChange, ...]:
    """What was changed during a run, in its order; a slider's many values are one change, from first to last."""
    found: list[LiveChange] = []
    last: dict[str, tuple[int, int]] = {}  # by path: the place of its last change in `found`, and that one's step
    for event in changes:
        place, step = last.get(event.path, (-1, 0))
        if place >= 0 and event.step - step <= CLOSE * run.training.epochs * steps_per_epoch:
            found[place] = replace(found[place], after=event.after)
        else:
            place = len(found)
            epoch = event.step // steps_per_epoch + 1
            label = _label(run, event.path)
            found.append(LiveChange(path=event.path, label=label, before=event.before, after=event.after, epoch=epoch))
        last[event.path] = (place, event.step)
    return tuple(change for change in found if change.before != change.after)


def _label(experiment: Experiment, path: str) -> str:
    """What `differences` calls the field at a path; of one that the experiment lacks, its name."""
    owner = path.split(".")[1] if path.startswith("nodes.") else ""
    try:
        label = _lowered(spec_at(experiment, path).label)
    except SchemaError:
        label = path.rpartition(".")[2].replace("_", " ")
    return f"{owner} {label}".strip()


def _short(value: Any) -> str:
    """A value in few digits: a slider has given it many."""
    if isinstance(value, float):
        value = float(f"{value:.3g}")
    return "none" if value is None else value_text(value)


def summary(changes: Sequence[Change | LiveChange], most: int = 2) -> str:
    """The first changes in words and how many more there are: "learning rate 0.3, batch size 32 and 4 more"."""
    text = ", ".join(change.words for change in changes[:most])
    rest = len(changes) - most
    return f"{text} and {rest} more" if rest > 0 else text


def value_text(value: Any) -> str:
    """A field's value in few words."""
    match value:
        case bool():
            return "on" if value else "off"
        case int() | float():
            return number_text(value)
        case Component():
            return info_of(value).label
        case {"type": str(tag)}:  # a component, as a run keeps it
            return tag.replace("_", " ")
        case ParameterGroup():
            return words(value)
        case tuple():
            return ", ".join(value_text(item) for item in value) or "none"
        case "":
            return "none"
    return shortened(str(value), 120)


def _compare(before: Any, after: Any, path: str, owner: str, changes: list[Change]) -> None:
    """Compare two structs of one class. `owner` names the layer that they belong to."""
    cls: type[Struct] = type(after)
    for spec in fields_of(cls):
        label = f"{owner} {_lowered(spec.label)}".strip()
        _compare_values(getattr(before, spec.name), getattr(after, spec.name), f"{path}.{spec.name}", label, owner,
                        changes)  # fmt: skip


def _compare_values(before: Any, after: Any, path: str, label: str, owner: str, changes: list[Change]) -> None:
    if before == after:
        return
    alike = type(before) is type(after) and not isinstance(after, Unknown)
    if alike and isinstance(after, Struct):
        _compare(before, after, path, owner, changes)
    elif alike and isinstance(after, tuple) and len(before) == len(after) and _all_structs(before, after):
        for i, (old, new) in enumerate(zip(before, after, strict=True)):
            _compare_values(old, new, f"{path}[{i}]", label, owner, changes)
    else:
        changes.append(Change(path=path, label=label, before=before, after=after))


def _all_structs(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    return all(isinstance(a, Struct) and type(a) is type(b) for a, b in zip(before, after, strict=True))


def _compare_nodes(before: NetworkSpec, after: NetworkSpec, changes: list[Change]) -> None:
    old: dict[str, Node] = {node.id: node for node in before.nodes}
    new: dict[str, Node] = {node.id: node for node in after.nodes}
    for node_id, node in old.items():
        if node_id not in new:
            changes.append(Change(path=f"nodes.{node_id}", label=node_id, before=node.component, after=None))
    for node_id, node in new.items():
        path = f"nodes.{node_id}"
        if node_id not in old:
            changes.append(Change(path=path, label=node_id, before=None, after=node.component))
            continue
        other = old[node_id]
        _compare_values(other.component, node.component, path, node_id, node_id, changes)
        for name, label in (("inputs", "reads"), ("bypass", "bypass")):
            was, now = getattr(other, name), getattr(node, name)
            if was != now:
                changes.append(Change(path=f"{path}.{name}", label=f"{node_id} {label}", before=was, after=now))


def _lowered(label: str) -> str:
    return label if label[:2].isupper() else label[:1].lower() + label[1:]
