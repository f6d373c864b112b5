"""Handles on the points of a course that is drawn by hand: dragged, added and deleted right on the plot's curve."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget
from shiboken6 import isValid

from widgets import theme
from widgets.text import number

if TYPE_CHECKING:
    from widgets.plot import Plot

__all__ = ["Point", "PointHandles"]

Point = tuple[float, float]
"""Where a point lies on the axes: epoch and learning rate."""

RADIUS = 4.5
GRAB = 10.0
"""Pixels within which a handle is taken hold of."""
LOOKED_AT = frozenset(
    getattr(QEvent.Type, name)
    for name in (
        "KeyPress", "ShortcutOverride", "MouseButtonPress", "MouseMove", "MouseButtonRelease", "MouseButtonDblClick",
        "ContextMenu", "Leave", "Resize",
    )
)  # fmt: skip
NUDGE = 0.02
"""The share of the visible axis that Shift and an arrow key move a point by."""


class PointHandles(QWidget):
    """Lies over a plot and draws its handles; the mouse and the keys are the plot's, whose events it looks at first.

    `edited(points, words)` carries all points after an edit, and the edit in words; `dragged(points)` those while one
    is dragged (None: the drag was given up). A drag is one edit, told when the button is let go.
    """

    edited = Signal(object, str)
    dragged = Signal(object)

    def __init__(self, plot: Plot) -> None:
        super().__init__(plot)
        self._plot = plot
        self._points: list[Point] = []
        self._draft: list[Point] | None = None
        self._held = False
        self._follows = True
        self.chosen: int | None = None
        """The point that the keys act on."""
        self.hovered: int | None = None
        self.least_x = 0.0
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()
        plot.installEventFilter(self)
        plot.viewport().installEventFilter(self)
        plot.getPlotItem().getViewBox().sigRangeChanged.connect(self._on_range)
        theme.signals.changed.connect(self.update)

    # -- what is edited ------------------------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether there are points to edit."""
        return self.isVisibleTo(self._plot)

    @property
    def dragging(self) -> bool:
        return self._draft is not None

    @property
    def points(self) -> list[Point]:
        """The points, in order of time, with the one that is being dragged where the mouse is."""
        return self._points if self._draft is None else self._draft

    def set_points(self, points: list[Point] | None, least_x: float = 0.0) -> None:
        """Show these points, which lie at `least_x` or later; None: there is nothing to edit. A drag that goes on keeps
        its own."""
        if points is None:
            self._give_up()
            self.chosen = self.hovered = None
        elif not self.dragging:
            self._points = points
            if self.chosen is not None and self.chosen >= len(points):
                self.chosen = None
        self.least_x = least_x
        self.setVisible(points is not None)
        self.setGeometry(self._plot.rect())
        self.raise_()
        self.update()

    # -- places --------------------------------------------------------------------------------------------------------

    def pixel(self, point: Point) -> QPointF:
        """Where a point lies in the plot, in pixels. What a logarithmic axis cannot show lies at its lower end."""
        plot, (x, y) = self._plot, point
        box = plot.getPlotItem().getViewBox()
        low = box.viewRange()[1][0]
        if plot.log_y:
            y = math.log10(y) if y > 0 else low
        return QPointF(plot.mapFromScene(box.mapViewToScene(QPointF(x, max(y, low)))))

    def _value(self, position: QPointF) -> Point:
        """The epoch and the rate at a place, within what is visible, in digits that a person would write."""
        plot = self._plot
        box = plot.getPlotItem().getViewBox()
        found = box.mapSceneToView(plot.mapToScene(position.toPoint()))
        (left, right), (low, high) = box.viewRange()
        x, y = min(max(found.x(), left), right), min(max(found.y(), low), high)
        return self._rounded(x, 10**y if plot.log_y else max(0.0, y))

    def _rounded(self, x: float, y: float) -> Point:
        (left, right), _ = self._plot.getPlotItem().getViewBox().viewRange()
        digits = max(0, 3 - math.floor(math.log10(max(right - left, 1e-9))))
        return max(self.least_x, round(x, digits)), float(f"{y:.3g}")

    def at(self, position: QPointF) -> int | None:
        """The handle at a place, or None."""
        distances = [QPointF(self.pixel(point) - position).manhattanLength() for point in self.points]
        nearest = min(range(len(distances)), key=distances.__getitem__, default=None)
        return nearest if nearest is not None and distances[nearest] <= GRAB else None

    # -- edits ---------------------------------------------------------------------------------------------------------

    def _placed(self, index: int, point: Point) -> list[Point]:
        """The points with one of them elsewhere, but not beyond its neighbours."""
        points = list(self._points)
        low = points[index - 1][0] if index else self.least_x
        high = points[index + 1][0] if index + 1 < len(points) else math.inf
        points[index] = (min(max(point[0], low), high), point[1])
        return points

    def add(self, position: QPointF) -> None:
        """Add a point at a place."""
        point = self._value(position)
        points = sorted([*self._points, point], key=lambda item: item[0])
        self.chosen = points.index(point)
        self.edited.emit(points, "Add a point to the learning rate")

    def delete(self, index: int) -> None:
        """Delete a point; the last one stays."""
        if len(self._points) < 2:
            return
        self.chosen = None
        self.edited.emit(self._points[:index] + self._points[index + 1 :], "Delete a point of the learning rate")

    def nudge(self, dx: float, dy: float) -> None:
        """Move the chosen point by shares of the visible axes."""
        if self.chosen is None:
            return
        (left, right), (low, high) = self._plot.getPlotItem().getViewBox().viewRange()
        x, y = self._points[self.chosen]
        if self._plot.log_y:
            y = 10 ** (math.log10(y) + dy * (high - low)) if y > 0 else 10**low
        else:
            y = max(0.0, y + dy * (high - low))
        points = self._placed(self.chosen, self._rounded(x + dx * (right - left), y))
        if points != self._points:
            self.edited.emit(points, "Move a point of the learning rate")

    def _give_up(self) -> None:
        """End a drag, and leave everything as it was."""
        if self._draft is not None:
            self._draft = None
            self._held = False
            self._plot.follows = self._follows
            self.dragged.emit(None)
            self.update()

    # -- the plot's events ---------------------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # Of a plot that is being deleted nothing can be asked any more.
        if event.type() not in LOOKED_AT or not isValid(self._plot) or not self.active:
            return False
        if event.type() == QEvent.Type.Resize:
            self.setGeometry(self._plot.rect())
        if watched is self._plot:
            if event.type() in (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride) and isinstance(event, QKeyEvent):
                return self._on_key(event)
            return False
        match event.type():
            case QEvent.Type.MouseButtonPress if isinstance(event, QMouseEvent):
                return self._on_press(event)
            case QEvent.Type.MouseMove if isinstance(event, QMouseEvent):
                return self._on_move(event)
            case QEvent.Type.MouseButtonRelease if isinstance(event, QMouseEvent):
                return self._on_release(event)
            case QEvent.Type.MouseButtonDblClick if isinstance(event, QMouseEvent):
                if event.button() == Qt.MouseButton.LeftButton:
                    if self.at(event.position()) is None:
                        self.add(event.position())
                    return True
            case QEvent.Type.ContextMenu:
                return self.hovered is not None
            case QEvent.Type.Leave:
                self._hover(None)
        return False

    def _on_press(self, event: QMouseEvent) -> bool:
        index = self.at(event.position())
        if index is None:
            return False
        self._plot.setFocus(Qt.FocusReason.MouseFocusReason)
        if event.button() == Qt.MouseButton.RightButton:
            self.delete(index)
        elif event.button() == Qt.MouseButton.LeftButton:
            self.chosen, self._held = index, True
            self._follows = self._plot.follows
        self.update()
        return True

    def _on_move(self, event: QMouseEvent) -> bool:
        if not self._held or self.chosen is None:
            self._hover(self.at(event.position()))
            return False
        self._plot.follows = False  # the axes stand still under the mouse
        self._draft = self._placed(self.chosen, self._value(event.position()))
        self.dragged.emit(self._draft)
        self.update()
        return True

    def _on_release(self, event: QMouseEvent) -> bool:
        if not self._held or event.button() != Qt.MouseButton.LeftButton:
            return False
        draft, self._draft, self._held = self._draft, None, False
        self._plot.follows = self._follows
        if draft is not None and draft != self._points:
            self.edited.emit(draft, "Move a point of the learning rate")
        elif draft is not None:
            self.dragged.emit(None)
        self.update()
        return True

    def _on_key(self, event: QKeyEvent) -> bool:
        """Delete and arrow keys, as shortcuts of the window might otherwise take them."""
        keys = {
            Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, 1), Qt.Key.Key_Down: (0, -1)
        }  # fmt: skip
        key = Qt.Key(event.key())
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        deletes = key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self.chosen is not None
        walks = key in (Qt.Key.Key_Left, Qt.Key.Key_Right) and not shift
        nudges = key in keys and shift and self.chosen is not None
        escapes = key == Qt.Key.Key_Escape and self.dragging
        if not (deletes or walks or nudges or escapes):
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        if deletes and self.chosen is not None:
            self.delete(self.chosen)
        elif escapes:
            self._give_up()
        elif nudges:
            dx, dy = keys[key]
            self.nudge(dx * NUDGE, dy * NUDGE)
        else:
            step = keys[key][0]
            start = -1 if step > 0 else len(self._points)
            self.chosen = min(max((start if self.chosen is None else self.chosen) + step, 0), len(self._points) - 1)
            self.update()
        return True

    def _on_range(self, *_: object) -> None:
        self.update()

    def _hover(self, index: int | None) -> None:
        if index != self.hovered:
            self.hovered = index
            self._plot.viewport().setCursor(
                Qt.CursorShape.ArrowCursor if index is None else Qt.CursorShape.OpenHandCursor
            )
            self.update()

    # -- drawing -------------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        view = self._plot.getPlotItem().getViewBox()
        area = self._plot.mapFromScene(view.sceneBoundingRect()).boundingRect().adjusted(-6, -6, 6, 6)
        for index, point in enumerate(self.points):
            at = self.pixel(point)
            if not area.contains(at.toPoint()):
                continue
            marked = index in (self.chosen, self.hovered)
            painter.setPen(QPen(theme.color("accent"), 2))
            painter.setBrush(theme.color("accent" if marked else "panel"))
            painter.drawEllipse(at, RADIUS + marked, RADIUS + marked)
        shown = self.chosen if self._held else self.hovered
        if shown is not None and shown < len(self.points):
            self._say(painter, self.points[shown])
        painter.end()

    def _say(self, painter: QPainter, point: Point) -> None:
        """The numbers of a point, beside it."""
        text = f"epoch {point[0]:g} · {number(point[1], 3)}"
        painter.setFont(theme.ui_font(11))
        width = painter.fontMetrics().horizontalAdvance(text)
        at = self.pixel(point)
        x = at.x() + 10 if at.x() + 14 + width < self.width() else at.x() - 10 - width
        y = max(16.0, at.y() - 8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.rgba("panel", 0.85))
        painter.drawRoundedRect(round(x) - 3, round(y) - 12, width + 6, 16, 3, 3)
        painter.setPen(theme.color("text"))
        painter.drawText(QPointF(x, y), text)
