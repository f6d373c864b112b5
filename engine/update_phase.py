"""The update phase of a program: clipping, the rule for each run of parameters, and what stands beside it.

Parameters that are updated alike lie side by side in the arenas, so that a rule runs over few long spans: one for the
weights and one for the rest, or more where parameter groups or clipping per layer tell them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from engine.blocks import template_of
from engine.builder import Builder
from engine.experiment import TrainingSpec
from engine.groups import group_of, is_penalized
from engine.kinds import Penalty
from engine.layout import Layout, Segment
from engine.ops import Add
from engine.ops.base import Role, Tensor, Value
from engine.ops.beside import Average, ClipValue, MaxNorm, SoftThreshold
from engine.ops.update import COMMON, ClipScale, GradientNorm, PenaltyValue
from engine.optimizers.scalars import group_control, update_scalars

__all__ = ["Location", "Part", "UpdatePhase", "parts_of", "span"]


@dataclass(frozen=True)
class Location:
    """A piece of one of the state's arenas, in elements."""

    arena: str
    start: int
    size: int


@dataclass(frozen=True)
class Part:
    """Parameters side by side that are updated alike: elements `start` to `stop`, padding included. `group` is the
    index of their parameter group, or -1; `penalized`: penalties concern them."""

    segments: tuple[Segment, ...]
    start: int
    stop: int
    group: int
    penalized: bool


def parts_of(training: TrainingSpec, layout: Layout, *, apart: str = "") -> tuple[Part, ...]:
    """All parameters, in parts that are as long as can be; with `apart`, parts of one "layer" or one "array" each."""

    def key(segment: Segment) -> tuple[int, bool, str]:
        index = group_of(training.groups, template_of(segment.node), segment.decay)
        group = training.groups[index] if index >= 0 else None
        own = {"layer": segment.node, "array": segment.name}.get(apart, "")
        return index, is_penalized(group, segment.decay), own

    runs = [(found, tuple(run)) for found, run in groupby(layout.parameters, key)]
    if not runs:
        return ()
    starts = [run[0].start for _, run in runs]
    stops = [*starts[1:], layout.parameter_length]
    if apart == "array":  # exactly: their norms are taken
        stops = [run[0].start + run[0].size for _, run in runs]
    return tuple(
        Part(run, start, stop, group, penalized)
        for ((group, penalized, _), run), start, stop in zip(runs, starts, stops, strict=True)
        if stop > start
    )


def span(
    b: Builder,
    locations: dict[int, Location],
    start: int,
    shape: tuple[int, ...],
    arena: str = "parameters",
    role: Role = Role.PARAMETER,
) -> Value:
    """The value that is the piece of an arena from `start` on."""
    tensor = Tensor(shape)
    where = f"{start}:{start + tensor.size}" + ("" if len(shape) == 1 else f" as {'×'.join(map(str, shape))}")
    value = b.external(f"{arena}[{where}]", tensor, role)
    locations[value.id] = Location(arena, start, tensor.size)
    return value


