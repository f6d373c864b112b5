"""From the network to forward operations: every node lowers itself into one builder, in topological order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.builder import Builder
from engine.data.signature import DataSignature
from engine.experiment import NetworkSpec, Node
from engine.layers.base import Layer, Loss, NodeComponent, ParameterSpec, Shape
from engine.ops.base import DType, Role, Tensor, Value


@dataclass(frozen=True)
class Lowered:
    """The forward part of a program: the builder that holds its calls, and the values that matter by node id.

    `outputs` holds what each layer hands on, `losses` the loss of each loss node (shape (1,)), `predictions` what its
    metrics read. `inputs` and `targets` are keyed by the name of the data's array.
    """

    builder: Builder
    inputs: dict[str, Value]
    targets: dict[str, Value]
    outputs: dict[str, Value]
    losses: dict[str, Value]
    predictions: dict[str, Value]


def active_inputs(network: NetworkSpec) -> dict[str, tuple[str, ...]]:
    """Each node's inputs with bypassed nodes taken out: who reads a bypassed node reads its first input instead.

    A bypassed node without inputs takes the wire with it. Bypassed nodes have no entry.
    """
    behind = behind_bypass({node.id: node for node in network.nodes})
    return {
        node.id: tuple(found for item in node.inputs if (found := behind(item)) is not None)
        for node in network.nodes
        if not node.bypass
    }


def behind_bypass(nodes: Mapping[str, Node]) -> Callable[[str], str | None]:
    """The function that leads an input's id past bypassed nodes to the node that is really read, or to None."""
    known: dict[str, str | None] = {}

    def behind(node_id: str) -> str | None:
        passed: set[str] = set()
        while node_id not in known:
            node = nodes.get(node_id)
            if node is None or not node.bypass:
                known[node_id] = None if node is None else node_id
            elif node_id in passed or not node.inputs:
                known[node_id] = None
            else:
                passed.add(node_id)
                node_id = node.inputs[0]
        known.update(dict.fromkeys(passed, known[node_id]))
        return known[node_id]

    return behind


def lower(
    network: NetworkSpec,
    order: tuple[str, ...],
    shapes: dict[str, Shape],
    parameters: dict[str, tuple[ParameterSpec, ...]],
    signature: DataSignature,
    *,
    batch_size: int,
    training: bool,
    shares: bool = False,
) -> Lowered:
    """Lower the nodes of `order`, a topological order of a network that `engine.graph.check` found sound. With
    `shares`, a target of classes holds their shares instead of class numbers; see `target_tensor`."""
    b = Builder(batch_size, training)
    nodes: dict[str, Node] = {node.id: node for node in network.nodes}
    wires = active_inputs(network)
    result = Lowered(b, {}, {}, {}, {}, {})
    for node_id in order:
        component = nodes[node_id].component
        input_shapes = tuple(shapes[item] for item in wires[node_id])
        b.node = node_id
        for spec in parameters[node_id]:
            b.declare(f"{node_id}/{spec.name}", spec.shape)
        assert isinstance(component, NodeComponent)
        for kept in component.buffers(input_shapes):
            b.declare(f"{node_id}/{kept.name}", kept.shape)
        arguments = [result.outputs[item] for item in wires[node_id]]
        if isinstance(component, Loss):
            tensor = target_tensor(component, signature, batch_size, shares=shares)
            target = b.external(f"target:{component.target}", tensor, Role.TARGET)
            result.targets[component.target] = target
            loss, prediction = component.lower(b, arguments[0], target)
            result.losses[node_id], result.predictions[node_id] = loss, prediction
        elif component.max_inputs == 0:
            source = component.source  # type: ignore[attr-defined]  # only Input has no inputs
            value = b.external(source, Tensor((batch_size, *signature.inputs[source])), Role.INPUT)
            result.inputs[source] = result.outputs[node_id] = value
        else:
            assert isinstance(component, Layer)
            result.outputs[node_id] = component.lower(b, *arguments)
    b.node = ""
    return result


def target_tensor(loss: Loss, signature: DataSignature, batch_size: int, *, shares: bool = False) -> Tensor:
    """What a loss reads beside the predictions: class numbers (B,), or numbers (B, ...). With `shares`, as samples have
    that an augmentation mixed, classes become the shares (B, C), or the share of class 1 (B,) for a yes or no."""
    target = signature.known_target(loss.target)
    if not target.classes:
        return Tensor((batch_size, *target.shape))
    if not shares:
        return Tensor((batch_size,), DType.INT64)
    return Tensor((batch_size, target.classes) if loss.predicts == "classes" else (batch_size,))
