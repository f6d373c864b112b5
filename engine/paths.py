"""Places inside an experiment as text: "training.batch_size", "network.nodes[3].units", "nodes.dense_1.units".

The same paths stand in error messages, on the command line (`--set PATH=VALUE`), in live changes of a run and in search
spaces. A value is checked against its declaration; a component may be given by its name alone ("adam"), which takes its
defaults.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from engine.experiment import Experiment, NetworkSpec, Node, TrainingSpec, node_from_plain, node_to_plain
from engine.schema import (
    Component,
    FieldSpec,
    SchemaError,
    Unknown,
    components_of,
    fields_of,
    info_of,
    named_like,
    no_such_field,
    parse_field,
)

__all__ = ["get_path", "set_path", "set_text", "spec_at"]

_TOKEN = re.compile(r"\[(\d{1,9})\]|\.?([^.\[\]]+)")
_NODE_FIELDS = ("inputs", "position", "bypass", "title")


def set_path(experiment: Experiment, path: str, value: Any) -> Experiment:
    """A new experiment with one place changed. `value` is of JSON types or already built. Raises SchemaError."""
    return _walk(experiment, path, lambda spec, place: _checked(spec, value, place))


def set_text(experiment: Experiment, path: str, text: str) -> Experiment:
    """`set_path` with a value as a person types it: `0.01`, `true`, `adam`, `l1,l2`, `[3, 3]`."""
    return _walk(experiment, path, lambda spec, place: _checked(spec, _read_text(spec, text, place), place))


def get_path(experiment: Experiment, path: str) -> Any:
    """The value at a place. Raises SchemaError."""
    tokens, node = _split(experiment, path)
    value: Any = experiment
    where = ""
    if node is not None:
        where, value = f"nodes.{node.id}", node
        if len(tokens) == 1 and tokens[0] in ("id", *_NODE_FIELDS):
            return getattr(node, str(tokens[0]))
        value = node.component
    for token in tokens:
        value, where = _child(value, token, where), _join(where, token)
    return value


def spec_at(experiment: Experiment, path: str) -> FieldSpec:
    """The declaration of the field at a place (of the list, for an entry of a list). Raises SchemaError."""
    tokens, node = _split(experiment, path)
    value: Any = experiment if node is None else node.component
    where = "" if node is None else f"nodes.{node.id}"
    found: FieldSpec | None = None
    for token in tokens:
        if isinstance(token, str):
            found = _spec(value, token, where)
        value, where = _child(value, token, where), _join(where, token)
    if found is None:
        raise SchemaError(path, "expected the path of a field")
    return found


# -- walking -----------------------------------------------------------------------------------------------------------


def _walk(experiment: Experiment, path: str, make: Any) -> Experiment:
    tokens, node = _split(experiment, path)
    if node is None:
        if tokens[0] in ("network", "nodes"):
            raise SchemaError(path, "expected the path of one node's field, such as “nodes.dense_1.units”")
        return _replaced(experiment, tokens, "", make)
    where = f"nodes.{node.id}"
    if not tokens:
        raise SchemaError(
            path, f"expected a field of the node, such as “{where}.title”, or “{where}.type” for another layer there"
        )
    return _with_node(experiment, node, _replaced_in_node(node, tokens, where, make))


def _replaced_in_node(node: Node, tokens: list[str | int], where: str, make: Any) -> Node:
    name = tokens[0]
    if len(tokens) == 1 and name in _NODE_FIELDS:
        # These are not declared as fields of a component; the file's own reader knows what they may hold.
        spec = FieldSpec(name=str(name), kind="bool" if name == "bypass" else "text", label="", help="", default=None)
        if name in ("inputs", "position"):
            spec = replace(
                spec, kind="strings" if name == "inputs" else "numbers", length=2 if name == "position" else None
            )
        value = make(spec, _join(where, name))
        plain = node_to_plain(node) | {str(name): list(value) if isinstance(value, tuple) else value}
        return node_from_plain(plain, where)
    if len(tokens) == 1 and name == "type":
        kind = node.component.of_kind if isinstance(node.component, Unknown) else node.component.kind
        spec = FieldSpec(name="type", kind="component", label="", help="", default=None, component_kind=kind)
        return replace(node, component=make(spec, _join(where, name)))
    if isinstance(node.component, Unknown):
        raise SchemaError(where, info_of(node.component).summary)
    return replace(node, component=_replaced(node.component, tokens, where, make))


def _replaced(value: Any, tokens: Sequence[str | int], where: str, make: Any) -> Any:
    """`value` (a struct) with the field that the tokens lead to made anew."""
    spec = _spec(value, tokens[0], where)
    place = _join(where, spec.name)
    rest = tokens[1:]
    current = getattr(value, spec.name)
    if not rest:
        new = make(spec, place)
    elif spec.kind in ("component", "struct"):
        if isinstance(current, Unknown):
            raise SchemaError(place, info_of(current).summary)
        if rest == ["type"]:
            new = make(spec, place)
        else:
            new = _replaced(current, rest, place, make)
    elif isinstance(current, tuple):
        new = _replaced_entry(spec, current, rest, place, make)
    else:
        raise SchemaError(_join(place, rest[0]), f"“{spec.name}” has no parts")
    return replace(value, **{spec.name: new})


def _replaced_entry(spec: FieldSpec, current: tuple[Any, ...], rest: Sequence[str | int], place: str, make: Any) -> Any:
    index = rest[0]
    if not isinstance(index, int):
        raise SchemaError(_join(place, index), f"expected the number of an entry: {place}[0]")
    inner = f"{place}[{index}]"
    if index >= len(current):
        raise SchemaError(inner, f"there is no such entry; the list has {len(current)}")
    if len(rest) > 1 and rest[1:] != ["type"]:
        entry = current[index]
        if not isinstance(entry, Struct) or isinstance(entry, Unknown):
            raise SchemaError(inner, "has no parts that could be set")
        new = _replaced(entry, rest[1:], inner, make)
    else:
        kinds = {"components": "component", "structs": "struct", "strings": "text"}
        kind = kinds.get(spec.kind) or ("int" if spec.integer else "float")
        new = make(replace(spec, kind=kind, length=None), inner)  # type: ignore[arg-type]
    return (*current[:index], new, *current[index + 1 :])


def _split(experiment: Experiment, path: str) -> tuple[list[str | int], Node | None]:
    """The path's tokens, and the node that it starts at; the tokens are then those after the node."""
    node, rest = None, path.strip()
    for prefix in ("network.nodes", "nodes"):
        if rest == prefix or rest.startswith((f"{prefix}.", f"{prefix}[")):
            node, rest = _split_node(experiment.network, rest[len(prefix) :], path)
            break
    tokens: list[str | int] = []
    position = 0
    while position < len(rest):
        match = _TOKEN.match(rest, position)
        if match is None:
            raise SchemaError(path, "is not a path such as “training.optimizer.learning_rate”")
        tokens.append(int(match[1]) if match[1] else match[2])
        position = match.end()
    if not tokens and node is None:
        raise SchemaError(path, "expected a path such as “training.optimizer.learning_rate”")
    return tokens, node


