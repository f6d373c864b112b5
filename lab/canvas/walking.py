"""Which node the keyboard comes to next. Pure functions of places."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QPointF

from lab.canvas.geometry import CARD_HEIGHT, ROW

__all__ = ["neighbour", "next_in_order", "reading_order"]


def reading_order(places: Mapping[str, QPointF]) -> list[str]:
    """Nodes row by row, each from left to right. Cards that overlap in height by half belong to one row."""
    order: list[str] = []
    rest = sorted(places, key=lambda node: (places[node].y(), places[node].x()))
    while rest:
        top = places[rest[0]].y()
        row = [node for node in rest if places[node].y() < top + CARD_HEIGHT / 2]
        order += sorted(row, key=lambda node: places[node].x())
        rest = [node for node in rest if node not in row]
    return order


def next_in_order(places: Mapping[str, QPointF], current: str | None, forward: bool) -> str | None:
    """The node after (before) `current` in reading order; None past the end. Without a current
    node, the first (last)."""
    order = reading_order(places)
    if not order:
        return None
    if current not in order:
        return order[0 if forward else -1]
    index = order.index(current) + (1 if forward else -1)
    return order[index] if 0 <= index < len(order) else None


def neighbour(places: Mapping[str, QPointF], current: str | None, dx: int, dy: int) -> str | None:
    """The nearest node in a direction; at a row's end, left and right go on in the row before and after."""
    if current is None or current not in places:
        return next_in_order(places, None, dx + dy > 0)
    here = places[current]
    best, nearest = None, float("inf")
    for node, place in places.items():
        ahead = (place.x() - here.x()) * dx + (place.y() - here.y()) * dy
        aside = abs((place.x() - here.x()) * dy) + abs((place.y() - here.y()) * dx)
        if node == current or ahead < 8 or (dx and aside > ROW / 2):
            continue
        if ahead + 2 * aside < nearest:
            best, nearest = node, ahead + 2 * aside
    return best if best is not None or dy else next_in_order(places, current, dx > 0)
