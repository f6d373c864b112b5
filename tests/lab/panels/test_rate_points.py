"""The learning rate's course drawn by hand: with the mouse, with keys, as one undo step each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from engine.data.signature import DataSignature
from engine.schedules import CosineSchedule, LinearWarmup, OneCycle, PlateauSchedule, PointsSchedule
from engine.schema import validate
from engine.training.events import RateDropped, Started
from lab.document import Document
from lab.panels import Panel
from lab.panels.learning_rate import LearningRatePanel
from lab.session import Session
from lab.window import Window
from tests.lab import fakes

Show = Callable[..., Panel]
POINTS = PointsSchedule(epochs=(0, 2, 5), shares=(1.0, 0.4, 0.1))


@pytest.fixture
def document() -> Iterator[Document]:
    """Ten epochs of ten steps, five of them warm-up, at a rate of 0.001."""
    signature = DataSignature(inputs={"x": (2,)}, targets={}, train_size=640)
    made = Document(fakes.experiment(epochs=10), peek=lambda spec: signature)
    yield made
    made.close()


@pytest.fixture
def panel(show: Show, document: Document) -> Iterator[LearningRatePanel]:
    session = Session()
    made = show(LearningRatePanel, session)
    assert isinstance(made, LearningRatePanel)
    with_schedule(document, POINTS)
    made.set_document(document)
    made.refresh()
    yield made
    session.close()


def with_schedule(document: Document, schedule: object) -> None:
    experiment = document.experiment
    document.replace(replace(experiment, training=replace(experiment.training, schedule=schedule)))


def schedule_of(document: Document) -> PointsSchedule:
    schedule = document.experiment.training.schedule
    assert isinstance(schedule, PointsSchedule)
    return schedule


def place(panel: LearningRatePanel, epoch: float, rate: float) -> QPoint:
    return panel.handles.pixel((epoch, rate)).toPoint()


def drag(panel: LearningRatePanel, start: QPoint, stop: QPoint, *, drop: bool = True) -> None:
    view = panel.plot.viewport()
    QTest.mouseMove(view, start)
    QTest.mousePress(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    for share in (0.3, 0.7, 1.0):
        at = QPointF(start) + (QPointF(stop) - QPointF(start)) * share
        event = QMouseEvent(
            QEvent.Type.MouseMove, at, QPointF(view.mapToGlobal(at.toPoint())), Qt.MouseButton.NoButton,
            Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
        )  # fmt: skip
        QApplication.sendEvent(view, event)
    if drop:
        QTest.mouseRelease(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, stop)


def test_handles_lie_on_the_curve(panel: LearningRatePanel) -> None:
    points = panel.handles.points
    assert [x for x, _ in points] == pytest.approx([5.1, 7.1, 10.1]), "after five epochs of warm-up"
    assert [y for _, y in points] == pytest.approx([1e-3, 4e-4, 1e-4])
    for x, y in points[:2]:
        assert panel.future.y[np.abs(panel.future.x - x).argmin()] == pytest.approx(y)
    assert "drag" in panel.caption()


def test_a_drag_moves_a_point_in_one_undo_step(panel: LearningRatePanel, document: Document) -> None:
    drag(panel, place(panel, 7.1, 4e-4), place(panel, 8.1, 7e-4))
    moved = schedule_of(document)
    assert moved.epochs == pytest.approx((0, 3, 5), abs=0.05) and moved.shares == pytest.approx((1, 0.7, 0.1), abs=0.02)
    assert document.undo_label == "Move a point of the learning rate"
    assert panel.handles.points[1] == pytest.approx((moved.epochs[1] + 5.1, moved.shares[1] * 1e-3))
    document.undo()
    assert schedule_of(document) == POINTS and not document.undo_label


def test_while_it_is_dragged_the_curve_follows_and_the_axes_stand_still(
    panel: LearningRatePanel, document: Document
) -> None:
    before = panel.plot.getPlotItem().viewRange()
    drag(panel, place(panel, 7.1, 4e-4), place(panel, 8.1, 8e-4), drop=False)
    assert schedule_of(document) == POINTS, "nothing is edited yet"
    assert panel.future.y[np.abs(panel.future.x - 8.1).argmin()] == pytest.approx(8e-4, rel=0.05)
    assert panel.plot.getPlotItem().viewRange() == before
    QTest.keyClick(panel.plot, Qt.Key.Key_Escape)
    assert schedule_of(document) == POINTS and not panel.handles.dragging
    assert panel.future.y[np.abs(panel.future.x - 7.1).argmin()] == pytest.approx(4e-4)


def test_points_keep_their_order_and_stay_in_the_plot(panel: LearningRatePanel, document: Document) -> None:
    drag(panel, place(panel, 7.1, 4e-4), place(panel, 5.0, 4e-4) - QPoint(200, -900))
    assert schedule_of(document).epochs == pytest.approx((0, 0, 5), abs=1e-3)
    assert min(schedule_of(document).shares) == 0.0


def test_a_double_click_adds_a_point_where_there_is_none(panel: LearningRatePanel, document: Document) -> None:
    QTest.mouseDClick(panel.plot.viewport(), Qt.MouseButton.LeftButton, pos=place(panel, 6.1, 9e-4))
    found = schedule_of(document)
    assert len(found.epochs) == 4 and found.epochs[1] == pytest.approx(1.0, abs=0.05)
    assert found.shares[1] == pytest.approx(0.9, abs=0.02)
    QTest.mouseDClick(panel.plot.viewport(), Qt.MouseButton.LeftButton, pos=place(panel, 7.1, 4e-4))
    assert schedule_of(document) == found, "there is one already"


def test_a_right_click_and_the_delete_key_take_points_away(panel: LearningRatePanel, document: Document) -> None:
    view = panel.plot.viewport()
    QTest.mouseClick(view, Qt.MouseButton.RightButton, pos=place(panel, 7.1, 4e-4))
    assert schedule_of(document).epochs == (0, 5)
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=place(panel, 5.1, 1e-3))
    QTest.keyClick(panel.plot, Qt.Key.Key_Delete)
    assert schedule_of(document) == replace(POINTS, epochs=(5.0,), shares=(0.1,))
    QTest.keyClick(panel.plot, Qt.Key.Key_Left)
    QTest.keyClick(panel.plot, Qt.Key.Key_Delete)
    assert len(schedule_of(document).epochs) == 1, "the last one stays"
    document.undo()
    document.undo()
    assert schedule_of(document) == POINTS


def test_keys_choose_and_move_points(panel: LearningRatePanel, document: Document) -> None:
    panel.plot.setFocus()
    QTest.keyClick(panel.plot, Qt.Key.Key_Right)
    QTest.keyClick(panel.plot, Qt.Key.Key_Right)
    assert panel.handles.chosen == 1
    QTest.keyClick(panel.plot, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(panel.plot, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    found = schedule_of(document)
    assert 0.4 < found.shares[1] < 0.45 and 1.7 < found.epochs[1] < 2.0


def test_on_a_logarithmic_axis(panel: LearningRatePanel, document: Document) -> None:
    panel.log_y.setChecked(True)
    panel.refresh()
    drag(panel, place(panel, 7.1, 4e-4), place(panel, 7.1, 2e-4))
    assert schedule_of(document).shares[1] == pytest.approx(0.2, abs=0.01)


def test_any_schedule_becomes_points_along_its_curve(panel: LearningRatePanel, document: Document) -> None:
    with_schedule(document, CosineSchedule())
    panel.refresh()
    assert not panel.handles.active
    before = panel.future.y.copy()
    panel.menu.aboutToShow.emit()
    assert panel.convert.isEnabled()
    panel.convert.trigger()
    assert schedule_of(document).epochs[0] == 0.0
    panel.refresh()
    assert panel.handles.active
    assert np.abs(panel.future.y - before).max() < 0.01 * before.max()
    document.undo()
    assert document.experiment.training.schedule == CosineSchedule()


def test_a_course_that_is_all_warm_up_becomes_a_point_that_files_can_hold(
    panel: LearningRatePanel, document: Document
) -> None:
    """No time after warm-up is left: the point lies at its end, not before it."""
    training = replace(document.experiment.training, warmup=LinearWarmup(duration=30.0), schedule=CosineSchedule())
    document.replace(replace(document.experiment, training=training))
    panel.refresh()
    panel.convert.trigger()
    assert schedule_of(document).epochs == (0.0,)
    assert validate(schedule_of(document)) == schedule_of(document)


def test_the_next_runs_course_lies_beside_that_of_the_run(show: Show, session: Session, document: Document) -> None:
    made = show(LearningRatePanel)
    assert isinstance(made, LearningRatePanel) and session.experiment is not None
    document.replace(session.experiment)
    made.set_document(document)
    made.refresh()
    assert not len(made.next.x)
    with_schedule(document, POINTS)
    made.refresh()
    assert len(made.next.x) and made.handles.active
    assert {row[0] for row in made.table()[1]} == {"run", "planned", "next run"}


def test_opposed_momentum_is_a_second_fainter_curve(panel: LearningRatePanel, document: Document) -> None:
    with_schedule(document, OneCycle())
    panel.refresh()
    assert panel.momentum.values.min() == pytest.approx(0.85) and panel.momentum.values.max() == pytest.approx(0.95)
    assert panel.momentum.y.max() < panel.future.y.max() and panel.momentum.opacity < 0.5
    peak = panel.future.x[panel.future.y.argmax()]
    assert panel.momentum.x[panel.momentum.values.argmin()] == pytest.approx(peak)
    (found,) = [value for curve, _, value in panel.plot.readout(float(peak)) if curve is panel.momentum]
    assert found == pytest.approx(0.85), "the read-out tells momentum, not where it is drawn"
    assert panel.caption().endswith("one cycle · momentum 0.85–0.95")
    with_schedule(document, CosineSchedule())
    panel.refresh()
    assert not len(panel.momentum.x)


def test_drops_of_a_plateau_are_in_the_plan_and_on_the_axis(show: Show, session: Session) -> None:
    made = show(LearningRatePanel)
    assert isinstance(made, LearningRatePanel) and session.experiment is not None and session.started is not None
    training = replace(session.experiment.training, schedule=PlateauSchedule(), warmup=fakes.make("warmup", "none"))
    session.experiment = replace(session.experiment, training=training)
    drop = RateDropped(run="fake", step=400, scale=0.1, before=1e-3, after=1e-4)
    session._take_event(drop)
    made.refresh()
    assert np.unique(made.future.y).tolist() == [pytest.approx(1e-4)]
    assert (400 / session.started.steps_per_epoch, "learning rate 1e-4") in made.marks.shown()
    assert isinstance(session.started, Started)


def test_an_action_shows_the_panel_with_points_to_drag(make_window: Callable[..., Window]) -> None:
    window = make_window(fakes.experiment(epochs=10))
    window.actions_by_id["draw_rate"].trigger()
    panel = window.area.panel("learning_rate")
    assert isinstance(panel, LearningRatePanel) and panel.isVisible()
    panel.refresh()
    assert panel.handles.active and isinstance(window.document.experiment.training.schedule, PointsSchedule)
    assert window.document.undo_label == "Convert the schedule to points"
