"""The section of a layer's arrays: which of them are named."""

from __future__ import annotations

import pytest

from engine.layers import Dense, LayerNorm, SelfAttention
from lab.inspector.weights import WeightsSection


@pytest.mark.parametrize(
    ("layer", "shape", "named"),
    [(Dense(units=3), (4,), [False, True]), (LayerNorm(), (4,), [False, True]), (SelfAttention(), (5, 4), [True] * 8)],
)
def test_several_matrices_are_named_and_a_single_one_is_not(qtbot, layer, shape, named):
    section = WeightsSection()
    qtbot.addWidget(section)
    section.show_frame(None, "node", layer.parameters((shape,)))
    assert [part.name.isVisibleTo(section) for part in section.parts] == named
    if len(named) == 8:
        names = [part.name.text() for part in section.parts]
        assert names[:2] == ["Query weight, 4 × 4", "Key weight, 4 × 4"] and names[4] == "Query bias, 4"
