"""The timeline: one cell for each epoch of the run. Dragging over it lets the panels look back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QHideEvent, QKeyEvent, QMouseEvent, QPainter, QPen, QPixmap

from lab.pacer import Turn
from lab.panels.chart import Chart, draw_text
from lab.panels.header import look_words
from lab.panels.marks import Mark, marks_of
from widgets import theme
from widgets.text import number
from widgets.trace import polygon

if TYPE_CHECKING:
    from engine.training.events import EpochEnd
    from lab.session import Session

import numpy as np

__all__ = ["Timeline"]

MOST_CELLS = 400
REACH = 4.0
PACE = 0.3
"""Seconds between two looks at where the run stands."""
"""So near to a mark, in pixels, its text is shown."""
LEFT, RIGHT, TOP, CELL = 14.0, 20.0, 38.0, 26.0


class Timeline(Chart):
    """Epochs as cells: done ones are filled, the deeper the later; a diamond marks the best, a line the present.

    Press or drag over the cells to look back at an epoch, press at the line (or Escape) to return to the present.
    """

    def __init__(self) -> None:
        super().__init__()
        self.session: Session | None = None
        self.setObjectName("timeline")
        self.setAccessibleName("Timeline of the run’s epochs")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumHeight(int(TOP + CELL + 18))
        self._drawn: tuple[object, ...] = ()
        self._turn = Turn(self, self.refresh, self.isVisible, PACE)
        self._key: tuple[object, ...] = ()
        self._strips: tuple[QPixmap, QPixmap] = (QPixmap(), QPixmap())
        theme.signals.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(600, int(TOP + CELL + 30))

    def set_session(self, session: Session | None) -> None:
        """Show this session's run from now on."""
        if self.session is not None:
            for signal, slot in self._signals(self.session):
                signal.disconnect(slot)
        self.session = session
        if session is not None:
            for signal, slot in self._signals(session):
                signal.connect(slot)
        self.update()

    def _signals(self, session: Session) -> list[tuple[Any, Any]]:
        """What tells of news, and what is to be done: at once where a person waits for it."""
        often = (session.epochEnded, session.progressChanged)
        rare = (session.runChanged, session.lookChanged, session.stateChanged, session.experimentChanged)
        return [(signal, self._turn.ask) for signal in often] + [(signal, self.refresh) for signal in rare]

    def refresh(self, *_: object) -> None:
        """Draw anew if anything has moved by a pixel."""
        session = self.session
        if session is None:
            return
        done = len(session.live.epochs) * self.cells // max(1, self.epochs)
        best = session.live.best_epoch()
        marks = (round(self._x(self.position())), round(self._x(best.epoch)) if best else None)
        key = (session.run_id, self.epochs, done, session.looking, session.state, marks, len(session.live.turns))
        if key != self._drawn:
            self._drawn = key
            self.update()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._turn.forget()

    # -- where things lie ----------------------------------------------------------------------------------------------

    @property
    def epochs(self) -> int:
        """How many epochs the strip holds."""
        if self.session is None:
            return 0
        done = self.session.live.epochs[-1].epoch if self.session.live.epochs else 0
        return max(self.session.epochs or 0, done)

    def position(self) -> float:
        """Where the run stands, in epochs."""
        if self.session is None:
            return 0.0
        steps = self.session.live.steps
        done = float(self.session.live.epochs[-1].epoch) if self.session.live.epochs else 0.0
        return max(done, float(steps["epoch"][-1]) if len(steps) else 0.0)

    def _x(self, epochs: float) -> float:
        return LEFT + (self.width() - LEFT - RIGHT) * epochs / max(1, self.epochs)

    def epoch_at(self, x: float) -> int:
        """The epoch whose cell lies at a pixel, from 1."""
        share = (x - LEFT) / max(1.0, self.width() - LEFT - RIGHT)
        return min(self.epochs, max(1, int(share * self.epochs) + 1))

    # -- drawing -------------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, area: QRectF) -> None:
        painter.setFont(theme.ui_font(13, QFont.Weight.DemiBold))
        painter.setPen(theme.color("text"))
        draw_text(painter, LEFT, 15, "Timeline")
        painter.setFont(theme.ui_font(12))
        painter.setPen(theme.color("text_dim"))
        if not self.epochs:
            draw_text(
                painter,
                area.width() / 2,
                TOP + CELL / 2,
                "Every epoch of a run gets its place here. Press Train.",
                "center",
            )
            return
        draw_text(painter, area.width() - RIGHT, 15, self.hint(), "right")
        self._paint_cells(painter)
        self._paint_marks(painter)

    def hint(self) -> str:
        """The text at the right."""
        assert self.session is not None
        if self.session.looking is not None:
            return f"{look_words(self.session.looking, self.session.epochs)[1]} (Escape: return to now)"
        best = self.session.live.best_epoch()
        return "drag to look back at any epoch" + (f" · ◆ {best_words(best)}" if best is not None else "")

    @property
    def cells(self) -> int:
        """How many cells are drawn: one for each epoch, fewer where they would be too narrow to see."""
        return min(self.epochs, MOST_CELLS, max(1, int((self.width() - LEFT - RIGHT) / 4)))

    def _paint_cells(self, painter: QPainter) -> None:
        assert self.session is not None
        # The cells themselves never change: two strips are drawn once, and laid side by side where the run stands.
        key = (self.width(), self.epochs, self.devicePixelRatioF(), theme.current().name)
        if key != self._key:
            self._key, self._strips = key, (self._strip(True), self._strip(False))
        total, cells = self.epochs, self.cells
        done = len(self.session.live.epochs) * cells // total
        border = self._x(done * total / cells)
        for strip, left, right in ((self._strips[0], 0.0, border), (self._strips[1], border, float(self.width()))):
            source = QRectF(left, 0, right - left, CELL + 2)
            ratio = strip.devicePixelRatio()
            scaled = QRectF(source.left() * ratio, 0, source.width() * ratio, source.height() * ratio)
            painter.drawPixmap(source.translated(0, TOP - 1), strip, scaled)

    def _strip(self, filled: bool) -> QPixmap:
        """All cells, as they look when done or when still to come."""
        ratio = self.devicePixelRatioF()
        strip = QPixmap(round(self.width() * ratio), round((CELL + 2) * ratio))
        strip.setDevicePixelRatio(ratio)
        strip.fill(Qt.GlobalColor.transparent)
        painter = QPainter(strip)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        total, cells = self.epochs, self.cells
        panel, accent = theme.current().panel, theme.current().accent
        painter.setPen(QPen(theme.color("border"), 1))
        painter.setBrush(theme.color("raised"))
        for cell in range(cells):
            left, right = self._x(cell * total / cells), self._x((cell + 1) * total / cells)
            gap = 1.5 if right - left > 6 else 0.5
            if filled:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(theme.mix(panel, accent, 0.28 + 0.42 * (cell + 1) / cells)))
            painter.drawRoundedRect(QRectF(left + gap, 1, right - left - 2 * gap, CELL), 3, 3)
        painter.end()
        return strip

    def _paint_marks(self, painter: QPainter) -> None:
        assert self.session is not None
        live = self.session.live
        if live.epochs and self.session.looking is not None:
            left, right = self._x(self.session.looking - 1), self._x(self.session.looking)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.color("warn"), 2))
            painter.drawRoundedRect(QRectF(left, TOP - 2, max(4.0, right - left), CELL + 4), 4, 4)
        now = self._x(self.position())
        painter.setPen(QPen(theme.color("accent"), 2))
        painter.drawLine(QPointF(now, TOP - 5), QPointF(now, TOP + CELL + 5))
        painter.setPen(QPen(theme.color("text"), 2))
        for mark in self.marks():
            x = self._x(mark.epoch)
            painter.drawLine(QPointF(x, TOP + CELL + 1), QPointF(x, TOP + CELL + 7))
        best = live.best_epoch()
        if best is not None:
            x = self._x(best.epoch - 0.5)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("warn"))
            offsets = np.array([[0, -5], [5, 0], [0, 5], [-5, 0]], dtype=float)
            painter.drawPolygon(polygon(x + offsets[:, 0], TOP - 3 + offsets[:, 1]))

    def tip(self, position: QPointF) -> str:
        if self.session is None or not self.epochs or not TOP - 8 <= position.y() <= TOP + CELL + 8:
            return ""
        epoch = self.epoch_at(position.x())
        found = next((event for event in self.session.live.epochs if event.epoch == epoch), None)
        lines = [epoch_words(found) if found is not None else f"epoch {epoch}: not trained yet"]
        best = self.session.live.best_epoch()
        if best is not None and best.epoch == epoch:
            lines.append(f"◆ {best_words(best)}")
        near = [mark for mark in self.marks() if abs(self._x(mark.epoch) - position.x()) <= REACH]
        near += [mark for mark in self.marks() if mark not in near and epoch - 1 <= mark.epoch < epoch]
        return "\n".join([*lines, *(f"changed during epoch {int(mark.epoch) + 1}: {mark.text}" for mark in near)])

    def marks(self) -> list[Mark]:
        """The live changes of the run, and the drops of its rate."""
        if self.session is None:
            return []
        return marks_of(self.session.live.turns, self.session.started)

    # -- looking back --------------------------------------------------------------------------------------------------

    def _look_at(self, x: float) -> None:
        if self.session is None or not self.session.live.epochs:
            return
        epoch = self.epoch_at(x)
        past = x < self._x(self.position()) - 3 and epoch <= len(self.session.live.epochs)
        self.session.look(epoch if past else None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and event.position().y() >= TOP - 8:
            self._look_at(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._look_at(event.position().x())
        super().mouseMoveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        session = self.session
        if session is None or not session.live.epochs:
            super().keyPressEvent(event)
            return
        last = session.live.epochs[-1].epoch
        at = session.looking if session.looking is not None else last
        match event.key():
            case Qt.Key.Key_Left:
                session.look(max(1, at - 1))
            case Qt.Key.Key_Right:
                session.look(at + 1 if session.looking is not None and at < last else None)
            case Qt.Key.Key_Home:
                session.look(1)
            case Qt.Key.Key_End | Qt.Key.Key_Escape:
                session.look(None)
            case _:
                super().keyPressEvent(event)


def best_words(event: EpochEnd) -> str:
    """What the diamond marks."""
    part = "training" if event.validation_loss is None else "validation"
    return f"lowest {part} loss: epoch {event.epoch}"


def epoch_words(event: EpochEnd) -> str:
    """An epoch's numbers in a few lines."""
    lines = [f"epoch {event.epoch} · step {event.step:,}", f"train loss {number(event.train_loss)}"]
    if event.validation_loss is not None:
        lines.append(f"validation loss {number(event.validation_loss)}")
    for part, values in (("train", event.train_metrics), ("validation", event.validation_metrics)):
        lines += [f"{part} {tag.replace('_', ' ')} {number(value)}" for tag, value in values.items()]
    lines.append(f"learning rate {number(event.learning_rate)} · {number(event.seconds, 3)} s")
    return "\n".join(lines)
