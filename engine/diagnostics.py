"""What is wrong with a network, and how to mend it: the form that canvas, inspector and command line show."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from engine.experiment import Experiment
    from engine.layers.base import ParameterSpec, Shape

Severity = Literal["error", "warning", "info"]


class Fix(Struct, frozen=True):
    """A remedy: what it does, in words, and the edit that does it (a pure function of the experiment)."""

    label: str
    edit: Callable[[Experiment], Experiment]


class Diagnostic(Struct, frozen=True, kw_only=True):
    """One finding. `node` is a node's id, or "" for the experiment as a whole; `field` the field at fault, or ""
    (outside a node, a path such as "training.batch_size")."""

    node: str
    field: str
    severity: Severity
    message: str
    fix: Fix | None = None


class NodeReport(Struct, frozen=True, kw_only=True):
    """What shape inference found for one node. Shapes are per sample; `shape` is None where it could not be inferred.
    `flops` are those of the forward pass for one sample."""

    node: str
    input_shapes: tuple[Shape, ...] = ()
    shape: Shape | None = None
    parameters: tuple[ParameterSpec, ...] = ()
    flops: int = 0

    @property
    def parameter_count(self) -> int:
        return sum(spec.size for spec in self.parameters)


class Report(Struct, frozen=True, kw_only=True):
    """The result of `engine.graph.check`: `order` is a topological order of the nodes that take part in training
    (bypassed nodes and nodes that no loss depends on are left out)."""

    order: tuple[str, ...]
    nodes: dict[str, NodeReport]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way of training."""
        return all(item.severity != "error" for item in self.diagnostics)

    @property
    def parameter_count(self) -> int:
        return sum(self.nodes[node].parameter_count for node in self.order)

    @property
    def flops(self) -> int:
        """Of the forward pass for one sample."""
        return sum(self.nodes[node].flops for node in self.order)

    def of(self, node: str) -> tuple[Diagnostic, ...]:
        """The findings about one node."""
        return tuple(item for item in self.diagnostics if item.node == node)
