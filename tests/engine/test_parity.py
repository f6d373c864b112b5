"""Random networks against PyTorch: forward pass, every gradient, ten steps of each optimizer, running statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.backend import choose
from engine.executor import ArrayExecutor
from engine.graph import check
from engine.optimizers import SGD, Adam, update_scalars
from engine.penalties import L2, WeightDecay
from engine.plan import compile
from engine.state import State
from tests.support.random_networks import Case, random_case
from tests.support.torch_network import TorchNetwork

pytestmark = pytest.mark.parity

SEEDS = range(60)
TOLERANCE = {"float32": 1e-5, "float64": 1e-11}
RULES: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": SGD(learning_rate=0.05)},
    "momentum": {"optimizer": SGD(learning_rate=0.05, momentum=0.9)},
    "nesterov": {"optimizer": SGD(learning_rate=0.05, momentum=0.9, nesterov=True), "penalties": (L2(strength=0.01),)},
    "adam": {"optimizer": Adam(learning_rate=0.01)},
    "adam_l2": {"optimizer": Adam(learning_rate=0.01), "penalties": (L2(strength=0.01),)},
    "adamw": {"optimizer": Adam(learning_rate=0.01), "penalties": (WeightDecay(strength=0.1),)},
    "clipped": {"optimizer": SGD(learning_rate=0.05, momentum=0.9), "clip_norm": 0.1},
}


def set_up(case: Case) -> tuple[Any, TorchNetwork, State, dict[str, Any]]:
    report = check(case.experiment.network, case.signature)
    assert report.ok, report.diagnostics
    training = case.experiment.training
    state = State(
        case.experiment.network, report, training.optimizer, choose("cpu"), precision=training.precision, seed=3
    )
    executor = ArrayExecutor(state)
    programs = {}
    for name, training_mode, observe in (("observed", True, True), ("train", True, False), ("evaluate", False, True)):
        program = compile(
            case.experiment, report, case.signature, batch_size=case.batch, training=training_mode, observe=observe
        )
        programs[name] = executor.bind(program)
    for program in programs.values():
        program.feed(case.inputs, case.targets)
    peer = TorchNetwork(case.experiment.network, report, state.to_host(), training.precision)
    return report, peer, state, programs


def distance(ours: np.ndarray, theirs: Any, floor: float = 1e-7) -> float:
    """The L2 norm of the difference, relative to theirs (or to `floor`, where theirs is rounding noise)."""
    other = theirs.detach().numpy()
    return float(np.linalg.norm(ours - other) / max(np.linalg.norm(other), floor))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_forward_and_gradients(seed: int, precision: str) -> None:
    case = random_case(seed, precision=precision)
    report, peer, state, programs = set_up(case)
    tolerance = TOLERANCE[precision]
    for mode in ("evaluate", "observed"):
        _, outputs = peer.run(case.inputs, case.targets, training=mode == "observed")
        # Forward and backward only: the update comes after the comparison.
        assert programs[mode].run({"learning_rate": 0.0})
        for node in report.order:
            if node in programs[mode].program.outputs:
                assert distance(np.array(programs[mode].value(node)), outputs[node]) < tolerance, (mode, node)
    total, _ = peer.run(case.inputs, case.targets, training=True)
    total.backward()
    assert programs["observed"].loss() == pytest.approx(float(total.detach()), rel=tolerance, abs=tolerance)
    ours = np.concatenate([np.array(state.gradients[name]).ravel() for name in peer.parameters])
    theirs = np.concatenate([parameter.grad.numpy().ravel() for parameter in peer.parameters.values()])
    assert np.linalg.norm(ours - theirs) <= tolerance * np.linalg.norm(theirs)
    largest = max(float(p.grad.norm()) for p in peer.parameters.values())
    for name, parameter in peer.parameters.items():
        difference = np.linalg.norm(np.array(state.gradients[name]) - parameter.grad.numpy())
        # A bias before batch normalization has no gradient but rounding noise: that is held against the largest one.
        assert difference <= tolerance * max(float(parameter.grad.norm()), 0.1 * largest), name


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", SEEDS)
def test_ten_steps(seed: int, rule: str) -> None:
    torch = pytest.importorskip("torch")
    case = random_case(seed, precision="float64", **RULES[rule])
    _, peer, state, programs = set_up(case)
    optimizer = peer.optimizer(case.experiment)
    training = case.experiment.training
    for step in range(10):
        optimizer.zero_grad()
        total, _ = peer.run(case.inputs, case.targets, training=True)
        total.backward()
        if training.clip_norm:
            torch.nn.utils.clip_grad_norm_(peer.parameters.values(), training.clip_norm)
        optimizer.step()
        rate: float = training.optimizer.learning_rate  # type: ignore[attr-defined]
        assert programs["train"].run(update_scalars(training, rate, step + 1), step)
        assert programs["train"].loss() == pytest.approx(float(total.detach()), rel=1e-8)
    for name, parameter in peer.parameters.items():
        # As above: what should not move at all may differ by noise, which Adam scales up to 1e-7.
        assert distance(np.array(state.parameters[name]), parameter, floor=1e-2) < 1e-5, name
    for name, buffer in peer.buffers.items():
        assert distance(np.array(state.buffers[name]), buffer) < 1e-5, name
