"""Random networks against PyTorch: forward pass, every gradient, ten steps of each optimizer, running statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import engine.cpu_executor
from engine.backend import choose
from engine.clipping import ClipByGlobalNorm
from engine.cpu_executor import CPUExecutor
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
FACTOR = 10.0
"""Two results may differ by so many times the doubt about them, see `Doubt`."""
TOLERANCE = {"float32": 1e-5, "float64": 1e-11}
BATCHES = {"float32": (24, 41), "float64": (2, 9)}
"""Batch normalization over two samples magnifies the last digits without bound, and which they are depends on the
processor: small batches are compared in float64."""
RULES: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": SGD(learning_rate=0.05)},
    "momentum": {"optimizer": SGD(learning_rate=0.05, momentum=0.9)},
    "nesterov": {"optimizer": SGD(learning_rate=0.05, momentum=0.9, nesterov=True), "penalties": (L2(strength=0.01),)},
    "adam": {"optimizer": Adam(learning_rate=0.01)},
    "adam_l2": {"optimizer": Adam(learning_rate=0.01), "penalties": (L2(strength=0.01),)},
    "adamw": {"optimizer": Adam(learning_rate=0.01), "penalties": (WeightDecay(strength=0.1),)},
    "clipped": {"optimizer": SGD(learning_rate=0.05, momentum=0.9), "clipping": ClipByGlobalNorm(max_norm=0.1)},
}


@pytest.fixture
def closing() -> Iterator[list[CPUExecutor]]:
    """The compiled executors of a test, to be closed."""
    executors: list[CPUExecutor] = []
    yield executors
    for executor in executors:
        executor.close()


def set_up(case: Case, compiled: list[CPUExecutor] | None = None) -> tuple[Any, TorchNetwork, State, dict[str, Any]]:
    report = check(case.experiment.network, case.signature)
    assert report.ok, report.diagnostics
    training = case.experiment.training
    state = State(
        case.experiment.network, report, training.optimizer, choose("cpu"), precision=training.precision, seed=3
    )
    executor: ArrayExecutor | CPUExecutor = ArrayExecutor(state)
    if compiled is not None:
        executor = CPUExecutor(state, 2)
        compiled.append(executor)
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


def off(ours: Any, theirs: Any) -> float:
    """The L2 norm of the difference of two arrays."""
    first, second = (np.asarray(item.detach() if hasattr(item, "detach") else item, float) for item in (ours, theirs))
    return float(np.linalg.norm(first - second))


class Doubt:
    """How far apart two right results may lie: what PyTorch's own result in float32 is off from its float64, or what
    the exact result moves by when the parameters change in their last bit, whichever is more. Where batch normalization
    divides by next to nothing that is far above 1e-5, and by how much depends on the processor. In float64 it is 0."""

    def __init__(self, case: Case, report: Any, arrays: dict[str, np.ndarray], precision: str) -> None:
        self.case = case
        self.exact = TorchNetwork(case.experiment.network, report, arrays, "float64")
        self.moved: list[TorchNetwork] = []
        if precision == "float32":
            for seed in range(2):
                rng = np.random.default_rng(seed)
                near = {
                    name: a.astype(float) * (1 + rng.uniform(-1, 1, a.shape) * 2.0**-23) for name, a in arrays.items()
                }
                self.moved.append(TorchNetwork(case.experiment.network, report, near, "float64"))

    def run(self, training: bool) -> None:
        """Run all once more."""
        peers = (self.exact, *self.moved)
        self.results = [peer.run(self.case.inputs, self.case.targets, training=training) for peer in peers]

    def of(self, theirs: Any, pick: Callable[[int], Any]) -> float:
        """The doubt about a value of PyTorch's in float32; `pick(i)` is the exact one (0) or a moved one."""
        return max([off(theirs, pick(0)), *(off(pick(i), pick(0)) for i in range(1, 1 + len(self.moved)))])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("executor", "precision"), [("array", "float32"), ("array", "float64"), ("cpu", "float32")])
def test_forward_and_gradients(
    seed: int, executor: str, precision: str, closing: list[CPUExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.cpu_executor, "ALONE", 0)
    case = random_case(seed, precision=precision, batches=BATCHES[precision])
    report, peer, state, programs = set_up(case, closing if executor == "cpu" else None)
    doubt = Doubt(case, report, state.to_host(), precision)
    tolerance = TOLERANCE[precision]
    for mode in ("evaluate", "observed"):
        _, outputs = peer.run(case.inputs, case.targets, training=mode == "observed")
        doubt.run(training=mode == "observed")
        # Forward and backward only: the update comes after the comparison.
        assert programs[mode].run({"learning_rate": 0.0})
        for node in report.order:
            if node in programs[mode].program.outputs:
                unsure = doubt.of(outputs[node], lambda i, node=node: doubt.results[i][1][node])  # type: ignore[misc]
                allowed = tolerance * max(float(outputs[node].detach().norm()), 1e-7) + FACTOR * unsure
                assert off(programs[mode].value(node), outputs[node]) <= allowed, (mode, node)
    total, _ = peer.run(case.inputs, case.targets, training=True)
    total.backward()
    doubt.run(training=True)
    for exact_total, _ in doubt.results:
        exact_total.backward()
    unsure = doubt.of(total, lambda i: doubt.results[i][0])
    allowed = tolerance * max(1.0, abs(float(total.detach()))) + FACTOR * unsure
    assert abs(programs["observed"].loss() - float(total.detach())) <= allowed
    largest = max(float(p.grad.norm()) for p in peer.parameters.values())
    peers = (doubt.exact, *doubt.moved)
    sums = np.zeros(3)
    for name, parameter in peer.parameters.items():
        difference = off(state.gradients[name], parameter.grad)
        unsure = doubt.of(parameter.grad, lambda i, name=name: peers[i].parameters[name].grad)  # type: ignore[misc]
        norm = float(parameter.grad.norm())
        # A bias before batch normalization has no gradient but rounding noise: that is held against the largest one.
        assert difference <= tolerance * max(norm, 0.1 * largest) + FACTOR * unsure, name
        sums += np.square([difference, unsure, norm])
    difference, unsure, norm = np.sqrt(sums)
    assert difference <= tolerance * norm + FACTOR * unsure


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
        if isinstance(training.clipping, ClipByGlobalNorm):
            torch.nn.utils.clip_grad_norm_(peer.parameters.values(), training.clipping.max_norm)
        optimizer.step()
        rate: float = training.optimizer.learning_rate  # type: ignore[attr-defined]
        assert programs["train"].run(update_scalars(training, rate, step + 1), step)
        assert programs["train"].loss() == pytest.approx(float(total.detach()), rel=1e-8)
    for name, parameter in peer.parameters.items():
        # As above: what should not move at all may differ by noise, which Adam scales up to 1e-7.
        assert distance(np.array(state.parameters[name]), parameter, floor=1e-2) < 1e-5, name
    for name, buffer in peer.buffers.items():
        assert distance(np.array(state.buffers[name]), buffer) < 1e-5, name
