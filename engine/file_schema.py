"""The JSON Schema (draft 2020-12) of experiment files, generated from the declarations.

It describes what this version writes. A file may also hold components of a newer version: they are kept as they are,
but no schema of this version can describe them.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from engine.experiment import MOST_REPEATS, DataSpec, Experiment, TrainingSpec
from engine.files import FORMAT, VERSION
from engine.schema import ComponentInfo, FieldSpec, all_components, fields_of, to_plain

__all__ = ["file_schema"]

Schema = dict[str, Any]

_NODE_ID = {"type": "string", "minLength": 1, "maxLength": 80, "pattern": "^[^/]*$"}
_NODE_PROPERTIES: dict[str, Schema] = {
    "id": _NODE_ID | {"description": "The node's name, stable for its life; wires refer to it."},
    "inputs": {
        "type": "array",
        "items": {"type": "string"},
        "description": "The ids of the nodes whose outputs this one reads, in order.",
    },
    "position": {
        "type": "array",
        "items": {"type": "number", "exclusiveMinimum": -1e7, "exclusiveMaximum": 1e7},
        "minItems": 2,
        "maxItems": 2,
        "description": "The place on the canvas: x, y.",
    },
    "bypass": {"type": "boolean", "default": False, "description": "Whether the node is taken out of the network."},
    "title": {"type": "string", "default": "", "description": "The text shown instead of the component's."},
}


_BLOCKS = {
    "type": "array",
    "description": "Groups of layers that are repeated in a row.",
    "items": {
        "type": "object",
        "properties": {
            "nodes": {"type": "array", "items": {"type": "string"}, "minItems": 1, "description": "Ids of the layers."},
            "repeat": {"type": "integer", "minimum": 1, "maximum": MOST_REPEATS, "default": 2},
            "title": {"type": "string", "default": ""},
        },
        "required": ["nodes"],
        "additionalProperties": False,
    },
}


def file_schema() -> Schema:
    """The schema of a whole file, as JSON types."""
    kinds: dict[str, list[ComponentInfo]] = {}
    for info in all_components():
        kinds.setdefault(info.kind, []).append(info)
    definitions: dict[str, Schema] = {}
    nodes = []
    for kind, infos in kinds.items():
        is_node = kind in ("layer", "loss")
        for info in infos:
            definitions[f"{kind}.{info.tag}"] = _component(info, _NODE_PROPERTIES if is_node else {})
        references = [{"$ref": f"#/$defs/{kind}.{info.tag}"} for info in infos]
        if is_node:
            nodes += references
        else:
            definitions[kind] = {"oneOf": references}
    experiment = {
        "type": "object",
        "properties": {
            **{spec.name: _field(spec) for spec in fields_of(Experiment) if spec.kind in ("text", "int")},
            "data": _struct(DataSpec),
            "network": {
                "type": "object",
                "properties": {"nodes": {"type": "array", "items": {"oneOf": nodes}}, "blocks": _BLOCKS},
                "required": ["nodes"],
            },
            "training": _struct(TrainingSpec),
        },
        "required": ["data", "network", "training"],
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Experiment of Descent Lab",
        "type": "object",
        "properties": {"format": {"const": FORMAT}, "version": {"const": VERSION}, "experiment": experiment},
        "required": ["format", "version", "experiment"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _component(info: ComponentInfo, more: dict[str, Schema]) -> Schema:
    schema = _struct(info.cls)
    schema["title"], schema["description"] = info.label, info.summary
    schema["properties"] = {"type": {"const": info.tag}} | more | schema["properties"]
    schema["required"] = [*(["id"] if more else []), "type", *schema.get("required", [])]
    return schema


def _struct(cls: type[Struct]) -> Schema:
    specs = fields_of(cls)
    schema: Schema = {
        "type": "object",
        "properties": {spec.name: _field(spec) for spec in specs},
        "additionalProperties": False,
    }
    if required := [spec.name for spec in specs if spec.required]:
        schema["required"] = required
    return schema


def _field(spec: FieldSpec) -> Schema:
    schema = _value(spec)
    if spec.help:
        schema["description"] = spec.help
    if not spec.required:
        schema["default"] = to_plain(spec.default)
    return schema


def _value(spec: FieldSpec) -> Schema:
    match spec.kind:
        case "bool":
            return {"type": "boolean"}
        case "int" | "float":
            return _number(spec)
        case "choice":
            return {"enum": list(spec.choices)}
        case "text" | "path":
            return {"type": "string"}
        case "component":
            return {"$ref": f"#/$defs/{spec.component_kind}"}
        case "struct":
            assert spec.struct is not None
            return _struct(spec.struct)
    schema: Schema = {"type": "array"}
    if spec.length is not None:
        schema |= {"minItems": spec.length, "maxItems": spec.length}
    match spec.kind:
        case "numbers":
            schema["items"] = _number(spec)
        case "strings":
            schema["items"] = {"type": "string"}
        case "components":
            schema["items"] = {"$ref": f"#/$defs/{spec.component_kind}"}
        case "structs":
            assert spec.struct is not None
            schema["items"] = _struct(spec.struct)
    return schema


def _number(spec: FieldSpec) -> Schema:
    schema: Schema = {"type": "integer" if spec.integer else "number"}
    for value, name, exclusive in (
        (spec.minimum, "minimum", spec.exclusive_minimum),
        (spec.maximum, "maximum", spec.exclusive_maximum),
    ):
        if value is not None:
            schema[f"exclusive{name.capitalize()}" if exclusive else name] = value
    return schema
