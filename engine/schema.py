"""One declaration per component: what palette, forms, files, help, command line and search are read from.

A component (a layer, an optimizer, a data source, ...) is one frozen struct. Its fields carry type, bounds, help and
presentation in their annotations:

    @component("dense", label="Dense", group="Core", formula="y = x W + b", source="...")
    class Dense(Layer):
        \"\"\"Every output is a weighted sum of all inputs, plus a bias.\"\"\"

        units: Annotated[int, field(ge=1, le=65536, help="Number of output values.")] = 128

`fields_of` reads the declaration back as `FieldSpec`s; `to_plain` and `from_plain` turn values into JSON types and
back, with errors that name the place. The registry is closed: a file names a registered tag, never an import path.
"""

from __future__ import annotations

import difflib
import math
import typing
from collections.abc import Container, Iterable
from typing import Any

from msgspec import Struct

from engine.fields import FieldSpec, field, fields_of
from engine.registry import (
    Component,
    ComponentInfo,
    Unknown,
    all_components,
    component,
    components_of,
    info_of,
    kinds,
    lookup,
)
from engine.text import folded, number_text, shortened

__all__ = [
    "Component",
    "ComponentInfo",
    "FieldSpec",
    "SchemaError",
    "Unknown",
    "all_components",
    "component",
    "components_of",
    "field",
    "fields_of",
    "from_plain",
    "info_of",
    "is_text",
    "kinds",
    "lookup",
    "named_like",
    "no_such_field",
    "parse_field",
    "require",
    "to_plain",
    "validate",
]


class SchemaError(ValueError):
    """A value that its declaration does not allow.

    `path` is the place in the file or form (`training.optimizer.learning_rate`), `message` says in words what was
    expected and what was found.
    """

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message


def to_plain(value: Any) -> Any:
    """JSON types for a component, a struct or a field's value. A component carries its tag as "type"."""
    if isinstance(value, Unknown):
        return dict(value.plain)
    if isinstance(value, Struct):
        plain = {"type": info_of(value).tag} if isinstance(value, Component) and value.kind else {}
        return plain | {spec.name: to_plain(getattr(value, spec.name)) for spec in fields_of(type(value))}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    return value


def from_plain(target: type[Struct] | str, plain: Any, path: str = "") -> Any:
    """The value that JSON types describe. `target` is a struct's class, or the name of a kind of component.

    Raises SchemaError with the place and the words. A component with an unregistered tag becomes an `Unknown`.
    """
    if not isinstance(plain, dict):
        raise SchemaError(path, f"expected an object, got {_found(plain)}")
    plain = dict(plain)
    cls: type[Struct]
    if isinstance(target, str):
        tag = plain.pop("type", None)
        if not isinstance(tag, str):
            article = "an" if target[0] in "aeiou" else "a"
            raise SchemaError(_join(path, "type"), f"expected the name of {article} {target}, got {_found(tag)}")
        known = lookup(target, tag)
        if known is None:
            return Unknown(of_kind=target, tag=tag, plain={"type": tag, **plain})
        cls = known
    else:
        cls = target
    values = {}
    specs = {spec.name: spec for spec in fields_of(cls)}
    for name, item in plain.items():
        if name not in specs:
            raise no_such_field(_join(path, name), name, specs)
        values[name] = parse_field(specs[name], item, _join(path, name))
    require([spec.name for spec in specs.values() if spec.required], values, path)
    return cls(**values)


def parse_field(spec: FieldSpec, value: Any, path: str = "") -> Any:
    """Check one field's value (JSON types or already built) against its declaration and return it built."""
    path = path or spec.name
    match spec.kind:
        case "bool":
            if not isinstance(value, bool):
                raise SchemaError(path, f"expected true or false, got {_found(value)}")
            return value
        case "int" | "float":
            return _parse_number(spec, value, path)
        case "choice":
            if value not in spec.choices or isinstance(value, bool) != isinstance(spec.choices[0], bool):
                raise SchemaError(path, f"expected one of {', '.join(map(str, spec.choices))}; got {_found(value)}")
            return value
        case "text" | "path":
            if not isinstance(value, str):
                raise SchemaError(path, f"expected text, got {_found(value)}")
            if not is_text(value):
                raise SchemaError(path, "holds a character that is none (half of a two-part character)")
            return value
        case "component":
            if isinstance(value, Component):
                return validate(value, path)
            return from_plain(spec.component_kind, value, path)
        case "struct":
            assert spec.struct is not None
            if isinstance(value, spec.struct):
                return validate(value, path)
            return from_plain(spec.struct, value, path)
    if not isinstance(value, list | tuple):
        raise SchemaError(path, f"expected a list, got {_found(value)}")
    if spec.length is not None and len(value) != spec.length:
        raise SchemaError(path, f"expected {spec.length} values, got {len(value)}")
    return tuple(_parse_item(spec, item, f"{path}[{i}]") for i, item in enumerate(value))


