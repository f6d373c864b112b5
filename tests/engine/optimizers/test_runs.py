"""Runs with every rule: the promises of runs, and the numbers of single steps and of many at once."""

from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine.experiment import Experiment
from engine.kinds import Optimizer
from engine.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
from engine.penalties import L2, WeightDecay
from engine.schedules import CosineSchedule, LinearWarmup
from engine.schema import components_of, info_of
from engine.training import events
from engine.training.chunks import ChunkPolicy
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.engine.training.experiments import RICH, Log, spiral, weights
from tests.support.compiled import library

RULES = [
    *(cls() for cls in components_of("optimizer").values() if issubclass(cls, Optimizer)),
    SGD(momentum=0.9, nesterov=True, rate_place="inside v"),
    Adam(bias_correction=False),
    Adagrad(epsilon_place="inside the root", initial=0.1),
    RMSprop(centered=True, momentum=0.9),
]
every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: info_of(rule).tag)
COURSE: dict[str, Any] = {"schedule": CosineSchedule(), "warmup": LinearWarmup(duration=3, unit="steps"), "epochs": 2}


def experiment(rule: Optimizer, **more: Any) -> Experiment:
    return spiral(RICH, optimizer=rule, penalties=(L2(strength=1e-3),), **(COURSE | more))


def run(experiment: Experiment, executor: str, **more: Any) -> tuple[Trainer, Log]:
    log = Log()
    trainer = Trainer(experiment, device="cpu", executor=executor, report=log, **more)
    trainer.run()
    return trainer, log


def state_of(trainer: Trainer) -> dict[str, bytes]:
    assert trainer.loop is not None
    return {name: array.tobytes() for name, array in trainer.loop.state.to_host().items()}


def chunks(monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    following = cycle(steps)
    monkeypatch.setattr(ChunkPolicy, "steps", property(lambda self: next(following)))


@every_rule
def test_a_run_in_two_parts_has_the_bits_of_the_whole(rule: Optimizer, tmp_path: Path) -> None:
    whole, _ = run(experiment(rule), "array")
    store = RunStore(tmp_path)
    part, _ = run(experiment(rule), "array", store=store, steps=6)
    resumed, _ = run(experiment(rule), "array", store=store, resume=part.run_id)
    found = state_of(resumed)
    assert found == state_of(whole)
    assert {name for name in found if name.startswith("slot/")} == {
        f"slot/{slot.name}/{name}"
        for slot in rule.slots()
        for name in (n.removeprefix("parameter/") for n in found if n.startswith("parameter/"))
    }


@every_rule
@pytest.mark.parametrize("executor", ["array", "cpu"])
def test_single_steps_have_the_bits_of_many_at_once(
    rule: Optimizer, executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if executor == "cpu":
        library()
    chunks(monkeypatch, 1000)
    many, log = run(experiment(rule), executor)
    chunks(monkeypatch, 1)
    single, _ = run(experiment(rule), executor)
    assert log.of(events.Started)[0].device.startswith("Compiled") == (executor == "cpu")
    assert weights(many) == weights(single)


@every_rule
def test_both_executors_agree(rule: Optimizer) -> None:
    library()
    losses = []
    for executor in ("array", "cpu"):
        _, log = run(spiral(optimizer=rule, epochs=2), executor)
        losses.append([row.loss for row in log.of(events.StepRow)])
    assert losses[0] == pytest.approx(losses[1], rel=2e-4)
    assert losses[0][-1] != losses[0][0]


@every_rule
def test_numbers_of_many_steps_are_those_of_each(rule: Optimizer) -> None:
    steps, rates = np.arange(1, 1025), np.linspace(0.1, 0.01, 1024)
    many = rule.scalars(rates, steps)
    for place in (0, 1, 5, 6, 500, 1023):
        one = rule.scalars(float(rates[place]), int(steps[place]))
        assert list(one) == list(many), "always the same names, in the same order"
        for name, value in many.items():
            found = value[place] if isinstance(value, np.ndarray) else value
            assert found == pytest.approx(one[name], rel=1e-11), name


def test_adamw_is_adam_with_decoupled_decay() -> None:
    decay = (WeightDecay(strength=0.3),)
    one, _ = run(spiral(RICH, optimizer=AdamW(learning_rate=0.01, weight_decay=0.3)), "array")
    other, _ = run(spiral(RICH, optimizer=Adam(learning_rate=0.01), penalties=decay), "array")
    assert weights(one) == weights(other)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.opposed], ids=lambda rule: info_of(rule).tag)
def test_momentum_may_move_against_the_rate(rule: Optimizer) -> None:
    steps, rates, momenta = np.arange(1, 1025), np.linspace(0.1, 0.01, 1024), np.linspace(0.85, 0.95, 1024)
    many = replace(rule, **{rule.opposed: momenta}).scalars(rates, steps)
    assert any(isinstance(value, np.ndarray) for value in many.values())
    for place in (0, 6, 500, 1023):
        one = replace(rule, **{rule.opposed: float(momenta[place])}).scalars(float(rates[place]), int(steps[place]))
        for name, value in many.items():
            found = value[place] if isinstance(value, np.ndarray) else value
            assert found == pytest.approx(one[name], rel=1e-11), name
