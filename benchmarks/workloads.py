"""The networks that are measured: from one that fits in a cache line or two to one that fills the memory bus.

Each is an ordinary network of the lab with a batch of random data, so that what is measured is what a person trains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.data.signature import DataSignature, TargetSignature
from engine.experiment import DataSpec, Experiment, NetworkSpec, Node, TrainingSpec
from engine.initializers import Xavier
from engine.kinds import Optimizer
from engine.optimizers import SGD, Adam
from engine.schedules import ConstantSchedule, NoWarmup
from engine.schema import Unknown, lookup

Layers = list[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Workload:
    """A network, its data's shape, and one batch."""

    name: str
    title: str
    experiment: Experiment
    signature: DataSignature
    batch: int
    inputs: np.ndarray
    targets: np.ndarray


def _dense(units: int, activation: str = "relu") -> Layers:
    return [("dense", {"units": units}), (activation, {})]


def _workload(
    name: str, title: str, layers: Layers, shape: tuple[int, ...], classes: int, batch: int, optimizer: Optimizer
) -> Workload:
    """`classes` 0: one number to be predicted."""
    rng = np.random.default_rng(0)
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
                optimizer=optimizer, schedule=ConstantSchedule(), warmup=NoWarmup(), batch_size=batch
            ),
        ),
        signature=DataSignature(inputs={"x": shape}, targets={"y": target}, train_size=batch),
        batch=batch,
        inputs=rng.normal(size=(batch, *shape)).astype(np.float32),
        targets=rng.integers(0, classes, batch) if classes else rng.normal(size=(batch, 1)).astype(np.float32),
    )


def _w1() -> Workload:
    layers = [*_dense(8, "tanh"), *_dense(8, "tanh"), ("dense", {"units": 1})]
    return _workload(
        "W1", "MLP 2-8-8-1, batch 32, SGD momentum", layers, (2,), 0, 32, SGD(learning_rate=0.01, momentum=0.9)
    )


def _w2() -> Workload:
    layers = [*_dense(256), *_dense(128), ("dense", {"units": 10})]
    return _workload("W2", "MLP 784-256-128-10, batch 128, Adam", layers, (784,), 10, 128, Adam())


def _w3() -> Workload:
    layers: Layers = []
    for _ in range(10):
        layers += [("dense", {"units": 500, "weight_init": Xavier()}), ("tanh", {})]
    layers += [("dense", {"units": 10})]
    return _workload("W3", "10 x 500 tanh, batch 1000, SGD", layers, (500,), 10, 1000, SGD(learning_rate=0.01))


def _w4() -> Workload:
    layers: Layers = []
    for units in (256, 128):
        layers += [("dense", {"units": units}), ("batch_norm", {}), ("relu", {}), ("dropout", {"rate": 0.5})]
    layers += [("dense", {"units": 10})]
    return _workload("W4", "W2 with batch norm and dropout, Adam", layers, (784,), 10, 128, Adam())


def _w5() -> Workload:
    layers: Layers = []
    for filters in (16, 32):
        layers += [("conv2d", {"filters": filters, "size": 5}), ("relu", {}), ("max_pool2d", {})]
    layers += [("flatten", {}), *_dense(128), ("dense", {"units": 10})]
    return _workload(
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
    return _workload("W6", title, layers, (32, 32, 3), 10, 64, SGD(learning_rate=0.01, momentum=0.9))


def _w7() -> Workload:
    layers = [*_dense(2048), *_dense(2048), ("dense", {"units": 10})]
    return _workload("W7", "MLP 3072-2048-2048-10, batch 256, Adam", layers, (3072,), 10, 256, Adam())


WORKLOADS: dict[str, Callable[[], Workload]] = {
    "W1": _w1,
    "W2": _w2,
    "W3": _w3,
    "W4": _w4,
    "W5": _w5,
    "W6": _w6,
    "W7": _w7,
}
