"""Checking a network: wiring, shapes, parameters, operations. A user's mistake becomes a Diagnostic, never an error."""

from __future__ import annotations

import graphlib
import math
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from engine import branches, tokens
from engine.block_findings import block_findings, collapsed
from engine.blocks import unrolled, unrolled_network
from engine.data.augmentation.findings import augmentation_findings
from engine.data.signature import DataSignature
from engine.diagnostics import Diagnostic, Fix, NodeReport, Report
from engine.experiment import Experiment, NetworkSpec, Node, TrainingSpec
from engine.fixes import bypass_fix, disconnect_fix, fix_for, input_fix, loss_fix, remove_fix, wire_fix
from engine.layer_findings import layer_findings
from engine.layers.base import Loss, NodeComponent, Shape, ShapeProblem
from engine.layers.core import Input
from engine.layers.words import title_of
from engine.lower import active_inputs, behind_bypass, lower
from engine.micro_batches import micro_batches
from engine.optimizer_findings import optimizer_findings
from engine.schema import Component, Unknown, fields_of, info_of
from engine.text import shortened
from engine.training_findings import course_findings
from engine.update_findings import update_findings

Shapes = tuple[Shape, ...]


def check(network: NetworkSpec, data: DataSignature | None) -> Report:
    """Infer every shape and collect what is wrong. Never raises for a mistake in the network. The report is of the
    network with its repeated groups written out; findings name the layers that stand for all copies.

    Without `data` the wiring alone is checked: shapes start at the data.
    """
    report = _Checker(unrolled_network(network), data).report()
    if not network.blocks:
        return report
    return replace(report, diagnostics=collapsed((*block_findings(network), *report.diagnostics)))


def check_experiment(experiment: Experiment, data: DataSignature | None) -> Report:
    """`check`, and what the training part of the experiment adds to it."""
    report = check(experiment.network, data)
    whole = unrolled(experiment)
    extra = (
        *_training_findings(whole, data, report),
        *tokens.findings(whole, report),
        *branches.findings(whole, report),
    )
    return replace(report, diagnostics=collapsed((*report.diagnostics, *extra)))


