"""Runs on the compiled executor: the promises of runs, held on its kernels."""

from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict, replace

from engine.experiment import Experiment, SplitSpec
from engine.layers import BatchNorm, Dense, Input, ReLU
from engine.losses import MeanSquaredError
from engine.optimizers import SGD, Adam
from engine.penalties import L2
from engine.schedules import CosineSchedule, LinearWarmup
from engine.training import events
from engine.training.chunks import ChunkPolicy
from engine.training.recovery import read_counters
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.engine.training.experiments import RICH, Log, regression, sequential, spiral, weights
from tests.support.compiled import library

COURSE: dict[str, Any] = {"schedule": CosineSchedule(), "warmup": LinearWarmup(duration=1), "epochs": 4}
EXPERIMENT = spiral(RICH, optimizer=Adam(learning_rate=0.02), penalties=(L2(strength=1e-3),), **COURSE)


@pytest.fixture(autouse=True, scope="module")
def kernels() -> None:
    """The kernels of this machine."""
    library()


def lengths(monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    following = cycle(steps)
    monkeypatch.setattr(ChunkPolicy, "steps", property(lambda self: next(following)))


def run(experiment: Experiment, **more: Any) -> tuple[Trainer, Log]:
    log = Log()
    trainer = Trainer(experiment, device="cpu", executor=more.pop("executor", "cpu"), report=log, **more)
    trainer.run()
    return trainer, log


def numbers(log: Log) -> list[Any]:
    """All that was told of steps and epochs, times left out."""
    return log.of(events.StepRow) + [asdict(event) | {"run": "", "seconds": 0} for event in log.of(events.EpochEnd)]


@pytest.mark.parametrize("steps", [(2,), (3, 1, 4), (1000,)], ids=str)
def test_numbers_do_not_depend_on_how_steps_fall_into_chunks(
    steps: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths(monkeypatch, *steps)
    chunks, chunk_log = run(EXPERIMENT)
    lengths(monkeypatch, 1)
    single, log = run(EXPERIMENT)
    assert chunk_log.of(events.Started)[0].device.startswith("Compiled")
    assert numbers(chunk_log) == numbers(log)
    assert weights(chunks) == weights(single)


@pytest.mark.parametrize("stop", [1, 6, 9])
def test_stopping_and_resuming_changes_no_bit(stop: int, tmp_path: Path) -> None:
    whole, _ = run(EXPERIMENT)
    store = RunStore(tmp_path)
    part, _ = run(EXPERIMENT, store=store, steps=stop)
    found = store.open(part.run_id).last_checkpoint()
    assert found is not None and read_counters(found[1]).executor == "cpu"
    resumed, log = run(EXPERIMENT, store=store, resume=part.run_id, executor="auto")
    assert log.of(events.Started)[0].device.startswith("Compiled")
    assert weights(resumed) == weights(whole)


def test_both_executors_tell_nearly_the_same() -> None:
    plain = spiral(optimizer=SGD(learning_rate=0.05), epochs=2)
    _, compiled = run(plain)
    _, array = run(plain, executor="array")
    for one, other in zip(compiled.of(events.StepRow), array.of(events.StepRow), strict=True):
        assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.parametrize("steps", [(1000,), (3, 2)], ids=str)
def test_a_chunk_that_diverges_leaves_what_single_steps_leave(
    steps: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = [Input(), Dense(units=8), BatchNorm(), ReLU(), Dense(units=1), MeanSquaredError()]
    base = regression(optimizer=SGD(learning_rate=3.0), epochs=50, batch_size=6)
    experiment = replace(base, network=sequential(layers), data=replace(base.data, split=SplitSpec(validation=0)))

    def kept(*steps: int) -> tuple[Any, ...]:
        lengths(monkeypatch, *steps)
        trainer, log = run(experiment)
        diverged = log.of(events.Diverged)[0]
        return weights(trainer), log.of(events.StepRow), diverged.step, diverged.message

    assert kept(*steps) == kept(1)
