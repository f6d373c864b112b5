"""Fields of a declaration: how they are annotated (`field`) and how they are read back (`fields_of`, `FieldSpec`)."""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Any, Literal

import msgspec
from msgspec import Struct

from engine.registry import Component, Unknown
from engine.text import number_text

FieldKind = Literal[
    "int",
    "float",
    "bool",
    "choice",
    "text",
    "path",
    "numbers",
    "strings",
    "component",
    "components",
    "struct",
    "structs",
]


class FieldSpec(Struct, frozen=True):
    """One field of a declaration, with everything a form, a file, the help and the command line need to know.

    `scale` is "linear" or "log" (how a slider or a wheel moves it); `live` fields may change while a run goes on;
    `advanced` fields are folded away; `minimum` and `maximum` are exclusive where the matching flag says so;
    `component_kind` names the registry kind of a nested component; `length` is the fixed length of "numbers".
    """

    name: str
    kind: FieldKind
    label: str
    help: str
    default: Any
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    choices: tuple[Any, ...] = ()
    component_kind: str = ""
    struct: type[Struct] | None = None
    length: int | None = None
    integer: bool = False
    unit: str = ""
    symbol: str = ""
    scale: Literal["linear", "log"] = "linear"
    advanced: bool = False
    live: bool = False
    search: tuple[float, float] | None = None

    def bounds_text(self) -> str:
        """The bounds in words: "at least 1 and at most 65536", or an empty string."""
        parts = []
        if self.minimum is not None:
            parts.append(f"{'more than' if self.exclusive_minimum else 'at least'} {number_text(self.minimum)}")
        if self.maximum is not None:
            parts.append(f"{'less than' if self.exclusive_maximum else 'at most'} {number_text(self.maximum)}")
        return " and ".join(parts)


def field(
    *,
    help: str,
    label: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    unit: str = "",
    symbol: str = "",
    scale: Literal["linear", "log"] = "linear",
    advanced: bool = False,
    live: bool = False,
    path: bool = False,
    search: tuple[float, float] | None = None,
) -> msgspec.Meta:
    """The annotation of a component's field. `search` gives the default range of a hyper-parameter search."""
    return msgspec.Meta(
        title=label or None,
        description=help,
        extra={
            "bounds": (ge, gt, le, lt),
            "unit": unit,
            "symbol": symbol,
            "scale": scale,
            "advanced": advanced,
            "live": live,
            "path": path,
            "search": search,
        },
    )


@cache
def fields_of(cls: type[Struct]) -> tuple[FieldSpec, ...]:
    """The fields of a component or of a plain struct, in order of declaration."""
    if cls is Unknown:
        return ()
    hints = typing.get_type_hints(cls, include_extras=True)
    return tuple(_read_field(item, hints[item.name]) for item in msgspec.structs.fields(cls))


def _read_field(item: msgspec.structs.FieldInfo, hint: Any) -> FieldSpec:
    meta = None
    if typing.get_origin(hint) is typing.Annotated:
        hint, *annotations = typing.get_args(hint)
        meta = next((a for a in annotations if isinstance(a, msgspec.Meta)), None)
    extra = (meta.extra or {}) if meta else {}
    ge, gt, le, lt = extra.get("bounds", (None,) * 4)
    default, required = item.default, False
    if default is msgspec.NODEFAULT:
        required = item.default_factory is msgspec.NODEFAULT
        default = None if required else item.default_factory()
    shape = _classify(hint, bool(extra.get("path")))
    return FieldSpec(
        name=item.name,
        label=(meta.title if meta and meta.title else item.name.replace("_", " ").capitalize()),
        help=(meta.description or "") if meta else "",
        default=default,
        required=required,
        minimum=ge if ge is not None else gt,
        maximum=le if le is not None else lt,
        exclusive_minimum=gt is not None,
        exclusive_maximum=lt is not None,
        unit=extra.get("unit", ""),
        symbol=extra.get("symbol", ""),
        scale=extra.get("scale", "linear"),
        advanced=extra.get("advanced", False),
        live=extra.get("live", False),
        search=extra.get("search"),
        **shape,
    )


def _classify(hint: Any, is_path: bool) -> dict[str, Any]:
    """What kind of field a type stands for, as keyword arguments of FieldSpec."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType) and Unknown in args:
        return _classify(next(arg for arg in args if arg is not Unknown), is_path)
    if hint is bool:
        return {"kind": "bool"}
    if hint is int:
        return {"kind": "int", "integer": True}
    if hint is float:
        return {"kind": "float"}
    if hint is str:
        return {"kind": "path" if is_path else "text"}
    if origin is Literal:
        return {"kind": "choice", "choices": args}
    if isinstance(hint, type) and issubclass(hint, Component) and hint.kind:
        return {"kind": "component", "component_kind": hint.kind}
    if isinstance(hint, type) and issubclass(hint, Struct):
        return {"kind": "struct", "struct": hint}
    if origin is tuple:
        inner, variable = args[0], args[-1] is Ellipsis
        if typing.get_origin(inner) in (typing.Union, types.UnionType):
            inner = next(arg for arg in typing.get_args(inner) if arg is not Unknown)
        if isinstance(inner, type) and issubclass(inner, Component) and inner.kind:
            return {"kind": "components", "component_kind": inner.kind}
        if isinstance(inner, type) and issubclass(inner, Struct):
            return {"kind": "structs", "struct": inner}
        if inner is str:
            return {"kind": "strings"}
        if inner in (int, float):
            return {"kind": "numbers", "integer": inner is int, "length": None if variable else len(args)}
    raise TypeError(f"no field kind for the type {hint!r}")
