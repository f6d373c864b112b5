"""The panel of an activation: the selected layer's, or one from the list; another beside it; another input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine import edits
from engine.activation_facts import facts
from engine.layers import ReLU, Swish
from lab.document import Document, Selection
from lab.panels import Panel
from lab.panels.activation_function import ActivationFunctionPanel, fact_items
from lab.session import Session
from tests.support.examples import blobs, make
from widgets.fields import Combo
from widgets.number import NumberField

Show = Callable[..., Panel]


@pytest.fixture
def panel(show: Show) -> ActivationFunctionPanel:
    made = show(ActivationFunctionPanel, Session())
    assert isinstance(made, ActivationFunctionPanel)
    made.resize(560, 360)
    return made


def choose(combo: Combo, text: str) -> None:
    """Open the list with the keyboard and go to an entry."""
    combo.setFocus()
    QTest.keyClick(combo, Qt.Key.Key_Home)
    for _ in range(combo.findText(text)):
        QTest.keyClick(combo, Qt.Key.Key_Down)
    assert combo.currentText() == text


def type_into(field: NumberField, text: str) -> None:
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, text)
    QTest.keyClick(field, Qt.Key.Key_Return)


def test_without_a_run_it_shows_curves_and_numbers(panel: ActivationFunctionPanel) -> None:
    assert panel.shown() == [("ReLU", ReLU())]
    assert [curve.name for curve in panel.plot.curves] == ["f", "f′"]
    value, slope = panel.plot.curves
    np.testing.assert_array_equal(value.y, np.maximum(value.x, 0))
    np.testing.assert_array_equal(slope.y, value.x > 0)
    text = panel.numbers.text()
    assert "ReLU" in text and "0&nbsp;to&nbsp;∞" in text and "1.414" in text
    assert panel.caption() == "ReLU"


def test_another_is_chosen_with_keys_and_one_beside_it(panel: ActivationFunctionPanel) -> None:
    choose(panel.function, "GELU")
    choose(panel.beside, "Swish")
    panel.refresh()
    assert [name for name, _ in panel.shown()] == ["GELU", "Swish"]
    assert [curve.name for curve in panel.plot.curves] == ["GELU: f", "GELU: f′", "Swish: f", "Swish: f′"]
    assert len(panel.outputs.shown) == 2 and panel.numbers.text().count("<br>") == 1
    choose(panel.beside, "GELU")
    panel.refresh()
    assert [curve.name for curve in panel.plot.curves] == ["f", "f′"], "the same twice says nothing"


def test_the_input_s_mean_and_deviation(panel: ActivationFunctionPanel) -> None:
    type_into(panel.std, "5")
    type_into(panel.mean, "-2")
    panel.refresh()
    _, _, outputs = panel.outputs.shown[0]
    assert (outputs.mean, outputs.std) == pytest.approx((facts(ReLU(), -2, 5).mean, facts(ReLU(), -2, 5).std))
    assert panel.plot.curves[0].x[-1] == 17
    type_into(panel.std, "0")
    panel.refresh()
    assert panel.std.value == 5, "a deviation of nothing is refused"


def test_the_selected_layer_is_shown_with_its_own_fields(panel: ActivationFunctionPanel) -> None:
    experiment = edits.add_node(blobs(), make("layer", "swish", beta=2.5))
    document = Document(experiment)
    selection = Selection(document)
    panel.set_document(document)
    panel.set_selection(selection)
    selection.set(("dense_1", "swish_1"))
    panel.refresh()
    assert panel.shown() == [("Swish (swish_1)", Swish(beta=2.5))]
    assert panel.function.currentText() == "Swish (swish_1)"
    choose(panel.function, "Tanh")
    panel.refresh()
    assert panel.shown()[0][0] == "Tanh"
    selection.set(("swish_1",))
    panel.refresh()
    assert panel.shown()[0][0] == "Swish (swish_1)"
    document.apply("Sharper", edits.set_field(document.experiment, "swish_1", "beta", 4.0))
    panel.refresh()
    assert panel.shown()[0][1] == Swish(beta=4.0)
    selection.set(("dense_1",))
    panel.refresh()
    assert panel.shown()[0][0] == "Tanh", "without an activation selected, the one chosen last"


def test_bars_under_the_mouse_and_spikes_by_name(panel: ActivationFunctionPanel, qtbot: QtBot) -> None:
    chart = panel.outputs
    QTest.mouseMove(chart, QPoint(chart.width() // 2, chart.height() // 2))
    tip = chart.tip(QPointF(chart.width() / 2, chart.height() / 2))
    assert tip.startswith("ReLU: ") and tip.endswith(" %")
    assert chart.tip(QPointF(1, 1)) == ""
    _, _, outputs = chart.shown[0]
    assert chart._density(outputs)[0] > chart._ceiling(), "half of all outputs are zero: that bar is cut off"


def test_in_a_narrow_panel_the_curves_stay(panel: ActivationFunctionPanel) -> None:
    assert panel.minimumSizeHint().width() <= 170
    panel.resize(250, 170)
    assert panel.plot.isVisible() and panel.function.isVisible()
    assert not panel.outputs.isVisible() and not panel.mean.isVisible() and not panel.numbers.isVisible()
    panel.resize(600, 400)
    assert panel.outputs.isVisible() and panel.mean.isVisible() and panel.numbers.isVisible()


def test_what_is_looked_at_is_remembered(panel: ActivationFunctionPanel, show: Show, tmp_path: Path) -> None:
    choose(panel.function, "ELU")
    choose(panel.beside, "SELU")
    type_into(panel.std, "2")
    panel.refresh()
    other = show(ActivationFunctionPanel, Session())
    other.set_view_state(panel.view_state())
    assert other.view_state() == panel.view_state() == {"function": "ELU", "beside": "SELU", "mean": 0.0, "std": 2.0}
    other.set_view_state({"function": "Fish", "std": -1.0, "mean": "?", "beside": 3})
    assert other.view_state() == panel.view_state(), "what makes no sense is passed over"
    panel.export(tmp_path / "curves.csv")
    head, *rows = (tmp_path / "curves.csv").read_text().splitlines()
    assert head == "activation,x,f,derivative" and len(rows) == 2 * 801


def test_numbers_in_words() -> None:
    items = {name: value for name, value, _ in fact_items(facts(Swish()))}
    assert items["range"] == "−0.2785 at −1.278 to ∞"
    assert items["flat"] == "24 %" and items["f(−1)"] == "−0.2689"