class _Checker:
    def __init__(self, network: NetworkSpec, data: DataSignature | None) -> None:
        self.network, self.data = network, data
        self.nodes = {node.id: node for node in network.nodes}
        self.wires = active_inputs(network)
        self.behind = behind_bypass(self.nodes)
        self.found: list[Diagnostic] = []
        self.failed: set[str] = set()
        self.reports = {node.id: NodeReport(node=node.id) for node in network.nodes}
        self.shapes: dict[str, Shape] = {}

    def report(self) -> Report:
        self._check_components()
        order = self._topological_order()
        if order is not None:
            for node_id in order:
                self._check_wiring(self.nodes[node_id])
            self._check_ends(order)
            if self.data is not None:
                for node_id in order:
                    self._infer(self.nodes[node_id])
            self._offer_wires()
            order = self._leading_to_a_loss(order)
            self._count_flops(order)
        return Report(order=order or (), nodes=self.reports, diagnostics=tuple(self.found))

    def _add(self, node: Node, field: str, message: str, *, fix: Fix | None = None, severity: str = "error") -> None:
        self.found.append(Diagnostic(node=node.id, field=field, severity=severity, message=message, fix=fix))  # type: ignore[arg-type]
        if severity == "error":
            self.failed.add(node.id)

    def _check_components(self) -> None:
        for node in self.network.nodes:
            if isinstance(node.component, Unknown):
                self._add(
                    node,
                    "",
                    f"This version does not know the layer “{info_of(node.component).label}”. "
                    "It is kept in the file as it is.",
                    fix=bypass_fix(node.id),
                )
                continue
            for spec, value in unknown_fields(node.component):
                self._add(node, spec, f"This version does not know the {value.of_kind} “{info_of(value).label}”.")

    def _topological_order(self) -> tuple[str, ...] | None:
        sorter = graphlib.TopologicalSorter({node: self.wires[node] for node in self.wires})
        try:
            order = tuple(sorter.static_order())
        except graphlib.CycleError as error:
            cycle = error.args[1]
            first = self.nodes[cycle[0]]
            titles = [title_of(self.nodes[item]) for item in cycle]
            names = " → ".join(titles if len(titles) <= 8 else [*titles[:4], "…", *titles[-3:]])
            # In graphlib's list each node is read by the next one; cutting the first of these wires opens the circle.
            source = next(item for item in self.nodes[cycle[1]].inputs if self.behind(item) == cycle[0])
            self._add(
                first,
                "inputs",
                f"The wires form a circle ({names}): a network must lead from data to loss.",
                fix=disconnect_fix(cycle[1], source, self.nodes),
            )
            return None
        # graphlib's order is stable for equal input; ties follow the order of the file.
        return order

    def _check_wiring(self, node: Node) -> None:
        component = node.component
        for item in node.inputs:
            if item not in self.nodes:
                self._add(
                    node,
                    "inputs",
                    f"It reads “{shortened(item)}”, which does not exist.",
                    fix=disconnect_fix(node.id, item, {}),
                )
            elif any(
                isinstance(self.nodes[one].component, Loss) for one in (item, self.behind(item)) if one is not None
            ):
                self._add(
                    node,
                    "inputs",
                    "It reads a loss; nothing can follow a loss.",
                    fix=disconnect_fix(node.id, item, self.nodes),
                )
        if not isinstance(component, NodeComponent):
            return
        count, low, high = len(self.wires[node.id]), component.min_inputs, component.max_inputs
        if count < low and node.id not in self.failed:
            wanted = "an input" if low == 1 else f"{low} inputs"
            self._add(
                node,
                "inputs",
                f"It needs {wanted}{f', and has {count}' if count else ''}: draw a wire from another layer to it.",
                fix=remove_fix(node.id) if not count else None,
            )
        elif high is not None and count > high:
            words = {0: "takes no input", 1: "takes one input"}.get(high, f"takes at most {high} inputs")
            self._add(
                node,
                "inputs",
                f"It {words}, and has {count}. To join branches, use Add.",
                fix=disconnect_fix(node.id, node.inputs[-1], self.nodes),
            )

    def _offer_wires(self) -> None:
        """Where a node has no wire at all, wiring it in is better than deleting it; it takes shapes to know how."""
        readers: dict[str, list[str]] = {}
        for node in self.network.nodes:
            for item in node.inputs:
                readers.setdefault(item, []).append(node.id)
        for i, found in enumerate(self.found):
            if found.node in self.nodes and found.field == "inputs" and not self.nodes[found.node].inputs:
                fix = wire_fix(self.nodes[found.node], self.nodes, self.shapes, readers)
                self.found[i] = replace(found, fix=fix or found.fix)

    def _check_ends(self, order: tuple[str, ...]) -> None:
        active = [self.nodes[item] for item in self.wires]
        if not any(isinstance(node.component, NodeComponent) and node.component.max_inputs == 0 for node in active):
            self.found.append(
                Diagnostic(
                    node="",
                    field="network",
                    severity="error",
                    message="The network has no input: add an Input layer.",
                    fix=input_fix(self.data) if self.data is not None else None,
                )
            )
        if not any(isinstance(node.component, Loss) for node in active):
            self.found.append(
                Diagnostic(
                    node="",
                    field="network",
                    severity="error",
                    message="The network has no loss, so there is nothing to make small: add one after the last layer.",
                    fix=loss_fix(self.data, self.nodes, order) if self.data is not None else None,
                )
            )

    def _infer(self, node: Node) -> None:
        component, wires = node.component, self.wires[node.id]
        if not isinstance(component, NodeComponent) or node.id in self.failed:
            return
        if any(item not in self.shapes for item in wires):
            return  # what is wrong stands further up
        assert self.data is not None
        shapes = tuple(self.shapes[item] for item in wires)
        try:
            if component.max_inputs == 0:
                shape = self._input_shape(component)
            else:
                shape = component.infer(shapes)
            if isinstance(component, Loss):
                target = self.data.target(component.target)
                if target is None:
                    raise ShapeProblem(
                        f"The data have no target “{shortened(component.target)}”; they have "
                        f"{_names(self.data.targets)}.",
                        "target",
                    )
                component.check_target(shapes[0], target)
        except ShapeProblem as found:
            problem = self._with_a_remedy(found, component, shapes)
            message = problem.message[0].upper() + problem.message[1:]
            fix = fix_for(problem, node, self.nodes, self.wires, self.shapes)
            self._add(node, problem.field, message if message.endswith((".", "!", "?")) else message + ".", fix=fix)
            return
        if not isinstance(component, Loss):
            self.shapes[node.id] = shape
        self.reports[node.id] = NodeReport(
            node=node.id, input_shapes=shapes, shape=shape, parameters=component.parameters(shapes)
        )

    def _with_a_remedy(
        self, problem: ShapeProblem, component: NodeComponent, shapes: tuple[Shape, ...]
    ) -> ShapeProblem:
        """The problem, or what the target says to the same prediction, where that alone tells how to mend it."""
        assert self.data is not None
        target = self.data.target(component.target) if isinstance(component, Loss) else None
        if problem.fix is None and isinstance(component, Loss) and target is not None:
            try:
                component.check_target(shapes[0], target)
            except ShapeProblem as other:
                return other if other.fix is not None else problem
        return problem

    def _input_shape(self, component: NodeComponent) -> Shape:
        assert self.data is not None
        source: str = component.source  # type: ignore[attr-defined]  # only Input has no inputs
        if source not in self.data.inputs:
            raise ShapeProblem(
                f"The data have no array “{shortened(source)}”; they have {_names(self.data.inputs)}.", "source"
            )
        return self.data.inputs[source]

    def _leading_to_a_loss(self, order: tuple[str, ...]) -> tuple[str, ...]:
        used: set[str] = set()
        for node_id in reversed(order):
            if isinstance(self.nodes[node_id].component, Loss):
                used.add(node_id)
            if node_id in used:
                used.update(self.wires[node_id])
        if used:
            for node_id in order:
                if node_id not in used and node_id not in self.failed:
                    self._add(
                        self.nodes[node_id],
                        "",
                        "No loss depends on it, so it is left out of training.",
                        severity="warning",
                        fix=remove_fix(node_id),
                    )
        return tuple(node_id for node_id in order if node_id in used)

    def _count_flops(self, order: tuple[str, ...]) -> None:
        if self.data is None or any(item.severity == "error" for item in self.found):
            return
        parameters = {item: self.reports[item].parameters for item in order}
        lowered = lower(self.network, order, self.shapes, parameters, self.data, batch_size=1, training=False)
        totals = dict.fromkeys(order, 0)
        for call in lowered.builder.calls:
            totals[call.node] += call.op.flops(*(value.tensor for value in call.inputs))
        for node_id, flops in totals.items():
            old = self.reports[node_id]
            self.reports[node_id] = NodeReport(
                node=node_id, input_shapes=old.input_shapes, shape=old.shape, parameters=old.parameters, flops=flops
            )


