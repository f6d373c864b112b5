"""The same networks written with PyTorch's functions: an independent reading of what each layer means."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.diagnostics import Report
from engine.experiment import Experiment, NetworkSpec
from engine.schema import info_of


class TorchNetwork:
    """Evaluates a NetworkSpec with torch. `parameters` and `buffers` are tensors by path, in the layouts of the engine
    (dense (in, out), convolution (height, width, in, out), images with channels last)."""

    def __init__(self, network: NetworkSpec, report: Report, arrays: dict[str, np.ndarray], precision: str) -> None:
        import torch

        self.torch, self.network, self.report = torch, network, report
        self.dtype = getattr(torch, precision)
        self.parameters: dict[str, Any] = {}
        self.buffers: dict[str, Any] = {}
        for name, array in arrays.items():
            kind, path = name.split("/", 1)
            if kind == "parameter":
                self.parameters[path] = torch.tensor(array, dtype=self.dtype, requires_grad=True)
            elif kind == "buffer":
                self.buffers[path] = torch.tensor(array, dtype=self.dtype)

    def run(
        self, inputs: dict[str, np.ndarray], targets: dict[str, np.ndarray], training: bool
    ) -> tuple[Any, dict[str, Any]]:
        """(weighted sum of losses, outputs by node)."""
        torch = self.torch
        outputs: dict[str, Any] = {}
        total = torch.zeros((), dtype=self.dtype)
        nodes = {node.id: node for node in self.network.nodes}
        for node_id in self.report.order:
            node = nodes[node_id]
            tag = info_of(node.component).tag
            arguments = [outputs[item] for item in node.inputs]
            if tag == "input":
                outputs[node_id] = torch.tensor(inputs[node.component.source], dtype=self.dtype)  # type: ignore[union-attr]
            elif info_of(node.component).kind == "loss":
                loss = self._loss(tag, arguments[0], targets[node.component.target])  # type: ignore[union-attr]
                outputs[node_id] = loss
                total = total + node.component.weight * loss  # type: ignore[union-attr]
            else:
                outputs[node_id] = self._layer(node_id, tag, node.component, arguments, training)
        return total, outputs

    def _layer(self, node: str, tag: str, c: Any, x: list[Any], training: bool) -> Any:
        F = self.torch.nn.functional  # PyTorch's own name for it
        p = {path.split("/")[1]: value for path, value in self.parameters.items() if path.startswith(f"{node}/")}

        def images(call: Any, value: Any) -> Any:
            return call(value.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

        match tag:
            case "dense":
                y = x[0] @ p["weight"]
                return y + p["bias"] if c.use_bias else y
            case "conv2d":
                weight = p["weight"].permute(3, 2, 0, 1).contiguous()
                padding = (c.size - 1) // 2 if c.padding == "same" else 0
                return images(lambda v: F.conv2d(v, weight, p.get("bias"), stride=c.stride, padding=padding), x[0])
            case "max_pool2d":
                return images(lambda v: F.max_pool2d(v, c.size, c.stride, c.padding), x[0])
            case "average_pool2d":
                return images(lambda v: F.avg_pool2d(v, c.size, c.stride, c.padding), x[0])
            case "global_average_pool2d":
                return x[0].mean(dim=(1, 2))
            case "flatten":
                return x[0].reshape(x[0].shape[0], -1)
            case "add":
                return sum(x[1:], x[0])
            case "relu":
                return F.relu(x[0])
            case "leaky_relu":
                return F.leaky_relu(x[0], c.slope)
            case "sigmoid":
                return self.torch.sigmoid(x[0])
            case "tanh":
                return self.torch.tanh(x[0])
            case "batch_norm":
                mean, var = self.buffers[f"{node}/running_mean"], self.buffers[f"{node}/running_var"]

                def normalize(value: Any) -> Any:
                    return F.batch_norm(value, mean, var, p["gamma"], p["beta"], training, c.momentum, c.epsilon)

                return images(normalize, x[0]) if x[0].dim() == 4 else normalize(x[0])
        raise AssertionError(f"no PyTorch counterpart is written for {tag}")

    def _loss(self, tag: str, x: Any, target: np.ndarray) -> Any:
        torch = self.torch
        F = torch.nn.functional
        if tag == "softmax_cross_entropy":
            return F.cross_entropy(x, torch.tensor(target))
        numbers = torch.tensor(target, dtype=self.dtype)
        if tag == "binary_cross_entropy":
            return F.binary_cross_entropy_with_logits(x, numbers)
        return F.mse_loss(x, numbers)

    def optimizer(self, experiment: Experiment) -> Any:
        """torch's optimizer with the same rule and the same penalties on the same arrays."""
        torch, training = self.torch, experiment.training
        strengths = {info_of(item).tag: item.strength for item in training.penalties}  # type: ignore[attr-defined]
        decays = {f"{node}/{s.name}": s.decay for node in self.report.order for s in self.report.nodes[node].parameters}
        coupled = 2 * strengths.get("l2", 0.0)
        decoupled = strengths.get("weight_decay", 0.0)
        groups = [
            {"params": [v for k, v in self.parameters.items() if decays[k]], "weight_decay": decoupled or coupled},
            {"params": [v for k, v in self.parameters.items() if not decays[k]], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        rule: Any = training.optimizer
        if info_of(rule).tag == "sgd":
            nesterov = rule.nesterov and rule.momentum > 0
            return torch.optim.SGD(groups, lr=rule.learning_rate, momentum=rule.momentum, nesterov=nesterov)
        kind = torch.optim.AdamW if decoupled else torch.optim.Adam
        return kind(groups, lr=rule.learning_rate, betas=(rule.beta1, rule.beta2), eps=rule.epsilon)
