"""What each card says, from the document: title, colour, shape, parameters, findings."""

from __future__ import annotations

import re

from engine.experiment import Experiment, Node
from engine.layers.base import Loss, NodeComponent
from engine.layers.words import title_of
from engine.schema import Unknown, fields_of, info_of
from lab.canvas.node import Face
from lab.canvas.text import count_text, group_of, shape_text
from lab.document import Document

__all__ = ["faces_of"]


def faces_of(document: Document) -> dict[str, Face]:
    """What each card says, by node id."""
    experiment = document.experiment
    return {node.id: _face(node, experiment, document) for node in experiment.network.nodes}


def _face(node: Node, experiment: Experiment, document: Document) -> Face:
    component, found = node.component, document.report.nodes.get(node.id)
    most = component.max_inputs if isinstance(component, NodeComponent) else None
    findings = document.report.of(node.id)
    title, group = title_of(node), group_of(node)
    if most == 0:
        group = "data"
        if not node.title:
            title = info_of(experiment.data.source).label
    is_loss = isinstance(component, Loss)
    count = found.parameter_count if found else 0
    return Face(
        title=title,
        group=group,
        shape="loss" if is_loss else shape_text(found.shape if found else None),
        count=count_text(count) if count else "",
        bypass=node.bypass,
        inputs=max(1, len(node.inputs)),
        facts=_facts(component, title),
        takes_input=most != 0,
        gives_output=not is_loss,
        error=next((item.message for item in findings if item.severity == "error"), ""),
        warning=next((item.message for item in findings if item.severity == "warning"), ""),
    )


def _facts(component: NodeComponent | Unknown, title: str) -> tuple[str, ...]:
    """Up to three lines about the fields that the title does not tell: "stride 2", "weights He"."""
    facts = []
    for spec in fields_of(type(component)):
        value = getattr(component, spec.name)
        if spec.advanced or spec.kind not in ("int", "float", "choice", "component"):
            continue
        if spec.kind == "component":
            text = info_of(value).label.split(" / ")[0]
        elif spec.kind == "float":
            text = f"{value:g}"
        else:
            text = str(value)
        if spec.kind == "float" and value == spec.default:
            continue
        if spec.kind in ("component", "choice") or text not in re.split(r"[\s×]+", title):
            facts.append(f"{spec.label.lower()} {text}")
    return tuple(facts[:3])
