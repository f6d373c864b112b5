"""The session: states, orders, stale mail, threads that end, bounded memory at 100,000 steps a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from engine.schema import SchemaError
from engine.training.events import Changed, Failed, Finished, Started, StepRow
from lab.session import DRAIN_MS, Session
from lab.substance import edited_since_run
from tests.lab import fakes
from tests.support.runs import row, step_rows


@pytest.fixture
def make_session(qapp: object) -> Iterator[Callable[..., Session]]:
    sessions: list[Session] = []

    def build(factory: Any = None, **options: Any) -> Session:
        session = Session(trainer_factory=factory or partial(fakes.FakeTrainer, **options))
        sessions.append(session)
        return session

    yield build
    for session in sessions:
        session.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("training-")]


def wait_for(qtbot: QtBot, session: Session, state: str) -> None:
    qtbot.waitUntil(lambda: session.state == state)


def test_a_run_from_start_to_end(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    session = make_session()
    states: list[str] = []
    session.stateChanged.connect(states.append)
    experiment = fakes.experiment(epochs=5)
    session.start(experiment)
    assert session.state == "starting" and session.experiment is experiment
    wait_for(qtbot, session, "finished")
    assert states == ["starting", "running", "finished"]
    assert session.live.step_count == 100
    assert session.live.steps["step"].tolist() == list(range(1, 101))
    assert [event.epoch for event in session.live.epochs] == [1, 2, 3, 4, 5]
    assert session.live.gradients["dense_1"]["step"].tolist()[-1] == 100
    assert session.frame is not None and session.frame.step == 100
    assert session.finished is not None and session.finished.reason == "done"
    assert session.steps_per_epoch == 20 and session.epochs == 5


def test_every_epoch_keeps_its_own_frame(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    session = make_session()
    session.start(fakes.experiment(epochs=8))
    wait_for(qtbot, session, "finished")
    assert [moment.frame.step for moment in session.live.moments if moment.frame] == [20 * i for i in range(1, 9)]


def test_the_timer_runs_only_during_a_run(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    session = make_session(rate=200.0)
    assert not session._timer.isActive() and session._timer.interval() == DRAIN_MS
    session.start(fakes.experiment(epochs=1000))
    assert session._timer.isActive()
    wait_for(qtbot, session, "running")
    session.stop()
    wait_for(qtbot, session, "finished")
    qtbot.waitUntil(lambda: not session._timer.isActive())


def test_pause_step_resume_stop(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    session = make_session(rate=400.0)
    session.start(fakes.experiment(epochs=1000))
    wait_for(qtbot, session, "running")
    session.pause()
    assert session.pausing
    wait_for(qtbot, session, "paused")
    assert not session.pausing
    session.drain()
    before = session.live.step_count
    session.step(3)
    qtbot.waitUntil(lambda: session.live.step_count == before + 3 and session.state == "paused")
    session.epoch()
    qtbot.waitUntil(lambda: session.state == "paused" and session.live.step_count % 20 == 0)
    session.resume()
    wait_for(qtbot, session, "running")
    session.stop()
    assert session.state == "stopping", "acknowledged at once"
    wait_for(qtbot, session, "finished")
    assert session.finished is not None and session.finished.reason == "stopped"


def test_a_paused_start_waits_for_steps(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    session = make_session()
    session.start(fakes.experiment(), paused=True)
    wait_for(qtbot, session, "paused")
    assert session.live.step_count == 0
    session.step()
    qtbot.waitUntil(lambda: session.live.step_count == 1)


def test_pause_and_stop_wait_for_no_more_than_the_step_under_way(
    qtbot: QtBot, make_session: Callable[..., Session]
) -> None:
    session = make_session(rate=50.0)
    session.start(fakes.experiment(epochs=1000))
    wait_for(qtbot, session, "running")
    trainer = session._holder[0]
    for _ in range(3):
        session.pause()
        begun = trainer.reported_steps
        wait_for(qtbot, session, "paused")
        assert trainer.reported_steps <= begun + 1
        session.resume()
        wait_for(qtbot, session, "running")
    session.stop()
    begun = trainer.reported_steps
    wait_for(qtbot, session, "finished")
    assert trainer.reported_steps <= begun + 1


def test_a_second_start_is_refused_while_a_run_goes_on(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    session = make_session(rate=100.0)
    session.start(fakes.experiment(epochs=1000))
    with pytest.raises(RuntimeError, match="going on"):
        session.start(fakes.experiment())


def test_mail_of_another_run_is_dropped(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    session = make_session(rate=100.0)
    session.start(fakes.experiment(epochs=1000))
    wait_for(qtbot, session, "running")
    assert session._mailbox is not None
    seen: list[object] = []
    session.eventArrived.connect(seen.append)
    session._mailbox.post(Finished(run="another", step=1, reason="done", seconds=0.0))
    session._mailbox.post(fakes.surface("another", 1))
    session.drain()
    assert session.state == "running" and session.surface is None
    assert not [event for event in seen if isinstance(event, Finished)]


def test_an_error_on_the_thread_becomes_a_failed_state(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    session = make_session(fail_at=30)
    session.start(fakes.experiment())
    wait_for(qtbot, session, "failed")
    failed = [event for event in session.events if isinstance(event, Failed)]
    assert len(failed) == 1 and failed[0].message == "Dense 128 met its end"
    assert "Traceback" in failed[0].details and failed[0].step == 29


def test_a_factory_that_raises_fails_in_words(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    def factory(experiment: object, **arguments: object) -> Any:
        raise ValueError("The file “x.csv” has no column “y”.")

    session = make_session(factory)
    session.start(fakes.experiment())
    wait_for(qtbot, session, "failed")
    assert [event.message for event in session.events if isinstance(event, Failed)] == [
        "The file “x.csv” has no column “y”."
    ]


def test_what_is_watched_reaches_the_trainer(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    session = make_session(rate=500.0)
    session.watch("panel a", {"activations", "weights"})
    session.start(fakes.experiment(epochs=1000))
    wait_for(qtbot, session, "running")
    assert session.control is not None and session.control.topics == {"activations", "weights"}
    session.watch("panel b", {"surface"})
    session.watch("panel a", set())
    assert session.control.topics == {"surface"}
    session.watch("panel b", set())
    assert session.control.topics == frozenset()


def test_live_changes_are_checked_and_followed(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    session = make_session(rate=500.0)
    experiment = fakes.experiment(epochs=1000)
    session.start(experiment)
    wait_for(qtbot, session, "running")
    with pytest.raises(SchemaError):
        session.set_live("training.optimizer.learning_rate", -1.0)
    with pytest.raises(SchemaError):
        session.set_live("training.batch_size", 3)
    assert not edited_since_run(experiment, session)
    session.set_live("training.optimizer.learning_rate", 0.25)
    qtbot.waitUntil(lambda: bool(session.live.changes))
    assert isinstance(session.live.changes[0], Changed)
    assert session.experiment is not None
    assert session.experiment.training.optimizer.learning_rate == 0.25  # type: ignore[attr-defined]
    assert edited_since_run(experiment, session)


def test_a_document_that_made_the_live_change_is_not_edited(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    from engine.paths import set_path

    session = make_session(rate=500.0)
    experiment = fakes.experiment(epochs=1000)
    session.start(experiment)
    wait_for(qtbot, session, "running")
    path = "training.optimizer.learning_rate"
    told: list[bool] = []
    document = set_path(experiment, path, 0.25)
    session.experimentChanged.connect(lambda: told.append(edited_since_run(document, session)))
    session.set_live(path, 0.25)
    assert not edited_since_run(document, session), "before the run has come to it"
    qtbot.waitUntil(lambda: bool(told))
    assert told == [False] and session.experiment is not None
    assert not edited_since_run(document, session)
    assert edited_since_run(experiment, session)


def test_edited_since_run_leaves_names_and_places_aside(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    from msgspec.structs import replace

    session = make_session()
    experiment = fakes.experiment(epochs=2)
    assert not edited_since_run(experiment, session), "before any run"
    session.start(experiment)
    nodes = experiment.network.nodes
    moved = replace(experiment.network, nodes=(replace(nodes[0], position=(9.0, 9.0)), *nodes[1:]))
    assert not edited_since_run(replace(experiment, network=moved, name="Other"), session)
    assert edited_since_run(replace(experiment, seed=7), session)
    fewer = replace(experiment.network, nodes=nodes[:-1])
    assert edited_since_run(replace(experiment, network=fewer), session)


def test_looking_back_shows_the_nearest_moment(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    session = make_session()
    session.start(fakes.experiment(epochs=6))
    wait_for(qtbot, session, "finished")
    looks: list[int | None] = []
    session.lookChanged.connect(lambda: looks.append(session.looking))
    session.look(3)
    assert session.moment().epoch == 3 and session.train_loss() == session.live.epochs[2].train_loss
    frame = session.moment().frame
    assert frame is not None and frame.step == 60
    session.look(3)
    session.look(None)
    assert session.moment().frame is session.frame
    # At an epoch's end, and so at the run's: the mean over the epoch, not the loss of its last batch.
    assert session.train_loss() == session.live.epochs[-1].train_loss
    assert looks == [3, None]


def test_reset_forgets_the_run(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    session = make_session(rate=500.0)
    session.start(fakes.experiment(epochs=1000))
    wait_for(qtbot, session, "running")
    session.reset()
    assert session.state == "idle" and session.live.step_count == 0 and session.experiment is None
    session.start(fakes.experiment(epochs=1))
    wait_for(qtbot, session, "finished")
    assert session.live.step_count == 20


def test_close_joins_the_thread(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    session = make_session(rate=50.0)
    session.start(fakes.experiment(epochs=1000))
    wait_for(qtbot, session, "running")
    session.close()
    assert session.state == "finished"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("training-")]


class Firehose:
    """Reports 100,000 steps a second and counts what the run store would have got."""

    def __init__(self, experiment: Any, *, report: Any, control: Any, seconds: float = 2.0, **_: Any) -> None:
        self.report, self.control, self.seconds = report, control, seconds
        self.stored = 0

    def run(self) -> None:
        begun = time.perf_counter()
        step = 0
        self.report(
            Started(
                run="hose",
                step=0,
                total_steps=1_000_000,
                steps_per_epoch=1000,
                epochs=1000,
                device="",
                expected_initial_loss=1.0,
                parameter_count=0,
            )
        )
        while (elapsed := time.perf_counter() - begun) < self.seconds and not self.control.stopping:
            due = int(elapsed * 100_000)
            while step < due:
                stop = min(due, (step // 1000 + 1) * 1000)
                losses = (1e6 if number == 54_321 else 1.0 for number in range(step + 1, stop + 1))
                rows = (StepRow(step + 1 + i, 0.0, loss, 0.0, 0.1) for i, loss in enumerate(losses))
                self.report(step_rows(*rows, run="hose"))
                self.stored += stop - step
                step = stop
                if step % 1000 == 0:
                    self.report(fakes.epoch_end("hose", step, step // 1000))
            time.sleep(0.001)
        self.report(Finished(run="hose", step=step, reason="done", seconds=elapsed))


def test_a_hundred_thousand_steps_a_second_stay_bounded(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    trainers: list[Firehose] = []

    def factory(experiment: Any, **arguments: Any) -> Firehose:
        trainers.append(Firehose(experiment, **arguments))
        return trainers[-1]

    session = make_session(factory)
    session.start(fakes.experiment())
    wait_for(qtbot, session, "finished")
    stored = trainers[0].stored
    assert session.live.step_count == stored, "every step is accounted for"
    assert len(session.live.steps) <= 20_000 and session.live.nbytes < 4_000_000
    if stored >= 54_321:  # a starved machine may not come so far
        assert 54_321 in session.live.steps["step"] and session.live.steps["loss"].max() == 1e6
    assert [event.epoch for event in session.live.epochs] == list(range(1, stored // 1000 + 1))


def test_rows_that_nobody_fetches_take_bounded_room(qtbot: QtBot, make_session: Callable[..., Session]) -> None:
    session = make_session()
    session.start(fakes.experiment(), paused=True)
    wait_for(qtbot, session, "paused")
    assert session._mailbox is not None
    waiting = 0
    for step in range(1, 100_001):  # the event loop stands still meanwhile: nothing is drained
        session._mailbox.post(row(step, 1.0, run="hose"))
        waiting = max(waiting, len(session._mailbox))
    assert 1000 < waiting <= 8192
