"""What in a sound network is still likely a mistake: a softmax taken twice, weights that all start equal."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from engine.blocks import template_of
from engine.diagnostics import Diagnostic, Fix, Report
from engine.experiment import Experiment, Node
from engine.initializers import LSUV, He, Orthogonal, Zeros
from engine.kinds import Initializer
from engine.layers.activation import Sigmoid, Softmax
from engine.layers.base import Layer, Loss, ParameterSpec
from engine.losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from engine.lower import active_inputs
from engine.schema import fields_of, info_of

__all__ = ["layer_findings"]

CONTAINED: tuple[tuple[type[Loss], type[Layer]], ...] = (
    (SoftmaxCrossEntropy, Softmax),
    (BinaryCrossEntropy, Sigmoid),
)
"""Losses, and the layer that each of them contains."""


def layer_findings(experiment: Experiment, report: Report) -> Iterator[Diagnostic]:
    """Warnings about the layers that take part in training; `experiment` is written out, without blocks."""
    nodes = {node.id: node for node in experiment.network.nodes}
    wires = active_inputs(experiment.network)
    last = {item for node in report.order if isinstance(nodes[node].component, Loss) for item in wires[node]}
    for node_id in report.order:
        component = nodes[node_id].component
        if isinstance(component, Loss):
            yield from _taken_twice(nodes[node_id], [nodes[item] for item in wires[node_id]])
        for spec in report.nodes[node_id].parameters:
            yield from _badly_drawn(nodes[node_id], spec, node_id in last)


def _taken_twice(node: Node, before: list[Node]) -> Iterator[Diagnostic]:
    """Of a loss behind the layer that it contains."""
    for loss, layer in CONTAINED:
        for item in before:
            if isinstance(node.component, loss) and isinstance(item.component, layer):
                name = info_of(layer).label
                yield Diagnostic(
                    node=item.id,
                    field="",
                    severity="warning",
                    message=f"{info_of(loss).label} contains a {name.lower()}: with this layer before it, it is taken "
                    "twice, and learning is slow.",
                    fix=Fix(f"Delete {name}", partial(_without, template_of(item.id))),
                )


def _without(node_id: str, experiment: Experiment) -> Experiment:
    from engine.edits import remove_nodes

    return remove_nodes(experiment, [node_id])


def _badly_drawn(node: Node, spec: ParameterSpec, is_last: bool) -> Iterator[Diagnostic]:
    """Of weights that all start equal, and of biases drawn by what is made for weights."""
    field = _field_of(node, spec.initializer)
    if not field:
        return
    if spec.name == "weight" and not is_last and spec.initializer.deviation(spec.fan_in, spec.fan_out, spec.shape) == 0:
        yield Diagnostic(
            node=node.id,
            field=field,
            severity="warning",
            message="All weights start equal, so that all units of the layer learn the same.",
            fix=_draw_fix(node, field, He()),
        )
    if spec.name == "bias" and isinstance(spec.initializer, Orthogonal | LSUV):
        yield Diagnostic(
            node=node.id,
            field=field,
            severity="warning",
            message=f"{info_of(spec.initializer).label} is made for weights; biases usually start at zero.",
            fix=_draw_fix(node, field, Zeros()),
        )


def _field_of(node: Node, initializer: Initializer) -> str:
    """The field that holds this very initializer; "" for arrays whose start is not chosen."""
    component = node.component
    names = [spec.name for spec in fields_of(type(component)) if spec.component_kind == Initializer.kind]
    return next((name for name in names if getattr(component, name) is initializer), "")


def _draw_fix(node: Node, field: str, initializer: Initializer) -> Fix:
    from engine.edits import set_field

    return Fix(
        f"Draw by {info_of(initializer).label}",
        lambda experiment: set_field(experiment, template_of(node.id), field, initializer),
    )
