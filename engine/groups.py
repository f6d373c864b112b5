"""Parameter groups: which parameters have a learning rate, penalties or a rest of their own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Literal

from msgspec import Struct
from msgspec.structs import replace

from engine.kinds import Penalty
from engine.schema import field, info_of
from engine.text import number_text

__all__ = [
    "ParameterGroup",
    "group_of",
    "is_frozen",
    "is_penalized",
    "own_group",
    "renamed",
    "treatment",
    "without",
    "words",
]


class ParameterGroup(Struct, frozen=True, kw_only=True):
    """Parameters that are updated otherwise than the rest. A parameter belongs to the first group that names it.

    The optimizer and its schedule are those of the training; what differs is the factor of the learning rate, the
    penalties, and whether anything moves at all.
    """

    nodes: Annotated[
        tuple[str, ...], field(label="Layers", help="The ids of the group's layers; empty: all layers.")
    ] = ()
    parameters: Annotated[
        Literal["all", "weights", "biases"],
        field(
            help="Which of their parameters: weights are the arrays that penalties concern; biases are all others, "
            "with the gains and shifts of normalization layers."
        ),
    ] = "all"
    rate: Annotated[
        float,
        field(
            gt=0, le=1e4, scale="log", live=True, label="Rate factor",
            help="Factor of the learning rate for this group, under every schedule.",
        ),
    ] = 1.0  # fmt: skip
    frozen: Annotated[
        bool,
        field(
            live=True,
            help="Leave these parameters as they are: no update, no penalty, no share in the clipped norm. Running "
            "statistics of normalization layers go on moving.",
        ),
    ] = False
    own_penalties: Annotated[
        bool, field(help="Take the penalties below instead of those of the training; none below: none at all.")
    ] = False
    penalties: Annotated[
        tuple[Penalty, ...],
        field(help="The group's own penalties. They concern weights, and biases where the group is of biases alone."),
    ] = ()


def group_of(groups: Sequence[ParameterGroup], node: str, decay: bool) -> int:
    """The index of the first group that names a parameter of `node`, or -1. `decay`: `ParameterSpec.decay`."""
    for index, group in enumerate(groups):
        if (not group.nodes or node in group.nodes) and group.parameters in ("all", "weights" if decay else "biases"):
            return index
    return -1


def own_group(groups: Sequence[ParameterGroup], nodes: Collection[str]) -> int | None:
    """The index of the first group that names these nodes and no others, or None."""
    wanted = set(nodes)
    return next((index for index, group in enumerate(groups) if set(group.nodes) == wanted), None)


def is_frozen(groups: Sequence[ParameterGroup], node: str, decay: bool) -> bool:
    """Whether a parameter's group is frozen."""
    index = group_of(groups, node, decay)
    return index >= 0 and groups[index].frozen


def is_penalized(group: ParameterGroup | None, decay: bool) -> bool:
    """Whether penalties concern a parameter of the group (None: of no group): weights, and biases where a group of
    biases alone has penalties of its own."""
    return decay or (group is not None and group.own_penalties and group.parameters == "biases")


def words(group: ParameterGroup) -> str:
    """What a group is, in few words: "weights of dense_1: rate × 0.1, no penalties"."""
    who = ", ".join(group.nodes) or "all layers"
    if group.parameters != "all":
        who = f"{group.parameters} of {who}"
    return f"{who}: {treatment(group)}"


def treatment(group: ParameterGroup) -> str:
    """What is done otherwise with a group's parameters, in few words."""
    if group.frozen:
        return "frozen"
    what = [f"rate × {number_text(group.rate)}"] if group.rate != 1 else []
    if group.own_penalties:
        what.append(", ".join(info_of(penalty).label for penalty in group.penalties) or "no penalties")
    return ", ".join(what) or "as all others"


def renamed(groups: Sequence[ParameterGroup], old: str, new: str) -> tuple[ParameterGroup, ...]:
    """The groups after a node was given another id."""
    if not any(old in group.nodes for group in groups):
        return tuple(groups)
    return tuple(replace(group, nodes=tuple(new if node == old else node for node in group.nodes)) for group in groups)


def without(groups: Sequence[ParameterGroup], gone: Collection[str]) -> tuple[ParameterGroup, ...]:
    """The groups after nodes were taken out. One that named no others goes with them: an empty one is of all layers."""
    kept = []
    for group in groups:
        nodes = tuple(node for node in group.nodes if node not in gone)
        if nodes == group.nodes:
            kept.append(group)
        elif nodes:
            kept.append(replace(group, nodes=nodes))
    return tuple(kept)
