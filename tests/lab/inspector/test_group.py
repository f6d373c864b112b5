"""The parameter group of the selected layer: said, made, edited and removed."""

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from engine import edits
from engine.groups import ParameterGroup
from lab.inspector import LayerInspector, TrainingInspector


@pytest.fixture
def inspector(document, selection, shown):
    selection.set(("dense_1",))
    return shown(LayerInspector(document, selection), height=1400)


def click(widget) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


def groups_of(document):
    return document.experiment.training.groups


def test_a_layer_of_no_group_offers_to_make_one(inspector, document, qtbot):
    section = inspector.group
    assert section.isVisible() and section.figure.text() == "none"
    assert not section.form.isVisible() and not section.remove.isVisible()
    click(section.buttons["Freeze"])
    assert groups_of(document) == (ParameterGroup(nodes=("dense_1",), frozen=True),)
    assert section.form.isVisible() and not section.buttons["Freeze"].isVisible()
    assert section.figure.text() == "group 1" and document.undo_label.endswith("Freeze: dense_1")
    click(section.remove)
    assert groups_of(document) == () and not section.form.isVisible()


def test_its_own_group_is_edited_in_place_and_comes_first(inspector, document, selection):
    section = inspector.group
    click(section.buttons["Own rate"])
    section.form.rows["rate"].editor.number.step(1)
    section.form.rows["rate"].editor.number.step(1)
    assert groups_of(document)[0].rate > 0.1
    document.undo()
    assert groups_of(document)[0].rate == 0.1, "one drag is one step"
    selection.set(("dense_2",))
    click(section.buttons["Own penalties"])
    assert [group.nodes for group in groups_of(document)] == [("dense_2",), ("dense_1",)]
    assert section.form.rows["penalties"].isVisible()
    selection.set(("dense_1",))
    assert section.figure.text() == "group 2" and not section.form.rows["penalties"].isVisible()
    click(section.form.rows["frozen"].editor.switch)
    assert groups_of(document)[1].frozen and not groups_of(document)[0].frozen


def test_a_shared_group_is_told_and_left_alone(inspector, document, selection):
    shared = (ParameterGroup(nodes=("dense_1", "dense_2"), parameters="weights", rate=0.5),)
    document.apply("Share", edits.set_path(document.experiment, "training.groups", shared))
    section = inspector.group
    assert section.figure.text() == "group 1" and not section.form.isVisible()
    assert section.facts.texts() == [("weight", "group 1: rate × 0.5"), ("bias", "as all others")]
    selection.set(("tanh_1",))
    assert not section.isVisible(), "nothing to update"


def test_several_layers_are_frozen_together(inspector, document, selection):
    selection.set(("dense_1", "tanh_1", "dense_2"))
    section = inspector.group
    assert section.isVisible() and section.figure.text() == "none"
    click(section.buttons["Freeze"])
    assert groups_of(document) == (ParameterGroup(nodes=("dense_1", "dense_2"), frozen=True),)
    assert section.form.isVisible() and document.undo_label.endswith("Freeze: 2 layers")
    selection.set(("dense_2",))
    assert section.figure.text() == "group 1" and not section.form.isVisible()
    assert section.facts.texts()[0] == ("weight", "group 1: frozen")
    click(section.buttons["Own rate"])
    selection.set(("dense_1", "dense_2"))
    assert section.figure.text() == "groups 1, 2"
    assert section.facts.texts()[2] == ("dense_2 weight", "group 1: rate × 0.1")


def test_the_training_tab_shows_groups_and_what_is_wrong_with_them(document, shown):
    inspector = shown(TrainingInspector(document), height=2000)
    assert not inspector.form.rows["groups"].isVisible()
    training = replace(document.experiment.training, groups=(ParameterGroup(nodes=("dense_1", "dense_9")),))
    document.apply("Groups", replace(document.experiment, training=training))
    row = inspector.form.rows["groups"]
    assert row.isVisible(), "what has a finding is unfolded"
    card = row.editor._items[0]
    assert card.title.text() == "Parameter group 1" and row.editor.add.text() == "Add a parameter group"
    assert "does not exist" in card.form.rows["nodes"].note.text()
    click(row.editor.add)
    assert groups_of(document)[1] == ParameterGroup() and row.editor._items[1].title.text() == "Parameter group 2"
    click(row.editor._items[1].buttons["remove"])
    assert len(groups_of(document)) == 1
