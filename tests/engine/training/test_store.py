"""The run store: what is written is read back; runs end, break off, go on and go away."""

import sqlite3
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from engine.experiment import Experiment
from engine.training import codec, events, writer
from engine.training.checkpoint import CheckpointError
from engine.training.store import RunStore, StoreError
from tests.support.runs import arrays, epoch, experiment, frame, row, same_arrays, write


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "store")


# -- where it lies -----------------------------------------------------------------------------------------------------


def test_default_folder_is_the_users(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert RunStore().folder == home
    monkeypatch.delenv("DESCENT_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert RunStore().folder == tmp_path / "descent-lab"
    monkeypatch.setattr("sys.platform", "darwin")
    assert RunStore().folder.parts[-2:] == ("Application Support", "Descent Lab")


def test_looking_makes_nothing(store: RunStore) -> None:
    assert store.list() == []
    for ask in (store.open, store.delete, store.resolve):
        with pytest.raises(StoreError, match="There is no run “x”"):
            ask("x")
    assert not store.folder.exists()


# -- a run from start to end -------------------------------------------------------------------------------------------


def test_a_whole_run(store: RunStore) -> None:
    run = store.create(experiment("First"), "CPU, 1 thread")
    write(run, 1, 25)
    run.epoch(epoch(1, 10, 0.5))
    run.epoch(epoch(2, 20, 0.25))
    run.event(events.Changed(run=run.run, step=12, path="p", before=0.1, after=0.2))
    saved = run.checkpoint(arrays(), {"step": 25, "epoch": 2.5}, best=True)
    run.event(events.Finished(run=run.run, step=25, reason="done", seconds=2.0))
    run.finish("done")

    (summary,) = store.list()
    assert (summary.id, summary.name, summary.status, summary.device) == (run.run, "First", "done", "CPU, 1 thread")
    assert (summary.steps, summary.epochs, summary.checkpoints) == (25, 2, 1)
    assert (summary.train_loss, summary.validation_loss, summary.best_validation_loss) == (0.75, 0.25, 0.25)
    assert summary.metrics == {"accuracy": 0.25}
    assert summary.finished is not None and summary.finished >= summary.created and summary.resumable

    reader = store.open(run.run)
    steps = reader.steps()
    assert steps["step"].tolist() == list(range(1, 26))
    assert steps["loss"].tolist() == [1.0 / (step + 2) for step in range(1, 26)]
    assert steps["epoch"].tolist() == [step / 10 for step in range(1, 26)]
    assert reader.epochs() == [epoch(1, 10, 0.5), epoch(2, 20, 0.25)]
    assert [type(event).__name__ for event in reader.events()] == ["Changed", "Finished"]
    found = reader.last_checkpoint()
    assert found is not None and same_arrays(found[0], arrays()) and found[1] == {"step": 25, "epoch": 2.5}
    assert [info.name for info in reader.checkpoints()] == [saved.name]
    assert reader.problems == []


def test_best_loss_is_the_lowest_and_missing_losses_do_not_count(store: RunStore) -> None:
    with store.create(experiment(), "CPU") as run:
        for number, loss in enumerate([None, 0.5, 0.2, None, 0.4], 1):
            run.epoch(epoch(number, number, loss))
        run.flush()
        assert store.open(run.run).summary.best_validation_loss == 0.2
        assert store.open(run.run).summary.validation_loss == 0.4


def test_epoch_without_validation_shows_training_metrics(store: RunStore) -> None:
    with store.create(experiment(), "CPU") as run:
        run.epoch(epoch(1, 1, None))
        run.flush()
        assert store.open(run.run).summary.metrics == {"accuracy": 0.5}


def test_the_experiment_comes_back_equal(store: RunStore) -> None:
    value = experiment("Größe „∞“")
    with store.create(value, "CPU") as run:
        found = store.open(run.run).experiment
    assert found == value and isinstance(found, Experiment)


def progress(run: writer.RunWriter, seconds: float) -> events.Progress:
    return events.Progress(
        run=run.run, step=1, epoch=0.1, epochs=1, total_steps=10, samples_per_second=1.0, instrument_share=0.0,
        seconds=seconds, seconds_left=None,
    )  # fmt: skip


def test_frames_are_kept_once_an_epoch_the_latest(store: RunStore) -> None:
    run = store.create(experiment(), "CPU")
    for step in (3, 7, 10):
        run.frame(frame(step))
    run.event(events.Confusion(run=run.run, step=10, matrix=np.eye(2, dtype=np.int64), class_names=("a", "b")))
    run.epoch(epoch(1, 10))
    run.epoch(epoch(2, 20))
    run.event(frame(25))
    run.finish("stopped")
    reader = store.open(run.run)
    assert [found.step for found in reader.frames()] == [10, 25]
    assert [event.step for event in reader.events() if isinstance(event, events.Confusion)] == [10]


def test_what_only_shows_progress_is_not_kept(store: RunStore) -> None:
    with store.create(experiment(), "CPU") as run:
        run.event(codec.decode(codec.encode(events.Paused(run=run.run, step=1))))
        run.event(progress(run, 1.0))
        run.flush()
        assert store.open(run.run).events() == [events.Paused(run=run.run, step=1)]


def test_pictures_of_a_long_run_are_thinned_evenly(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOMENTS", 16)
    run = store.create(experiment(), "CPU")
    for number in range(1, 101):
        run.frame(frame(number))
        run.epoch(epoch(number, number))
    run.finish("done")
    steps = [found.step for found in store.open(run.run).frames()]
    assert 8 <= len(steps) <= 17 and steps[-1] == 100
    assert max(b - a for a, b in pairwise([0, *steps])) <= 16
    assert len(store.open(run.run).epochs()) == 100
    # A resumed run keeps to the spacing that it finds.
    resumed = store.resume(run.run, 100)
    for number in range(101, 111):
        resumed.frame(frame(number))
        resumed.epoch(epoch(number, number))
    resumed.finish("done")
    assert len(store.open(run.run).frames()) <= 18


def test_the_last_pictures_come_before_the_end(store: RunStore) -> None:
    run = store.create(experiment(), "CPU")
    run.frame(frame(1))
    run.event(events.Confusion(run=run.run, step=1, matrix=np.eye(2, dtype=np.int64), class_names=("a", "b")))
    run.event(events.Finished(run=run.run, step=1, reason="stopped", seconds=1.0))
    run.finish("stopped")
    assert [type(event).__name__ for event in store.open(run.run).events()] == ["Confusion", "Finished"]
    assert len(store.open(run.run).frames()) == 1


# -- going on ----------------------------------------------------------------------------------------------------------


def test_a_run_that_goes_on_is_running_and_readable(store: RunStore) -> None:
    with store.create(experiment(), "CPU") as run:
        write(run, 1, 5)
        run.flush()
        assert store.open(run.run).summary.status == "running"
        assert not store.list()[0].resumable
        assert len(store.open(run.run).steps()["step"]) == 5
        for refused in (lambda: store.delete(run.run), lambda: store.resume(run.run, 0)):
            with pytest.raises(StoreError, match="going on"):
                refused()


def test_a_run_left_without_a_word_is_interrupted(store: RunStore) -> None:
    with store.create(experiment(), "CPU") as run:
        write(run, 1, 5)
    (summary,) = store.list()
    assert summary.status == "interrupted" and summary.steps == 5 and not summary.resumable


def test_resume_makes_later_rows_void(store: RunStore) -> None:
    with store.create(experiment(), "CPU") as run:
        write(run, 1, 10, loss=1.0)
        run.epoch(epoch(1, 10, 0.9))
        run.checkpoint(arrays(1), {"step": 10, "epoch": 1.0})
        write(run, 11, 25, loss=1.0)
        run.event(events.Changed(run=run.run, step=12, path="p", before=1, after=2))
        run.epoch(epoch(2, 20, 0.1))
    resumed = store.resume(run.run, 10, device="GPU")
    assert store.open(run.run).summary.status == "running"
    write(resumed, 11, 20, loss=2.0)
    resumed.epoch(epoch(2, 20, 0.3))
    resumed.finish("done")
    reader = store.open(run.run)
    assert reader.steps()["step"].tolist() == list(range(1, 21))
    assert reader.steps()["loss"].tolist() == [1.0] * 10 + [2.0] * 10
    assert [found.validation_loss for found in reader.epochs()] == [0.9, 0.3]
    assert reader.events() == [] and len(reader.events(void=True)) == 1
    summary = reader.summary
    assert (summary.status, summary.device, summary.steps, summary.epochs) == ("done", "GPU", 20, 2)
    assert summary.best_validation_loss == 0.3


def test_an_epoch_without_a_finite_loss_is_never_the_best(store: RunStore) -> None:
    run = store.create(experiment(), "CPU")
    for number, loss in enumerate((float("nan"), 0.5, 0.7), start=1):
        run.epoch(epoch(number, number, loss))
    run.checkpoint(arrays(), {"step": 3})
    run.finish("stopped")
    assert store.open(run.run).summary.best_validation_loss == 0.5
    store.resume(run.run, 3).finish("done")
    assert store.open(run.run).summary.best_validation_loss == 0.5


def test_a_finished_run_can_go_on_and_time_adds_up(store: RunStore) -> None:
    run = store.create(experiment(), "CPU")
    write(run, 1, 3)
    run.event(progress(run, 1.5))
    run.checkpoint(arrays(), {"step": 3})
    run.finish("stopped")
    assert store.list()[0].seconds == 1.5
    resumed = store.resume(run.run, 3)
    assert resumed.step == 3
    resumed.flush()
    assert store.list()[0].seconds == 1.5
    resumed.event(progress(resumed, 2.0))
    write(resumed, 4, 6)
    resumed.finish("done")
    assert store.list()[0].seconds == 2.0
    assert store.open(run.run).steps()["step"].tolist() == [1, 2, 3, 4, 5, 6]


def test_a_run_that_somebody_else_went_on_with_meanwhile_is_left_alone(store: RunStore) -> None:
    with store.create(experiment(), "CPU") as run:
        run.checkpoint(arrays(), {"step": 10})
        at_work = store.open(run.run).progress()
        run.checkpoint(arrays(), {"step": 20})
    before = store.open(run.run).progress()
    with pytest.raises(StoreError, match="gone on in another window"):
        store.resume(run.run, 10, seen=at_work)
    store.resume(run.run, 20, seen=before).close()
    with pytest.raises(StoreError, match="gone on in another window"):
        store.resume(run.run, 20, seen=before)
    assert [item.step for item in store.open(run.run).checkpoints()] == [10, 20]


def test_resume_lets_go_of_later_checkpoints(store: RunStore) -> None:
    with store.create(experiment(), "CPU") as run:
        kept = run.checkpoint(arrays(1), {"step": 10}, best=True)
        run.checkpoint(arrays(2), {"step": 20}, best=True)
    store.resume(run.run, 10).close()
    reader = store.open(run.run)
    assert [info.name for info in reader.checkpoints()] == [kept.name]
    best = reader.best_checkpoint()
    assert best is not None and same_arrays(best[0], arrays(1))
    assert len(list((store.folder / "runs" / run.run).glob("*.safetensors"))) == 1


# -- checkpoints -------------------------------------------------------------------------------------------------------


def test_last_best_and_a_bounded_number_are_kept(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "KEEP_COUNT", 4)
    with store.create(experiment(), "CPU") as run:
        for step in range(1, 31):
            run.checkpoint({"x": np.array([step])}, {"step": step}, best=step == 7)
        reader = store.open(run.run)
        steps = [info.step for info in reader.checkpoints()]
        assert len(steps) == 6 and {7, 30} <= set(steps)
        best, last = reader.best_checkpoint(), reader.last_checkpoint()
        assert best is not None and best[1]["step"] == 7
        assert last is not None and last[1]["step"] == 30
        assert len(list(run.folder.glob("*.json"))) == len(list(run.folder.glob("*.safetensors"))) == 6


def test_checkpoints_stay_within_the_budget_of_bytes(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "KEEP_BYTES", 0)
    with store.create(experiment(), "CPU") as run:
        for step in range(1, 6):
            run.checkpoint({"x": np.zeros(100)}, {"step": step}, best=step == 2)
        assert [info.step for info in store.open(run.run).checkpoints()] == [2, 5]


def test_rows_before_a_checkpoint_are_on_the_disk_when_it_is(store: RunStore) -> None:
    with store.create(experiment(), "CPU") as run:
        write(run, 1, 7)
        run.checkpoint(arrays(), {"step": 7})
        assert len(store.open(run.run).steps()["step"]) == 7


def test_a_damaged_last_checkpoint_is_passed_over_in_words(store: RunStore) -> None:
    with store.create(experiment(), "CPU") as run:
        run.checkpoint(arrays(1), {"step": 1})
        last = run.checkpoint(arrays(2), {"step": 2})
    target = store.folder / "runs" / run.run / f"{last.name}.safetensors"
    target.write_bytes(target.read_bytes()[:-1])
    reader = store.open(run.run)
    found = reader.last_checkpoint()
    assert found is not None and same_arrays(found[0], arrays(1))
    assert len(reader.problems) == 1 and "damaged" in reader.problems[0]
    for path in target.parent.glob("*.json"):
        path.unlink()
    with pytest.raises(CheckpointError):
        reader.last_checkpoint()


def test_no_checkpoint_is_none(store: RunStore) -> None:
    store.create(experiment(), "CPU").finish("failed")
    reader = store.open(store.resolve("last"))
    assert reader.last_checkpoint() is None and reader.best_checkpoint() is None
    assert not reader.summary.resumable and reader.summary.status == "failed"


# -- the list ----------------------------------------------------------------------------------------------------------


def test_newest_first_and_names_resolve(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = []
    for name in ("a", "b", "c"):
        run = store.create(experiment(name), "CPU")
        run.finish("done")
        ids.append(run.run)
    listed = [summary.id for summary in store.list()]
    assert sorted(listed) == sorted(ids) and len(set(ids)) == 3
    assert listed[0] == ids[-1] == store.resolve("last") == store.resolve(ids[-1])
    shared = ids[0][:4]
    with pytest.raises(StoreError, match="any of 3 runs"):
        store.resolve(shared)
    assert store.resolve(ids[0][:-1]) == ids[0]
    with pytest.raises(StoreError):
        store.resolve("")


def test_rename_leaves_the_experiment(store: RunStore) -> None:
    store.create(experiment("old"), "CPU").finish("done")
    run_id = store.resolve("last")
    store.rename(run_id, "new")
    assert store.list()[0].name == "new" and store.open(run_id).experiment.name == "old"
    with pytest.raises(StoreError):
        store.rename("x", "y")


def test_delete_takes_everything(store: RunStore) -> None:
    kept = store.create(experiment(), "CPU")
    write(kept, 1, 3)
    kept.finish("done")
    gone = store.create(experiment(), "CPU")
    write(gone, 1, 3)
    gone.epoch(epoch(1, 3))
    gone.checkpoint(arrays(), {"step": 3})
    gone.finish("done")
    store.delete(gone.run)
    assert [summary.id for summary in store.list()] == [kept.run]
    assert not gone.folder.exists()
    connection = sqlite3.connect(store.database)
    for table in ("rows", "events", "checkpoints", "segments"):
        assert {run for (run,) in connection.execute(f"SELECT run FROM {table}")} <= {kept.run}
    connection.close()


# -- many at once ------------------------------------------------------------------------------------------------------


def test_many_threads_and_runs_share_a_store(store: RunStore) -> None:
    problems: list[BaseException] = []

    def train(number: int) -> None:
        try:
            run = store.create(experiment(f"run {number}"), "CPU")
            for step in range(1, 301):
                run.rows(row(step, run=run.run))
                if step % 100 == 0:
                    run.epoch(epoch(step // 100, step))
                    run.checkpoint({"x": np.array([step])}, {"step": step})
            run.finish("done")
        except BaseException as error:
            problems.append(error)

    def look() -> None:
        try:
            for _ in range(30):
                for summary in store.list():
                    columns = store.open(summary.id).steps()
                    assert np.array_equal(columns["step"], np.arange(1, len(columns["step"]) + 1))
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=train, args=(i,)) for i in range(3)] + [threading.Thread(target=look)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert [len(store.open(s.id).steps()["step"]) for s in store.list()] == [300] * 3
    assert {s.status for s in store.list()} == {"done"}
