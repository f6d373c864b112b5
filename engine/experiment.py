"""An experiment is a value: data, network, training and seed, frozen. `engine.edits` makes new values of it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any, Literal

from msgspec import Struct

from engine.averaging import NoAveraging
from engine.clipping import NoClipping
from engine.groups import ParameterGroup
from engine.kinds import (
    Augmentation,
    Averaging,
    Clipping,
    Metric,
    Optimizer,
    Penalty,
    Preprocessing,
    Schedule,
    Source,
    Stopping,
    Warmup,
)
from engine.layers.base import NodeComponent
from engine.schema import (
    SchemaError,
    Unknown,
    field,
    fields_of,
    from_plain,
    is_text,
    lookup,
    no_such_field,
    parse_field,
    require,
    to_plain,
)
from engine.text import number_text, shortened

__all__ = ["Block", "DataSpec", "Experiment", "NetworkSpec", "Node", "SplitSpec", "TrainingSpec"]


class Node(Struct, frozen=True, kw_only=True):
    """One layer or loss of the network, at its place on the canvas.

    `inputs` are the ids of the nodes whose outputs it reads, in order. `id` is stable for the node's life: random
    numbers and files are keyed by it. `bypass` takes the node out of the network without deleting it.
    """

    id: str
    component: NodeComponent | Unknown
    inputs: tuple[str, ...] = ()
    position: tuple[float, float] = (0.0, 0.0)
    bypass: bool = False
    title: str = ""


MOST_REPEATS = 100


class Block(Struct, frozen=True, kw_only=True):
    """Nodes that are repeated `repeat` times in a row, each time with weights of their own; see `engine.blocks`. A node
    belongs to one block at most."""

    nodes: tuple[str, ...]
    repeat: int = 2
    title: str = ""


class NetworkSpec(Struct, frozen=True, kw_only=True):
    """The nodes of a directed acyclic graph; each edge is an entry of some node's `inputs`. `blocks` are the groups of
    nodes that are repeated."""

    nodes: tuple[Node, ...] = ()
    blocks: tuple[Block, ...] = ()

    def node(self, node_id: str) -> Node:
        """The node of that id. Raises KeyError."""
        for node in self.nodes:
            if node.id == node_id:
                return node
        raise KeyError(node_id)


class SplitSpec(Struct, frozen=True, kw_only=True):
    """How the samples are divided. Samples are shuffled once with `seed` (`numpy.random.default_rng(seed)`), then the
    training part comes first, the validation part next, the test part last."""

    validation: Annotated[
        float,
        field(ge=0, le=1e7, help="Validation samples: a share when below 1, a number of samples otherwise."),
    ] = 0.2
    test: Annotated[
        float, field(ge=0, le=1e7, help="Test samples: a share when below 1, a number of samples otherwise.")
    ] = 0.0
    train_limit: Annotated[
        int,
        field(ge=0, le=10_000_000, label="Training limit", help="Use only this many training samples; 0 for all."),
    ] = 0
    shuffle: Annotated[bool, field(help="Shuffle before dividing. Off keeps the order of the file.")] = True
    seed: Annotated[int, field(ge=0, le=2**31 - 1, help="Seed of the shuffle before dividing.")] = 1234


class DataSpec(Struct, frozen=True, kw_only=True):
    """The data: where they come from, how they are divided, preprocessed and, for training, augmented."""

    source: Source | Unknown
    split: SplitSpec = SplitSpec()
    preprocessing: tuple[Preprocessing | Unknown, ...] = ()
    augmentation: Annotated[
        tuple[Augmentation | Unknown, ...],
        field(
            help="Random changes of the training samples, one after the other, drawn anew for every batch. Images are "
            "moved as they are in the source; all else acts on what preprocessing leaves."
        ),
    ] = ()

    @property
    def mixes(self) -> bool:
        """Whether training samples are mixed, so that targets of classes become shares."""
        return any(isinstance(item, Augmentation) and item.mixes and item.probability > 0 for item in self.augmentation)


class TrainingSpec(Struct, frozen=True, kw_only=True):
    """How the network is trained."""

    optimizer: Annotated[Optimizer, field(help="The rule that turns gradients into updates.")]
    schedule: Annotated[Schedule, field(help="The learning rate's course over the run.")]
    warmup: Annotated[Warmup, field(label="Warm-up", help="How the learning rate is led up at the start.")]
    epochs: Annotated[int, field(ge=1, le=100_000, help="Passes over the training part.")] = 20
    batch_size: Annotated[
        int,
        field(
            ge=1, le=1_000_000, scale="log", search=(16, 512),
            help="Samples per step. 1: stochastic gradient descent. As many as there are training samples, or more: "
            "the full batch, one step an epoch. Between them: mini-batches.",
        ),
    ] = 64  # fmt: skip
    accumulate: Annotated[
        int,
        field(
            ge=1, le=65536, label="Micro-batches", advanced=True,
            help="Parts that a batch goes through the network in, one after the other; their gradients add up before "
            "the update. The same steps for less memory: a batch is still what the batch size says.",
        ),
    ] = 1  # fmt: skip
    shuffle: Annotated[bool, field(help="Draw a new order of the training samples each epoch.")] = True
    drop_last: Annotated[
        bool,
        field(
            label="Drop incomplete batch",
            help="Leave out the last batch of an epoch when it is smaller.",
            advanced=True,
        ),
    ] = False
    penalties: Annotated[tuple[Penalty, ...], field(help="Terms that pull weights towards zero.")] = ()
    metrics: Annotated[tuple[Metric, ...], field(help="Numbers taken of the predictions beside the loss.")] = ()
    clipping: Annotated[
        Clipping, field(live=True, label="Gradient clipping", help="What is done to gradients that are too large.")
    ] = NoClipping()
    averaging: Annotated[
        Averaging,
        field(
            label="Weight averaging", help="Whether a mean of the weights over the last updates is kept.", advanced=True
        ),
    ] = NoAveraging()
    stopping: Annotated[
        tuple[Stopping, ...], field(label="Stop conditions", help="What ends the run before its epochs are over.")
    ] = ()
    groups: Annotated[
        tuple[ParameterGroup, ...],
        field(
            label="Parameter groups",
            help="Parameters with a learning rate or penalties of their own, or frozen; the first that fits counts.",
            advanced=True,
        ),
    ] = ()
    precision: Annotated[
        Literal["float32", "float64"],
        field(help="Arithmetic of the run; float64 is slower and serves as a check.", advanced=True),
    ] = "float32"


class Experiment(Struct, frozen=True, kw_only=True):
    """Everything that determines a run's numbers, and the notes beside it."""

    data: DataSpec
    network: NetworkSpec
    training: TrainingSpec
    name: Annotated[str, field(help="The experiment's name.")] = "Untitled"
    notes: Annotated[str, field(help="Free text.")] = ""
    seed: Annotated[int, field(ge=0, le=2**31 - 1, help="Seed of weights, order, dropout and augmentation.")] = 0