def _split_node(network: NetworkSpec, rest: str, path: str) -> tuple[Node, str]:
    if match := re.match(r"\[(\d{1,9})\]", rest):
        index = int(match[1])
        if index >= len(network.nodes):
            raise SchemaError(path, f"the network has {len(network.nodes)} nodes")
        return network.nodes[index], rest[match.end() :]
    # A node's id may hold dots: the longest id that fits is meant.
    name = rest[1:]
    if not rest.startswith(".") or not name:
        raise SchemaError(path, "expected a node's id or number, such as “nodes.dense_1.units” or “nodes[1].units”")
    fitting = [node for node in network.nodes if name == node.id or name.startswith((f"{node.id}.", f"{node.id}["))]
    if not fitting:
        wanted = name.split(".")[0]
        close = difflib.get_close_matches(wanted, [node.id for node in network.nodes], n=1)
        raise SchemaError(path, f"there is no node “{wanted}”" + (f"; did you mean “{close[0]}”?" if close else ""))
    node = max(fitting, key=lambda item: len(item.id))
    return node, name[len(node.id) :]


def _spec(value: Any, name: str | int, where: str) -> FieldSpec:
    specs = {spec.name: spec for spec in _fields(value)}
    if name in specs:
        return specs[str(name)]
    if name == "clip_norm" and isinstance(value, TrainingSpec):
        raise SchemaError(
            _join(where, name),
            "is now part of “training.clipping”: set that to global_norm, and training.clipping.max_norm to the bound",
        )
    # What is a part of something here is often looked for a level too high: “training.learning_rate”.
    for outer in specs:
        inner = getattr(value, outer, None)
        if isinstance(inner, Component) and any(spec.name == name for spec in _fields(inner)):
            raise SchemaError(
                _join(where, name), f"there is no such field; did you mean “{_join(_join(where, outer), name)}”?"
            )
    raise no_such_field(_join(where, name), str(name), specs)


