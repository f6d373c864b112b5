"""Live changes on the epoch axis of the curves, of the run and of runs laid over it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from engine.clipping import ClipByGlobalNorm
from engine.training.events import Changed, RateDropped
from lab.panels import GradientsPanel, LearningRatePanel, LossPanel, MetricsPanel, Panel
from lab.panels.marks import change_words, marks_of
from lab.session import Session
from lab.stored import StoredRun
from tests.lab import fakes

RATE = "training.optimizer.learning_rate"


def changed(step: int, value: float, path: str = RATE) -> Changed:
    return Changed(run="fake", step=step, path=path, before=1e-3, after=value)


def test_changes_in_words() -> None:
    assert change_words(RATE, 0.3) == "learning rate 0.3"
    assert change_words("nodes.dropout_1.rate", 0.5) == "dropout_1 rate 0.5"
    assert change_words("training.penalties[0].strength", 1e-4) == "penalty strength 1e-4"
    assert change_words("training.groups[1].frozen", True) == "group 2 frozen on"
    assert change_words("training.clipping", ClipByGlobalNorm()) == "clipping by global norm"
    assert change_words("training.clipping", {"type": "none"}) == "clipping none"
    assert change_words("training.schedule.shares", (1.0, 0.5)) == "points moved"
    assert change_words("training.schedule.epochs", [0.0, 2.5]) == "points moved", "as a run keeps it"
    assert change_words("training.clipping.max_norm", 2.0) == "clipping max norm 2.0"


def test_a_dragged_slider_is_one_mark(session: Session) -> None:
    changes = [changed(40, 0.1), changed(44, 0.2), changed(48, 0.3), changed(50, 1.0, "training.clipping.max_norm")]
    marks = marks_of(changes, session.started, span=1.0)
    assert [(mark.epoch, mark.text) for mark in marks] == [(1.2, "learning rate 0.3"), (1.25, "clipping max norm 1.0")]
    assert len(marks_of(changes, session.started)) == 4
    assert marks_of(changes, None) == []


def test_of_the_drops_of_a_plateau_the_last_bears_its_text(show: Callable[..., Panel], session: Session) -> None:
    panel = show(LossPanel)
    rates = (1e-3, 1e-4, 1e-5)
    session.live.drops += [
        RateDropped(run="fake", step=100 * i, scale=rate / 1e-2, before=1e-2, after=rate)
        for i, rate in enumerate(rates, start=1)
    ]
    session.live.changes.append(changed(150, 0.3))
    panel.refresh()
    assert panel.marks.shown() == [  # type: ignore[attr-defined]
        (2.5, ""), (3.75, "learning rate 0.3"), (5.0, ""), (7.5, "learning rate 1e-5")
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [LossPanel, MetricsPanel, GradientsPanel, LearningRatePanel])
def test_curves_mark_live_changes(kind: type[Panel], show: Callable[..., Panel], session: Session) -> None:
    panel = show(kind)
    assert panel.marks.shown() == []  # type: ignore[attr-defined]
    session.live.changes.append(changed(100, 0.3))
    panel.refresh()
    assert panel.marks.shown() == [(2.5, "learning rate 0.3")]  # type: ignore[attr-defined]
    other = fakes.filled_session(seed=1)
    other.live.changes.append(changed(200, 0.05))
    assert session.experiment is not None
    run = StoredRun(run="b", label="before", experiment=session.experiment, history=other.live, started=session.started)
    session.add_overlay(run)
    panel.refresh()
    assert (5.0, "before: learning rate 0.05") in panel.marks.shown()  # type: ignore[attr-defined]
    session.live.changes.clear()
    session.remove_overlay("b")
    panel.refresh()
    assert panel.marks.shown() == []  # type: ignore[attr-defined]
    other.close()


def test_overlaid_runs_differ_by_dashes_and_have_short_names(show: Callable[..., Panel], session: Session) -> None:
    other = fakes.filled_session(seed=1)
    assert session.experiment is not None
    run = StoredRun(run="b", label="a very long name of a run of the past", experiment=session.experiment,
                    history=other.live)  # fmt: skip
    session.add_overlay(run)
    panel = show(LossPanel)
    train, validation = panel._overlays["b"]  # type: ignore[attr-defined]
    assert (train.style, validation.style) == ("solid", "dash") and train.tint == validation.tint
    assert train.name == "a very long name of a…"
    other.close()


def test_points_of_gradients_are_marked_while_they_lie_apart(show: Callable[..., Panel], session: Session) -> None:
    panel = show(GradientsPanel)
    curve = panel.curves["dense_1"]  # type: ignore[attr-defined]
    assert len(curve.x) == 12 and curve.symbols
    assert panel.caption() == "step 480 · a point every 40 steps · L2 · log y"
    frame = session.frame
    assert frame is not None
    for step in np.arange(481, 1500):
        session.live.add_frame(replace(frame, step=int(step), epoch=step / 40))
    panel.refresh()
    assert not curve.symbols


def test_the_best_value_says_what_it_is_best_of(show: Callable[..., Panel]) -> None:
    panel = show(MetricsPanel)
    assert isinstance(panel, MetricsPanel)
    found = panel.best()
    assert found is not None
    words = f"{found[1]:.3f}, epoch {found[0]:g}"
    for width, expected in ((900, f"best accuracy {words}"), (240, f"best {words}")):
        panel.resize(width, 300)
        panel.grab()
        panel.refresh()
        assert panel.marker_text.toPlainText() == expected
