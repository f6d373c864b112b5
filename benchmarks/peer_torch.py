"""The same steps in PyTorch, eager mode: as its users write them, and with what it offers to make them faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.workloads import SATURATED, Workload
from engine.instruments import HISTOGRAM_BINS
from engine.schema import info_of

Weights = dict[str, np.ndarray]


def stock(workload: Workload, weights: Weights) -> Callable[[], float]:
    """Modules, an optimizer and a loss as they come; images with channels first."""
    return _step(workload, weights, tuned=False)


def tuned(workload: Workload, weights: Weights) -> Callable[[], float]:
    """The fused optimizer, channels last in memory, and batches gathered into one place. The library behind its matrix
    products is left as it is: on processors of another maker than its own it takes AVX2 kernels, and nothing that can
    be set within a process changes that."""
    return _step(workload, weights, tuned=True)


def _step(workload: Workload, weights: Weights, *, tuned: bool) -> Callable[[], float]:
    network = network_of(workload, weights)
    x, y = torch.from_numpy(workload.arrays["x"]), torch.from_numpy(workload.arrays["y"])
    images = x.dim() == 4
    if images:
        x = x.permute(0, 3, 1, 2).contiguous()
    if tuned and images:
        x = x.to(memory_format=torch.channels_last)
        network = network.to(memory_format=torch.channels_last)
    batches = torch.from_numpy(workload.batches)
    criterion = nn.CrossEntropyLoss() if workload.classes else nn.MSELoss()
    optimizer = optimizer_of(workload, network, fused=tuned)
    counted = 0

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal counted
        chosen = batches[counted % len(batches)]
        counted += 1
        return x[chosen], y[chosen]

    def train() -> float:
        inputs, targets = batch()
        optimizer.zero_grad()
        loss = criterion(network(inputs), targets)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    @torch.no_grad()
    def look() -> float:
        values, targets = batch()
        _statistics(values, limit=None)
        for module in network:
            values = module(values)
            _statistics(values, limit=SATURATED if isinstance(module, nn.Tanh) else None)
        _statistics(torch.softmax(values, 1), limit=None)
        return float(criterion(values, targets))

    return train if workload.training else look


def _statistics(values: torch.Tensor, limit: float | None) -> tuple[Any, ...]:
    """What the engine's instruments take of a layer."""
    low, high = (float(bound) for bound in torch.aminmax(values))
    variance, mean = torch.var_mean(values)
    zeros = values.numel() - int(torch.count_nonzero(values))
    saturated = 0 if limit is None else int(torch.count_nonzero(values.abs() >= limit))
    alive = (values != 0).any(0).numpy()
    histogram = torch.histc(values, HISTOGRAM_BINS, low, high).numpy()
    return low, high, float(mean), float(variance), zeros, saturated, alive, histogram


def network_of(workload: Workload, weights: Weights) -> nn.Sequential:
    """The workload's layers as modules, with the engine's initial weights."""
    modules: list[nn.Module] = []
    shape = workload.signature.inputs["x"]
    flat: tuple[int, ...] = ()  # of what was flattened: the dense layer after it reads channels first
    for node in workload.experiment.network.nodes[1:-1]:
        c: Any = node.component
        tag = info_of(c).tag
        if tag == "dense":
            module: nn.Module = nn.Linear(shape[0], c.units)
            weight = weights[f"parameter/{node.id}/weight"]
            if flat:
                weight = weight.reshape(*flat, -1).transpose(2, 0, 1, 3).reshape(weight.shape)
            _load(module, weight.T, weights[f"parameter/{node.id}/bias"])
            shape, flat = (c.units,), ()
        elif tag == "conv2d":
            module = nn.Conv2d(shape[2], c.filters, c.size, padding=(c.size - 1) // 2)
            weight = weights[f"parameter/{node.id}/weight"].transpose(3, 2, 0, 1)
            _load(module, weight, weights[f"parameter/{node.id}/bias"])
            shape = (*shape[:2], c.filters)
        elif tag == "batch_norm":
            module = nn.BatchNorm2d(shape[2]) if len(shape) == 3 else nn.BatchNorm1d(shape[0])
        elif tag == "max_pool2d":
            module = nn.MaxPool2d(2)
            shape = (shape[0] // 2, shape[1] // 2, shape[2])
        elif tag == "flatten":
            module = nn.Flatten()
            flat, shape = shape, (int(np.prod(shape)),)
        else:
            module = nn.Dropout(c.rate) if tag == "dropout" else {"relu": nn.ReLU, "tanh": nn.Tanh}[tag]()
        modules.append(module)
    return nn.Sequential(*modules)


def _load(module: Any, weight: np.ndarray, bias: np.ndarray) -> None:
    with torch.no_grad():
        module.weight.copy_(torch.tensor(np.ascontiguousarray(weight)))
        module.bias.copy_(torch.tensor(bias))


def optimizer_of(
    workload: Workload, network: nn.Sequential, *, fused: bool, capturable: bool = False
) -> torch.optim.Optimizer:
    """The workload's optimizer, with decay on the weights of dense and convolution layers alone, as in the engine.
    `capturable`: a CUDA graph can hold its steps."""
    rule: Any = workload.experiment.training.optimizer
    # None lets PyTorch choose, which is what happens where nobody says anything.
    options: dict[str, Any] = {"lr": rule.learning_rate, "fused": True if fused else None}
    if info_of(rule).tag == "sgd":
        return torch.optim.SGD(network.parameters(), momentum=rule.momentum, **options)
    options |= {"betas": (rule.beta1, rule.beta2), "eps": rule.epsilon, "capturable": capturable}
    if not workload.decay:
        return torch.optim.Adam(network.parameters(), **options)
    layers = [module for module in network if isinstance(module, nn.Linear | nn.Conv2d)]
    weights = {id(module.weight) for module in layers}
    groups = [
        {"params": [p for p in network.parameters() if id(p) in weights], "weight_decay": workload.decay},
        {"params": [p for p in network.parameters() if id(p) not in weights], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, **options)