def unknown_fields(component: Component) -> Iterator[tuple[str, Unknown]]:
    """The nested components, by field, that this version does not know."""
    for spec in fields_of(type(component)):
        value = getattr(component, spec.name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Unknown):
                yield spec.name, item


def _training_findings(experiment: Experiment, data: DataSignature | None, report: Report) -> Iterator[Diagnostic]:
    training, nodes = experiment.training, {node.id: node for node in experiment.network.nodes}
    for field, value in unknown_fields(training):  # type: ignore[arg-type]
        yield Diagnostic(
            node="",
            field=f"training.{field}",
            severity="error",
            message=f"This version does not know the {value.of_kind} “{info_of(value).label}”.",
        )
    for unknown in (experiment.data.source, *experiment.data.preprocessing, *experiment.data.augmentation):
        if isinstance(unknown, Unknown):
            yield Diagnostic(
                node="",
                field="data",
                severity="error",
                message=f"This version does not know the {unknown.of_kind} “{info_of(unknown).label}”.",
            )
    losses = [found for item in report.order if isinstance(found := nodes[item].component, Loss)]
    read = [component.source for item in report.order if isinstance(component := nodes[item].component, Input)]
    reads_tokens = any(getattr(nodes[item].component, "reads_tokens", False) for item in report.order)
    yield from augmentation_findings(experiment, data, losses, read, tokens=reads_tokens)
    for metric in training.metrics:
        if losses and not isinstance(metric, Unknown) and not any(metric.suits(loss) for loss in losses):
            yield Diagnostic(
                node="",
                field="training.metrics",
                severity="warning",
                message=f"{info_of(metric).label} cannot be taken of this network's predictions and is left out.",
            )
    yield from course_findings(experiment, data, losses)
    yield from update_findings(experiment, report, shaped=data is not None)
    yield from optimizer_findings(experiment)
    yield from layer_findings(experiment, report)
    if data is None or not data.train_size:
        return
    size = min(training.batch_size, data.train_size)
    if training.drop_last and training.batch_size > data.train_size:
        yield Diagnostic(
            node="",
            field="training.batch_size",
            severity="error",
            message=f"A batch of {training.batch_size} is more than the {data.train_size} training samples, and "
            "incomplete batches are dropped: nothing would be trained.",
            fix=_batch_fix(data.train_size),
        )
    alone = _smallest_batch(training, size, data.train_size) == 1
    always = micro_batches(training, size)[0] == 1
    for node_id in report.order:
        component = nodes[node_id].component
        shapes = report.nodes[node_id].input_shapes
        # One value of each feature: a vector, or an image of a single pixel.
        reads_batch = isinstance(component, NodeComponent) and component.needs_batch
        if alone and shapes and reads_batch and math.prod(shapes[0][:-1]) == 1:
            yield Diagnostic(
                node=node_id,
                field="",
                severity="error" if always else "warning",
                message="A batch of one sample has no variance to normalize by."
                + ("" if always else f" The last of {data.train_size} samples would stand alone."),
                fix=_lone_sample_fix(training, size, data.train_size),
            )


def _batch_fix(size: int) -> Fix:
    from engine.edits import set_path

    return Fix(f"Use batches of {size}", lambda value: set_path(value, "training.batch_size", size))


def _smallest_batch(training: TrainingSpec, size: int, train_size: int) -> int:
    """The fewest samples that go through the network at once."""
    tail = 0 if training.drop_last else train_size % size
    return min(part for batch in (size, tail) if batch for part in micro_batches(training, batch))


def _lone_sample_fix(training: TrainingSpec, size: int, train_size: int) -> Fix | None:
    """A larger batch, fewer parts, or no incomplete batch; nothing mends a training part of one sample."""
    if train_size == 1:
        return None
    if size == 1:
        return _batch_fix(min(32, train_size))
    from engine.edits import set_path

    if training.accumulate > 1:
        return Fix("Take each batch as a whole", lambda value: set_path(value, "training.accumulate", 1))
    return Fix("Drop the incomplete batch", lambda value: set_path(value, "training.drop_last", True))


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"“{shortened(name)}”" for name in names) or "none"
