"""The networks that are measured: from one that fits in a cache line or two to one that fills the memory bus.

Each is an ordinary network of the lab with a batch of random data, so that what is measured is what a person trains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from engine.data.signature import DataSignature, TargetSignature
from engine.experiment import DataSpec, Experiment, NetworkSpec, Node, TrainingSpec
from engine.initializers import Xavier
from engine.kinds import Optimizer, Penalty
from engine.layers.activation import Tanh
from engine.optimizers import SGD, Adam
from engine.penalties import WeightDecay, penalty_scalars
from engine.schedules import ConstantSchedule, NoWarmup
from engine.schema import Unknown, lookup

Layers = list[tuple[str, dict[str, Any]]]


SAMPLES = 8
"""Batches of random samples that a workload has: the steps take them in turn, each in an order of its own."""
ROWS = 64
"""Steps after which the batches come again."""
SATURATED = Tanh.saturation[1] if Tanh.saturation else 1.0
"""The magnitude at which the statistics count an output of tanh as saturated."""


@dataclass(frozen=True)
class Workload:
    """A network and data of its shape. `arrays` hold the samples by name, "x" and "y"; `batches`, int64 (`ROWS`, batch)
    are the samples of each step. `training` False: forward passes with the statistics of every layer."""

    name: str
    title: str
    experiment: Experiment
    signature: DataSignature
    batch: int
    arrays: dict[str, np.ndarray]
    batches: np.ndarray
    training: bool = True

    @property
    def classes(self) -> int:
        """How many classes are told apart; 0 where a number is predicted."""
        return self.signature.targets["y"].classes

    @property
    def random(self) -> bool:
        """Whether a step draws random numbers, so that two libraries' losses differ."""
        return any(node.id.startswith("dropout") for node in self.experiment.network.nodes)

    @property
    def decay(self) -> float:
        """The decoupled weight decay."""
        return penalty_scalars(self.experiment.training.penalties)["decoupled_decay"]


def _dense(units: int, activation: str = "relu") -> Layers:
    return [("dense", {"units": units}), (activation, {})]


def workload(
    name: str,
    title: str,
    layers: Layers,
    shape: tuple[int, ...],
    classes: int,
    batch: int,
    optimizer: Optimizer,
    penalties: tuple[Penalty, ...] = (),
    training: bool = True,
) -> Workload:
    """A chain of layers on random data; `classes` 0: one number to be predicted."""
    rng = np.random.default_rng(0)
    samples = SAMPLES * batch
    loss = "softmax_cross_entropy" if classes else "mean_squared_error"
    nodes: list[Node] = []
    for position, (tag, values) in enumerate([("input", {}), *layers, (loss, {})]):
        cls: Any = lookup("loss" if tag == loss else "layer", tag)
        inputs = (nodes[-1].id,) if nodes else ()
        nodes.append(Node(id=f"{tag}_{position}", component=cls(**values), inputs=inputs))
    target = TargetSignature(classes=classes) if classes else TargetSignature(shape=(1,))
    return Workload(
        name=name,
        title=title,
        experiment=Experiment(
            name=name,
            data=DataSpec(source=Unknown(of_kind="source", tag="random", plain={"type": "random"})),
            network=NetworkSpec(nodes=tuple(nodes)),
            training=TrainingSpec(
                optimizer=optimizer,
                schedule=ConstantSchedule(),
                warmup=NoWarmup(),
                penalties=penalties,
                batch_size=batch,
            ),
        ),
        signature=DataSignature(inputs={"x": shape}, targets={"y": target}, train_size=samples),
        batch=batch,
        arrays={
            "x": rng.standard_normal((samples, *shape), dtype=np.float32),
            "y": rng.integers(0, classes, samples) if classes else rng.standard_normal((samples, 1), dtype=np.float32),
        },
        batches=np.concatenate([rng.permutation(samples) for _ in range(ROWS // SAMPLES)]).reshape(ROWS, batch),
        training=training,
    )


def _w1() -> Workload:
    layers = [*_dense(8, "tanh"), *_dense(8, "tanh"), ("dense", {"units": 1})]
    return workload(
        "W1", "MLP 2-8-8-1, batch 32, SGD momentum", layers, (2,), 0, 32, SGD(learning_rate=0.01, momentum=0.9)
    )


def _w2() -> Workload:
    layers = [*_dense(256), *_dense(128), ("dense", {"units": 10})]
    return workload("W2", "MLP 784-256-128-10, batch 128, Adam", layers, (784,), 10, 128, Adam())


def _w3(training: bool) -> Workload:
    layers: Layers = []
    for _ in range(10):
        layers += [("dense", {"units": 500, "weight_init": Xavier()}), ("tanh", {})]
    layers += [("dense", {"units": 10})]
    name, what = ("W3", "SGD") if training else ("W3s", "forward and statistics")
    title = f"10 x 500 tanh, batch 1000, {what}"
    return workload(name, title, layers, (500,), 10, 1000, SGD(learning_rate=0.01), training=training)


def _w4() -> Workload:
    layers: Layers = []
    for units in (256, 128):
        layers += [("dense", {"units": units}), ("batch_norm", {}), ("relu", {}), ("dropout", {"rate": 0.5})]
    layers += [("dense", {"units": 10})]
    decay = (WeightDecay(strength=0.01),)
    return workload("W4", "W2 with batch norm and dropout, AdamW", layers, (784,), 10, 128, Adam(), decay)


def _w5() -> Workload:
    layers: Layers = []
    for filters in (16, 32):
        layers += [("conv2d", {"filters": filters, "size": 5}), ("relu", {}), ("max_pool2d", {})]
    layers += [("flatten", {}), *_dense(128), ("dense", {"units": 10})]
    return workload(
        "W5", "conv5-16, pool, conv5-32, pool, 128, 10, batch 128, Adam", layers, (28, 28, 1), 10, 128, Adam()
    )


def _w6() -> Workload:
    layers: Layers = []
    for filters in (32, 64, 128):
        for _ in range(2):
            layers += [("conv2d", {"filters": filters, "size": 3}), ("batch_norm", {}), ("relu", {})]
        layers += [("max_pool2d", {})]
    layers += [("flatten", {}), ("dense", {"units": 10})]
    title = "3 x (conv3-BN-ReLU twice, pool) 32-64-128, batch 64, SGD momentum"
    return workload("W6", title, layers, (32, 32, 3), 10, 64, SGD(learning_rate=0.001, momentum=0.9))


def _w7() -> Workload:
    layers = [*_dense(2048), *_dense(2048), ("dense", {"units": 10})]
    # At Adam's usual rate the loss of so wide a network rises first, and what two libraries round differently with it.
    rule = Adam(learning_rate=1e-4)
    return workload("W7", "MLP 3072-2048-2048-10, batch 256, Adam", layers, (3072,), 10, 256, rule)


def mlp(batch: int = 128, width: int = 256, depth: int = 2) -> Workload:
    """A network of `depth` hidden layers for digits, to be varied in one size at a time."""
    layers = [layer for _ in range(depth) for layer in _dense(width)]
    title = f"MLP 784-{depth} x {width}-10, batch {batch}, Adam"
    return workload("MLP", title, [*layers, ("dense", {"units": 10})], (784,), 10, batch, Adam())


WORKLOADS: dict[str, Callable[[], Workload]] = {
    "W1": _w1,
    "W2": _w2,
    "W3s": partial(_w3, training=False),
    "W3": partial(_w3, training=True),
    "W4": _w4,
    "W5": _w5,
    "W6": _w6,
    "W7": _w7,
}
