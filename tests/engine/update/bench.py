"""A small network with a convolution and dense layers, on either executor, and the same in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.backend import choose
from engine.cpu_executor import CPUExecutor
from engine.data.signature import DataSignature, TargetSignature
from engine.diagnostics import Report
from engine.executor import ArrayExecutor, BoundProgram
from engine.experiment import Experiment
from engine.graph import check
from engine.groups import group_of, is_penalized
from engine.optimizers import Adam, update_scalars
from engine.plan import compile
from engine.state import State
from tests.support.random_networks import Case, Chain, experiment_of
from tests.support.torch_network import TorchNetwork

BATCH = 12


def small(precision: str = "float64", **training: Any) -> Case:
    """conv2d_1, relu_1, flatten_1, dense_1, tanh_1, dense_2 and a softmax on twelve images of 5 by 5 points."""
    chain = Chain()
    chain.add("layer", "input")
    chain.add("layer", "conv2d", filters=3, size=3)
    chain.add("layer", "relu")
    chain.add("layer", "flatten")
    chain.add("layer", "dense", units=6)
    chain.add("layer", "tanh")
    chain.add("layer", "dense", units=4)
    chain.add("loss", "softmax_cross_entropy")
    rng = np.random.default_rng(4)
    return Case(
        experiment=experiment_of(chain.nodes, precision=precision, **training),
        signature=DataSignature(inputs={"x": (5, 5, 2)}, targets={"y": TargetSignature(classes=4)}, train_size=BATCH),
        inputs={"x": rng.normal(size=(BATCH, 5, 5, 2))},
        targets={"y": rng.integers(0, 4, BATCH)},
        batch=BATCH,
    )


class Ours:
    """The case, ready to take steps on its one batch. `threads` 0 is the array executor."""

    def __init__(self, case: Case, threads: int = 0, *, observe: bool = False) -> None:
        self.case = case
        self.report: Report = check(case.experiment.network, case.signature)
        training = case.experiment.training
        self.spec: Any = training
        self.state = State(
            case.experiment.network,
            self.report,
            training.optimizer,
            choose("cpu"),
            precision=training.precision,
            seed=2,
            averaged=training.averaging.keeps,
        )
        self.executor = CPUExecutor(self.state, threads) if threads else ArrayExecutor(self.state)
        self.program = self.bind(training=True, observe=observe)
        self.count = 0

    def bind(self, *, training: bool, observe: bool = False) -> BoundProgram:
        case = self.case
        program = compile(
            case.experiment, self.report, case.signature, batch_size=case.batch, training=training, observe=observe
        )
        bound = self.executor.bind(program)
        bound.feed(case.inputs, case.targets)
        return bound

    def step(self, count: int = 1) -> float:
        """Take steps; returns the loss before the last one, penalties included."""
        for _ in range(count):
            self.count += 1
            assert self.program.run(update_scalars(self.spec, self.spec.optimizer.learning_rate, self.count), 0)
        return self.program.loss() + self.program.penalty()

    def close(self) -> None:
        self.executor.close()


class Theirs:
    """The same start in PyTorch: its parameter groups have the factors and penalties of ours."""

    def __init__(self, ours: Ours) -> None:
        import torch

        self.torch, experiment = torch, ours.case.experiment
        self.case, self.experiment, self.report = ours.case, experiment, ours.report
        self.network = TorchNetwork(experiment.network, ours.report, ours.state.to_host(), ours.state.precision)
        self.parameters: dict[str, Any] = self.network.parameters
        self.rule = self._rule(experiment)

    def _rule(self, experiment: Experiment) -> Any:
        training, torch = experiment.training, self.torch
        options: list[dict[str, Any]] = []
        decoupled = False
        for segment, decay in self._parameters():
            index = group_of(training.groups, segment.split("/")[0], decay)
            group = training.groups[index] if index >= 0 else None
            if group is not None and group.frozen:
                self.parameters[segment].requires_grad_(False)
                continue
            own = group is not None and group.own_penalties
            penalties = group.penalties if group is not None and own else training.penalties
            strengths = {name: value for item in penalties for name, value in item.scalars().items()}
            decoupled |= "decoupled_decay" in strengths
            pays = is_penalized(group, decay)
            rate = training.optimizer.learning_rate * (group.rate if group is not None else 1.0)
            coupled = 2 * strengths.get("l2", 0.0) + strengths.get("decoupled_decay", 0.0)
            options.append({"params": [self.parameters[segment]], "lr": rate, "weight_decay": coupled if pays else 0.0})
        rule: Any = training.optimizer
        if isinstance(rule, Adam):
            kind = torch.optim.AdamW if decoupled else torch.optim.Adam
            return kind(options, betas=(rule.beta1, rule.beta2), eps=rule.epsilon)
        return torch.optim.SGD(options, momentum=rule.momentum)

    def _parameters(self) -> list[tuple[str, bool]]:
        return [(f"{node}/{s.name}", s.decay) for node in self.report.order for s in self.report.nodes[node].parameters]

    def backward(self) -> None:
        """One gradient, in place."""
        self.rule.zero_grad()
        total, _ = self.network.run(self.case.inputs, self.case.targets, training=True)
        total.backward()

    def arrays(self) -> dict[str, np.ndarray]:
        """The parameters as they are now."""
        return {name: parameter.detach().numpy().copy() for name, parameter in self.parameters.items()}
