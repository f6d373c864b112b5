"""What is wrong with the update of the parameters as the training part describes it: parameter groups, accumulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from msgspec.structs import replace

from engine.blocks import template_of, unrolled_network
from engine.diagnostics import Diagnostic, Fix, Report
from engine.experiment import Experiment
from engine.groups import ParameterGroup, group_of, without
from engine.losses import SoftmaxCrossEntropy
from engine.schema import Unknown, info_of
from engine.text import shortened

__all__ = ["update_findings"]


def update_findings(experiment: Experiment, report: Report, *, shaped: bool) -> Iterator[Diagnostic]:
    """The findings about `training.groups` and `training.accumulate`. `shaped`: shapes were inferred, so that
    parameters are known."""
    groups = experiment.training.groups
    ids = {node.id for node in experiment.network.nodes}
    for index, group in enumerate(groups):
        place, name = f"training.groups[{index}]", f"Parameter group {index + 1}"
        for node in group.nodes:
            if node not in ids:
                yield Diagnostic(
                    node="",
                    field=f"{place}.nodes",
                    severity="warning",
                    message=f"{name} names the layer “{shortened(node)}”, which does not exist.",
                    fix=_without_fix(index, group, node),
                )
        for penalty in group.penalties:
            if isinstance(penalty, Unknown):
                yield Diagnostic(
                    node="",
                    field=f"{place}.penalties",
                    severity="error",
                    message=f"This version does not know the penalty “{info_of(penalty).label}”.",
                )
        if group.penalties and not group.own_penalties:
            yield Diagnostic(
                node="",
                field=f"{place}.penalties",
                severity="warning",
                message=f"{name} has penalties that are not used: its own penalties are off.",
                fix=_fix("Use the group's own penalties", index, _with_own_penalties),
            )
    if shaped and report.order and report.ok and not report.parameter_count:
        yield Diagnostic(
            node="",
            field="network",
            severity="error",
            message="None of the layers has parameters, so there is nothing to train. Add a layer that has some, such "
            "as Dense, before the loss.",
        )
    if groups and shaped:
        yield from _memberships(groups, report)
    yield from _accumulation(experiment, report)


def _accumulation(experiment: Experiment, report: Report) -> Iterator[Diagnostic]:
    training = experiment.training
    if training.accumulate > training.batch_size:
        yield Diagnostic(
            node="",
            field="training.accumulate",
            severity="warning",
            message=f"A batch of {training.batch_size} samples cannot be divided into {training.accumulate} parts: "
            "each sample is one.",
            fix=Fix(
                f"Use {training.batch_size} micro-batches",
                lambda value: replace(value, training=replace(value.training, accumulate=training.batch_size)),
            ),
        )
    if training.accumulate > 1:
        components = {node.id: node.component for node in unrolled_network(experiment.network).nodes}
        reading = [item for item in report.order if getattr(components[item], "needs_batch", False)]
        if reading:
            yield Diagnostic(
                node="",
                field="training.accumulate",
                severity="info",
                message=f"“{shortened(template_of(reading[0]))}” takes its statistics of each micro-batch, so that "
                "steps are not those of the whole batch.",
            )
        for item in report.order:
            loss = components[item]
            if isinstance(loss, SoftmaxCrossEntropy) and loss.class_weights and loss.mean_over == "weights":
                yield Diagnostic(
                    node=item,
                    field="mean_over",
                    severity="info",
                    message="The sum is divided by the class weights of each micro-batch, so that steps are not those "
                    "of the whole batch.",
                    fix=Fix("Divide by the number of samples", partial(_by_samples, item)),
                )


def _by_samples(loss: str, experiment: Experiment) -> Experiment:
    from engine.edits import set_field

    return set_field(experiment, loss, "mean_over", "samples")


def _memberships(groups: tuple[ParameterGroup, ...], report: Report) -> Iterator[Diagnostic]:
    specs = [(template_of(node), spec) for node in report.order for spec in report.nodes[node].parameters]
    found = [group_of(groups, node, spec.decay) for node, spec in specs]
    for index in range(len(groups)):
        if found and index not in found:
            yield Diagnostic(
                node="",
                field=f"training.groups[{index}].nodes",
                severity="warning",
                message=f"No parameter belongs to parameter group {index + 1}: its layers have none of that sort, or a "
                "group before it has them.",
                fix=_fix("Remove the group", index, lambda groups: ()),
            )
    if found and all(index >= 0 and groups[index].frozen for index in found):
        yield Diagnostic(
            node="",
            field="training.groups",
            severity="error",
            message="All parameters are frozen: nothing would be trained.",
            fix=Fix("Freeze nothing", _thawed),
        )


def _thawed(experiment: Experiment) -> Experiment:
    groups = tuple(replace(group, frozen=False) for group in experiment.training.groups)
    return replace(experiment, training=replace(experiment.training, groups=groups))


Groups = tuple[ParameterGroup, ...]


def _fix(label: str, index: int, change: Callable[[Groups], Groups]) -> Fix:
    """The edit that puts what `change` makes of the group at `index`, as far as there still is one, in its place."""

    def edit(experiment: Experiment) -> Experiment:
        groups = experiment.training.groups
        changed = (*groups[:index], *change(groups[index : index + 1]), *groups[index + 1 :])
        return replace(experiment, training=replace(experiment.training, groups=changed))

    return Fix(label, edit)


def _with_own_penalties(groups: Groups) -> Groups:
    return tuple(replace(group, own_penalties=True) for group in groups)


def _without_fix(index: int, group: ParameterGroup, node: str) -> Fix:
    alone = not without((group,), (node,))
    label = "Remove the group" if alone else f"Take “{shortened(node)}” out of the group"
    return _fix(label, index, lambda groups: without(groups, (node,)))
