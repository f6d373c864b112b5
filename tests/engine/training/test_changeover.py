"""Which executor trains a run, when it changes, and that none is left behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import executors
from engine.executor import ArrayExecutor
from engine.executors import ExecutorError, ExecutorKind
from engine.optimizers import SGD
from engine.state import State
from engine.training import changeover, events
from engine.training.control import Control
from engine.training.recovery import read_counters
from engine.training.result import TrainingError
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.engine.training.experiments import RICH, Log, regression, spiral, weights


class Second(ArrayExecutor):
    """Stands for the compiled executor: the arrays' bits under another name."""

    kind = "cpu"  # type: ignore[assignment]

    @property
    def label(self) -> str:
        return "Second · 1 thread"


class World:
    """What can be had on this machine. `made` are all executors so far, `open` those that are not closed."""

    def __init__(self) -> None:
        self.ready, self.reason = False, ""
        self.made: list[ArrayExecutor] = []
        self.open: list[ArrayExecutor] = []

    def choose(self, kind: ExecutorKind, state: State, **more: Any) -> ArrayExecutor:
        if kind == "cpu" and self.reason:
            raise ExecutorError(self.reason)
        second = not self.reason and (kind == "cpu" or (kind == "auto" and self.ready))
        executor = (Second if second else ArrayExecutor)(state)
        self.made.append(executor)
        self.open.append(executor)

        def close() -> None:
            if executor in self.open:
                self.open.remove(executor)

        executor.close = close  # type: ignore[method-assign]
        return executor


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(executors, "choose", made.choose)
    monkeypatch.setattr(executors, "compiled", lambda: made.ready and not made.reason)
    monkeypatch.setattr(executors, "unavailable", lambda: made.reason)
    monkeypatch.setattr(executors, "misfit", lambda state: made.reason)
    monkeypatch.setattr(changeover, "INTERVAL", 0.0)
    return made


def run(log: Log | None = None, *, experiment: Any = None, **more: Any) -> Trainer:
    trainer = Trainer(experiment or spiral(RICH), device="cpu", report=log if log is not None else Log(), **more)
    trainer.result = trainer.run()  # type: ignore[attr-defined]
    return trainer


def kinds(world: World) -> list[str]:
    return [executor.kind for executor in world.made]


def after_epoch(world: World, log: Log) -> Callable[[events.Event], None]:
    """A report after whose first end of an epoch the kernels are ready."""

    def report(event: events.Event) -> None:
        log(event)
        world.ready = world.ready or isinstance(event, events.EpochEnd)

    return report


def test_a_run_says_what_it_runs_on(world: World, tmp_path: Path) -> None:
    world.ready = True
    store, log = RunStore(tmp_path), Log()
    trainer = run(log, store=store)
    assert kinds(world) == ["cpu"] and world.open == []
    device = "Second · 1 thread"
    assert log.of(events.Started)[0].device == device == trainer.result.device  # type: ignore[attr-defined]
    assert store.list()[0].device == device
    found = store.open(trainer.run_id).last_checkpoint()
    assert found is not None and read_counters(found[1]).executor == "cpu"


def test_a_run_changes_over_at_the_end_of_an_epoch(world: World, tmp_path: Path) -> None:
    store, log = RunStore(tmp_path), Log()
    trainer = Trainer(spiral(RICH), device="cpu", store=store, report=after_epoch(world, log))
    result = trainer.run()
    changed = log.of(events.ExecutorChanged)
    assert [(event.step, event.executor, event.device) for event in changed] == [(6, "cpu", "Second · 1 thread")]
    assert kinds(world) == ["array", "cpu"] and world.open == []
    assert log.of(events.Started)[0].device.startswith("NumPy")
    assert result.device == store.list()[0].device == "Second · 1 thread"
    assert changed[0] in store.open(trainer.run_id).events()
    world.made.clear()
    whole = run(executor="array")
    assert weights(trainer) == weights(whole), "this second executor has the same bits"


def test_the_checkpoint_of_that_epoch_goes_on_with_the_new_one(world: World, tmp_path: Path) -> None:
    store, log = RunStore(tmp_path), Log()
    trainer = Trainer(spiral(RICH), device="cpu", store=store, report=after_epoch(world, log), steps=7)
    trainer.run()
    steps = {info.step: info.name for info in store.open(trainer.run_id).checkpoints()}
    counters = read_counters(store.open(trainer.run_id).checkpoint(steps[6])[1])
    assert (counters.evaluated, counters.executor) == (1, "cpu")


