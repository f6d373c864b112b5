"""Remedies for what `engine.graph` finds: each is an edit, with a label that says what it will do."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec.structs import replace

from engine import edits
from engine.blocks import copy_number, is_copy, template_of
from engine.data.signature import DataSignature
from engine.diagnostics import Fix
from engine.experiment import Experiment, Node
from engine.layers.base import Loss, NodeComponent, Shape, ShapeProblem
from engine.layers.words import title_of
from engine.schema import components_of, fields_of, info_of, lookup
from engine.text import shortened

OUTPUT_FIELDS = ("units", "filters")
"""The fields that say how many outputs a layer has."""


def fix_for(
    problem: ShapeProblem,
    node: Node,
    nodes: Mapping[str, Node],
    wires: Mapping[str, tuple[str, ...]],
    shapes: Mapping[str, Shape],
) -> Fix | None:
    """The remedy that a layer named when it refused its input, as an edit; None where there is none."""
    match problem.fix:
        case ("insert", str(tag), dict(values)):
            cls = lookup("layer", tag)
            if cls is None or not node.inputs:
                return None
            if is_copy(node.id) and copy_number(node.inputs[0]) != copy_number(node.id):
                return None  # what is put before a group is not repeated with it
            component = cls(**values)
            assert isinstance(component, NodeComponent)
            return Fix(
                f"Insert {info_of(cls).label}",
                lambda value: edits.insert_before(value, component, template_of(node.id)),
            )
        case ("set", str(_), tuple()) if is_copy(node.id):
            return None  # axes or a shape for this repetition would not suit the one before it
        case ("set", str(name), wanted):
            return _set_fix(f"Set {name} to {wanted}", node.id, name, wanted)
        case ("outputs", int(count)):
            return _outputs_fix(count, node, nodes, wires, shapes) or _insert_dense(count, node)
        case ("replace", str(tag), dict(values)):
            other = lookup("layer", tag)
            if other is None:
                return None
            layer = other(**values)
            assert isinstance(layer, NodeComponent)
            return Fix(
                f"Use {info_of(other).label} instead",
                lambda value: edits.replace_component(value, template_of(node.id), layer),
            )
        case ("loss", str(tag)):
            cls = lookup("loss", tag)
            if cls is None:
                return None
            loss = cls()
            assert isinstance(loss, NodeComponent)
            if any(node.id in other.inputs for other in nodes.values()):
                return None  # what reads a loss is to be mended first
            label = f"Use {info_of(cls).label[0].lower()}{info_of(cls).label[1:]}"
            return Fix(label, lambda value: edits.replace_component(value, template_of(node.id), loss))
        case ("to_images",):
            return _to_images_fix(node, nodes, wires, shapes)
        case ("bypass",):
            return bypass_fix(node.id)
    return None


def _outputs_fix(
    count: int,
    node: Node,
    nodes: Mapping[str, Node],
    wires: Mapping[str, tuple[str, ...]],
    shapes: Mapping[str, Shape],
) -> Fix | None:
    """Walk upstream to the layer that decides the number of outputs, past layers that keep it."""
    current = node.id
    while len(wires[current]) == 1:
        current = wires[current][0]
        if sum(current in read for read in wires.values()) > 1:
            return None  # others read it as it is
        component = nodes[current].component
        names = {spec.name for spec in fields_of(type(component))}
        field = next((name for name in OUTPUT_FIELDS if name in names), None)
        if field is not None:
            label = shortened(nodes[current].title) or info_of(component).label
            return _set_fix(f"Give {label} {count} {field[:-1] if count == 1 else field}", current, field, count)
        times = getattr(component, "multiplier", 1)  # a depthwise convolution has so many outputs for each input
        read = [shapes[item] for item in wires[current] if item in shapes]
        if count % times or len(read) != 1 or read[0][-1] * times != shapes[current][-1]:
            return None
        count //= times
    return None


def _insert_dense(count: int, node: Node) -> Fix | None:
    cls = lookup("layer", "dense")
    if cls is None or not node.inputs:
        return None
    component = cls(units=count)
    assert isinstance(component, NodeComponent)
    return Fix(f"Insert {component.title()}", lambda value: edits.insert_before(value, component, template_of(node.id)))


def _to_images_fix(
    node: Node, nodes: Mapping[str, Node], wires: Mapping[str, tuple[str, ...]], shapes: Mapping[str, Shape]
) -> Fix:
    """Walk upstream to the last layer that yields images, and put the node right behind it."""
    component, current = node.component, node.id
    assert isinstance(component, NodeComponent)
    while len(wires[current]) == 1 and not is_copy(current):
        source = wires[current][0]
        if len(shapes.get(source, ())) == 3 and not is_copy(source) and current != node.id:
            return Fix(f"Move it before {_named(nodes[current], nodes)}", _moved(node.id, component, source, current))
        current = source
    return bypass_fix(node.id)


def _moved(node: str, component: NodeComponent, source: str, target: str) -> Callable[[Experiment], Experiment]:
    """The edit that takes a node out and puts it on the wire from `source` to `target`."""

    def edit(experiment: Experiment) -> Experiment:
        rest = edits.remove_nodes(experiment, [node])
        return edits.insert_on_edge(rest, component, source, target, node_id=node)

    return edit


def _set_fix(label: str, node: str, field: str, value: object) -> Fix:
    return Fix(label, lambda experiment: edits.set_field(experiment, template_of(node), field, value))


def disconnect_fix(reader: str, source: str, nodes: Mapping[str, Node]) -> Fix:
    """Take one wire away."""
    name = nodes[source].title or source if source in nodes else source
    ends = template_of(source), template_of(reader)
    return Fix(f"Remove the wire from “{shortened(name)}”", lambda value: edits.disconnect(value, *ends))


def remove_fix(node: str) -> Fix:
    """Delete the node."""
    return Fix("Delete this layer", lambda value: edits.remove_nodes(value, [template_of(node)]))


def input_fix(data: DataSignature) -> Fix | None:
    """Add an input for the first array of the data that networks read."""
    cls, source = lookup("layer", "input"), next(iter(data.inputs), None)
    if cls is None or source is None:
        return None
    component = cls(source=source)
    assert isinstance(component, NodeComponent)
    return Fix(f"Add {info_of(cls).label}", lambda value: edits.add_node(value, component))


def loss_fix(data: DataSignature, nodes: Mapping[str, Node], order: Sequence[str]) -> Fix | None:
    """Add the first loss that predicts what the data's first target holds, after the last layer that nobody reads."""
    read = {item for node in nodes.values() for item in node.inputs}
    ends = [item for item in order if item not in read and isinstance(nodes[item].component, NodeComponent)]
    target = next(iter(data.targets.items()), None)
    if not ends or target is None:
        return None
    predicts = "classes" if target[1].classes else "numbers"
    losses = [cls for cls in components_of("loss").values() if issubclass(cls, Loss) and cls.predicts == predicts]
    if not losses:
        return None
    component = losses[0](target=target[0])  # type: ignore[call-arg]  # every loss has this field
    return Fix(
        f"Add {info_of(component).label}", lambda value: edits.add_node(value, component, after=template_of(ends[-1]))
    )


