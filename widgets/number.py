"""A field for one number: typed, dragged sideways, scrolled, or stepped with the arrow keys.

    typed     Return or leaving the field takes it; Escape puts the old number back
    dragged   by its handle, the two arrowheads, or anywhere while it is not being typed in; a log field by factors
    scrolled  while it has the focus, so that scrolling a form changes nothing by accident
    keys      Up and Down; with Shift ten times as far, with Ctrl a tenth; Page Up and Page Down as with Shift

What the declaration does not allow is refused: the text stays, the border turns red, and `problem` says why in words.
The arithmetic is in `number_steps`.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QElapsedTimer, QEvent, QPoint, QPointF, QRect, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QFocusEvent,
    QFontMetricsF,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPolygonF,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget

from engine.schema import FieldSpec, SchemaError
from widgets import theme
from widgets.number_steps import bounds_hint, dragged, number_text, parse_number, stepped

__all__ = ["NumberField", "is_undo"]

DRAG_START = 4
HANDLE = 18
"""Width of the drag handle at the right, pixels."""


class NumberField(QLineEdit):
    """See the module. `edited` carries the number (int or float) and whether the edit belongs to a gesture, so that it
    may be merged with the one before; `problem` carries words, or "" when all is well again."""

    edited = Signal(object, bool)
    problem = Signal(str)

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spec = spec
        low = max(0.0, spec.minimum or 0.0)
        self._value: int | float = spec.default if isinstance(spec.default, int | float) else low
        self._before_gesture: int | float = self._value
        self._press: QPoint | None = None
        self._dragging = False
        self._typing = False
        self._doubled = QElapsedTimer()
        self._wheel = 0.0
        self._hint = bounds_hint(spec)
        self.setFont(theme.mono_font())
        self.setMinimumHeight(27)
        self.setTextMargins(0, 0, HANDLE - 6, 0)
        self.setMouseTracking(True)
        # A press does not take the focus: it may be the start of a drag. A click takes it on release.
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(spec.label)
        self.setAccessibleDescription(" ".join(part for part in (spec.help, spec.bounds_text()) if part))
        self.setText(number_text(spec, self._value))
        self.textEdited.connect(self._on_typed)
        self.setCursor(Qt.CursorShape.SizeHorCursor)

    # -- the value -----------------------------------------------------------------------------------------------------

    @property
    def value(self) -> int | float:
        """The last number that was taken."""
        return self._value

    def set_value(self, value: int | float) -> None:
        """Show a number that was changed elsewhere; emits nothing. What is being typed over the same one stays."""
        if self._typing and value == self._value:
            return
        self._value = value
        self._show()

    def _show(self) -> None:
        self._typing = False
        self.setText(number_text(self.spec, self._value))
        self.setCursorPosition(0)
        self._set_problem("")

    def _take(self, value: int | float, merging: bool) -> None:
        changed = value != self._value
        self._value = value
        self._show()
        if changed:
            self.edited.emit(value, merging)

    def _set_problem(self, words: str) -> None:
        wrong = bool(words)
        if wrong != (self.property("wrong") == "true"):
            self.setProperty("wrong", "true" if wrong else "false")
            self.style().unpolish(self)
            self.style().polish(self)
        self.problem.emit(words)

    # -- typing --------------------------------------------------------------------------------------------------------

    def _on_typed(self, text: str) -> None:
        self._typing = True
        try:
            parse_number(self.spec, text)
        except SchemaError as error:
            self._set_problem(error.message)
        else:
            self._set_problem("")

    def _commit(self, leaving: bool = False) -> None:
        if not self._typing:
            return
        try:
            value = parse_number(self.spec, self.text())
        except SchemaError as error:
            if leaving:
                self._show()
                self.problem.emit(f"{error.message}; {number_text(self.spec, self._value)} was kept")
            else:
                self._set_problem(error.message)
            return
        self._take(value, False)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, modifiers = event.key(), event.modifiers()
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self._commit()
            far = key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown) or bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
            fine = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
            up = key in (Qt.Key.Key_Up, Qt.Key.Key_PageUp)
            self.step(1 if up else -1, far=far, fine=fine)
            self.selectAll()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._commit()
            self.selectAll()
            event.accept()
        elif key == Qt.Key.Key_Escape and (self._typing or self._dragging):
            if self._dragging:
                self._end_drag()
                self._take(self._before_gesture, True)
            self._show()
            self.selectAll()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.setCursor(Qt.CursorShape.IBeamCursor)
        if event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason):
            self.selectAll()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self._commit(leaving=True)
            self.setCursor(Qt.CursorShape.SizeHorCursor)
        super().focusOutEvent(event)

    def event(self, event: QEvent) -> bool:
        """Undo and redo mean the experiment's, except in the middle of typing."""
        if event.type() == QEvent.Type.ShortcutOverride and not self._typing and is_undo(event):
            event.ignore()
            return False
        return super().event(event)

    # -- steps ---------------------------------------------------------------------------------------------------------

    def step(self, direction: int, *, far: bool = False, fine: bool = False) -> None:
        """Move the number one step up (1) or down (-1), inside its bounds; emits a merging edit."""
        self._take(stepped(self.spec, self._value, direction, far=far, fine=fine), True)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if not self.hasFocus():
            event.ignore()
            return
        self._wheel += event.angleDelta().y() / 120
        steps = int(self._wheel)
        self._wheel -= steps
        self._commit()
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        fine = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        for _ in range(abs(steps)):
            self.step(1 if steps > 0 else -1, far=shift, fine=fine)
        event.accept()

    # -- dragging ------------------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        on_handle = self._on_handle(event.position().toPoint())
        tripled = self._doubled.isValid() and self._doubled.elapsed() < QApplication.doubleClickInterval()
        if tripled and not on_handle:
            # The third press of a triple click, which QLineEdit would take for one that sets the cursor.
            self.selectAll()
            event.accept()
            return
        if event.button() == Qt.MouseButton.LeftButton and (on_handle or not self.hasFocus()):
            self._commit()
            self._press = event.position().toPoint()
            self._before_gesture = self._value
            event.accept()
            return
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._press is None:
            super().mouseMoveEvent(event)
            self._point(event.position().toPoint())
            return
        distance = event.position().toPoint().x() - self._press.x()
        if not self._dragging and abs(distance) >= DRAG_START:
            self._dragging = True
            self.grabKeyboard()
        if self._dragging:
            fine = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
            self._take(dragged(self.spec, self._before_gesture, distance * (0.1 if fine else 1.0)), True)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._press is None:
            super().mouseReleaseEvent(event)
            return
        was_drag = self._dragging
        self._press = None
        self._end_drag()
        if not was_drag:
            self.setFocus(Qt.FocusReason.MouseFocusReason)
            self.selectAll()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._press = None
        self._doubled.start()
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        self.selectAll()
        event.accept()

    def _end_drag(self) -> None:
        self._press = None
        if self._dragging:
            self._dragging = False
            self.releaseKeyboard()

    # -- looks ---------------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """The field, and the bounds in it where there is room."""
        super().paintEvent(event)
        self._paint_handle()
        if not self._hint:
            return
        metrics = QFontMetricsF(theme.mono_font(11))
        room = self.width() - 16 - HANDLE - QFontMetricsF(self.font()).horizontalAdvance(self.text())
        if metrics.horizontalAdvance(self._hint) + 8 > room:
            return
        painter = QPainter(self)
        painter.setFont(theme.mono_font(11))
        painter.setPen(QColor(theme.current().text_faint))
        area = QRect(0, 0, self.width() - HANDLE - 2, self.height())
        painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self._hint)

    def _on_handle(self, point: QPoint) -> bool:
        return point.x() >= self.width() - HANDLE

    def _point(self, point: QPoint) -> None:
        typing = self.hasFocus() and not self._on_handle(point)
        self.setCursor(Qt.CursorShape.IBeamCursor if typing else Qt.CursorShape.SizeHorCursor)

    def _paint_handle(self) -> None:
        """Two arrowheads: always where a run can be changed by it, elsewhere under the mouse."""
        hovered = self.underMouse() or self._dragging
        if not self.isEnabled() or not (hovered or self.spec.live):
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("accent" if hovered else "text_dim"))
        middle = QPointF(self.width() - HANDLE / 2 - 1, self.height() / 2)
        for way in (-1, 1):
            tip, base = middle.x() + 6 * way, middle.x() + 2 * way
            ends = [QPointF(tip, middle.y()), QPointF(base, middle.y() - 4), QPointF(base, middle.y() + 4)]
            painter.drawPolygon(QPolygonF(ends))

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self._point(event.position().toPoint())
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.update()

    def hideEvent(self, event: Any) -> None:
        self._end_drag()
        super().hideEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.EnabledChange:
            self._end_drag()


def is_undo(event: QEvent) -> bool:
    """Whether a key event means undo or redo."""
    keys = QKeySequence.StandardKey
    return isinstance(event, QKeyEvent) and (event.matches(keys.Undo) or event.matches(keys.Redo))