@pytest.mark.parametrize("kind", ["array", "cpu"])
def test_a_run_with_a_named_executor_never_changes(kind: ExecutorKind, world: World) -> None:
    log = Log()
    world.ready = kind == "cpu"
    Trainer(spiral(RICH), device="cpu", executor=kind, report=after_epoch(world, log)).run()
    assert world.ready
    assert kinds(world) == [kind] and log.of(events.ExecutorChanged) == [] and world.open == []


@pytest.mark.parametrize("kind", ["array", "cpu"])
def test_a_resumed_run_keeps_the_executor_of_its_checkpoint(kind: ExecutorKind, world: World, tmp_path: Path) -> None:
    world.ready = True
    store, log = RunStore(tmp_path), Log()
    first = run(experiment=spiral(RICH), store=store, steps=8, executor=kind)
    world.made.clear()
    second = run(log, experiment=spiral(RICH), store=store, resume=first.run_id)
    assert kinds(world) == [kind] and log.of(events.ExecutorChanged) == []
    assert weights(second) == weights(run())
    world.made.clear()
    other: ExecutorKind = "cpu" if kind == "array" else "array"
    run(experiment=spiral(RICH), store=store, resume=first.run_id, executor=other, epochs=4)
    assert kinds(world) == [other], "unless another is asked for"


def test_a_resumed_run_whose_executor_cannot_be_had_says_so(world: World, tmp_path: Path) -> None:
    world.ready = True
    store = RunStore(tmp_path)
    first = run(store=store, steps=8)
    world.made.clear()
    world.reason = "It needs numba."
    second = run(store=store, resume=first.run_id)
    assert kinds(world) == ["array"]
    assert len(second.problems) == 1 and "It needs numba." in second.problems[0] and "digits" in second.problems[0]


def test_checkpoints_from_before_there_were_others_mean_the_array_executor(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    first = run(store=store, steps=8, executor="array")
    found = store.open(first.run_id).last_checkpoint()
    assert found is not None
    assert read_counters({key: value for key, value in found[1].items() if key != "executor"}).executor == "array"


def test_an_executor_that_cannot_be_had_is_told_in_words(world: World, tmp_path: Path) -> None:
    world.reason = "The compiled executor needs numba."
    log, store = Log(), RunStore(tmp_path)
    with pytest.raises(TrainingError, match="needs numba"):
        run(log, store=store, executor="cpu")
    assert log.of(events.Failed)[0].message == world.reason
    assert store.list() == []


def test_a_change_for_which_there_is_no_memory_is_passed_over(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: Second, program: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(Second, "bind", refuse, raising=False)
    log = Log()
    trainer = Trainer(spiral(RICH), device="cpu", report=after_epoch(world, log))
    result = trainer.run()
    assert result.reason == "done" and result.device.startswith("NumPy")
    assert kinds(world) == ["array", "cpu"] and world.open == [] and log.of(events.ExecutorChanged) == []
    assert "stays on the array executor" in caplog.text


# -- nothing is left behind --------------------------------------------------------------------------------------------


def test_a_run_that_is_stopped_closes_its_executor(world: World) -> None:
    control = Control()

    def report(event: events.Event) -> None:
        if isinstance(event, events.StepRows):
            control.stop()

    Trainer(spiral(epochs=1000), device="cpu", control=control, report=report).run()
    assert len(world.made) == 1 and world.open == []


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_a_run_that_fails_closes_its_executor(error: type[BaseException], world: World, tmp_path: Path) -> None:
    def report(event: events.Event) -> None:
        if isinstance(event, events.StepRows):
            raise error("mislaid")

    with pytest.raises((TrainingError, error)):
        Trainer(spiral(), device="cpu", store=RunStore(tmp_path), report=report).run()
    assert len(world.made) == 1 and world.open == []


def test_a_run_that_diverges_closes_its_executor_after_it_was_asked(world: World) -> None:
    log = Log()
    run(log, experiment=regression(optimizer=SGD(learning_rate=1e6), epochs=50))
    assert log.of(events.Diverged)[0].node, "the batch was replayed"
    assert len(world.made) == 1 and world.open == []


def test_a_run_that_cannot_begin_closes_its_executor(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.training.programs.memory_limit", lambda: 1000)
    with pytest.raises(TrainingError, match="smaller batch size"):
        run()
    assert len(world.made) == 1 and world.open == []