def _fields(value: Any) -> tuple[FieldSpec, ...]:
    if isinstance(value, Experiment):
        return tuple(spec for spec in fields_of(Experiment) if spec.name != "network")
    return fields_of(type(value)) if isinstance(value, Struct) else ()


def _child(value: Any, token: str | int, where: str) -> Any:
    if isinstance(token, int):
        if not isinstance(value, tuple) or token >= len(value):
            raise SchemaError(_join(where, token), "there is no such entry")
        return value[token]
    if token == "type" and isinstance(value, Component):
        return info_of(value).tag
    return getattr(value, _spec(value, token, where).name)


def _join(where: str, token: str | int) -> str:
    if isinstance(token, int):
        return f"{where}[{token}]"
    return f"{where}.{token}" if where else token


def _with_node(experiment: Experiment, old: Node, new: Node) -> Experiment:
    nodes = tuple(new if node is old else node for node in experiment.network.nodes)
    return replace(experiment, network=replace(experiment.network, nodes=nodes))


# -- values ------------------------------------------------------------------------------------------------------------


def _checked(spec: FieldSpec, value: Any, place: str) -> Any:
    if spec.kind == "component" and isinstance(value, str):
        value = {"type": value}
    elif spec.kind == "components" and isinstance(value, list | tuple):
        value = [{"type": item} if isinstance(item, str) else item for item in value]
    built = parse_field(spec, value, place)
    for item in built if isinstance(built, tuple) else (built,):
        # A file may hold components of a newer version; a person who types an unknown name made a slip.
        if isinstance(item, Unknown):
            names = components_of(item.of_kind)
            meant = named_like(item.of_kind, item.tag)
            hint = f"did you mean “{meant}”?" if meant else f"expected one of {', '.join(names)}"
            shown = item.tag if len(item.tag) <= 40 else item.tag[:37] + "..."
            raise SchemaError(place, f"there is no {item.of_kind} “{shown}”; {hint}")
    return built


def _read_text(spec: FieldSpec, text: str, place: str) -> Any:
    """The value that a typed text stands for, by what the field can hold."""
    if spec.kind in ("text", "path"):
        return text
    stripped = text.strip()
    if spec.kind == "choice":
        return next((choice for choice in spec.choices if str(choice) == stripped), stripped)
    if spec.kind == "bool" and stripped.lower() in ("true", "yes", "on", "false", "no", "off"):
        return stripped.lower() in ("true", "yes", "on")
    try:
        value = json.loads(stripped)
    except (ValueError, RecursionError):
        value = stripped
    if spec.kind in ("int", "float") and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    if spec.kind in ("numbers", "strings", "components", "structs") and not isinstance(value, list):
        if isinstance(value, dict):
            return [value]
        parts = [item.strip() for item in stripped.split(",")] if stripped else []
        if spec.kind == "numbers":
            try:
                return [float(item) for item in parts]
            except ValueError:
                raise SchemaError(place, f"expected numbers separated by commas, got “{stripped[:40]}”") from None
        return parts
    return value