def _parse_item(spec: FieldSpec, item: Any, path: str) -> Any:
    if spec.kind == "numbers":
        return _parse_number(spec, item, path)
    if spec.kind == "strings":
        if not isinstance(item, str):
            raise SchemaError(path, f"expected text, got {_found(item)}")
        return item
    if isinstance(item, Struct):
        return validate(item, path)
    return from_plain(spec.component_kind or typing.cast(type[Struct], spec.struct), item, path)


def _parse_number(spec: FieldSpec, value: Any, path: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        what = "a whole number" if spec.integer else "a number"
        raise SchemaError(path, f"expected {what}, got {_found(value)}")
    if spec.integer:
        if isinstance(value, float) and not (math.isfinite(value) and value.is_integer()):
            raise SchemaError(path, f"expected a whole number, got {_found(value)}")
        value = int(value)
    else:
        try:
            value = float(value)
        except OverflowError:
            raise SchemaError(path, "expected a finite number, got one too large") from None
        if not math.isfinite(value):
            raise SchemaError(path, f"expected a finite number, got {_found(value)}")
    low = spec.minimum is not None and (value <= spec.minimum if spec.exclusive_minimum else value < spec.minimum)
    high = spec.maximum is not None and (value >= spec.maximum if spec.exclusive_maximum else value > spec.maximum)
    if low or high:
        raise SchemaError(path, f"expected {spec.bounds_text()}, got {_found(value)}")
    return value


def validate(value: Any, path: str = "") -> Any:
    """Check a built component or struct field by field; returns it. Construction itself does not validate."""
    cls: type[Struct] = type(value)
    for spec in fields_of(cls):
        parse_field(spec, getattr(value, spec.name), _join(path, spec.name))
    return value


def is_text(text: str) -> bool:
    """Whether files can hold the text: halves of two-part characters, as undecodable bytes become, have no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def no_such_field(path: str, name: str, fields: Iterable[str]) -> SchemaError:
    """The error for a field that does not exist, with the name that was meant, or those that there are."""
    names = list(fields)
    close = difflib.get_close_matches(name, names, n=1)
    known = f"the fields are {', '.join(names)}" if names else "there are no fields here"
    hint = f"did you mean “{close[0]}”?" if close else known
    return SchemaError(path.removesuffix(name) + shortened(name), f"there is no such field; {hint}")


def named_like(kind: str, name: str) -> str:
    """The tag of the component of a kind that is probably meant by `name`: one that is called so in other letters
    (“AdamW”), by its label or another name (“Kaiming”), or that is spelt much alike; "" for none."""

    def plain(text: str) -> str:
        return "".join(filter(str.isalnum, text.casefold()))

    names: dict[str, str] = {}
    for own in (True, False):
        for tag, cls in components_of(kind).items():
            info = info_of(cls)
            for text in (tag, info.label, *info.label.split("/")) if own else info.synonyms:
                names.setdefault(plain(text), tag)
    close = difflib.get_close_matches(plain(name), names, n=1)
    return names[close[0]] if close else ""


def require(names: Iterable[str], given: Container[str], path: str = "") -> None:
    """Refuse an object at `path` that lacks some of the fields, naming all of them at once. Raises SchemaError."""
    first, *others = [name for name in names if name not in given] or [""]
    if first:
        verb = "is" if len(others) == 1 else "are"
        more = f", and so {verb} {' and '.join(', '.join(others).rsplit(', ', 1))}" if others else ""
        raise SchemaError(_join(path, first), f"is missing{more}")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _found(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > 1024:
            return "a number too large"
        case int() | float():
            text = number_text(value)
            return text if len(text) <= 40 else text[:37] + "..."
        case str():
            return f"“{folded(value if len(value) <= 40 else f'{value[:37]}...')}”"
        case list() | tuple():
            return "a list"
        case dict():
            return "an object"
    return type(value).__name__
