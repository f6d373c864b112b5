"""Random networks for comparisons: small, of every layer, with branches that meet again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.data.signature import DataSignature, TargetSignature
from engine.experiment import DataSpec, Experiment, NetworkSpec, Node, TrainingSpec
from engine.kinds import Optimizer, Penalty
from engine.optimizers import SGD
from engine.schedules import ConstantSchedule, NoWarmup
from engine.schema import Unknown, lookup


def build(kind: str, tag: str, **values: Any) -> Any:
    """A registered component by tag."""
    cls = lookup(kind, tag)
    assert cls is not None, f"{kind} {tag}"
    return cls(**values)


def experiment_of(
    nodes: list[Node],
    *,
    optimizer: Optimizer | None = None,
    penalties: tuple[Penalty, ...] = (),
    precision: str = "float32",
    **training: Any,
) -> Experiment:
    """An experiment around a list of nodes; the data are given beside it, so that the source is never read."""
    return Experiment(
        name="random",
        data=DataSpec(source=Unknown(of_kind="source", tag="none", plain={"type": "none"})),
        network=NetworkSpec(nodes=tuple(nodes)),
        training=TrainingSpec(
            optimizer=optimizer or SGD(),
            schedule=ConstantSchedule(),
            warmup=NoWarmup(),
            penalties=penalties,
            precision=precision,  # type: ignore[arg-type]
            **training,
        ),
    )


class Chain:
    """Nodes added one after the other, each reading the one before it."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.last = ""

    def add(self, kind: str, tag: str, inputs: tuple[str, ...] | None = None, **values: Any) -> str:
        number = 1 + sum(node.id.startswith(f"{tag}_") for node in self.nodes)
        node_id = f"{tag}_{number}"
        wires = inputs if inputs is not None else ((self.last,) if self.last else ())
        self.nodes.append(Node(id=node_id, component=build(kind, tag, **values), inputs=wires))
        self.last = node_id
        return node_id


@dataclass(frozen=True)
class Case:
    """A network with a batch of data that fits it."""

    experiment: Experiment
    signature: DataSignature
    inputs: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]
    batch: int


ACTIVATIONS = ("relu", "leaky_relu", "sigmoid", "tanh")


def random_case(seed: int, *, batches: tuple[int, int] = (2, 9), **options: Any) -> Case:
    """The network of a seed: multilayer perceptrons for even seeds, convolutional ones for odd seeds. The batch has a
    number of samples from the half-open range `batches`."""
    rng = np.random.default_rng(seed)
    chain = Chain()
    shape = _perceptron(chain, rng) if seed % 2 == 0 else _convolutional(chain, rng)
    batch = int(rng.integers(*batches))
    inputs = {"x": rng.normal(size=(batch, *shape))}
    loss = ("softmax_cross_entropy", "mean_squared_error", "binary_cross_entropy")[rng.integers(0, 3)]
    outputs = int(rng.integers(2, 6))
    chain.add("layer", "dense", units=outputs)
    weight = float(rng.choice([1.0, 0.5]))
    chain.add("loss", loss, weight=weight)
    if loss == "softmax_cross_entropy":
        target, signature = rng.integers(0, outputs, batch), TargetSignature(classes=outputs)
    elif loss == "binary_cross_entropy":
        target, signature = rng.integers(0, 2, (batch, outputs)).astype(float), TargetSignature(shape=(outputs,))
    else:
        target, signature = rng.normal(size=(batch, outputs)), TargetSignature(shape=(outputs,))
    return Case(
        experiment=experiment_of(chain.nodes, **options),
        signature=DataSignature(inputs={"x": shape}, targets={"y": signature}, train_size=100),
        inputs=inputs,
        targets={"y": target},
        batch=batch,
    )


def _activation(chain: Chain, rng: np.random.Generator) -> None:
    chain.add("layer", str(rng.choice(ACTIVATIONS)))


def _perceptron(chain: Chain, rng: np.random.Generator) -> tuple[int, ...]:
    shape = (int(rng.integers(1, 9)),)
    chain.add("layer", "input")
    width = int(rng.integers(1, 12))
    for _ in range(rng.integers(1, 4)):
        chain.add("layer", "dense", units=width, use_bias=bool(rng.integers(0, 2)))
        if rng.random() < 0.4:
            chain.add("layer", "batch_norm")
        _activation(chain, rng)
    if rng.random() < 0.7:
        trunk = chain.last
        branches = [trunk]
        for _ in range(rng.integers(1, 3)):
            chain.last = trunk
            chain.add("layer", "dense", units=width)
            _activation(chain, rng)
            branches.append(chain.last)
        chain.add("layer", "add", inputs=tuple(branches))
    return shape


def _convolutional(chain: Chain, rng: np.random.Generator) -> tuple[int, ...]:
    side = int(rng.integers(6, 12))
    shape = (side, side + int(rng.integers(0, 3)), int(rng.integers(1, 4)))
    chain.add("layer", "input")
    for _ in range(rng.integers(1, 3)):
        chain.add(
            "layer",
            "conv2d",
            filters=int(rng.integers(1, 6)),
            size=int(rng.choice([1, 2, 3])),
            stride=int(rng.choice([1, 1, 2])),
            padding=str(rng.choice(["same", "valid"])),
            use_bias=bool(rng.integers(0, 2)),
        )
        if rng.random() < 0.5:
            chain.add("layer", "batch_norm")
        _activation(chain, rng)
    if rng.random() < 0.5:
        trunk = chain.last
        channels = [n for n in chain.nodes if n.id.startswith("conv2d")][-1].component.filters  # type: ignore[union-attr]
        chain.add("layer", "conv2d", filters=channels, size=3, stride=1, padding="same")
        _activation(chain, rng)
        chain.add("layer", "add", inputs=(trunk, chain.last))
    pool = rng.random()
    if pool < 0.4:
        chain.add("layer", "max_pool2d", size=2, stride=2)
    elif pool < 0.8:
        chain.add("layer", "average_pool2d", size=2, stride=1)
    chain.add("layer", "global_average_pool2d" if rng.random() < 0.3 else "flatten")
    return shape
