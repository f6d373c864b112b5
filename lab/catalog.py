"""Layers and losses as a person finds them: read from the registry, searched by name, synonym and summary.

Palette and quick-add share it. A query may end in numbers: "dense 64" is a Dense of 64 units.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from msgspec import Struct

from engine.blocks import unrolled_network
from engine.experiment import NetworkSpec
from engine.layers.base import Loss, NodeComponent
from engine.schema import ComponentInfo, SchemaError, components_of, fields_of, info_of, parse_field
from widgets.matching import WHOLE_SYNONYM, score_of

__all__ = [
    "DRAG_FORMAT",
    "Match",
    "build",
    "catalog",
    "dragged",
    "drag_data",
    "filled",
    "groups",
    "lacking_in",
    "layers_text",
    "search",
]

DRAG_FORMAT = "application/x-descent-lab-component"
"""The MIME type of a component that is dragged from the palette."""

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)


class Match(Struct, frozen=True):
    """A component that a query found, and the component built with the query's numbers."""

    info: ComponentInfo
    component: NodeComponent
    score: float


@cache
def catalog() -> tuple[ComponentInfo, ...]:
    """Every layer, then every loss, in order of declaration."""
    return tuple(info_of(cls) for kind in ("layer", "loss") for cls in components_of(kind).values())


def groups(infos: Iterable[ComponentInfo] | None = None) -> dict[str, tuple[ComponentInfo, ...]]:
    """The components by palette group, in order of declaration; losses, whatever their group, come last."""
    found: dict[str, list[ComponentInfo]] = {info.group or "Other": [] for info in catalog() if info.kind != "loss"}
    losses = []
    for info in catalog() if infos is None else infos:
        if info.kind == "loss":
            losses.append(info)
        else:
            found.setdefault(info.group or "Other", []).append(info)
    return {name: tuple(items) for name, items in (*found.items(), ("Loss", losses)) if items}


def layers_text(network: NetworkSpec) -> str:
    """How many layers a network has, as it is written everywhere: "6 layers". The data count as one, losses do not,
    groups as often as they are repeated."""
    count = sum(not isinstance(node.component, Loss) for node in unrolled_network(network).nodes)
    return f"{count} layer{'s' if count != 1 else ''}"


def drag_data(info: ComponentInfo) -> bytes:
    """What a drag of this component carries."""
    return f"{info.kind}/{info.tag}".encode()


def dragged(data: bytes) -> NodeComponent | None:
    """The component, with its defaults, that a drag carries; None if it is not one of the catalog."""
    try:
        kind, _, tag = data.decode().partition("/")
    except UnicodeDecodeError:
        return None
    return next((build(info) for info in catalog() if (info.kind, info.tag) == (kind, tag)), None)


def build(info: ComponentInfo) -> NodeComponent:
    """The component with its defaults."""
    component = info.cls()
    assert isinstance(component, NodeComponent)
    return component


def filled(component: NodeComponent, numbers: Iterable[str]) -> NodeComponent:
    """The component with its first numeric fields set to `numbers`; a number that a field refuses is left out."""
    values = {}
    rest = list(numbers)
    for spec in fields_of(type(component)):
        if not rest:
            break
        if spec.kind not in ("int", "float"):
            continue
        text = rest.pop(0)
        try:
            values[spec.name] = parse_field(spec, float(text))
        except SchemaError:
            continue
    plain = {spec.name: getattr(component, spec.name) for spec in fields_of(type(component))}
    return type(component)(**(plain | values))


def search(
    query: str,
    fits: Callable[[NodeComponent], bool] | None = None,
    first: Sequence[ComponentInfo] = (),
    lacking: Sequence[ComponentInfo] = (),
) -> list[Match]:
    """The components that `query` finds, best first; all of them, in order, for an empty query.

    `fits` filters what makes sense in a place (a wire that was dropped). Of equally good ones, and for an empty query,
    those in `first` come first, in that order. Before all else comes one of `lacking` if `query` is a whole name of it:
    what a network lacks is what is meant by a name that something else has too.
    """
    words = query.casefold().split()
    numbers: list[str] = []
    while len(words) > 1 and _NUMBER.fullmatch(words[-1]):
        numbers.insert(0, words.pop())
    text = " ".join(words)
    found = []
    for info in catalog():
        score = score_of(text, info)
        if score <= 0:
            continue
        component = filled(build(info), numbers) if numbers else build(info)
        if fits is None or fits(component):
            found.append(Match(info, component, score))
    places = {info.cls: place for place, info in enumerate(first)}
    needed = {info.cls for info in lacking}
    return sorted(
        found,
        key=lambda match: (
            not (match.info.cls in needed and match.score >= WHOLE_SYNONYM and text),
            -match.score,
            places.get(match.info.cls, len(places)),
        ),
    )


def lacking_in(network: NetworkSpec) -> tuple[ComponentInfo, ...]:
    """What a network cannot be trained without and does not have: the losses, where it has none."""
    if any(isinstance(node.component, Loss) for node in network.nodes):
        return ()
    return tuple(info for info in catalog() if info.kind == "loss")