def bypass_fix(node: str) -> Fix:
    """Take the node out without deleting it."""
    return Fix("Bypass this layer", lambda value: edits.bypass(value, [template_of(node)], True))


def wire_fix(
    node: Node, nodes: Mapping[str, Node], shapes: Mapping[str, Shape], readers: Mapping[str, Collection[str]]
) -> Fix | None:
    """Wire an unwired node in: after the nearest layer whose output it can read, and, where that lets every reader of
    that layer go on, between the two. `readers` are the nodes that read each node. None where nothing suits."""
    component = node.component
    if not isinstance(component, NodeComponent) or component.min_inputs != 1:
        return None
    below = {item for item in nodes if template_of(item) == template_of(node.id)}
    waiting = list(below)
    while waiting:
        new = [item for item in readers.get(waiting.pop(), ()) if item not in below]
        below.update(new)
        waiting += new
    below = {template_of(item) for item in below}  # copies of a group share their wires
    x, y = node.position

    def distance(other: Node) -> tuple[float, int]:
        """Of copies, which lie at one place, the last one comes first: it is what others read."""
        dx, dy = x - other.position[0], y - other.position[1]
        return math.hypot(dx if dx > 0 else 3 * dx, dy), -copy_number(other.id)

    for source in sorted((item for key, item in nodes.items() if template_of(key) not in below), key=distance):
        if source.bypass or not isinstance(source.component, NodeComponent) or isinstance(source.component, Loss):
            continue
        shape = shapes.get(source.id)
        try:
            output = component.infer((shape,)) if shape is not None else None
        except ShapeProblem:
            continue
        follow = () if isinstance(component, Loss) or readers.get(node.id) else tuple(readers.get(source.id, ()))
        if not follow or output == shape:
            return Fix(
                f"Wire it in after {_named(source, nodes)}",
                _wiring(template_of(node.id), template_of(source.id), follow),
            )
    return None


def _named(node: Node, nodes: Mapping[str, Node]) -> str:
    """What people call a node, and its id where another one is called the same."""
    title = title_of(node)
    alone = all(title_of(other) != title for other in nodes.values() if other.id != node.id)
    return f"“{title}”" if alone else f"“{title}” ({shortened(node.id)})"


def _wiring(node: str, source: str, follow: tuple[str, ...]) -> Callable[[Experiment], Experiment]:
    """The edit that lets `node` read `source`, and `follow` read `node` where they read `source`."""

    def edit(experiment: Experiment) -> Experiment:
        after = edits.connect(experiment, source, node)
        nodes = tuple(
            replace(item, inputs=tuple(node if one == source else one for one in item.inputs))
            if item.id in follow
            else item
            for item in after.network.nodes
        )
        return replace(after, network=replace(after.network, nodes=nodes))

    return edit
