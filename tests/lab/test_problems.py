"""The problems list: what is found, where, and the buttons that mend it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from engine import edits
from engine.diagnostics import Diagnostic, Fix
from engine.edits import EditError
from lab.document import Document, Selection
from lab.problems import Problems
from tests.support.examples import blobs, make


@pytest.fixture
def document(qapp):
    document = Document(edits.add_node(blobs(), make("layer", "tanh"), at=(0.0, 200.0)))
    yield document
    document.close()


@pytest.fixture
def problems(document, qtbot):
    problems = Problems(document, Selection(document))
    qtbot.addWidget(problems)
    problems.resize(300, 500)
    problems.show()
    return problems


def test_every_finding_has_a_card(problems, document):
    assert [card.finding for card in problems.cards] == list(document.report.diagnostics)
    assert problems.cards[0].accessibleName() == "Error: Tanh"
    assert not problems._none.isVisible()


def test_a_click_selects_the_node(problems, qtbot):
    with qtbot.waitSignal(problems.activated) as signal:
        QTest.mouseClick(problems.cards[0], Qt.MouseButton.LeftButton)
    assert signal.args == ["tanh_1"] and problems._selection.nodes == ("tanh_1",)


def test_enter_selects_the_node(problems):
    QTest.keyClick(problems.cards[0], Qt.Key.Key_Return)
    assert problems._selection.nodes == ("tanh_1",)


def test_the_button_mends_it_as_one_step(problems, document, qtbot):
    label = problems.cards[0].button.text()
    with qtbot.waitSignal(problems.countChanged) as signal:
        QTest.mouseClick(problems.cards[0].button, Qt.MouseButton.LeftButton)
    assert signal.args == [0, 0] and problems.cards == [] and problems._none.isVisible()
    assert document.undo_label == label and document.report.ok
    document.undo()
    assert len(problems.cards) == 1


def test_a_title_that_changes_is_shown(problems, document):
    document.apply("Title", edits.set_title(document.experiment, "tanh_1", "Squash"))
    assert problems.cards[0].accessibleName() == "Error: Squash"


def test_errors_come_first_and_fixes_that_fail_say_why(problems, document):
    def refuse(experiment):
        raise EditError("", "it is gone")

    findings = (
        Diagnostic(node="", field="training.batch_size", severity="info", message="Small."),
        Diagnostic(node="gone", field="", severity="error", message="Bad.", fix=Fix("Mend", refuse)),
    )
    document._report = replace(document.report, diagnostics=findings)
    problems.refresh()
    assert [card.finding.severity for card in problems.cards] == ["error", "info"]
    assert problems.cards[1].accessibleName() == "Note: Training › batch size"
    assert not problems.cards[1].button.isVisible()
    before = document.experiment
    QTest.mouseClick(problems.cards[0].button, Qt.MouseButton.LeftButton)
    assert document.experiment is before and "it is gone" in problems.cards[0]._words.text()
    QTest.mouseClick(problems.cards[0], Qt.MouseButton.LeftButton)
    assert problems._selection.nodes == ()


def test_data_that_cannot_be_read_are_an_error_with_a_way_to_their_tab(problems, document, qtbot):
    counts = []
    problems.countChanged.connect(lambda errors, warnings: counts.append(errors))
    good = document.experiment
    source = make("source", "csv")
    document.apply("Change data", replace(good, data=replace(good.data, source=source)))
    qtbot.waitUntil(lambda: bool(document.signature_error))
    assert not document.report.ok and counts[-1] >= 1
    card = next(card for card in problems.cards if card.finding.field == "data")
    assert "no file is chosen" in card.finding.message and "Data" in card.button.text()
    with qtbot.waitSignal(problems.placeActivated) as told:
        qtbot.mouseClick(card.button, Qt.MouseButton.LeftButton)
    assert told.args == ["data"]
    document.undo()
    assert all(item.field != "data" for item in document.report.diagnostics)


def test_a_run_may_show_layers_that_need_a_look(problems, document, qtbot):
    line = problems.run_line
    assert not line.isVisible()
    problems.show_run(("gone", "relu_1"))
    assert line.isVisible() and line.text() == "In this run: 2 layers need a look"
    with qtbot.waitSignal(problems.activated) as signal:
        QTest.mouseClick(line, Qt.MouseButton.LeftButton)
    assert signal.args == ["relu_1"] and problems._selection.nodes == ("relu_1",)
    problems.show_run(("relu_1",))
    assert line.text() == "In this run: 1 layer needs a look"
    document.undo()
    problems.show_run(())
    assert not line.isVisible()


def test_without_findings_it_speaks_of_the_network_alone(problems, document):
    document.apply("Delete", edits.remove_nodes(document.experiment, ["tanh_1"]))
    assert problems._none.isVisible() and "fits together" in problems._none.text()
