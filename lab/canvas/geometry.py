"""Where things lie on a card and how wires run between cards, in scene units (pixels at zoom 1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainterPath

CARD_WIDTH = 128.0
CARD_HEIGHT = 93.0
CORNER = 8.0
HEADER_HEIGHT = 23.0
PORT_Y = 46.0
PORT_RADIUS = 4.0
PORT_REACH = 12.0
"""How near to a port's centre the mouse grabs it."""

COLUMN = 168.0
ROW = 140.0
GAP = COLUMN - CARD_WIDTH
BUBBLE_ROOM = COLUMN - 4.0
"""The width of a message below a card when the next card has one too."""

BUBBLE_WIDEST = 2 * COLUMN - 4.0
DOT_STEP = 20
SNAP = 4.0
SNAP_REACH = 6.0
"""How near to another card's edge a dragged card lines up with it."""

CURVE = 35.0
"""The radius of the turns of a wire that runs back to the next row."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom: plain numbers, since routing looks at every card for every wire."""

CARD = QRectF(0.0, 0.0, CARD_WIDTH, CARD_HEIGHT)


def input_port(position: QPointF, index: int = 0, count: int = 1) -> QPointF:
    """The scene point of an input port of a card at `position`, when it shows `count` of them."""
    return QPointF(position.x(), position.y() + port_offset(index, count))


def port_offset(index: int, count: int) -> float:
    """How far below a card's top the input port lies: ports stand around the middle, at most 14 apart."""
    if count <= 1:
        return PORT_Y
    gap = min(14.0, 52.0 / (count - 1))
    return PORT_Y + gap * (index - (count - 1) / 2)


def output_port(position: QPointF) -> QPointF:
    return QPointF(position.x() + CARD_WIDTH, position.y() + PORT_Y)


def card_rect(position: QPointF) -> QRectF:
    return QRectF(position.x(), position.y(), CARD_WIDTH, CARD_HEIGHT)


class Route(Struct, frozen=True):
    """How a wire runs. "direct": a line or a soft S; "arch": over or under what stands between; "wrap": back to another
    row. `lane` is the height of its horizontal run from `left` to `right`; `outward` points away from the cards. A
    wrapped wire turns closer to its ports where another card stands beside them (`tight_start`, `tight_end`)."""

    kind: Literal["direct", "arch", "wrap"]
    lane: float = 0.0
    left: float = 0.0
    right: float = 0.0
    outward: float = -1.0
    tight_start: bool = False
    tight_end: bool = False

    def level(self, source: str, taken: Iterable[tuple[Route, str, int]]) -> int:
        """How far out to run, so as not to lie upon wires of other sources (`taken`: route, source, level)."""
        if self.kind == "direct":
            return 0
        used = {
            level
            for other, owner, level in taken
            if owner != source
            and other.kind == self.kind
            and abs(other.lane - self.lane) < 4
            and other.left < self.right
            and self.left < other.right
        }
        return next(level for level in range(len(used) + 1) if level not in used)


def card_box(position: QPointF) -> Box:
    """A card's rectangle, a little smaller, as `plan_route` wants it."""
    x, y = position.x(), position.y()
    return x + 2, y + 2, x + CARD_WIDTH - 2, y + CARD_HEIGHT - 2


def plan_route(start: QPointF, end: QPointF, cards: Iterable[Box] = ()) -> Route:
    """The way of a wire from an output to an input port, among `cards`.

    Forward it is a straight line or a soft S; over cards that stand in between it arches; back to a lower (or higher)
    row it turns, runs through the gap above (below) the target's row, and turns again.
    """
    left, right = min(start.x(), end.x()), max(start.x(), end.x())
    apart = end.y() - start.y()
    if end.x() < start.x() + 12:
        # A target in the source's own row is reached below it.
        if abs(apart) < CARD_HEIGHT:
            lane = max(start.y(), end.y()) + CARD_HEIGHT - PORT_Y + 23.0
        else:
            lane = end.y() - (ROW / 2 if apart > 0 else -ROW / 2)
        cards = tuple(cards)
        tight_start = _beside(cards, start.x() + 4, start.x() + CURVE + 10, start.y(), lane)
        tight_end = _beside(cards, end.x() - CURVE - 10, end.x() - 4, lane, end.y())
        return Route("wrap", lane, left, right, 1.0, tight_start, tight_end)
    upper, lower = min(start.y(), end.y()), max(start.y(), end.y())
    near = [
        card for card in cards if card[0] < right and card[2] > left and card[1] < lower + 1 and card[3] > upper - 1
    ]
    between = _crossed(_soft(start, end), near) if near else []
    if not between:
        return Route("direct")
    if abs(apart) > CARD_HEIGHT:
        return Route("arch", end.y() - ROW / 2 if apart > 0 else end.y() + ROW / 2, left, right, 1.0)
    return Route("arch", min(card[1] for card in between) - 14.0, left, right, -1.0)