class UpdatePhase:
    """Appends a training step's update phase to `builder`. With `norms`, each array is updated by itself and its norms
    are taken: `norms` has them by the array's name. `penalty` is the penalties' part of the loss."""

    def __init__(
        self, builder: Builder, training: TrainingSpec, layout: Layout, locations: dict[int, Location], *, norms: bool
    ) -> None:
        self.b, self.training, self.layout, self._locations = builder, training, layout, locations
        self._takes_norms = norms
        self.penalty: Value | None = None
        self.norms: dict[str, Value] = {}
        self._defaults = update_scalars(training, training.optimizer.learning_rate, 1)
        coarse = parts_of(training, layout, apart="layer" if training.clipping.reach == "layer" else "")
        self._coarse = self._moving(coarse)
        each = norms or training.optimizer.per_array
        self._parts = self._moving(parts_of(training, layout, apart="array")) if each else self._coarse

    def append(self) -> None:
        """All calls, in the order in which they happen."""
        self._add_penalty()
        scales = self._clip()
        for part in self._parts:
            self._update(part, scales.get(part.segments[0].node))
        for part in self._coarse:
            self._project(part)
        if self.training.averaging.keeps:
            whole = (self.layout.parameter_length,)
            average = self._span(0, whole, "average", Role.SLOT)
            self.b.call(Average(), average, self._span(0, whole), self._control("average_rest"))

    def _moving(self, parts: Sequence[Part]) -> tuple[Part, ...]:
        groups = self.training.groups
        return tuple(part for part in parts if part.group < 0 or not groups[part.group].frozen)

    # -- before the rule -----------------------------------------------------------------------------------------------

    def _add_penalty(self) -> None:
        """The penalties' part of the loss, before anything moves."""
        spans: dict[int, list[tuple[int, int]]] = {}
        for part in self._moving(parts_of(self.training, self.layout)):
            if part.penalized:
                spans.setdefault(self._payer(part.group), []).append((part.start, part.stop))
        values = []
        for group, found in spans.items():
            names = self._penalty_names(group)
            op = PenaltyValue(has_l1=bool(names & {"l1", "proximal_l1"}), has_l2="l2" in names)
            if op.has_l1 or op.has_l2:
                strengths = (self._control("penalty_l1", group), self._control("l2", group))
                weights = (self._span(start, (stop - start,)) for start, stop in found)
                values.append(self.b.call(op, *strengths, *weights).outputs[0])
        if values:
            self.penalty = values[0] if len(values) == 1 else self.b.op(Add(), *values)

    def _clip(self) -> dict[str, Value]:
        """Bound the gradients; returns the factors, by layer, that the rules apply themselves."""
        clipping = self.training.clipping
        if clipping.reach == "value":
            for start, stop in self._gradient_spans():
                self.b.call(ClipValue(), self._gradient(start, stop), self._control("max_value"))
        elif clipping.reach == "network":
            spans = self._gradient_spans()
            if spans:
                scale = self._scale(self._squared_norm(spans))
                return {part.segments[0].node: scale for part in self._parts}
        elif clipping.reach == "layer":
            own: dict[str, list[tuple[int, int]]] = {}
            for part in self._coarse:
                own.setdefault(part.segments[0].node, []).append((part.start, part.stop))
            # All norms before all factors: an executor may do neighbours of a kind at once.
            squared = {node: self._squared_norm(spans) for node, spans in own.items()}
            return {node: self._scale(norm) for node, norm in squared.items()}
        return {}

    def _squared_norm(self, spans: Sequence[tuple[int, int]]) -> Value:
        return self.b.call(GradientNorm(), *(self._gradient(start, stop) for start, stop in spans)).outputs[0]

    def _scale(self, squared: Value) -> Value:
        return self.b.call(ClipScale(), squared, self._control("max_norm")).outputs[0]

    def _gradient_spans(self) -> list[tuple[int, int]]:
        """The moving parameters in as few spans as can be."""
        spans: list[tuple[int, int]] = []
        for part in self._coarse:
            if spans and spans[-1][1] == part.start:
                spans[-1] = spans[-1][0], part.stop
            else:
                spans.append((part.start, part.stop))
        return spans

    # -- the rule, and what follows it ---------------------------------------------------------------------------------

    def _update(self, part: Part, scale: Value | None) -> None:
        optimizer, names = self.training.optimizer, self._penalty_names(self._payer(part.group))
        # A rule that asks for each array by itself takes weights in their own shape; all else is one row of numbers.
        first = part.segments[0]
        shape = first.shape if optimizer.per_array and first.decay else (part.stop - part.start,)
        op = optimizer.update_op(
            l1=part.penalized and "l1" in names,
            l2=part.penalized and "l2" in names,
            decay=(part.penalized and "decoupled_decay" in names) or (first.decay and optimizer.decays),
            clip=scale is not None,
            norms=self._takes_norms,
            shape=shape,
        )
        # Without clipping the factor is not read: any number stands for it.
        common = [self._control(name, part.group) for name in COMMON if name != "clip_scale"]
        common.insert(COMMON.index("clip_scale"), scale if scale is not None else common[0])
        rule = [self._control(name, part.group) for name in op.RULE_SCALARS]
        slots = [self._span(part.start, shape, f"slot:{slot}", Role.SLOT) for slot in op.SLOTS]
        gradient = self._span(part.start, shape, "gradients", Role.GRADIENT)
        call = self.b.call(op, self._span(part.start, shape), gradient, *common, *rule, *slots)
        if self._takes_norms:
            self.norms[part.segments[0].name] = call.outputs[0]

    def _project(self, part: Part) -> None:
        """Bring weights to where a penalty wants them."""
        names = self._penalty_names(self._payer(part.group)) if part.penalized else set()
        if "proximal_l1" in names:
            weights = self._span(part.start, (part.stop - part.start,))
            self.b.call(SoftThreshold(), weights, self._control("threshold", part.group))
        if "unit_norm" in names:
            for segment in part.segments:
                if len(segment.shape) > 1:
                    weights = self._span(segment.start, segment.shape)
                    self.b.call(MaxNorm(), weights, self._control("unit_norm", part.group))

    # -- helpers -------------------------------------------------------------------------------------------------------

    def _payer(self, group: int) -> int:
        """The group whose penalties concern the parameters of `group`, or -1 for those of the training."""
        return group if group >= 0 and self.training.groups[group].own_penalties else -1

    def _penalty_names(self, payer: int) -> set[str]:
        penalties: tuple[Penalty, ...] = (
            self.training.groups[payer].penalties if payer >= 0 else self.training.penalties
        )
        return {name for penalty in penalties for name in penalty.scalars()}

    def _control(self, name: str, group: int = -1) -> Value:
        path = group_control(group, name)
        return self.b.control(path, self._defaults[path])

    def _span(
        self, start: int, shape: tuple[int, ...], arena: str = "parameters", role: Role = Role.PARAMETER
    ) -> Value:
        return span(self.b, self._locations, start, shape, arena, role)

    def _gradient(self, start: int, stop: int) -> Value:
        return self._span(start, (stop - start,), "gradients", Role.GRADIENT)
