"""Small experiments that several test modules build on."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from engine.experiment import DataSpec, Experiment, NetworkSpec, Node, TrainingSpec
from engine.schema import lookup


def make(kind: str, tag: str, **values: Any) -> Any:
    """A registered component by its name in files."""
    cls = lookup(kind, tag)
    assert cls is not None, f"there is no {kind} {tag}"
    return cls(**values)


def chain(*components: Any) -> NetworkSpec:
    """Nodes that read one another in a row, with ids such as "dense_1", a column apart."""
    from engine.edits import unique_id
    from engine.schema import info_of

    network = NetworkSpec()
    last: tuple[str, ...] = ()
    for i, component in enumerate(components):
        node_id = unique_id(network, info_of(component).tag)
        node = Node(id=node_id, component=component, inputs=last, position=(168.0 * i, 0.0))
        network = NetworkSpec(nodes=(*network.nodes, node))
        last = (node_id,)
    return network


def blobs(*, samples: int = 60, epochs: int = 2, **training: Any) -> Experiment:
    """Three clouds of points and a network 2-8-3: input_1, dense_1, relu_1, dense_2, softmax_cross_entropy_1."""
    network = chain(
        make("layer", "input"),
        make("layer", "dense", units=8),
        make("layer", "relu"),
        make("layer", "dense", units=3),
        make("loss", "softmax_cross_entropy"),
    )
    spec = TrainingSpec(
        optimizer=make("optimizer", "adam", learning_rate=0.01),
        schedule=make("schedule", "cosine"),
        warmup=make("warmup", "linear", duration=2.0, unit="steps"),
        penalties=(make("penalty", "l2", strength=1e-4),),
        metrics=(make("metric", "accuracy"),),
        epochs=epochs,
        batch_size=16,
    )
    return Experiment(
        name="Blobs",
        notes="Three clouds.\nÄ “quote” and a \\ backslash.",
        seed=3,
        data=DataSpec(
            source=make("source", "blobs", samples=samples), preprocessing=(make("preprocessing", "center"),)
        ),
        network=network,
        training=replace(spec, **training),
    )