def wire_path(start: QPointF, end: QPointF, route: Route | None = None, level: int = 0) -> QPainterPath:
    """The path of a planned wire; `level` as `Route.level` says."""
    if route is None:
        route = plan_route(start, end)
    lane = route.lane + route.outward * 6.0 * level
    if route.kind == "wrap":
        path = QPainterPath(start)
        _turn(path, start, lane, GAP / 2 if route.tight_start else CURVE - 2)
        _turn_back(path, end, lane, GAP / 2 if route.tight_end else CURVE - 2)
        return path
    return _soft(start, end) if route.kind == "direct" else _arch(start, end, lane)


def _soft(start: QPointF, end: QPointF) -> QPainterPath:
    path = QPainterPath(start)
    if abs(end.y() - start.y()) < 0.5:
        path.lineTo(end)
    else:
        bend = min(max(24.0, abs(end.x() - start.x()) / 2), 90.0)
        path.cubicTo(QPointF(start.x() + bend, start.y()), QPointF(end.x() - bend, end.y()), end)
    return path


def _crossed(path: QPainterPath, cards: list[Box]) -> list[Box]:
    """The cards that a path crosses."""
    points = [(point.x(), point.y()) for point in (path.pointAtPercent(step / 24) for step in range(1, 24))]
    return [card for card in cards if any(card[0] < x < card[2] and card[1] < y < card[3] for x, y in points)]


def _arch(start: QPointF, end: QPointF, lane: float) -> QPainterPath:
    width = min(40.0, (end.x() - start.x()) / 2)
    left, right = start.x() + width, end.x() - width
    path = QPainterPath(start)
    path.cubicTo(QPointF(start.x() + width * 0.6, start.y()), QPointF(left - width * 0.6, lane), QPointF(left, lane))
    path.lineTo(right, lane)
    path.cubicTo(QPointF(right + width * 0.6, lane), QPointF(end.x() - width * 0.6, end.y()), end)
    return path


def _beside(cards: tuple[Box, ...], left: float, right: float, one: float, other: float) -> bool:
    """Whether a card reaches into the strip in which a wire turns."""
    top, bottom = min(one, other), max(one, other)
    return any(box[0] < right and box[2] > left and box[1] < bottom and box[3] > top for box in cards)


def _turn(path: QPainterPath, start: QPointF, lane: float, reach: float) -> None:
    """From an output port around to the right and back to the horizontal lane."""
    radius = min(CURVE, abs(lane - start.y()) / 2)
    step = radius if lane > start.y() else -radius
    x = start.x() + reach
    path.cubicTo(
        QPointF(start.x() + reach / 2, start.y()), QPointF(x, start.y() + step * 0.45), QPointF(x, start.y() + step)
    )
    path.lineTo(x, lane - step)
    path.cubicTo(QPointF(x, lane - step * 0.45), QPointF(start.x() + reach / 2, lane), QPointF(start.x(), lane))


def _turn_back(path: QPainterPath, end: QPointF, lane: float, reach: float) -> None:
    """From the horizontal lane around to the left and into an input port."""
    path.lineTo(end.x(), lane)
    radius = min(CURVE, abs(end.y() - lane) / 2)
    step = radius if end.y() > lane else -radius
    x = end.x() - reach
    path.cubicTo(QPointF(end.x() - reach / 2, lane), QPointF(x, lane + step * 0.45), QPointF(x, lane + step))
    path.lineTo(x, end.y() - step)
    path.cubicTo(QPointF(x, end.y() - step * 0.45), QPointF(end.x() - reach / 2, end.y()), end)
