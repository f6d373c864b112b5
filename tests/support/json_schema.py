"""A checker for the part of JSON Schema that `engine.file_schema` writes; it refuses keywords that it does not know."""

from __future__ import annotations

import re
from typing import Any

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "number": (int, float),
    "integer": int,
}
_ANNOTATIONS = {"$schema", "$defs", "title", "description", "default"}


def violations(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, path: str = "$") -> list[str]:
    """Where `value` is not what `schema` says, as texts; empty when it conforms."""
    root = root if root is not None else schema
    found: list[str] = []
    for keyword, argument in schema.items():
        if keyword in _ANNOTATIONS:
            continue
        match keyword:
            case "$ref":
                assert argument.startswith("#/$defs/")
                found += violations(value, root["$defs"][argument.removeprefix("#/$defs/")], root, path)
            case "oneOf":
                fitting = [item for item in argument if not violations(value, item, root, path)]
                if len(fitting) != 1:
                    found.append(f"{path}: fits {len(fitting)} of {len(argument)} alternatives")
            case "type":
                right = isinstance(value, _TYPES[argument])
                if not right or (isinstance(value, bool) and argument != "boolean"):
                    found.append(f"{path}: is no {argument}")
            case "const":
                if value != argument or isinstance(value, bool) != isinstance(argument, bool):
                    found.append(f"{path}: is not {argument!r}")
            case "enum":
                if value not in argument:
                    found.append(f"{path}: is none of {argument!r}")
            case "properties":
                if isinstance(value, dict):
                    for name, inner in argument.items():
                        if name in value:
                            found += violations(value[name], inner, root, f"{path}.{name}")
            case "required":
                if isinstance(value, dict):
                    found += [f"{path}: lacks {name}" for name in argument if name not in value]
            case "additionalProperties":
                assert argument is False
                if isinstance(value, dict):
                    found += [f"{path}: has {name}" for name in value if name not in schema["properties"]]
            case "items":
                if isinstance(value, list):
                    for i, item in enumerate(value):
                        found += violations(item, argument, root, f"{path}[{i}]")
            case "minItems" | "maxItems" | "minLength" | "maxLength":
                if isinstance(value, list | str):
                    over = len(value) > argument if keyword.startswith("max") else len(value) < argument
                    found += [f"{path}: {keyword} {argument}"] if over else []
            case "pattern":
                if isinstance(value, str) and not re.search(argument, value):
                    found.append(f"{path}: does not match {argument}")
            case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
                if isinstance(value, int | float) and not isinstance(value, bool):
                    inside = {
                        "minimum": value >= argument,
                        "maximum": value <= argument,
                        "exclusiveMinimum": value > argument,
                        "exclusiveMaximum": value < argument,
                    }
                    found += [] if inside[keyword] else [f"{path}: {keyword} {argument}"]
            case _:
                raise AssertionError(f"this checker does not know the keyword {keyword}")
    return found
