"""A run made anew with what was done to it by hand has the same bits."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engine.clipping import ClipByGlobalNorm
from engine.experiment import Experiment
from engine.kinds import Stopping
from engine.optimizers import SGD
from engine.penalties import L1, L2, WeightDecay
from engine.schedules import CosineSchedule, PlateauSchedule, PointsSchedule
from engine.schema import fields_of
from engine.stopping import EarlyStopping, StopAfterTime
from engine.training.control import Control
from engine.training.events import Changed, Checkpointed, ConditionMet, Event, StepRow, StepRows
from engine.training.replay import differing, replay_of
from engine.training.result import Result, TrainingError
from engine.training.store import RunReader, RunStore
from engine.training.trainer import Trainer
from tests.engine.training.experiments import RICH, Log, spiral

pytestmark = pytest.mark.usefixtures("singly")

EDITS: dict[int, tuple[str, Any]] = {
    3: ("training.optimizer.learning_rate", 0.02),
    7: ("training.optimizer.momentum", 0.9),
    8: ("training.penalties[1].strength", 0.05),
    12: ("nodes.dropout_1.rate", 0.5),
    16: ("training.clipping", ClipByGlobalNorm(max_norm=0.3)),
    18: ("training.clipping.max_norm", 0.2),
    20: ("training.optimizer.learning_rate", 0.3),
}


def edited(**training: Any) -> Experiment:
    penalties = (L1(strength=1e-4), L2(strength=1e-3), WeightDecay(strength=1e-2))
    return spiral(RICH, **{"optimizer": SGD(learning_rate=0.1), "schedule": CosineSchedule(), "penalties": penalties,
                           "epochs": 5, **training})  # fmt: skip


def by_hand(
    experiment: Experiment, store: RunStore, edits: dict[int, tuple[str, Any]] = EDITS, **more: Any
) -> tuple[Result, Log]:
    """Train, with fields changed by hand after some steps."""
    control, log = Control(), Log()

    def report(event: Event) -> None:
        log(event)
        if isinstance(event, StepRows) and event.step in edits:
            control.set(*edits[event.step])

    options = {"executor": "array", **more}
    return Trainer(experiment, device="cpu", report=report, control=control, store=store, **options).run(), log


def again(reader: RunReader, store: RunStore) -> tuple[RunReader, Result]:
    """Replay a run into a store."""
    result = Trainer(reader.experiment, device="cpu", store=store, replay=replay_of(reader)).run()
    return store.open(result.run), result


def test_a_replay_repeats_the_edits_and_every_bit(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    result, log = by_hand(edited(), store)
    reader = store.open(result.run)
    assert [event.step for event in log.of(Changed)] == list(EDITS)
    remade, again_result = again(reader, store)
    assert differing(reader, remade) == []
    assert [(e.step, e.path, e.after) for e in remade.changes()[0]] == [
        (event.step, event.path, event.after) for event in reader.changes()[0]
    ]
    assert (again_result.steps, again_result.reason, again_result.val_loss) == (30, "done", result.val_loss)
    plain = Trainer(edited(), device="cpu", executor="array", store=store).run()
    assert any("array" in words for words in differing(reader, store.open(plain.run))), "edits make a difference"


def test_a_run_that_was_stopped_resumed_and_prolonged_is_replayed_in_one_go(tmp_path: Path) -> None:
    """Edits in two sessions, one of which was killed after them; more epochs; stopped by hand at last."""
    store = RunStore(tmp_path)
    experiment = edited(schedule=PlateauSchedule(patience=0, min_delta=0.2, gamma=0.5), epochs=3)
    result, _ = by_hand(experiment, store, steps=10)
    by_hand(experiment, store, resume=result.run)
    by_hand(experiment, store, resume=result.run, epochs=6, steps=27)
    reader = store.open(result.run)
    remade, found = again(reader, store)
    assert (found.steps, found.reason) == (27, "stopped")
    assert differing(reader, remade) == []


def test_points_of_the_course_moved_during_a_run_are_resumed_and_replayed(tmp_path: Path) -> None:
    experiment = edited(schedule=PointsSchedule(epochs=(0, 5), shares=(1, 0.1)))
    edits: dict[int, tuple[str, Any]] = {
        5: ("training.schedule.shares", (1.0, 0.5)),
        13: ("training.schedule.epochs", (0.0, 2.5)),
    }
    store = RunStore(tmp_path)
    whole, log = by_hand(experiment, store, edits)
    rates = [row.learning_rate for row in log.of(StepRow)]
    assert rates[5] == pytest.approx(0.1 * (1 - 0.5 * 5 / 30)) and rates[-1] == pytest.approx(0.05)
    part, _ = by_hand(experiment, RunStore(tmp_path / "other"), edits, steps=15)
    by_hand(experiment, RunStore(tmp_path / "other"), edits, resume=part.run)
    reader = store.open(whole.run)
    assert differing(reader, RunStore(tmp_path / "other").open(part.run)) == []
    assert differing(reader, again(reader, store)[0]) == []


@pytest.mark.parametrize("stopping", [EarlyStopping(patience=2), StopAfterTime(duration=0.25, unit="minutes")])
def test_a_run_that_a_condition_ended_is_replayed_to_its_end(
    stopping: Stopping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.training.loop import Loop

    store = RunStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "seconds", lambda loop: float(loop.step))
        result, log = by_hand(edited(stopping=(stopping,), epochs=20, optimizer=SGD(learning_rate=1.0)), store)
    reader = store.open(result.run)
    remade, found = again(reader, store)
    assert differing(reader, remade) == []
    assert (found.steps, found.reason, found.message) == (result.steps, "done", result.message)
    assert [e.condition for e in remade.events() if isinstance(e, ConditionMet)] == [
        e.condition for e in log.of(ConditionMet)
    ]


def test_a_change_of_the_executor_is_repeated(tmp_path: Path) -> None:
    from engine import executors

    if not executors.compiled():
        pytest.skip("the kernels are not compiled")
    store = RunStore(tmp_path)
    result, _ = by_hand(edited(), store, steps=12)
    by_hand(edited(), store, resume=result.run, executor="cpu")
    reader = store.open(result.run)
    replay = replay_of(reader)
    assert replay.executor == "array" and (12, "executor", "", "cpu") in replay.acts
    remade, _ = again(reader, store)
    assert differing(reader, remade) == []


def test_what_cannot_be_replayed_is_refused_in_words(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    first, _ = by_hand(edited(), store, steps=2)
    found = store.open(first.run).last_checkpoint()
    assert found is not None
    arrays = {name: array for name, array in found[0].items() if name.startswith("parameter/")}
    second, _ = by_hand(edited(), store, steps=2, state=arrays)
    with pytest.raises(TrainingError, match="weights that were loaded"):
        replay_of(store.open(second.run))


def test_what_differs_is_named(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    one, _ = by_hand(edited(), store, {}, steps=8)
    two, _ = by_hand(replace(edited(), seed=9), store, {}, steps=8)
    three, _ = by_hand(edited(), store, {}, steps=7)
    words = differing(store.open(one.run), store.open(two.run))
    assert words[0] == "the column “loss” from step 1 on" and "the array “parameter/dense_1/weight”" in words
    assert differing(store.open(one.run), store.open(three.run)) == ["the number of steps (8 and 7)"]


# -- what stands before a change ---------------------------------------------------------------------------------------


def test_a_checkpoint_is_written_before_a_change_and_one_before_a_drag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.training import steering

    store = RunStore(tmp_path)
    drag = {step: ("training.optimizer.learning_rate", 0.1 + step / 1000) for step in range(9, 15)}
    result, log = by_hand(edited(), store, drag, steps=17)
    assert [event.step for event in log.of(Changed)] == list(range(9, 15))
    assert [event.step for event in log.of(Checkpointed) if event.step % 6] == [9, 17]
    names = [type(event).__name__ for event in log if isinstance(event, Changed | Checkpointed) and event.step == 9]
    assert names == ["Checkpointed", "Changed"]
    before = next(info for info in store.open(result.run).checkpoints() if info.step == 9)
    counters = store.open(result.run).checkpoint(before.name)[1]
    assert counters["experiment"]["training"]["optimizer"]["learning_rate"] == 0.1, "the state before the change"
    monkeypatch.setattr(steering, "DRAG", 0.0)
    _, log = by_hand(edited(), store, drag, steps=17)
    assert {9, 10, 11, 13, 14} <= {event.step for event in log.of(Checkpointed)}


def test_every_live_field_of_the_training_part_reaches_the_steps() -> None:
    """Learning rate, momentum, decay, clipping, dropout: another number in the control block of the next step."""
    from engine.schema import components_of
    from engine.training.course import Course

    def block(experiment: Experiment) -> dict[str, float]:
        rate, scalars = Course(experiment, 100, 10).step(5)
        return {"rate": rate, **scalars}

    from engine.paths import set_path

    checked = 0
    places = {"optimizer": "optimizer", "penalty": "penalties[0]", "clipping": "clipping"}
    for kind, name in places.items():
        for cls in components_of(kind).values():
            component: Any = cls()
            given: Any = {"penalties": (component,)} if kind == "penalty" else {kind: component}
            experiment = spiral(RICH, **given)
            for spec in fields_of(cls):
                place = f"training.{name}.{spec.name}"
                if spec.live and spec.kind == "float":
                    other = getattr(component, spec.name) * 0.5 + 0.01
                    assert block(set_path(experiment, place, other)) != block(experiment), place
                    checked += 1
    assert block(set_path(spiral(RICH), "nodes.dropout_1.rate", 0.4)) != block(spiral(RICH))
    assert checked >= 20
