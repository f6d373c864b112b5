"""Scaling the learning rate with the batch size: what it would do is said before it is done, and it is one edit."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from engine import edits
from lab.inspector import TrainingInspector
from lab.inspector.scaling import scaled_rate


@pytest.fixture
def inspector(document, session, shown):
    return shown(TrainingInspector(document, session))


def set_batch(document, size):
    document.apply("Batch", edits.set_path(document.experiment, "training.batch_size", size))


def rate_of(document):
    return document.experiment.training.optimizer.learning_rate


def press(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.mark.parametrize(
    ("rule", "batch", "expected"),
    [("linear", 256, 0.4), ("linear", 16, 0.025), ("square_root", 256, 0.2), ("square_root", 128, 0.1414)],
)
def test_the_rules(rule, batch, expected):
    assert scaled_rate(rule, 0.1, batch, 64) == expected


def test_it_stands_beneath_the_batch_size_and_opens_when_that_changes(inspector, document):
    scaling = inspector.scaling
    batch = inspector.form.rows["batch_size"]
    assert scaling.geometry().top() > batch.geometry().top()
    assert scaling.geometry().top() < inspector.form.rows["shuffle"].geometry().top()
    assert not scaling.body.isVisible()
    press(scaling.fold)
    assert not any(button.isEnabled() for button in scaling.buttons.values())
    press(scaling.fold)
    set_batch(document, 4 * document.experiment.training.batch_size)
    assert scaling.body.isVisible()


@pytest.mark.parametrize(("rule", "factor"), [("linear", 4.0), ("square_root", 2.0)])
def test_a_button_says_what_it_does_and_does_it_in_one_undo_step(inspector, document, rule, factor):
    before, size = rate_of(document), document.experiment.training.batch_size
    set_batch(document, 4 * size)
    button = inspector.scaling.buttons[rule]
    assert float(button.text().rpartition(" ")[2]) == pytest.approx(before * factor)
    assert f"Batch {size} → {4 * size}" in inspector.scaling.words.text()
    press(button)
    assert rate_of(document) == pytest.approx(before * factor)
    assert document.undo_label == f"Scale the learning rate to batches of {4 * size}"
    assert not button.isEnabled(), "the rate is right for this batch now"
    document.undo()
    assert rate_of(document) == before and document.experiment.training.batch_size == 4 * size
    assert inspector.scaling.reference_batch() == size and button.isEnabled()


def test_the_reference_can_be_typed(inspector, document):
    scaling = inspector.scaling
    press(scaling.fold)
    scaling.reference.setFocus()
    scaling.reference.selectAll()
    size = document.experiment.training.batch_size
    QTest.keyClicks(scaling.reference, str(2 * size))
    QTest.keyClick(scaling.reference, Qt.Key.Key_Return)
    before = rate_of(document)
    press(scaling.buttons["linear"])
    assert rate_of(document) == pytest.approx(before / 2)


def test_a_rate_set_by_hand_is_right_for_the_batch_it_was_set_at(inspector, document):
    size = document.experiment.training.batch_size
    set_batch(document, 8 * size)
    document.apply("Rate", edits.set_path(document.experiment, "training.optimizer.learning_rate", 0.0321))
    assert inspector.scaling.reference_batch() == 8 * size


def test_fields_that_name_what_is_watched_offer_what_there_is(inspector, document):
    from engine.schedules import PlateauSchedule
    from widgets.fields import TextEditor

    document.apply("Plateau", edits.set_path(document.experiment, "training.schedule", PlateauSchedule()))
    (editor,) = [item for item in inspector.form.findChildren(TextEditor) if item.spec.name == "metric"]
    editor.entry.setFocus()
    editor.entry.selectAll()
    QTest.keyClicks(editor.entry, "acc")
    completer = editor.entry.completer()
    assert completer.currentCompletion() == "accuracy"
