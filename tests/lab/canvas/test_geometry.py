"""Wires: where they begin and end, what they go around, and that they keep apart."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF

from lab.canvas.geometry import (
    COLUMN,
    ROW,
    card_box,
    card_rect,
    input_port,
    output_port,
    plan_route,
    port_offset,
    wire_path,
)


def at(column: float, row: float) -> QPointF:
    return QPointF(column * COLUMN, row * ROW)


def route(source: QPointF, target: QPointF, cards=()):
    start, end = output_port(source), input_port(target)
    plan = plan_route(start, end, [card_box(card) for card in cards])
    return plan, wire_path(start, end, plan)


def crosses(path, card: QPointF) -> bool:
    inner = card_rect(card).adjusted(1, 1, -1, -1)
    return any(inner.contains(path.pointAtPercent(i / 400)) for i in range(401))


@pytest.mark.parametrize("target", [at(1, 0), at(3, 0), at(0, 1), at(2, 2), at(0, -1), at(1, 0.2), at(-1, 0)])
def test_a_wire_leads_from_port_to_port_and_leaves_its_cards_alone(target):
    source = at(0, 0)
    _, path = route(source, target, [source, target])
    assert path.pointAtPercent(0) == output_port(source)
    assert (path.pointAtPercent(1) - input_port(target)).manhattanLength() < 0.01
    assert not crosses(path, source) and not crosses(path, target)


def test_neighbours_are_joined_by_a_straight_line():
    plan, path = route(at(0, 0), at(1, 0), [at(0, 0), at(1, 0)])
    assert plan.kind == "direct" and path.boundingRect().height() == 0


def test_a_wire_arches_over_what_stands_between():
    between = [at(1, 0), at(2, 0)]
    plan, path = route(at(0, 0), at(3, 0), [at(0, 0), *between, at(3, 0)])
    assert plan.kind == "arch" and not any(crosses(path, card) for card in between)


def test_a_wire_to_the_next_row_runs_between_the_rows():
    cards = [at(x, y) for x in range(6) for y in range(2)]
    plan, path = route(at(5, 0), at(0, 1), cards)
    assert plan.kind == "wrap" and plan.lane == 46 + ROW / 2
    assert not any(crosses(path, card) for card in cards)
    assert path.boundingRect().left() == pytest.approx(-33, abs=1)
    assert path.boundingRect().right() == pytest.approx(5 * COLUMN + 128 + 33, abs=1)


def test_a_wire_turns_between_columns_where_cards_stand_beside():
    cards = [at(x, y) for x in range(4) for y in range(2)]
    plan, path = route(at(1, 0), at(1, 1), cards)
    assert plan.tight_start and plan.tight_end and not any(crosses(path, card) for card in cards)
    reach = path.boundingRect()
    assert reach.right() < 2 * COLUMN - 15 and reach.left() > 128 + 15


def test_wires_of_different_sources_keep_apart():
    one, _ = route(at(0, 0), at(3, 0), [at(1, 0)])
    two, _ = route(at(0, 0), at(3, 0), [at(2, 0)])
    assert two.level("b", [(one, "a", 0)]) == 1
    assert two.level("a", [(one, "a", 0)]) == 0
    far, _ = route(at(9, 0), at(12, 0), [at(10, 0)])
    assert far.level("b", [(one, "a", 0)]) == 0


@pytest.mark.parametrize("count", [1, 2, 3, 8, 20])
def test_ports_stay_on_the_card_in_order(count):
    offsets = [port_offset(i, count) for i in range(count)]
    assert offsets == sorted(offsets) and min(offsets) > 15 and max(offsets) < 80
