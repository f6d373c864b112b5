"""What a network consists of: shapes, parameters, work and memory, layer by layer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.blocks import template_of, unrolled_network
from engine.checks.base import Severity
from engine.data.signature import DataSignature
from engine.experiment import Experiment
from engine.groups import is_frozen
from engine.layers.base import Shape
from engine.layers.words import title_of
from engine.micro_batches import micro_batches
from engine.plan import Piece, compile
from engine.text import bytes_text, count_text
from engine.training.setup import checked

__all__ = ["LayerRow", "Summary", "summarize"]


@dataclass(frozen=True)
class LayerRow:
    """One node that takes part: output shape per sample, parameters, FLOPs of the forward pass per sample, and bytes of
    its output for a batch, or for a micro-batch where gradients are accumulated."""

    node: str
    title: str
    inputs: tuple[str, ...]
    shape: Shape
    parameters: int
    arrays: tuple[tuple[str, Shape], ...]
    flops: int
    output_bytes: int


@dataclass(frozen=True)
class Summary:
    """The whole: `parameters` learned numbers, `frozen` of which stay as they are, `flops` forward per sample,
    `step_flops` of a training step; memory in bytes of the weights, of gradients, optimizer and averages, and of what a
    step works in. `depth` counts the layers with parameters on the longest way."""

    rows: tuple[LayerRow, ...]
    batch_size: int
    parameters: int
    frozen: int
    flops: int
    step_flops: int
    weight_bytes: int
    state_bytes: int
    work_bytes: int
    depth: int
    severity: Severity
    words: str


def summarize(experiment: Experiment, signature: DataSignature) -> Summary:
    """Raises TrainingError in words for a network that cannot be trained."""
    from engine.lower import active_inputs

    report = checked(experiment, signature)
    network = unrolled_network(experiment.network)
    training = experiment.training
    size = min(training.batch_size, signature.train_size or training.batch_size)
    *parts, last = micro_batches(training, size)
    pieces: list[tuple[int, Piece]] = [*((part, "part") for part in parts), (last, "last" if parts else "whole")]  # type: ignore[misc]
    programs = {
        (part, piece): compile(experiment, report, signature, batch_size=part, training=True, piece=piece)
        for part, piece in dict.fromkeys(pieces)
    }
    step_flops = sum(programs[key].flops for key in pieces)
    work = max(program.arena_bytes for program in programs.values())
    width = np.dtype(training.precision).itemsize
    wires = active_inputs(network)
    depths: dict[str, int] = {}
    rows = []
    for node_id in report.order:
        found = report.nodes[node_id]
        shape = found.shape or ()
        before = max((depths[item] for item in wires[node_id]), default=0)
        depths[node_id] = before + bool(found.parameters)
        rows.append(
            LayerRow(
                node=node_id,
                title=title_of(network.node(node_id)),
                inputs=wires[node_id],
                shape=shape,
                parameters=found.parameter_count,
                arrays=tuple((spec.name, spec.shape) for spec in found.parameters),
                flops=found.flops,
                output_bytes=math.prod(shape) * max(part for part, _ in pieces) * width,
            )
        )
    weights = report.parameter_count * width
    state = weights * (1 + len(training.optimizer.slots()) + training.averaging.keeps + (training.accumulate > 1))
    frozen = sum(
        spec.size
        for node_id in report.order
        for spec in report.nodes[node_id].parameters
        if is_frozen(training.groups, template_of(node_id), spec.decay)
    )
    depth = max(depths.values(), default=0)
    words = (
        f"{report.parameter_count:,} parameters{f', {frozen:,} of them frozen' if frozen else ''} "
        f"({bytes_text(weights)}; with gradients and the optimizer’s memory {bytes_text(weights + state)}), "
        f"{depth} layer{'s' if depth != 1 else ''} deep. {count_text(report.flops)} FLOPs forward per sample, "
        f"{count_text(step_flops)} for a step of {size} samples in {bytes_text(work)} of work memory."
    )
    return Summary(
        rows=tuple(rows),
        batch_size=size,
        parameters=report.parameter_count,
        frozen=frozen,
        flops=report.flops,
        step_flops=step_flops,
        weight_bytes=weights,
        state_bytes=state,
        work_bytes=work,
        depth=depth,
        severity="ok",
        words=words,
    )
