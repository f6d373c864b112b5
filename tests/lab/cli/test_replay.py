"""`descent replay`: a run made anew, and compared."""

from __future__ import annotations

from pathlib import Path

from engine.training.control import Control
from engine.training.events import Event, StepRows
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.support.command import complaint, descent
from tests.support.examples import blobs


def edited_run(folder: Path) -> str:
    """A run of 9 steps whose rate was changed by hand after the first that the control saw."""
    control = Control()

    def report(event: Event) -> None:
        if isinstance(event, StepRows) and event.step < 9:
            control.set("training.optimizer.learning_rate", 0.3)

    trainer = Trainer(
        blobs(epochs=3), device="cpu", executor="array", store=RunStore(folder), control=control, report=report
    )
    return trainer.run().run


def test_a_run_is_made_anew_with_its_edits_and_has_the_same_bits(tmp_path: Path) -> None:
    run = edited_run(tmp_path / "runs")
    called = descent("replay", f"{tmp_path}/runs/{run}")
    assert called.status == 0, called.err
    assert called.out.splitlines()[-1] == f"Every bit is that of the run {run}."
    assert called.out.startswith("epoch 1/3")
    assert "training.optimizer.learning_rate is 0.3 from step" in called.err
    found = descent("replay", f"{tmp_path}/runs/{run}", "--json", "--out", tmp_path / "others").json
    assert (found["of"], found["steps"], found["differences"]) == (run, 9, [])
    assert [item.id for item in RunStore(tmp_path / "others").list()] == [found["run"]]
    assert len(RunStore(tmp_path / "runs").list()) == 2


def test_what_differs_is_said(tmp_path: Path) -> None:
    """The rows of a run that somebody has altered are not made again."""
    import sqlite3

    run = edited_run(tmp_path / "runs")
    with sqlite3.connect(tmp_path / "runs" / "runs.db") as database:
        database.execute("DELETE FROM events WHERE type = 'Changed'")
    called = descent("replay", f"{tmp_path}/runs/{run}")
    assert called.status == 1
    assert called.out.splitlines()[-1].startswith(f"This differs from the run {run}: the column “loss” from step")


def test_a_run_that_does_not_exist(tmp_path: Path) -> None:
    assert "no run" in complaint("replay", tmp_path / "runs")
