"""Nodes as text: what is copied, and what of it is pasted."""

from __future__ import annotations

import json
from collections.abc import Iterable

from msgspec.structs import replace

from engine.edits import EditError, node_of, unique_id, with_nodes
from engine.experiment import (
    Experiment,
    NetworkSpec,
    block_to_plain,
    blocks_from_plain,
    node_to_plain,
    nodes_from_plain,
)
from engine.schema import SchemaError, info_of

__all__ = ["copy_nodes", "duplicate", "paste_nodes"]

CLIPBOARD_FORMAT = "descent-lab-nodes"


def copy_nodes(experiment: Experiment, ids: Iterable[str]) -> str:
    """The chosen nodes as text (JSON, as in a file), with the wires among them."""
    chosen = set(ids)
    for node_id in chosen:
        node_of(experiment.network, node_id)
    nodes = [
        node_to_plain(replace(node, inputs=tuple(item for item in node.inputs if item in chosen)))
        for node in experiment.network.nodes
        if node.id in chosen
    ]
    blocks = [block_to_plain(block) for block in experiment.network.blocks if chosen.issuperset(block.nodes)]
    plain = {"format": CLIPBOARD_FORMAT, "version": 1, "nodes": nodes, **({"blocks": blocks} if blocks else {})}
    return json.dumps(plain, ensure_ascii=False, indent=1)


def paste_nodes(
    experiment: Experiment,
    text: str,
    *,
    at: tuple[float, float] | None = None,
    offset: tuple[float, float] = (40.0, 40.0),
) -> Experiment:
    """Add the nodes of a text made by `copy_nodes`, under new ids, with the wires among them.

    Their upper left corner goes to `at`, or else each is moved by `offset`. They come last in `network.nodes`.
    """
    try:
        plain = json.loads(text)
        if (
            not isinstance(plain, dict)
            or plain.get("format") != CLIPBOARD_FORMAT
            or not isinstance(plain.get("nodes"), list)
        ):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise EditError("", "the clipboard holds no nodes") from None
    try:
        nodes = nodes_from_plain(plain["nodes"], "nodes")
        blocks = blocks_from_plain(plain.get("blocks", []), "blocks", {node.id for node in nodes})
    except SchemaError as error:
        raise EditError(error.path, f"cannot be pasted: {error.message}") from error
    if at is not None and nodes:
        offset = (at[0] - min(n.position[0] for n in nodes), at[1] - min(n.position[1] for n in nodes))
    network = experiment.network
    new_ids: dict[str, str] = {}
    for node in nodes:
        new_ids[node.id] = unique_id(network, info_of(node.component).tag)
        network = NetworkSpec(nodes=(*network.nodes, replace(node, id=new_ids[node.id])))
    pasted = (
        replace(
            node,
            id=new_ids[node.id],
            inputs=tuple(new_ids[item] for item in node.inputs if item in new_ids),
            position=(node.position[0] + offset[0], node.position[1] + offset[1]),
        )
        for node in nodes
    )
    after = with_nodes(experiment, (*experiment.network.nodes, *pasted))
    copied = tuple(replace(block, nodes=tuple(new_ids[item] for item in block.nodes)) for block in blocks)
    return replace(after, network=replace(after.network, blocks=(*after.network.blocks, *copied)))


def duplicate(experiment: Experiment, ids: Iterable[str]) -> Experiment:
    """Copy and paste in one edit."""
    return paste_nodes(experiment, copy_nodes(experiment, ids))
