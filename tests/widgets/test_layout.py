"""Sections, facts and cards."""

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from widgets.elided import ElidedLabel
from widgets.layout import Card, Facts, Section, SidePanel, label


def test_facts_grow_and_shrink(qtbot):
    facts = Facts()
    qtbot.addWidget(facts)
    facts.show()
    facts.set_facts([("In", "784"), ("Out", "128")])
    assert facts.texts() == [("In", "784"), ("Out", "128")]
    facts.set_facts([("Out", "64")])
    assert facts.texts() == [("Out", "64")]
    facts.set_facts([])
    assert not facts.isVisible()


def test_a_card_has_a_button_only_where_there_is_a_remedy(qtbot):
    card = Card("warning", "Slow", "The rate is low.", "Raise it")
    qtbot.addWidget(card)
    with qtbot.waitSignal(card.pressed):
        QTest.mouseClick(card.button, Qt.MouseButton.LeftButton)
    bare = Card("info", "", "All is well.")
    qtbot.addWidget(bare)
    assert bare.button is None
    assert "All is well." in bare.accessibleName()


def test_a_side_panel_never_scrolls_sideways(qtbot, qapp):
    panel = SidePanel()
    qtbot.addWidget(panel)
    panel.add(label("long words " * 60, wrap=True))
    panel.resize(200, 100)
    panel.show()
    qapp.processEvents()
    assert panel.widget().width() <= panel.viewport().width()
    assert panel.verticalScrollBar().maximum() > 0


def test_a_text_that_does_not_fit_is_cut_with_dots(qtbot):
    title = ElidedLabel("a rather long title of a section", "title")
    qtbot.addWidget(title)
    title.resize(600, 20)
    assert title.shown == title.text()
    title.resize(60, 20)
    assert title.shown.endswith("…") and len(title.shown) < 12
    assert title.minimumSizeHint().width() < 60


def test_a_narrow_panel_cuts_titles_and_not_fields(qtbot, qapp):
    section = Section("A title that is far too long for a narrow panel", "and_an_id_that_is_long_as_well")
    panel = SidePanel()
    qtbot.addWidget(panel)
    panel.add(section)
    panel.resize(200, 100)
    panel.show()
    qapp.processEvents()
    assert panel.widget().width() <= panel.viewport().width()
