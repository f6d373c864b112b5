"""The canvas's pens, brushes and fonts, made once per theme so that painting a card allocates next to nothing."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QPainter, QPen, QPixmap

from lab.canvas.geometry import DOT_STEP
from widgets import theme

__all__ = ["GroupStyle", "Style", "mix", "style"]


def mix(below: QColor, above: QColor, share: float) -> QColor:
    """`above` laid over `below` with the opacity `share`."""
    return QColor.fromRgbF(
        below.redF() + (above.redF() - below.redF()) * share,
        below.greenF() + (above.greenF() - below.greenF()) * share,
        below.blueF() + (above.blueF() - below.blueF()) * share,
    )


class GroupStyle:
    """The colours of one palette group."""

    def __init__(self, colour: QColor, card: QColor, dark: bool) -> None:
        self.colour = colour
        self.header = QBrush(mix(card, colour, 0.2 if dark else 0.16))
        self.rule = QPen(colour, 1.5)
        self.rule.setCapStyle(Qt.PenCapStyle.FlatCap)
        self.bars = QBrush(mix(card, colour, 0.85))


class Style:
    """Everything that the canvas paints with, for one theme."""

    def __init__(self, tokens: theme.Theme) -> None:
        self.dark = tokens.dark
        self.window = QColor(tokens.window)
        self.card_colour = QColor(tokens.node)
        text, dim = QColor(tokens.text), QColor(tokens.text_dim)
        border = QColor(tokens.border)
        self.text, self.text_dim = text, dim
        self.text_faint = QColor(tokens.text_faint)
        self.title_pen, self.shape_pen = QPen(text), QPen(dim)
        self.count_pen = QPen(self.text_faint)
        self.card = QBrush(self.card_colour)
        self.card_border = QPen(border, 1.0)
        self.hover_border = QPen(mix(border, dim, 0.6), 1.0)
        self.hollow_border = QPen(dim, 1.2, Qt.PenStyle.DashLine)
        self.axis = QPen(mix(self.card_colour, border, 0.9), 1.5)
        self.track = QPen(mix(self.card_colour, border, 0.7), 1.0)
        self.accent = QColor(tokens.accent)
        self.selected_border = QPen(self.accent, 2.0)
        glow = QColor(self.accent)
        glow.setAlphaF(0.22)
        self.glow = QPen(glow, 6.0)
        self.frame = QPen(mix(border, dim, 0.45), 1.2, Qt.PenStyle.DashLine)
        self.frame_selected = QPen(self.accent, 1.4, Qt.PenStyle.DashLine)
        self.frame_fill = QBrush(mix(self.window, self.accent, 0.05))
        self.frame_label = QBrush(mix(self.window, dim, 0.18))
        wire = QColor(tokens.wire)
        self.wire = _round(QPen(wire, 2.0))
        self.wire_hover = _round(QPen(mix(wire, text, 0.35), 2.5))
        self.wire_selected = _round(QPen(self.accent, 2.5))
        self.wire_live = _round(QPen(self.accent, 2.0))
        self.wire_bypassed = _round(QPen(wire, 1.6, Qt.PenStyle.DashLine))
        self.wire_faulty = _round(QPen(QColor(tokens.bad), 2.0, Qt.PenStyle.DashLine))
        self.port = QBrush(mix(self.window, self.card_colour, 0.7))
        self.port_pen = QPen(wire, 1.4)
        self.port_free_pen = QPen(wire, 1.2, Qt.PenStyle.DotLine)
        self.port_hover = QBrush(self.accent)
        self.guide = QPen(self.accent, 1.0, Qt.PenStyle.DashLine)
        fill = QColor(self.accent)
        fill.setAlphaF(0.12)
        self.marquee, self.marquee_pen = QBrush(fill), QPen(self.accent, 1.0)
        self.health = {name: QColor(getattr(tokens, name)) for name in ("good", "warn", "bad")}
        self.health_brush = {name: QBrush(colour) for name, colour in self.health.items()}
        self.bar_brush = {name: QBrush(mix(self.card_colour, colour, 0.9)) for name, colour in self.health.items()}
        self.idle_dot = QPen(mix(self.card_colour, dim, 0.55), 1.3)
        self.bubble = {name: QBrush(mix(self.window, colour, 0.16)) for name, colour in self.health.items()}
        self.bubble_pen = {name: QPen(mix(self.window, colour, 0.3), 1.0) for name, colour in self.health.items()}
        self.bubble_text = {
            name: QPen(colour if self.dark or name == "bad" else mix(colour, text, 0.25))
            for name, colour in self.health.items()
        }
        self.badge_text = QPen(QColor("#ffffff"))
        self.ground = QBrush(_dots(self.window, QColor(tokens.grid)))
        self._groups = {
            name: GroupStyle(QColor(value), self.card_colour, self.dark) for name, value in tokens.groups.items()
        }
        self.title_font: QFont = theme.ui_font(12, QFont.Weight.DemiBold)
        self.small_font: QFont = theme.mono_font(10)
        self.bubble_font: QFont = theme.ui_font(11, QFont.Weight.DemiBold)

    def group(self, name: str) -> GroupStyle:
        """The colours of a palette group; grey for a group without any."""
        return self._groups.get(name.lower(), self._groups["unknown"])


def style() -> Style:
    """The style of the current theme."""
    return _style_of(theme.current().name)


@cache
def _style_of(_name: str) -> Style:
    return Style(theme.current())


def _round(pen: QPen) -> QPen:
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    return pen


def _dots(ground: QColor, dot: QColor) -> QPixmap:
    """One tile of the dot grid."""
    tile = QPixmap(DOT_STEP, DOT_STEP)
    tile.fill(ground)
    painter = QPainter(tile)
    painter.fillRect(QRectF(0, 0, 2, 2), dot)
    painter.end()
    return tile


def draw_ring(painter: QPainter, centre: QPointF, radius: float, pen: QPen, brush: QBrush) -> None:
    """A port."""
    painter.setPen(pen)
    painter.setBrush(brush)
    painter.drawEllipse(centre, radius, radius)
