"""The same steps in plain NumPy, written by hand for chains of dense layers: every array is made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.workloads import SATURATED, Workload
from engine.instruments import HISTOGRAM_BINS
from engine.schema import info_of

LAYERS = {"dense", "relu", "tanh", "batch_norm", "dropout"}


@dataclass
class _Layer:
    """A layer's arrays: what it reads and writes, what it learns, and room to work in."""

    tag: str
    component: Any
    out: np.ndarray
    back: np.ndarray
    parameters: dict[str, np.ndarray]
    gradients: dict[str, np.ndarray]
    buffers: dict[str, np.ndarray]
    mask: np.ndarray
    kept: np.ndarray
    room: np.ndarray
    into: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    deviation: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))


def preallocated(workload: Workload, weights: dict[str, np.ndarray]) -> Callable[[], float] | None:
    """A step, or None where the network has other layers than these."""
    nodes = workload.experiment.network.nodes[1:-1]
    if any(info_of(node.component).tag not in LAYERS for node in nodes):
        return None
    x, y, batches, batch = workload.arrays["x"], workload.arrays["y"], workload.batches, workload.batch
    inputs, targets = np.empty((batch, *x.shape[1:]), x.dtype), np.empty((batch, *y.shape[1:]), y.dtype)
    layers = _layers(workload, weights)
    update = _optimizer(workload, layers)
    last = layers[-1].out
    rows, probabilities, gradient = np.arange(batch), np.empty_like(last), np.empty_like(last)
    random = np.random.default_rng(0)
    counted = 0

    def forward() -> float:
        nonlocal counted
        chosen = batches[counted % len(batches)]
        counted += 1
        np.take(x, chosen, axis=0, out=inputs, mode="clip")
        np.take(y, chosen, axis=0, out=targets, mode="clip")
        values = inputs
        for layer in layers:
            _forward(layer, values, random)
            values = layer.out
        if not workload.classes:
            np.subtract(values, targets, out=gradient)
            return float(np.mean(gradient * gradient))
        np.subtract(values, values.max(1, keepdims=True), out=probabilities)
        np.exp(probabilities, out=probabilities)
        np.divide(probabilities, probabilities.sum(1, keepdims=True), out=probabilities)
        return float(-np.mean(np.log(probabilities[rows, targets])))

    def train() -> float:
        loss = forward()
        if workload.classes:
            np.copyto(gradient, probabilities)
            gradient[rows, targets] -= 1
            np.divide(gradient, batch, out=gradient)
        else:
            np.multiply(gradient, 2 / gradient.size, out=gradient)
        back = gradient
        for place in range(len(layers) - 1, -1, -1):
            _backward(layers[place], back, first=place == 0)
            back = layers[place].back
        update(counted)
        return loss

    def look() -> float:
        loss = forward()
        for layer, values in ((None, inputs), *((layer, layer.out) for layer in layers), (None, probabilities)):
            _statistics(values, SATURATED if layer is not None and layer.tag == "tanh" else None)
        return loss

    return train if workload.training else look


def _layers(workload: Workload, weights: dict[str, np.ndarray]) -> list[_Layer]:
    layers: list[_Layer] = []
    shape = (workload.batch, *workload.signature.inputs["x"])
    for node in workload.experiment.network.nodes[1:-1]:
        own: dict[str, dict[str, np.ndarray]] = {"parameter": {}, "buffer": {}}
        for path, value in weights.items():
            kind, *rest = path.split("/")
            if kind in own and rest[0] == node.id:
                own[kind][rest[1]] = value.copy()
        out = np.empty((shape[0], node.component.units) if "weight" in own["parameter"] else shape, np.float32)  # type: ignore[attr-defined]
        layers.append(
            _Layer(
                tag=info_of(node.component).tag,
                component=node.component,
                out=out,
                back=np.empty(shape, np.float32),
                parameters=own["parameter"],
                gradients={name: np.empty_like(value) for name, value in own["parameter"].items()},
                buffers=own["buffer"],
                mask=np.empty(shape, np.bool_),
                kept=np.empty(shape, np.float32),
                room=np.empty(shape, np.float32),
            )
        )
        shape = out.shape
    return layers


