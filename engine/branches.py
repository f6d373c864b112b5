"""Layers that belong on the branch of a residual block, and where they stand."""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic, Report
from engine.experiment import Experiment
from engine.layers.merge import Add
from engine.layers.regularization import StochasticDepth
from engine.lower import active_inputs

__all__ = ["findings"]


def findings(experiment: Experiment, report: Report) -> Iterator[Diagnostic]:
    """Warnings about stochastic depth that something else than Add reads: samples that it drops have no way round."""
    nodes = {node.id: node.component for node in experiment.network.nodes}
    wires = active_inputs(experiment.network)
    for node_id in report.order:
        component = nodes[node_id]
        if not isinstance(component, StochasticDepth) or component.survival == 1:
            continue
        if not all(isinstance(nodes[item], Add) for item in report.order if node_id in wires[item]):
            yield Diagnostic(
                node=node_id,
                field="",
                severity="warning",
                message="A sample that is dropped here loses its whole signal, for what follows is no Add. Put it at "
                "the end of a residual branch, right before Add, so that the shortcut leads round it.",
            )
