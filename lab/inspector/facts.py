"""What a layer comes to, as names and values: shapes, parameters, work, and how wide its first weights are drawn."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from engine.diagnostics import NodeReport
from engine.initializers import LSUV
from engine.kinds import Initializer
from engine.layers.base import ParameterSpec
from engine.schema import fields_of, lookup
from widgets.form import Severity
from widgets.text import compact, number, shape

__all__ = ["deviation_notes", "deviation_text", "layer_facts", "parameter_facts"]

FAR = 3.0
"""A deviation this many times Xavier's and He's, or as many times smaller than both, is worth a warning."""


def layer_facts(report: NodeReport) -> list[tuple[str, str]]:
    """Shapes of one sample, and the work of the forward pass."""
    facts = [("In" if i == 0 else "", shape(item)) for i, item in enumerate(report.input_shapes)]
    facts.append(("Out", shape(report.shape) if report.shape is not None else "not known yet"))
    if report.flops:
        facts.append(("Work", f"{compact(report.flops)} FLOP / sample"))
    return facts


def parameter_facts(report: NodeReport) -> list[tuple[str, str]]:
    """Each learned array: its shape."""
    return [
        (item.name.replace("_", " ").capitalize(), " × ".join(f"{n:,}" for n in item.shape))
        for item in report.parameters
    ]


def deviation_notes(component: Any, report: NodeReport) -> dict[str, tuple[Severity, str]]:
    """For each initializer field of weights: how wide it draws, beside Xavier's and He's widths."""
    notes: dict[str, tuple[Severity, str]] = {}
    cls: type[Struct] = type(component)
    for spec in fields_of(cls):
        value = getattr(component, spec.name)
        if spec.kind != "component" or not isinstance(value, Initializer):
            continue
        # Gains and biases have no fan-in to speak of.
        weights = [item for item in report.parameters if item.decay and item.initializer is value]
        if weights:
            notes[spec.name] = deviation_text(weights[0])
    return notes


def deviation_text(parameter: ParameterSpec) -> tuple[Severity, str]:
    """How wide a parameter's first values are drawn: "σ 1.0 is 40× Xavier (0.0248) for fan-in 3,136"."""
    fans = parameter.fan_in, parameter.fan_out
    own = parameter.initializer.deviation(*fans, parameter.shape)
    peers = []
    for tag, name in (("xavier", "Xavier"), ("he", "He")):
        cls = lookup("initializer", tag)
        if cls is not None:
            peer: Any = cls()
            peers.append((name, peer.deviation(*fans)))
    place = f"for fan-in {fans[0]:,}, fan-out {fans[1]:,}"
    beside = " and ".join(f"{name} {number(value, 3)}" for name, value in peers)
    if own == 0:
        return "warning", "all weights start equal, so that all units learn the same"
    if peers and not isinstance(parameter.initializer, LSUV):
        ratio = own / peers[0][1]
        xavier = f"Xavier ({number(peers[0][1], 3)}) {place}"
        if all(own >= FAR * value for _, value in peers):
            times = f"{ratio:,.0f}" if ratio >= 10 else number(ratio, 2)
            return "warning", f"σ {number(own, 3)} is {times}× {xavier}"
        if all(own <= value / FAR for _, value in peers):
            times = f"{1 / ratio:,.0f}" if ratio <= 0.1 else number(1 / ratio, 2)
            return "warning", f"σ {number(own, 3)} is 1/{times} of {xavier}"
    then = "; the first batch then scales it" if isinstance(parameter.initializer, LSUV) else ""
    return "info", f"σ {number(own, 3)}{then}, beside {beside}, {place}"
