"""The same steps in JAX: the whole step is one compiled function that updates its arrays in place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.workloads import SATURATED, Workload
from engine.instruments import HISTOGRAM_BINS
from engine.schema import info_of

Arrays = dict[str, Any]


def jitted(workload: Workload, weights: dict[str, np.ndarray]) -> Callable[[], float]:
    """A step under `jax.jit` whose parameters, slots and running statistics are donated, so that XLA may reuse them."""
    state = {name: jnp.array(value) for name, value in weights.items()}
    parameters = {name.removeprefix("parameter/"): v for name, v in state.items() if name.startswith("parameter/")}
    buffers = {name.removeprefix("buffer/"): v for name, v in state.items() if name.startswith("buffer/")}
    rule: Any = workload.experiment.training.optimizer
    slots = [{name: jnp.zeros_like(v) for name, v in parameters.items()} for _ in rule.slots()]
    x, y = jnp.array(workload.arrays["x"]), jnp.array(workload.arrays["y"])
    batches = jnp.array(workload.batches)
    update = _sgd if info_of(rule).tag == "sgd" else _adam
    counted = 0

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def train(parameters: Arrays, slots: Any, buffers: Arrays, x: Any, y: Any, batches: Any, step: Any) -> Any:
        chosen = batches[step % len(batches)]

        def objective(parameters: Arrays) -> tuple[Any, Arrays]:
            values, moved, _ = _forward(workload, parameters, buffers, x[chosen], step)
            return _loss(workload, values, y[chosen]), moved

        (loss, moved), gradients = jax.value_and_grad(objective, has_aux=True)(parameters)
        after, kept = update(workload, parameters, gradients, slots, step + 1)
        return after, kept, moved, loss

    @jax.jit
    def look(parameters: Arrays, buffers: Arrays, x: Any, y: Any, batches: Any, step: Any) -> Any:
        chosen = batches[step % len(batches)]
        values, _, layers = _forward(workload, parameters, buffers, x[chosen], step)
        layers = [("input", x[chosen]), *layers, ("softmax", jax.nn.softmax(values))]
        seen = [_statistics(layer, SATURATED if tag == "tanh" else None) for tag, layer in layers]
        return seen, _loss(workload, values, y[chosen])

    def step() -> float:
        nonlocal parameters, slots, buffers, counted
        counted += 1
        if not workload.training:
            seen, loss = look(parameters, buffers, x, y, batches, counted - 1)
            jax.device_get(seen)
            return float(loss)
        parameters, slots, buffers, loss = train(parameters, slots, buffers, x, y, batches, counted - 1)
        return float(loss)

    return step


def _forward(
    workload: Workload, parameters: Arrays, buffers: Arrays, values: Any, step: Any
) -> tuple[Any, Arrays, list[tuple[str, Any]]]:
    """(logits or prediction, running statistics after the pass, every layer's kind and output)."""
    moved, layers = dict(buffers), []
    for place, node in enumerate(workload.experiment.network.nodes[1:-1]):
        c: Any = node.component
        tag = info_of(c).tag
        own = {name.split("/")[1]: v for name, v in parameters.items() if name.split("/")[0] == node.id}
        if tag == "dense":
            values = values @ own["weight"] + own["bias"]
        elif tag == "conv2d":
            values = jax.lax.conv_general_dilated(
                values, own["weight"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            values = values + own["bias"]
        elif tag == "batch_norm":
            axes = tuple(range(values.ndim - 1))
            count = values.size // values.shape[-1]
            mean, variance = values.mean(axes), values.var(axes)
            for name, now in (("running_mean", mean), ("running_var", variance * count / (count - 1))):
                moved[f"{node.id}/{name}"] = (1 - c.momentum) * buffers[f"{node.id}/{name}"] + c.momentum * now
            values = (values - mean) * jax.lax.rsqrt(variance + c.epsilon) * own["gamma"] + own["beta"]
        elif tag == "max_pool2d":
            values = jax.lax.reduce_window(values, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        elif tag == "flatten":
            values = values.reshape(values.shape[0], -1)
        elif tag == "dropout":
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), place), step)
            values = jnp.where(jax.random.bernoulli(key, 1 - c.rate, values.shape), values / (1 - c.rate), 0.0)
        else:
            values = {"relu": jax.nn.relu, "tanh": jnp.tanh}[tag](values)
        layers.append((tag, values))
    return values, moved, layers


def _loss(workload: Workload, values: Any, targets: Any) -> Any:
    if not workload.classes:
        return jnp.mean((values - targets) ** 2)
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(values), targets[:, None], 1))


def _statistics(values: Any, limit: float | None) -> tuple[Any, ...]:
    """What the engine's instruments take of a layer."""
    low, high = values.min(), values.max()
    bins = jnp.clip((values - low) * (HISTOGRAM_BINS / (high - low)), 0, HISTOGRAM_BINS - 1).astype(jnp.int32)
    saturated = jnp.sum(jnp.abs(values) >= limit) if limit is not None else 0
    histogram = jnp.bincount(bins.ravel(), length=HISTOGRAM_BINS)
    return low, high, values.mean(), values.var(), jnp.sum(values == 0), saturated, (values != 0).any(0), histogram


def _sgd(workload: Workload, parameters: Arrays, gradients: Arrays, slots: list[Arrays], step: Any) -> Any:
    rule: Any = workload.experiment.training.optimizer
    velocity = jax.tree.map(lambda v, g: rule.momentum * v + g, slots[0], gradients)
    return jax.tree.map(lambda p, v: p - rule.learning_rate * v, parameters, velocity), [velocity]


def _adam(workload: Workload, parameters: Arrays, gradients: Arrays, slots: list[Arrays], step: Any) -> Any:
    rule: Any = workload.experiment.training.optimizer
    mean = jax.tree.map(lambda m, g: rule.beta1 * m + (1 - rule.beta1) * g, slots[0], gradients)
    square = jax.tree.map(lambda s, g: rule.beta2 * s + (1 - rule.beta2) * g * g, slots[1], gradients)
    size = rule.learning_rate / (1 - rule.beta1**step)
    correction = jnp.sqrt(1 - rule.beta2**step)
    after = {}
    for name, p in parameters.items():
        keep = 1 - rule.learning_rate * workload.decay if name.endswith("/weight") else 1.0
        after[name] = keep * p - size * mean[name] / (jnp.sqrt(square[name]) / correction + rule.epsilon)
    return after, [mean, square]
