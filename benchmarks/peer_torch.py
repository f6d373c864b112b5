"""The same training steps in stock PyTorch, eager mode, with the layers a PyTorch user would write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.workloads import Workload
from engine.schema import info_of


def torch_step(workload: Workload, weights: dict[str, np.ndarray]) -> Callable[[], float]:
    """A function that trains one step and returns the loss before it. `weights` are the engine's, by path."""
    import torch
    from torch import nn

    modules: list[Any] = []
    shape = workload.signature.inputs["x"]
    channels = shape[-1]
    height, width = shape[:2] if len(shape) == 3 else (0, 0)
    features = int(np.prod(shape))
    spatial = len(shape) == 3
    for node in workload.experiment.network.nodes[1:-1]:
        c: Any = node.component
        tag = info_of(c).tag
        if tag == "dense":
            modules.append(nn.Linear(features, c.units))
            _load(modules[-1], weights, node.id, (1, 0))
            features = c.units
        elif tag == "conv2d":
            modules.append(nn.Conv2d(channels, c.filters, c.size, padding=(c.size - 1) // 2))
            _load(modules[-1], weights, node.id, (3, 2, 0, 1))
            channels = c.filters
            features = height * width * channels
        elif tag == "batch_norm":
            modules.append(nn.BatchNorm2d(channels) if spatial else nn.BatchNorm1d(features))
        elif tag == "max_pool2d":
            modules.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
            features = height * width * channels
        elif tag == "flatten":
            modules.append(_FlattenLast())
            spatial = False
        elif tag == "dropout":
            modules.append(nn.Dropout(c.rate))
        else:
            modules.append({"relu": nn.ReLU, "tanh": nn.Tanh}[tag]())
    network = nn.Sequential(*modules)
    rule: Any = workload.experiment.training.optimizer
    optimizer = (
        torch.optim.Adam(network.parameters(), lr=rule.learning_rate)
        if info_of(rule).tag == "adam"
        else torch.optim.SGD(network.parameters(), lr=rule.learning_rate, momentum=rule.momentum)
    )
    x = torch.tensor(workload.inputs)
    if x.dim() == 4:
        x = x.permute(0, 3, 1, 2).contiguous()
    y = torch.tensor(workload.targets)
    criterion = nn.CrossEntropyLoss() if workload.signature.targets["y"].classes else nn.MSELoss()

    def step() -> float:
        optimizer.zero_grad()
        loss = criterion(network(x), y)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def _FlattenLast() -> Any:  # stands for a module class, which needs torch to be defined
    """Flatten in the engine's order (height, width, channels), so that the same weights mean the same."""
    from torch import nn

    class FlattenLast(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)

    return FlattenLast()


def _load(module: Any, weights: dict[str, np.ndarray], node: str, order: tuple[int, ...]) -> None:
    import torch

    with torch.no_grad():
        module.weight.copy_(torch.tensor(np.ascontiguousarray(weights[f"parameter/{node}/weight"].transpose(order))))
        module.bias.copy_(torch.tensor(weights[f"parameter/{node}/bias"]))