def _forward(layer: _Layer, values: np.ndarray, random: np.random.Generator) -> None:
    layer.into = values
    if layer.tag == "dense":
        np.matmul(values, layer.parameters["weight"], out=layer.out)
        np.add(layer.out, layer.parameters["bias"], out=layer.out)
    elif layer.tag == "relu":
        np.maximum(values, 0, out=layer.out)
    elif layer.tag == "tanh":
        np.tanh(values, out=layer.out)
    elif layer.tag == "dropout":
        random.random(out=layer.room, dtype=np.float32)
        np.greater_equal(layer.room, layer.component.rate, out=layer.mask)
        np.multiply(layer.mask, np.float32(1 / (1 - layer.component.rate)), out=layer.kept)
        np.multiply(values, layer.kept, out=layer.out)
    else:
        c, count = layer.component, len(values)
        mean = values.mean(0)
        np.subtract(values, mean, out=layer.kept)
        np.multiply(layer.kept, layer.kept, out=layer.room)
        variance = layer.room.mean(0)
        layer.deviation = np.sqrt(variance + np.float32(c.epsilon))
        np.divide(layer.kept, layer.deviation, out=layer.kept)
        np.multiply(layer.kept, layer.parameters["gamma"], out=layer.out)
        np.add(layer.out, layer.parameters["beta"], out=layer.out)
        for name, now in (("running_mean", mean), ("running_var", variance * np.float32(count / (count - 1)))):
            layer.buffers[name] += np.float32(c.momentum) * (now - layer.buffers[name])


def _backward(layer: _Layer, back: np.ndarray, *, first: bool) -> None:
    if layer.tag == "dense":
        np.matmul(layer.into.T, back, out=layer.gradients["weight"])
        np.sum(back, axis=0, out=layer.gradients["bias"])
        if not first:
            np.matmul(back, layer.parameters["weight"].T, out=layer.back)
    elif layer.tag == "relu":
        np.greater(layer.out, 0, out=layer.mask)
        np.multiply(back, layer.mask, out=layer.back)
    elif layer.tag == "tanh":
        np.multiply(layer.out, layer.out, out=layer.back)
        np.subtract(1, layer.back, out=layer.back)
        np.multiply(layer.back, back, out=layer.back)
    elif layer.tag == "dropout":
        np.multiply(back, layer.kept, out=layer.back)
    else:
        np.multiply(back, layer.kept, out=layer.room)
        np.sum(layer.room, axis=0, out=layer.gradients["gamma"])
        np.sum(back, axis=0, out=layer.gradients["beta"])
        count = np.float32(len(back))
        np.multiply(layer.kept, layer.gradients["gamma"] / count, out=layer.back)
        np.subtract(back, layer.back, out=layer.back)
        np.subtract(layer.back, layer.gradients["beta"] / count, out=layer.back)
        np.multiply(layer.back, layer.parameters["gamma"] / layer.deviation, out=layer.back)


def _optimizer(workload: Workload, layers: list[_Layer]) -> Callable[[int], None]:
    """The update number `step`, counted from 1."""
    rule: Any = workload.experiment.training.optimizer
    sides = [
        (p, layer.gradients[name], [np.zeros_like(p) for _ in rule.slots()], np.empty_like(p), name == "weight")
        for layer in layers
        for name, p in layer.parameters.items()
    ]

    def sgd(step: int) -> None:
        for p, g, (velocity,), room, _ in sides:
            np.multiply(velocity, np.float32(rule.momentum), out=velocity)
            np.add(velocity, g, out=velocity)
            np.multiply(velocity, np.float32(rule.learning_rate), out=room)
            np.subtract(p, room, out=p)

    def adam(step: int) -> None:
        size = np.float32(rule.learning_rate / (1 - rule.beta1**step))
        correction = np.float32(1 / np.sqrt(1 - rule.beta2**step))
        for p, g, (mean, square), room, decays in sides:
            if decays and workload.decay:
                np.multiply(p, np.float32(1 - rule.learning_rate * workload.decay), out=p)
            np.multiply(g, np.float32(1 - rule.beta1), out=room)
            np.multiply(mean, np.float32(rule.beta1), out=mean)
            np.add(mean, room, out=mean)
            np.multiply(g, g, out=room)
            np.multiply(room, np.float32(1 - rule.beta2), out=room)
            np.multiply(square, np.float32(rule.beta2), out=square)
            np.add(square, room, out=square)
            np.sqrt(square, out=room)
            np.multiply(room, correction, out=room)
            np.add(room, np.float32(rule.epsilon), out=room)
            np.divide(mean, room, out=room)
            np.multiply(room, size, out=room)
            np.subtract(p, room, out=p)

    return sgd if info_of(rule).tag == "sgd" else adam


def _statistics(values: np.ndarray, limit: float | None) -> tuple[Any, ...]:
    """What the engine's instruments take of a layer."""
    low, high = values.min(), values.max()
    bins = ((values - low) * np.float32(HISTOGRAM_BINS / max(high - low, 1e-30))).astype(np.int32)
    np.minimum(bins, HISTOGRAM_BINS - 1, out=bins)
    saturated = 0 if limit is None else np.count_nonzero(np.abs(values) >= limit)
    histogram = np.bincount(bins.ravel(), minlength=HISTOGRAM_BINS)
    zeros = values.size - np.count_nonzero(values)
    return low, high, values.mean(), values.var(), zeros, saturated, values.any(0), histogram
