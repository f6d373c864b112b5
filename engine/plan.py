"""The compiled plan of a step: operations in order, where every value lies, and the numbers the host may change.

    network --lower--> forward --reverse--> backward --update--> all calls --fuse--> groups --place--> Program

A program is data: printed by `str`, compared in tests, run by an executor. One exists per batch size and mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from engine.blocks import template_of, unrolled
from engine.builder import Builder
from engine.data.signature import DataSignature
from engine.diagnostics import Report
from engine.experiment import Experiment, Node
from engine.fuse import Group, fuse
from engine.groups import is_frozen
from engine.instruments import Instruments, Measured
from engine.layers.base import Loss
from engine.layout import Layout, layout_of
from engine.lower import Lowered, lower
from engine.ops.base import Call, DType, Role, Tensor, Value
from engine.ops.beside import Accumulate, AddAccumulated
from engine.ops.normalization import BatchNorm
from engine.placement import Placement, place
from engine.reverse import differentiate
from engine.update_phase import Location, UpdatePhase, span

Piece = Literal["whole", "part", "last"]
"""What a training step does with its gradient: update the parameters; add it to the others; add it and update."""


class CompileError(ValueError):
    """A program was asked for of a network with errors. Callers check the report first."""


@dataclass(frozen=True)
class Observed:
    """What an observed program measures: the results of the observers and of the updates' norms."""

    activations: dict[str, Measured]
    adjoints: dict[str, Measured]
    weights: dict[str, Measured]
    gradients: dict[str, Measured]
    norms: dict[str, Value]
    normalizations: dict[str, Call]
    """The batch normalizations of a training program, by node: their statistics stay in place to the end."""


@dataclass(frozen=True)
class Program:
    """A step, ready to be bound to arrays by an executor.

    `controls` are the scalars (name to default) that the host may set before each step; `locations` places parameters,
    gradients, slots and running statistics in the state's arenas; `placement` places everything else in one arena.
    `guard` is the number of calls before the first update: an executor stops there when the loss is not finite.
    """

    title: str
    batch_size: int
    training: bool
    observe: bool
    precision: str
    calls: tuple[Call, ...]
    groups: tuple[Group, ...]
    controls: dict[str, float]
    inputs: dict[str, Value]
    targets: dict[str, Value]
    outputs: dict[str, Value]
    losses: dict[str, Value]
    loss_weights: dict[str, str]
    predictions: dict[str, Value]
    penalty: Value | None
    observed: Observed
    layout: Layout
    locations: dict[int, Location]
    placement: Placement
    guard: int

    @property
    def arena_bytes(self) -> int:
        return self.placement.size

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """Every value that a call reads, writes or works in, by id."""
        found = {v.id: v for call in self.calls for v in (*call.inputs, *call.outputs, *call.scratch)}
        for group in (self.inputs, self.targets, self.outputs, self.losses, self.predictions):
            found |= {v.id: v for v in group.values()}
        return tuple(found[key] for key in sorted(found))

    @cached_property
    def flops(self) -> int:
        """Of one step, over the whole batch."""
        return sum(group.flops for group in self.groups)

    def __str__(self) -> str:
        from engine.listing import listing

        return listing(self)


def compile(
    experiment: Experiment,
    report: Report,
    signature: DataSignature,
    *,
    batch_size: int,
    training: bool,
    observe: bool = False,
    piece: Piece = "whole",
    alignment: int = 64,
) -> Program:
    """Compile one step of `experiment`, whose network `report` found sound (CompileError otherwise).

    A training step runs forward, backward and update; an evaluation step runs forward alone, with dropout off and
    running statistics. With `observe`, every layer's statistics are taken in the same pass and no activation is
    overwritten; the parameters' bits are the same. `alignment` is in bytes. Where an augmentation mixes samples, the
    training step's targets are the classes' shares (`engine.lower.target_tensor`); evaluation gets class
    numbers, and takes the averaged weights where the training says so. A training step may be a `piece` of one that
    accumulates gradients (`engine.accumulation`): then its control `micro_share` is its share of the batch's samples.
    """
    if not report.ok:
        raise CompileError(next(item.message for item in report.diagnostics if item.severity == "error"))
    return _Compiler(unrolled(experiment), report, signature, batch_size, training, observe, piece, alignment).program()