# A node's own keys in a file; a component's fields stand beside them, so no component may use these names.
NODE_KEYS = ("id", "type", "inputs", "position", "bypass", "title")

NODE_ID_RULE = (
    "expected a name of 1 to 80 printable characters without “/”, and without “·” and a number at its end, as "
    "repetitions are called"
)
COPY = re.compile(r"·([2-9]|[1-9]\d+)$")
"""How the ids of a block's copies end, from the second on."""
FARTHEST = 1e7
"""The largest coordinate of a node's place on the canvas."""


def is_node_id(text: str) -> bool:
    """Whether a node may have this id."""
    return 0 < len(text) <= 80 and "/" not in text and text.isprintable() and not COPY.search(text)


def experiment_to_plain(experiment: Experiment) -> dict[str, Any]:
    """JSON types in a fixed order of keys: two saves of the same value are equal, byte for byte."""
    return {
        "name": experiment.name,
        "notes": experiment.notes,
        "seed": experiment.seed,
        "data": to_plain(experiment.data),
        "network": network_to_plain(experiment.network),
        "training": to_plain(experiment.training),
    }


def network_to_plain(network: NetworkSpec) -> dict[str, Any]:
    """The nodes, and the blocks where there are any."""
    plain: dict[str, Any] = {"nodes": [node_to_plain(node) for node in network.nodes]}
    if network.blocks:
        plain["blocks"] = [block_to_plain(block) for block in network.blocks]
    return plain


def block_to_plain(block: Block) -> dict[str, Any]:
    """One block as JSON types."""
    title = {"title": block.title} if block.title else {}
    return {"nodes": list(block.nodes), "repeat": block.repeat, **title}


def blocks_from_plain(plain: Any, path: str, ids: Collection[str]) -> tuple[Block, ...]:
    """The blocks that JSON types describe, of nodes with these ids. Raises SchemaError."""
    if not isinstance(plain, list):
        raise SchemaError(path, "expected a list of groups")
    blocks: list[Block] = []
    taken: dict[str, int] = {}
    for i, item in enumerate(plain):
        place = f"{path}[{i}]"
        if not isinstance(item, dict):
            raise SchemaError(place, "expected an object that describes a group")
        for key in item:
            if key not in ("nodes", "repeat", "title"):
                raise no_such_field(f"{place}.{key}", key, ("nodes", "repeat", "title"))
        nodes, repeat, title = item.get("nodes"), item.get("repeat", 2), item.get("title", "")
        if not isinstance(nodes, list) or not nodes or not all(isinstance(node, str) for node in nodes):
            raise SchemaError(f"{place}.nodes", "expected a list of node ids, at least one")
        for node in nodes:
            if node not in ids:
                raise SchemaError(f"{place}.nodes", f"there is no node “{shortened(node)}”")
            if node in taken:
                raise SchemaError(f"{place}.nodes", f"“{shortened(node)}” is already in {path}[{taken[node]}]")
            taken[node] = i
        if not isinstance(repeat, int) or isinstance(repeat, bool) or not 1 <= repeat <= MOST_REPEATS:
            raise SchemaError(f"{place}.repeat", f"expected a whole number from 1 to {MOST_REPEATS}")
        if not isinstance(title, str) or not is_text(title):
            raise SchemaError(f"{place}.title", "expected text")
        blocks.append(Block(nodes=tuple(nodes), repeat=repeat, title=title))
    return tuple(blocks)


