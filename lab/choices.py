"""The words of training and of the data in the command palette: optimizers, schedules, penalties, initializers, ...

What is chosen changes the experiment as the form of the tab does, and the tab shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from PySide6.QtCore import QTimer

from engine import edits
from engine.experiment import DataSpec, Experiment, TrainingSpec
from engine.schema import ComponentInfo, FieldSpec, components_of, fields_of, info_of
from lab.inspector import DataInspector, TrainingInspector
from widgets.matching import score_of
from widgets.nested import successor

if TYPE_CHECKING:
    from lab.window import Window

__all__ = ["Choice", "choices", "take"]

INITIALIZED = "weight_init"
SETTLED_MS = 40
"""After which what was unfolded and added in a form has its place."""


class Choice(Struct, frozen=True):
    """Something that a query finds: what it is called, the tab that shows it, and the experiment with it."""

    text: str
    tab: str
    field: str
    """The field of the tab's form that changes; an empty string where it is none of it."""
    edit: Callable[[Experiment], Experiment]
    score: float


def choices(query: str, experiment: Experiment, selected: tuple[str, ...] = ()) -> list[Choice]:
    """What the query finds, best first: by name, other name or subject, with or without the name of its kind
    ("adamw", "optimizer adamw", "optimizer"). An initializer is offered for the selected layers, or for all."""
    text = " ".join(query.casefold().split())
    found = [choice for choice in _all(text, experiment, selected) if choice.score >= 40]
    return sorted(found, key=lambda choice: -choice.score)


def take(window: Window, choice: Choice) -> None:
    """Change the experiment, and show where."""
    window.document.apply(choice.text, choice.edit(window.document.experiment))
    window.show_right(choice.tab)
    tab = {"training": window.training_tab, "data": window.data_tab}.get(choice.tab)
    if choice.field and isinstance(tab, TrainingInspector | DataInspector):
        row = tab.form.reveal(choice.field)
        QTimer.singleShot(SETTLED_MS, tab, lambda: tab.ensureWidgetVisible(row))


def _all(text: str, experiment: Experiment, selected: tuple[str, ...]) -> Iterator[Choice]:
    for tab, spec in _fields():
        noun = _noun(spec)
        for info in _infos(spec.component_kind):
            score = _score(text, noun, spec, info)
            if score > 0:
                name = f"{spec.label}: {info.label}" if spec.kind == "component" else f"Add {noun}: {info.label}"
                yield Choice(name, tab, spec.name, _setting(tab, spec, info), score)
    nodes = _initialized(experiment, selected)
    if nodes:
        whose = _whose(experiment, nodes, chosen=bool(selected))
        for info in _infos("initializer"):
            score = _name_score(text, "initializer", info)
            if score > 0:
                yield Choice(f"Initializer of {whose}: {info.label}", "layer", "", _initializing(info, nodes), score)


def _fields() -> Iterator[tuple[str, FieldSpec]]:
    for tab, cls in (("training", TrainingSpec), ("data", DataSpec)):
        for spec in fields_of(cls):
            if spec.kind in ("component", "components") and spec.name != "source":
                yield tab, spec


def _infos(kind: str) -> Iterator[ComponentInfo]:
    return (info_of(cls) for cls in components_of(kind).values())


def _noun(spec: FieldSpec) -> str:
    words = {"stopping": "stop condition", "preprocessing": "preprocessing step"}
    return words.get(spec.component_kind, spec.component_kind)


def _score(text: str, noun: str, spec: FieldSpec, info: ComponentInfo) -> float:
    return max(_name_score(text, noun, info), _name_score(text, spec.label.casefold(), info))


def _name_score(text: str, noun: str, info: ComponentInfo) -> float:
    """How well a component of a kind called `noun` answers: its own name counts, after the kind's name if that is
    typed; the kind's name alone finds all of the kind, in their order."""
    text = text.removeprefix("add ").strip()
    if len(text) >= 4 and noun.startswith(text):
        return 95.0 if text == noun else 60.0
    if text.startswith(f"{noun} "):
        return score_of(text.removeprefix(noun).strip(), info)
    return score_of(text, info) if text else 0.0


def _setting(tab: str, spec: FieldSpec, info: ComponentInfo) -> Callable[[Experiment], Experiment]:
    def edit(experiment: Experiment) -> Experiment:
        whole = getattr(experiment, tab)
        before = getattr(whole, spec.name)
        new: Any = successor(info.cls, before if spec.kind == "component" else None)
        value = new if spec.kind == "component" else (*before, new)
        return replace(experiment, **{tab: replace(whole, **{spec.name: value})})

    return edit


def _initialized(experiment: Experiment, selected: tuple[str, ...]) -> tuple[str, ...]:
    """The selected layers (or all, where none is) whose weights an initializer draws."""
    return tuple(
        node.id
        for node in experiment.network.nodes
        if (not selected or node.id in selected) and hasattr(node.component, INITIALIZED)
    )


def _whose(experiment: Experiment, nodes: tuple[str, ...], *, chosen: bool) -> str:
    if not chosen:
        return "all layers"
    if len(nodes) == 1:
        return experiment.network.node(nodes[0]).component.title()  # type: ignore[union-attr]
    return f"{len(nodes)} layers"


def _initializing(info: ComponentInfo, nodes: tuple[str, ...]) -> Callable[[Experiment], Experiment]:
    def edit(experiment: Experiment) -> Experiment:
        for node in nodes:
            before = getattr(experiment.network.node(node).component, INITIALIZED)
            experiment = edits.set_field(experiment, node, INITIALIZED, successor(info.cls, before))
        return experiment

    return edit
