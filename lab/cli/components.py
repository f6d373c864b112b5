"""`descent components` and `descent schema`: the declarations, as text and as data."""

from __future__ import annotations

import argparse
import difflib
import textwrap
from typing import TYPE_CHECKING, Any

from lab.cli.common import Parser, UserError, command, print_json

if TYPE_CHECKING:
    from engine.schema import ComponentInfo, FieldSpec

__all__ = ["add_components_arguments", "add_schema_arguments", "run_components", "run_schema"]


def add_components_arguments(parser: Parser) -> None:
    """[WORD ...] [--kind KIND] [--json]"""
    parser.add_argument(
        "words",
        metavar="WORD",
        nargs="*",
        help="only what these words find, best first: a name, another name, a subject",
    )
    parser.add_argument("--kind", metavar="KIND", help="only one kind: layer, loss, optimizer, ...")
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of text")


def run_components(options: argparse.Namespace) -> int:
    """Print the registry."""
    from engine.schema import all_components, kinds

    if options.kind is not None and options.kind not in kinds():
        close = difflib.get_close_matches(options.kind, kinds(), n=1)
        hint = f"did you mean “{close[0]}”?" if close else f"the kinds are {', '.join(kinds())}"
        raise UserError(f"there is no kind “{options.kind}”; {hint}")
    from widgets.matching import ranked

    infos = [info for info in all_components() if options.kind in (None, info.kind)]
    if options.words:
        words = " ".join(options.words)
        infos = ranked(words, infos)
        if not infos:
            raise UserError(f"nothing is found by “{words}”; “{command('components')}” lists all that there is")
    if options.json:
        print_json([_component_json(info) for info in infos], indent=1)
    else:
        print("\n\n".join(_component_text(info) for info in infos))
    return 0


def _component_json(info: ComponentInfo) -> dict[str, Any]:
    from engine.schema import fields_of

    return {
        "kind": info.kind,
        "type": info.tag,
        "label": info.label,
        "group": info.group,
        "summary": info.summary,
        "help": info.help,
        "formula": info.formula,
        "avoid": info.avoid,
        "differs": info.differs,
        "source": info.source,
        "synonyms": info.synonyms,
        "fields": [_field_json(spec) for spec in fields_of(info.cls)],
    }


def _field_json(spec: FieldSpec) -> dict[str, Any]:
    from engine.schema import to_plain

    return {
        "name": spec.name,
        "type": spec.kind,
        "label": spec.label,
        "help": spec.help,
        "required": spec.required,
        "default": None if spec.required else to_plain(spec.default),
        "minimum": spec.minimum,
        "maximum": spec.maximum,
        "exclusive_minimum": spec.exclusive_minimum,
        "exclusive_maximum": spec.exclusive_maximum,
        "choices": spec.choices,
        "component_kind": spec.component_kind,
        "unit": spec.unit,
        "symbol": spec.symbol,
        "scale": spec.scale,
        "live": spec.live,
        "advanced": spec.advanced,
        "search": spec.search,
    }


def _component_text(info: ComponentInfo) -> str:
    from engine.schema import fields_of

    lines = [f"{info.kind} {info.tag}  –  {info.label}", *_wrapped(info.summary, "    ")]
    if info.formula:
        lines += _wrapped(info.formula, "    ")
    if info.avoid:
        lines += _wrapped(f"When not to use it: {info.avoid}", "    ")
    if info.differs:
        lines += _wrapped(f"In notes and libraries: {info.differs}", "    ")
    lines += _wrapped(f"Source: {info.source}", "    ")
    if info.synonyms:
        lines += _wrapped(f"Also found by: {', '.join(info.synonyms)}", "    ")
    for spec in fields_of(info.cls):
        lines += _wrapped(f"{spec.name} ({_type_text(spec)}): {spec.help}", "  - ", "      ")
    return "\n".join(lines)


def _type_text(spec: FieldSpec) -> str:
    from engine.schema import to_plain

    names = {"int": "whole number", "float": "number", "bool": "true or false", "component": spec.component_kind}
    parts = [" | ".join(map(str, spec.choices)) if spec.choices else names.get(spec.kind, spec.kind)]
    if spec.bounds_text():
        parts.append(spec.bounds_text())
    if spec.required:
        parts.append("required")
    else:
        default = to_plain(spec.default)
        if isinstance(default, dict):
            default = default.get("type", "")
        if default not in ("", [], None):
            parts.append(f"default {str(default).lower() if isinstance(default, bool) else default}")
    return ", ".join(parts)


def _wrapped(text: str, first: str, rest: str = "") -> list[str]:
    return textwrap.wrap(text, width=110, initial_indent=first, subsequent_indent=rest or first)


def add_schema_arguments(parser: Parser) -> None:
    """No arguments."""


def run_schema(options: argparse.Namespace) -> int:
    """Print the JSON Schema."""
    from engine.file_schema import file_schema

    print_json(file_schema(), indent=1)
    return 0
