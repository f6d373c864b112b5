"""Steps in chunks: whatever their lengths, the numbers are those of single steps."""

from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict, replace

from engine.data.preprocessing import StandardizeTargets
from engine.experiment import Experiment, SplitSpec
from engine.layers import BatchNorm, Dense, Dropout, Input, ReLU
from engine.losses import MeanSquaredError
from engine.optimizers import SGD, Adam
from engine.penalties import L2
from engine.schedules import CosineSchedule, LinearWarmup
from engine.training import events
from engine.training.chunks import ChunkPolicy
from engine.training.control import Control
from engine.training.probes import ProbePolicy
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.engine.training.experiments import RICH, Log, regression, sequential, spiral, weights

COURSE: dict[str, Any] = {"schedule": CosineSchedule(), "warmup": LinearWarmup(duration=1), "epochs": 4}
EXPERIMENTS = {
    "rich": spiral(RICH, optimizer=Adam(learning_rate=0.02), penalties=(L2(strength=1e-3),), **COURSE),
    "regression": regression(optimizer=SGD(learning_rate=0.05, momentum=0.9), precision="float64", **COURSE),
    "no tail": spiral(drop_last=True, shuffle=False, metrics=(), **COURSE),
    "one batch": spiral(batch_size=500, **COURSE),
}


def lengths(monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    """Let chunks be as long as these, in turn."""
    following = cycle(steps)
    monkeypatch.setattr(ChunkPolicy, "steps", property(lambda self: next(following)))


def looks(monkeypatch: pytest.MonkeyPatch, *, epoch_ends: bool) -> None:
    """Observe the first step, and the last full one of each epoch or none of them, whatever the clock says."""

    def observe(self: ProbePolicy, topics: frozenset[str], *, first: bool, epoch_end: bool, by_hand: bool) -> bool:
        return first or (epoch_end and epoch_ends)

    monkeypatch.setattr(ProbePolicy, "observe", observe)


def run(experiment: Experiment, **more: Any) -> tuple[Trainer, Log]:
    log = Log()
    trainer = Trainer(experiment, device="cpu", executor="array", report=log, **more)
    trainer.run()
    return trainer, log


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("steps", [(2,), (3, 1, 4), (1000,)], ids=str)
def test_numbers_do_not_depend_on_how_steps_fall_into_chunks(
    name: str, steps: tuple[int, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def kept(folder: str, *steps: int) -> tuple[Any, ...]:
        lengths(monkeypatch, *steps)
        store = RunStore(tmp_path / folder)
        trainer, log = run(EXPERIMENTS[name], store=store)
        ends = [asdict(event) | {"run": "", "seconds": 0} for event in log.of(events.EpochEnd)]
        found = store.open(trainer.run_id).last_checkpoint()
        assert found is not None
        counters = found[1] | {"seconds": 0}
        rows = store.open(trainer.run_id).steps()
        assert rows["step"].tolist() == list(range(1, len(rows["step"]) + 1))
        return (
            weights(trainer),
            log.of(events.StepRow),
            ends,
            counters,
            {name: array.tobytes() for name, array in found[0].items()},
            {name: array.tobytes() for name, array in rows.items()},
        )

    assert kept("chunks", *steps) == kept("single", 1)


def test_chunks_end_where_something_else_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths(monkeypatch, 1000)
    looks(monkeypatch, epoch_ends=True)
    _, log = run(spiral(epochs=2))
    assert [event.step for event in log.of(events.StepRows)] == [1, 4, 5, 6, 10, 11, 12]
    assert [event.step for event in log.of(events.Frame)] == [1, 5, 11, 12]


def test_no_chunk_goes_past_a_milestone(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths(monkeypatch, 1000)
    log = Log()

    def report(event: events.Event) -> None:
        log(event)
        if isinstance(event, events.Started):
            assert trainer.loop is not None
            trainer.loop.steps.milestone = 9

    trainer = Trainer(spiral(epochs=3), device="cpu", report=report)
    trainer.run()
    assert 9 in [event.step for event in log.of(events.StepRows)]


def test_an_order_is_obeyed_after_the_chunk_in_which_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths(monkeypatch, 2)
    control, log = Control(), Log()

    def report(event: events.Event) -> None:
        log(event)
        if isinstance(event, events.StepRows) and event.step == 10:
            control.set("training.optimizer.learning_rate", 0.02)
        if isinstance(event, events.StepRows) and event.step >= 14:
            control.stop()

    monkeypatch.setattr(
        "engine.training.probes.ProbePolicy.observe", lambda self, topics, first, epoch_end, by_hand: first
    )
    Trainer(spiral(epochs=50), device="cpu", control=control, report=report).run()
    assert [(event.step, event.after) for event in log.of(events.Changed)] == [(10, 0.02)]
    assert {row.step: row.learning_rate for row in log.of(events.StepRow)} == {
        step: 0.1 if step <= 10 else 0.02 for step in range(1, 14 + 1)
    }


@pytest.mark.parametrize("steps", [(2,), (1000,), (3, 2)], ids=str)
def test_a_chunk_that_diverges_leaves_what_single_steps_leave(
    steps: tuple[int, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Running statistics included, which the failing step has moved, with dropout's masks of each step."""
    layers = [Input(), Dense(units=8), BatchNorm(), ReLU(), Dropout(rate=0.2), Dense(units=1), MeanSquaredError()]
    base = regression(optimizer=SGD(learning_rate=1.0), epochs=50, batch_size=6)
    data = replace(base.data, split=SplitSpec(validation=0), preprocessing=(StandardizeTargets(),))
    experiment = replace(base, network=sequential(layers), data=data)

    looks(monkeypatch, epoch_ends=False)

    def kept(folder: str, *steps: int) -> tuple[Any, ...]:
        lengths(monkeypatch, *steps)
        store = RunStore(tmp_path / folder)
        trainer, log = run(experiment, store=store)
        diverged = log.of(events.Diverged)[0]
        assert diverged.step == 7, "of ten an epoch: in the midst of a chunk"
        found = store.open(trainer.run_id).last_checkpoint()
        assert found is not None and found[1]["step"] == 7
        return (
            weights(trainer),
            log.of(events.StepRow),
            diverged.node,
            diverged.message,
            found[1]["sums"],
        )

    assert kept("chunks", *steps) == kept("single", 1)
