"""The layer inspector: fields, several layers at once, findings, ids, and weights of a run."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from engine import edits
from engine.schema import lookup
from engine.training.events import Frame, ParameterStats, TensorStats
from lab.inspector import LayerInspector
from lab.inspector.facts import deviation_text


def dense_ids(document):
    dense = lookup("layer", "dense")
    return [node.id for node in document.experiment.network.nodes if isinstance(node.component, dense)]


def component(document, node):
    return document.experiment.network.node(node).component


def type_number(inspector, name, text):
    # What a layout takes in is shown by the event loop.
    QApplication.processEvents()
    field = inspector.form.rows[name].editor.number
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, text)
    QTest.keyClick(field, Qt.Key.Key_Return)
    return field


@pytest.fixture
def inspector(document, selection, shown):
    return shown(LayerInspector(document, selection))


def test_without_a_selection_it_says_what_to_do(inspector, selection, document):
    assert inspector.empty.isVisible() and "Click a layer" in inspector.empty.text()
    assert not inspector.fields.isVisible() and inspector.form is None
    selection.set(dense_ids(document)[:1])
    assert not inspector.empty.isVisible() and inspector.fields.isVisible()


def test_one_layer_with_its_title_id_shapes_and_parameters(inspector, selection, document):
    node = dense_ids(document)[0]
    selection.set([node])
    units = component(document, node).units
    assert inspector.fields.title.text() == f"Dense {units}"
    assert inspector.fields.figure.text() == node
    assert inspector.shape_facts.texts()[:2] == [("In", "2"), ("Out", str(units))]
    assert inspector.parameters.figure.text() == f"{2 * units + units:,}"
    assert ("Weight", f"2 × {units}") in inspector.parameter_facts.texts()
    assert inspector.formula.text() == "y = x W + b"


def test_an_edit_is_one_undo_step(inspector, selection, document):
    node = dense_ids(document)[0]
    selection.set([node])
    before = document.experiment
    type_number(inspector, "units", "77")
    assert component(document, node).units == 77
    assert "units" in document.undo_label
    assert inspector.fields.title.text() == "Dense 77"
    document.undo()
    assert document.experiment is before
    assert inspector.form.rows["units"].editor.number.text() == str(component(document, node).units)


def test_steps_of_one_gesture_merge(inspector, selection, document):
    node = dense_ids(document)[0]
    selection.set([node])
    before = document.experiment
    field = inspector.form.rows["units"].editor.number
    field.setFocus()
    for _ in range(5):
        QTest.keyClick(field, Qt.Key.Key_Up)
    assert document.experiment is not before
    document.undo()
    assert document.experiment == before


def test_what_is_out_of_range_is_refused_and_changes_nothing(inspector, selection, document):
    selection.set(dense_ids(document)[:1])
    before = document.experiment
    type_number(inspector, "units", "0")
    assert document.experiment is before
    row = inspector.form.rows["units"]
    assert row.note.isVisible() and "at least 1" in row.note.text()


def test_several_layers_of_one_kind_change_together_and_only_in_that_field(inspector, selection, document):
    first, second = dense_ids(document)[:2]
    document.apply("Set up", edits.set_field(document.experiment, first, "units", 11))
    selection.set([first, second])
    assert inspector.fields.title.text().startswith("2 layers")
    assert "they differ" in inspector.form.rows["units"].note.text().lower()
    units = [component(document, node).units for node in (first, second)]
    switch = inspector.form.rows["use_bias"].editor.switch
    QTest.mouseClick(switch, Qt.MouseButton.LeftButton)
    assert [component(document, node).use_bias for node in (first, second)] == [False, False]
    assert [component(document, node).units for node in (first, second)] == units
    document.undo()
    assert [component(document, node).use_bias for node in (first, second)] == [True, True]


def test_several_layers_of_different_kinds_have_no_form(inspector, selection, document):
    other = next(node.id for node in document.experiment.network.nodes if node.id not in dense_ids(document))
    selection.set([dense_ids(document)[0], other])
    assert inspector.form is None
    assert "different kinds" in inspector.summary.text()


def test_the_deviation_stands_beside_its_peers(inspector, selection, document):
    node = dense_ids(document)[0]
    selection.set([node])
    normal = lookup("initializer", "normal")
    document.apply("Wide", edits.set_field(document.experiment, node, "weight_init", normal(std=20.0)))
    note = inspector.form.rows["weight_init"].note
    assert note.property("role") == "warn"
    assert note.text().startswith("σ 20.0 is ") and "× Xavier" in note.text() and "fan-in 2" in note.text()
    he = lookup("initializer", "he")
    document.apply("He", edits.set_field(document.experiment, node, "weight_init", he()))
    assert note.property("role") == "hint" and "He 1.0" in note.text()


def test_deviations_in_words():
    from engine.layers.base import ParameterSpec

    def said(initializer):
        return deviation_text(
            ParameterSpec(name="weight", shape=(3136, 128), initializer=initializer, fan_in=3136, fan_out=128)
        )

    normal, constant = lookup("initializer", "normal"), lookup("initializer", "constant")
    assert said(normal(std=1.0)) == ("warning", "σ 1.0 is 40× Xavier (0.0248) for fan-in 3,136, fan-out 128")
    assert said(normal(std=0.001))[1].startswith("σ 1e-3 is 1/25 of Xavier")
    assert said(normal(std=0.02))[0] == "info"
    assert "start equal" in said(constant(value=0.5))[1]


def test_a_finding_has_a_card_whose_button_mends_it(inspector, selection, document):
    last = dense_ids(document)[-1]
    document.apply("Break", edits.set_field(document.experiment, last, "units", 9))
    broken = next(item for item in document.report.diagnostics if item.severity == "error" and item.fix)
    selection.set([broken.node])
    card = inspector.findings.cards[0]
    assert card.button.text() == broken.fix.label
    QTest.mouseClick(card.button, Qt.MouseButton.LeftButton)
    assert document.report.ok
    assert document.undo_label == broken.fix.label
    assert not inspector.findings.isVisible()
    document.undo()
    assert not document.report.ok and inspector.findings.isVisible()


def test_a_title_an_id_and_a_bypass(inspector, selection, document):
    node = dense_ids(document)[0]
    selection.set([node])
    section = inspector.node
    section.name.setFocus()
    QTest.keyClicks(section.name, "First")
    QTest.keyClick(section.name, Qt.Key.Key_Return)
    assert document.experiment.network.node(node).title == "First"
    assert inspector.fields.title.text() == "First"
    section.id.setFocus()
    section.id.selectAll()
    QTest.keyClicks(section.id, "hidden")
    QTest.keyClick(section.id, Qt.Key.Key_Return)
    assert document.experiment.network.node("hidden").title == "First"
    assert selection.nodes == ("hidden",), "a renamed node stays selected"
    QTest.mouseClick(section.bypass, Qt.MouseButton.LeftButton)
    assert document.experiment.network.node("hidden").bypass
    document.undo()
    assert not section.bypass.isChecked()


def test_an_id_that_is_taken_is_refused_in_words(inspector, selection, document):
    first, second = dense_ids(document)[:2]
    selection.set([first])
    section = inspector.node
    section.id.setFocus()
    section.id.selectAll()
    QTest.keyClicks(section.id, second)
    QTest.keyClick(section.id, Qt.Key.Key_Return)
    assert section.words.isVisible() and second in section.words.text()
    assert document.experiment.network.node(first)


def test_weights_of_the_run_are_shown_and_asked_for_only_while_seen(document, selection, session, shown, qtbot):
    from tests.lab import fakes

    document.replace(fakes.experiment())
    inspector = shown(LayerInspector(document, selection, session))
    assert session.watched == frozenset()
    selection.set(["dense_1"])
    assert session.watched == {"weights"}
    session.start(document.experiment)
    qtbot.waitUntil(lambda: inspector.weights.isVisible())
    assert inspector.weights.title.text() == "Weights of dense_1"
    assert inspector.weights.figure.text() == "64 × 32"
    facts = dict(inspector.weights.parts[0].facts.texts())
    assert float(facts["Std"]) == pytest.approx(0.05, rel=0.2)
    inspector.hide()
    assert session.watched == frozenset()
    inspector.show()
    assert session.watched == {"weights"}
    selection.set(["relu_1"])
    assert not inspector.weights.isVisible()
    inspector.set_session(None)
    assert session.watched == frozenset()


def test_the_place_of_the_weights_is_kept_before_a_run(document, selection, shown, qtbot):
    inspector = shown(LayerInspector(document, selection))
    node = dense_ids(document)[0]
    selection.set([node])
    parts = inspector.weights.parts
    assert inspector.weights.isVisible() and dict(parts[0].facts.texts())["Std"] == "–"
    assert len(parts) == 2 and inspector.weights.figure.text() == "2 × 16"

    def place():
        # Children are shown and laid out by events; they are all there when the last section lies below the weights.
        qtbot.waitUntil(lambda: all(part.isVisible() and part.histogram.height() >= 96 for part in parts))
        qtbot.waitUntil(lambda: inspector.node.y() > inspector.weights.y() + sum(part.height() for part in parts))
        return inspector.node.y() - inspector.fields.y()

    before = place()
    seen = TensorStats(
        count=8,
        mean=0.0,
        std=0.5,
        minimum=-1.0,
        maximum=1.0,
        zero_share=0.0,
        saturated_share=0.0,
        dead_share=0.0,
        nonfinite=0,
        histogram=np.ones(8, np.int64),
    )
    stats = {
        f"{node}/{name}": ParameterStats(
            node=node, shape=shape, weight_norm=1.0, gradient_norm=0.1, update_norm=0.01, weights=seen
        )
        for name, shape in (("weight", (2, 16)), ("bias", (16,)))
    }
    inspector.weights.show_frame(Frame(run="r", step=1, epoch=0.1, activations={}, adjoints={}, parameters=stats), node)
    assert dict(parts[0].facts.texts())["Std"] == "0.5"
    assert place() == before, "nothing moves when a run begins"


def test_edits_during_a_run_are_marked(document, selection, start, session, shown, qtbot):
    inspector = shown(LayerInspector(document, selection, session))
    node = dense_ids(document)[0]
    selection.set([node])
    start(document.experiment)
    before = component(document, node).units
    type_number(inspector, "units", "55")
    assert inspector.form.rows["units"].note.text() == f"Edited since run: it trains with {before}."
    session.stop()
    qtbot.waitUntil(lambda: not session.active)
    assert not inspector.form.rows["units"].note.isVisible()


def test_an_unknown_layer_is_shown_as_such(inspector, selection, document):
    from msgspec.structs import replace

    from engine.experiment import NetworkSpec
    from engine.schema import Unknown

    nodes = document.experiment.network.nodes
    strange = replace(nodes[1], component=Unknown(of_kind="layer", tag="warp", plain={"type": "warp"}))
    network = NetworkSpec(nodes=(nodes[0], strange, *nodes[2:]))
    document.replace(replace(document.experiment, network=network))
    selection.set([strange.id])
    assert inspector.form is None
    assert inspector.findings.cards