def node_to_plain(node: Node) -> dict[str, Any]:
    """One node as JSON types: its own keys, then the fields of its component beside them."""
    plain = to_plain(node.component)
    own = {"id": node.id, "type": plain.pop("type")}
    rest: dict[str, Any] = {"inputs": list(node.inputs), "position": [float(v) for v in node.position]}
    if node.bypass:
        rest["bypass"] = True
    if node.title:
        rest["title"] = node.title
    return own | plain | rest


def node_from_plain(plain: Any, path: str) -> Node:
    """The node that JSON types describe. Raises SchemaError."""
    if not isinstance(plain, dict):
        raise SchemaError(path, "expected an object that describes a node")
    plain = dict(plain)
    own = {key: plain.pop(key) for key in NODE_KEYS if key in plain and key != "type"}
    tag = plain.get("type")
    kind = "loss" if isinstance(tag, str) and lookup("loss", tag) else "layer"
    component = from_plain(kind, plain, path)
    node_id = own.get("id")
    if not isinstance(node_id, str) or not is_node_id(node_id):
        raise SchemaError(f"{path}.id", NODE_ID_RULE)
    inputs = own.get("inputs", [])
    if not isinstance(inputs, list) or not all(isinstance(item, str) and is_text(item) for item in inputs):
        raise SchemaError(f"{path}.inputs", "expected a list of node ids")
    position = own.get("position", [0.0, 0.0])
    if (
        not isinstance(position, list)
        or len(position) != 2
        or not all(isinstance(v, int | float) and not isinstance(v, bool) and abs(v) <= FARTHEST for v in position)
    ):
        raise SchemaError(f"{path}.position", f"expected two numbers, x and y, within {number_text(FARTHEST)} of 0")
    bypass, title = own.get("bypass", False), own.get("title", "")
    if not isinstance(bypass, bool):
        raise SchemaError(f"{path}.bypass", "expected true or false")
    if not isinstance(title, str) or not is_text(title):
        raise SchemaError(f"{path}.title", "expected text")
    return Node(
        id=node_id,
        component=component,
        inputs=tuple(inputs),
        position=(float(position[0]), float(position[1])),
        bypass=bypass,
        title=title,
    )


def nodes_from_plain(plain: list[Any], path: str) -> tuple[Node, ...]:
    """The nodes that a list of JSON types describes, each with an id of its own. Raises SchemaError."""
    nodes = tuple(node_from_plain(item, f"{path}[{i}]") for i, item in enumerate(plain))
    seen: dict[str, int] = {}
    for i, node in enumerate(nodes):
        if node.id in seen:
            raise SchemaError(f"{path}[{i}].id", f"“{node.id}” is already the id of nodes[{seen[node.id]}]")
        seen[node.id] = i
    return nodes


def experiment_from_plain(plain: Any) -> Experiment:
    """The experiment that JSON types describe. Raises SchemaError with the place: `network.nodes[3].units: ...`."""
    if not isinstance(plain, dict):
        raise SchemaError("", "expected an object that describes an experiment")
    specs = {spec.name: spec for spec in fields_of(Experiment)}
    for key in plain:
        if key not in specs:
            raise no_such_field(key, key, specs)
    require(("data", "network", "training"), plain)
    texts = {key: parse_field(specs[key], plain[key], key) for key in ("name", "notes", "seed") if key in plain}
    network = plain["network"]
    if not isinstance(network, dict) or not isinstance(network.get("nodes"), list):
        raise SchemaError("network.nodes", "expected a list of nodes")
    for key in network:
        if key not in ("nodes", "blocks"):
            raise no_such_field(f"network.{key}", key, ("nodes", "blocks"))
    nodes = nodes_from_plain(network["nodes"], "network.nodes")
    blocks = blocks_from_plain(network.get("blocks", []), "network.blocks", {node.id for node in nodes})
    return Experiment(
        data=from_plain(DataSpec, plain["data"], "data"),
        network=NetworkSpec(nodes=nodes, blocks=blocks),
        training=from_plain(TrainingSpec, plain["training"], "training"),
        **texts,
    )
