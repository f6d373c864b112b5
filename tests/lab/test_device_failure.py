"""A run in the window whose GPU fails: a notice, curves without a seam, and the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import executors
from engine.training.events import Changed, DeviceFailed, EpochEnd, Frame, StepRow, StepRows
from engine.training.store import RunStore
from lab.mailbox import Mailbox
from lab.window import Window
from tests.support.examples import blobs
from tests.support.failing_gpu import FailingGpu
from tests.support.runs import step_rows

MakeWindow = Callable[..., Window]


@pytest.fixture(autouse=True)
def arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "compiled", lambda: False)


@pytest.mark.parametrize("stored", [True, False])
def test_the_run_goes_on(
    make_window: MakeWindow, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stored: bool
) -> None:
    gpu = FailingGpu(40).install(monkeypatch)
    window = make_window(blobs(epochs=30), fake=False, store=RunStore(tmp_path / "runs"))
    if not stored:
        window.session.store = None
    window.flow.press()
    qtbot.waitUntil(lambda: window.session.state == "finished")
    assert gpu.lost
    (text,) = window.notices.texts
    assert text.startswith("The GPU does not answer any more (cudaErrorLaunchFailure). The run goes on from step ")
    assert window.session.device_label.startswith("NumPy")
    live = window.session.live
    assert live.steps["step"].tolist() == list(range(1, 91)), "each step once"
    assert [end.epoch for end in live.epochs] == list(range(1, 31))
    assert window.status.message.text() == "Training is done: 90 steps."
    if stored:
        (summary,) = window.session.store.list()
        assert (summary.status, summary.steps) == ("done", 90) and summary.device.startswith("NumPy")
    window.flow.press()
    assert window.notices.texts == [], "of another run it says nothing"
    window.flow.stop()


def test_what_waits_of_steps_that_come_again_is_let_go() -> None:
    box = Mailbox()
    failed = DeviceFailed(run="r", step=4, failed_at=9, executor="cpu", device="Compiled", message="Lost.")
    rows = step_rows(*(StepRow(step, step / 4, 1.0, 0.0, 0.1) for step in range(1, 10)))
    end = {"train_loss": 1.0, "validation_loss": None, "train_metrics": {}, "validation_metrics": {},
           "learning_rate": 0.1, "seconds": 1.0}  # fmt: skip
    box.post(rows)
    for step in (4, 8):
        box.post(Frame(run="r", step=step, epoch=1.0, activations={}, adjoints={}, parameters={}))
        box.post(EpochEnd(run="r", step=step, epoch=step // 4, **end))
    box.post(Changed(run="r", step=6, path="x", before=1, after=2))
    box.post(failed)
    box.post(StepRows(run="r", step=5, table=rows.table[4:5]))
    mail = box.drain()
    assert mail.rows[0].tolist() == [1, 2, 3, 4, 5]
    assert [(type(event), event.step) for event in mail.events] == [(EpochEnd, 4), (DeviceFailed, 4)]
    assert mail.slots == () and len(mail.seen) == 2