class _Compiler:
    def __init__(
        self,
        experiment: Experiment,
        report: Report,
        signature: DataSignature,
        batch_size: int,
        training: bool,
        observe: bool,
        piece: Piece,
        alignment: int,
    ) -> None:
        self.experiment, self.report = experiment, report
        self.training, self.observe, self.piece, self.alignment = training, observe, piece, alignment
        self.nodes: dict[str, Node] = {node.id: node for node in experiment.network.nodes}
        self.layout = layout_of(experiment.network, report, alignment // 4)
        shapes = {item: report.nodes[item].shape or () for item in report.order}
        self.lowered: Lowered = lower(
            experiment.network,
            report.order,
            shapes,
            {item: report.nodes[item].parameters for item in report.order},
            signature,
            batch_size=batch_size,
            training=training,
            shares=training and experiment.data.mixes,
        )
        self.b: Builder = self.lowered.builder
        self.locations: dict[int, Location] = {}
        self.observed = Observed({}, {}, {}, {}, {}, {})
        self.instruments = Instruments(self.b, self.nodes)
        self.penalty: Value | None = None
        # What stands for a node's output: what a layer hands on, what a loss shows as its prediction.
        self.shown: dict[int, list[str]] = {}
        for outputs in (self.lowered.predictions, self.lowered.outputs):
            for node, value in outputs.items():
                self.shown.setdefault(value.id, []).append(node)

    def program(self) -> Program:
        if self.observe:
            self._observe_forward()
        for node in self.lowered.losses:
            component = self.nodes[node].component
            assert isinstance(component, Loss)
            # Named in evaluation too, where nothing reads it but `BoundProgram.loss`.
            self.b.controls[f"{node}/loss_weight"] = component.weight
        if self.training:
            self._backward()
            guard = len(self.b.calls)
            self._update()
        else:
            if self.observe:
                self.instruments.finish()
            guard = len(self.b.calls)
        self._locate()
        calls = tuple(self.b.calls)
        kept = {value.id for value in (*self.lowered.predictions.values(), *self.lowered.losses.values())}
        if self.observe:
            kept |= {value.id for value in self.lowered.outputs.values()}
            for call in calls:
                if isinstance(call.op, BatchNorm):
                    self.observed.normalizations[call.node] = call
                    kept |= {value.id for value in call.outputs}
        experiment = self.experiment
        return Program(
            title=experiment.name,
            batch_size=self.b.batch_size,
            training=self.training,
            observe=self.observe,
            precision=experiment.training.precision,
            calls=calls,
            groups=fuse(calls),
            controls=dict(self.b.controls),
            inputs=self.lowered.inputs,
            targets=self.lowered.targets,
            outputs=self.lowered.outputs,
            losses=self.lowered.losses,
            loss_weights={node: f"{node}/loss_weight" for node in self.lowered.losses},
            predictions=self.lowered.predictions,
            penalty=self.penalty,
            observed=self.observed,
            layout=self.layout,
            locations=self.locations,
            placement=place(calls, kept, experiment.training.precision, self.alignment),
            guard=guard,
        )

    # -- observers -------------------------------------------------------------------------------------------------

    def _observe_forward(self) -> None:
        """Put each observer right behind the group whose output it reads, while that is still in the cache: in between
        it would part what runs as one kernel. No output of a layer is overwritten in a program that observes."""
        forward = fuse(self.b.calls)
        self.b.calls.clear()
        for value in self.lowered.inputs.values():
            self._observe_output(value, per_unit=False)
        for group in forward:
            self.b.calls += group.calls
            for call in group.calls:
                for value in call.outputs:
                    if value.dtype is DType.FLOAT:
                        self._observe_output(value, per_unit=len(value.shape) == 4)

    def _observe_output(self, value: Value, *, per_unit: bool) -> None:
        for node in self.shown.get(value.id, ()):
            self.instruments.watch(self.observed.activations, node, value, node, per_unit=per_unit)

    def _observe_adjoint(self, value: Value, adjoint: Value) -> None:
        for node in self.shown.get(value.id, ()):
            self.instruments.watch(self.observed.adjoints, node, adjoint, node, histogram=False)

    # -- backward and update ---------------------------------------------------------------------------------------

    def _backward(self) -> None:
        seeds = []
        for node, loss in self.lowered.losses.items():
            component = self.nodes[node].component
            assert isinstance(component, Loss)
            self.b.node = node
            seeds.append((loss, self.b.control("loss_weight", component.weight)))
        self.b.node = ""
        gradients = differentiate(self.b, seeds, self._observe_adjoint if self.observe else None)
        replaced: dict[int, Value] = {}
        for name, adjoint in gradients.items():
            value = self.b.external(f"gradient:{name}", adjoint.tensor, Role.GRADIENT)
            segment = self.layout.by_name[name]
            self.locations[value.id] = Location("gradients", segment.start, segment.size)
            replaced[adjoint.id] = value
        self.instruments.replaced = replaced
        self.b.calls[:] = [_replace(call, replaced) for call in self.b.calls]
        for name in self.layout.specs:
            if name not in gradients:
                raise CompileError(f"No gradient reaches “{name}”.")
        if not self.observe:
            self._leave_frozen_out()

    def _leave_frozen_out(self) -> None:
        """Take out what only gradients of frozen parameters are computed by: nobody reads them but instruments."""
        groups = self.experiment.training.groups
        moving = {
            self.b.external(f"gradient:{segment.name}", Tensor(segment.shape), Role.GRADIENT).id
            for segment in self.layout.parameters
            if not is_frozen(groups, template_of(segment.node), segment.decay)
        }
        if len(moving) == len(self.layout.parameters):
            return
        kept: list[Call] = []
        for call in reversed(self.b.calls):
            if call.phase != "backward" or call.op.mutates or any(value.id in moving for value in call.outputs):
                kept.append(call)
                moving.update(value.id for value in call.inputs)
        self.b.calls[:] = reversed(kept)

    def _update(self) -> None:
        self.b.phase, self.b.node = "update", ""
        if self.piece != "whole":
            self._accumulate()
        if self.piece == "part":
            return
        if self.observe:
            self._observe_parameters()
        phase = UpdatePhase(self.b, self.experiment.training, self.layout, self.locations, norms=self.observe)
        phase.append()
        self.penalty = phase.penalty
        self.observed.norms.update(phase.norms)

    def _accumulate(self) -> None:
        whole = (self.layout.parameter_length,)
        total = span(self.b, self.locations, 0, whole, "accumulated", Role.SLOT)
        gradient = span(self.b, self.locations, 0, whole, "gradients", Role.GRADIENT)
        share = self.b.control("micro_share", 1.0)
        if self.piece == "part":
            self.b.call(Accumulate(), total, gradient, share)
        else:
            self.b.call(AddAccumulated(), gradient, total, share)

    def _observe_parameters(self) -> None:
        for segment in self.layout.parameters:
            where, length = (self.b, self.locations, segment.start), (segment.size,)
            weights, gradient = span(*where, length), span(*where, length, "gradients", Role.GRADIENT)
            self.instruments.watch(self.observed.weights, segment.name, weights, segment.node)
            self.instruments.watch(self.observed.gradients, segment.name, gradient, segment.node)
        self.instruments.finish()

    def _locate(self) -> None:
        """Find the place of the parameters and buffers that the layers named."""
        averaged = not self.training and self.experiment.training.averaging.evaluates()
        learned = "average" if averaged else "parameters"
        for call in self.b.calls:
            for value in call.inputs:
                if value.id not in self.locations and value.role in (Role.PARAMETER, Role.BUFFER):
                    segment = self.layout.by_name[value.name]
                    arena = learned if value.role is Role.PARAMETER else "buffers"
                    self.locations[value.id] = Location(arena, segment.start, segment.size)


def _replace(call: Call, replaced: dict[int, Value]) -> Call:
    """The call with some values exchanged."""
    touched = any(value.id in replaced for value in (*call.inputs, *call.outputs))
    if not touched:
        return call
    return Call(
        call.op,
        tuple(replaced.get(value.id, value) for value in call.inputs),
        tuple(replaced.get(value.id, value) for value in call.outputs),
        call.scratch,
        call.node,
        call.phase,
    )
