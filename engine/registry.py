"""The registry of components: what exists, under which tag, and what its declaration says about it as a whole.

It is closed: `engine.components` lists the modules that may fill it, and a file can name nothing else.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any, ClassVar

from msgspec import Struct

from engine.text import shortened


class Component(Struct, frozen=True, kw_only=True):
    """Base of everything that can be chosen. Subclass a kind's base (Layer, Optimizer, ...), never this directly."""

    kind: ClassVar[str] = ""


class Unknown(Component, frozen=True):
    """A component of a file that this version does not know. Saved back unchanged; refused by the compiler in words."""

    of_kind: str
    tag: str
    plain: dict[str, Any]


class ComponentInfo(Struct, frozen=True):
    """What a declaration says about a component as a whole.

    `avoid` says when not to use it; `differs`, where lecture notes or common libraries have another form of it.
    """

    kind: str
    tag: str
    label: str
    group: str
    summary: str
    help: str
    formula: str
    source: str
    synonyms: tuple[str, ...]
    cls: type[Component]
    avoid: str = ""
    differs: str = ""


_REGISTRY: dict[str, dict[str, type[Component]]] = {}
_INFO: dict[type, ComponentInfo] = {}

C = typing.TypeVar("C", bound=Component)


def component(
    tag: str,
    *,
    label: str,
    source: str,
    group: str = "",
    formula: str = "",
    synonyms: tuple[str, ...] = (),
    avoid: str = "",
    differs: str = "",
) -> typing.Callable[[type[C]], type[C]]:
    """Register a component under `tag`, its name in files. Its docstring becomes its help and summary.

    `avoid` and `differs` are sentences; see `ComponentInfo`."""

    def register(cls: type[C]) -> type[C]:
        entries = _REGISTRY.setdefault(cls.kind, {})
        if not cls.kind or tag in entries:
            raise TypeError(f"component {tag!r} of kind {cls.kind!r} is declared twice or has no kind")
        text = " ".join((cls.__doc__ or "").split("\n\n")[0].split())
        body = "\n".join(line.strip() for line in (cls.__doc__ or "").strip().splitlines())
        entries[tag] = cls
        _INFO[cls] = ComponentInfo(
            cls.kind, tag, label, group, text, body, formula, source, synonyms, cls, avoid, differs
        )
        return cls

    return register


def kinds() -> tuple[str, ...]:
    """The registered kinds, in order of declaration."""
    _load()
    return tuple(_REGISTRY)


def components_of(kind: str) -> dict[str, type[Component]]:
    """The components of one kind by tag, in order of declaration. Raises KeyError for a kind that does not exist."""
    _load()
    return dict(_REGISTRY[kind])


def all_components() -> Iterator[ComponentInfo]:
    """Every registered component."""
    _load()
    for entries in _REGISTRY.values():
        for cls in entries.values():
            yield _INFO[cls]


def lookup(kind: str, tag: str) -> type[Component] | None:
    """The class registered as `tag`, or None."""
    _load()
    return _REGISTRY.get(kind, {}).get(tag)


def info_of(value: Component | type[Component]) -> ComponentInfo:
    """What the declaration of a component (class or value) says about it. An `Unknown` describes itself."""
    if isinstance(value, Unknown):
        name = shortened(value.tag)
        text = f"This version of Descent Lab does not know the {value.of_kind} “{name}”."
        return ComponentInfo(value.of_kind, value.tag, name, "", text, text, "", "", (), Unknown)
    return _INFO[value if isinstance(value, type) else type(value)]


def _load() -> None:
    # The registry fills itself when the modules that declare components are imported; they are listed in one place.
    import engine.components  # noqa: F401
