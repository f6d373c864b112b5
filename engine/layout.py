"""Where every learned and kept array lies: flat arenas, one for parameters, one like it for gradients and each slot.

Arrays with weight decay come first, so that the update of a whole network is one pass over at most two spans.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from engine.blocks import unrolled_network
from engine.diagnostics import Report
from engine.experiment import NetworkSpec
from engine.layers.base import NodeComponent, ParameterSpec


@dataclass(frozen=True)
class Segment:
    """One array in an arena: `start` and `size` in elements. `name` is its path, "dense_1/weight"."""

    name: str
    start: int
    shape: tuple[int, ...]
    decay: bool

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def node(self) -> str:
        return self.name.split("/")[0]


@dataclass(frozen=True)
class Layout:
    """All segments of a network's arenas; lengths in elements. `initial` gives the first value of each buffer, `specs`
    how each parameter is drawn."""

    parameters: tuple[Segment, ...]
    parameter_length: int
    buffers: tuple[Segment, ...]
    buffer_length: int
    specs: dict[str, ParameterSpec]
    initial: dict[str, float]

    @cached_property
    def by_name(self) -> dict[str, Segment]:
        """Every segment, of parameters and of buffers, by path."""
        return {segment.name: segment for segment in (*self.parameters, *self.buffers)}


def layout_of(network: NetworkSpec, report: Report, alignment: int = 16) -> Layout:
    """The arenas of a checked network. Every segment starts at a multiple of `alignment` elements."""
    nodes = {node.id: node.component for node in unrolled_network(network).nodes}
    specs = {f"{node}/{spec.name}": spec for node in report.order for spec in report.nodes[node].parameters}
    ordered = sorted(specs.items(), key=lambda item: not item[1].decay)
    parameters, parameter_length = _pack([(name, spec.shape, spec.decay) for name, spec in ordered], alignment)
    kept = {}
    for node in report.order:
        component = nodes[node]
        assert isinstance(component, NodeComponent)
        for buffer in component.buffers(report.nodes[node].input_shapes):
            kept[f"{node}/{buffer.name}"] = buffer
    buffers, buffer_length = _pack([(name, spec.shape, False) for name, spec in kept.items()], alignment)
    initial = {name: spec.initial for name, spec in kept.items()}
    return Layout(parameters, parameter_length, buffers, buffer_length, specs, initial)


def _pack(items: list[tuple[str, tuple[int, ...], bool]], alignment: int) -> tuple[tuple[Segment, ...], int]:
    segments, start = [], 0
    for name, shape, decay in items:
        segment = Segment(name, start, shape, decay)
        segments.append(segment)
        start += -(-segment.size // alignment) * alignment
    return tuple(segments), start
