"""Forms built from every declaration, edited with real events."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from engine.experiment import DataSpec, SplitSpec, TrainingSpec
from engine.schema import all_components, components_of, fields_of, lookup
from widgets.form import Form
from widgets.nested import successor

COMPONENTS = [info for info in all_components() if successor(info.cls, None) is not None]


def made(kind, tag, **values):
    return lookup(kind, tag)(**values)


def training(**values):
    return TrainingSpec(
        optimizer=made("optimizer", "adam"),
        schedule=made("schedule", "cosine"),
        warmup=made("warmup", "none"),
        **values,
    )


class Watched:
    """A form in a window of its own, with what it asked for."""

    def __init__(self, qtbot, value):
        self.form = Form(type(value))
        qtbot.addWidget(self.form)
        self.form.set_value(value)
        self.form.resize(300, 700)
        self.form.show()
        self.form.activateWindow()
        qtbot.waitUntil(self.form.isActiveWindow)
        self.edits = []
        self.form.valueEdited.connect(lambda value, key: self.edits.append((value, key)))

    def row(self, name):
        return self.form.rows[name]


@pytest.fixture
def watched(qtbot):
    return lambda value: Watched(qtbot, value)


@pytest.mark.parametrize("info", COMPONENTS, ids=[f"{info.kind}-{info.tag}" for info in COMPONENTS])
def test_every_component_has_a_form_that_shows_its_defaults(qtbot, info):
    value = successor(info.cls, None)
    form = Form(info.cls)
    qtbot.addWidget(form)
    emitted = []
    form.valueEdited.connect(lambda *args: emitted.append(args))
    form.set_value(value)
    assert list(form.rows) == [spec.name for spec in fields_of(info.cls)]
    for row in form.rows.values():
        focus = row.editor.focusProxy()
        assert focus is None or focus.accessibleName(), row.spec.name
        assert row.label.toolTip()
    assert emitted == [], "showing is not editing"


def test_a_typed_number_comes_out_as_a_new_value(watched):
    w = watched(SplitSpec())
    field = w.row("train_limit").editor.number
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "500")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert w.edits == [(SplitSpec(train_limit=500), "")]


def test_steps_carry_a_key_for_merging(watched):
    w = watched(SplitSpec())
    w.row("train_limit").editor.number.step(1)
    assert w.edits == [(SplitSpec(train_limit=1), "train_limit")]


def test_a_switch_turns_with_a_click_and_with_the_space_key(watched):
    w = watched(SplitSpec())
    switch = w.row("shuffle").editor.switch
    QTest.mouseClick(switch, Qt.MouseButton.LeftButton)
    assert w.edits == [(SplitSpec(shuffle=False), "")]
    switch.setFocus()
    QTest.keyClick(switch, Qt.Key.Key_Space)
    assert w.edits[-1][0] == SplitSpec(shuffle=True)


def test_the_row_says_why_a_number_is_refused(watched):
    w = watched(SplitSpec())
    row = w.row("seed")
    field = row.editor.number
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "-5")
    assert row.note.isVisible()
    assert row.note.text() == "Expected at least 0 and at most 2147483647, got -5."
    QTest.keyClick(field, Qt.Key.Key_Escape)
    assert not row.note.isVisible()
    assert w.edits == []


def test_words_from_elsewhere_give_way_to_what_is_typed(watched):
    w = watched(SplitSpec())
    w.form.set_notes({"seed": ("warning", "an odd seed")})
    row = w.row("seed")
    assert row.note.text() == "An odd seed." and row.note.property("role") == "warn"
    field = row.editor.number
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "x")
    assert row.note.property("role") == "error"
    QTest.keyClick(field, Qt.Key.Key_Escape)
    assert row.note.text() == "An odd seed."
    w.form.set_notes({})
    assert not row.note.isVisible()


def test_choosing_another_component_keeps_what_means_the_same_in_both(watched):
    w = watched(training())
    editor = w.row("optimizer").editor
    w.form.set_value(training(epochs=3))
    rate = editor.below.form.rows["learning_rate"].editor.number
    rate.setFocus()
    rate.selectAll()
    QTest.keyClicks(rate, "0.5")
    QTest.keyClick(rate, Qt.Key.Key_Return)
    assert w.edits[-1][0].optimizer == made("optimizer", "adam", learning_rate=0.5)
    editor.combo.setFocus()

    def choose(tag):
        wanted = list(components_of("optimizer")).index(tag)
        while editor.combo.currentIndex() != wanted:
            down = wanted > editor.combo.currentIndex()
            QTest.keyClick(editor.combo, Qt.Key.Key_Down if down else Qt.Key.Key_Up)
        return w.edits[-1][0].optimizer

    assert choose("adamw") == made("optimizer", "adamw", learning_rate=0.5)
    chosen = choose("sgd")
    assert chosen == made("optimizer", "sgd"), "a rate of Adam's size says nothing of SGD's"
    assert list(editor.below.form.rows) == [spec.name for spec in fields_of(type(chosen))]
    assert w.edits[-1][0].epochs == 3


def test_what_was_set_in_a_component_comes_back_with_it(watched):
    w = watched(training())
    editor = w.row("schedule").editor
    editor.below.form.rows["final"].editor.number.step(1)
    final = w.edits[-1][0].schedule
    assert w.edits[-1][1] == "schedule.final"
    tags = list(components_of("schedule"))
    editor._on_activated(tags.index("step"))
    assert w.edits[-1][0].schedule == made("schedule", "step")
    editor._on_activated(tags.index("cosine"))
    assert w.edits[-1][0].schedule == final


def test_an_unknown_component_is_shown_and_kept(watched):
    from engine.schema import Unknown

    unknown = Unknown(of_kind="source", tag="hologram", plain={"type": "hologram"})
    w = watched(DataSpec(source=unknown))
    row = w.row("source")
    assert "hologram" in row.note.text()
    assert row.editor.combo.currentIndex() == -1
    assert w.edits == []


def test_lists_grow_shrink_and_turn_round(watched, qtbot):
    w = watched(training())
    editor = w.row("penalties").editor
    for entry in editor.menu.actions():
        if entry.data() in ("l1", "l2"):
            entry.trigger()
    assert [type(p) for p in w.edits[-1][0].penalties] == [lookup("penalty", "l1"), lookup("penalty", "l2")]
    cards = editor._items
    assert not cards[0].buttons["up"].isEnabled() and not cards[1].buttons["down"].isEnabled()
    QTest.mouseClick(cards[1].buttons["up"], Qt.MouseButton.LeftButton)
    assert [type(p) for p in w.edits[-1][0].penalties] == [lookup("penalty", "l2"), lookup("penalty", "l1")]
    editor._items[1].form.rows["strength"].editor.number.step(1)
    after, key = w.edits[-1]
    assert key == "penalties[1].strength"
    assert after.penalties[1].strength > after.penalties[0].strength
    QTest.mouseClick(editor._items[0].buttons["remove"], Qt.MouseButton.LeftButton)
    assert [type(p) for p in w.edits[-1][0].penalties] == [lookup("penalty", "l1")]
    assert len(editor._items) == 1


def test_advanced_fields_are_folded_until_asked_for_or_wrong(watched):
    w = watched(training())
    assert not w.row("precision").isVisible()
    QTest.mouseClick(w.form.folds[0].button, Qt.MouseButton.LeftButton)
    assert w.row("precision").isVisible()
    QTest.mouseClick(w.form.folds[0].button, Qt.MouseButton.LeftButton)
    w.form.set_notes({"precision": ("error", "too precise")})
    assert w.row("precision").isVisible()


def test_a_fold_says_how_many_of_its_fields_are_set(watched):
    w = watched(training(precision="float64", accumulate=4))
    assert w.form.folds[0].button.text() == "Advanced · 2 set"
    w.form.set_value(training())
    assert w.form.folds[0].button.text() == "Advanced"


def test_sections_keep_every_field_and_have_folds_of_their_own(qtbot):
    cls = type(training())
    form = Form(cls, sections=(("", ("epochs", "accumulate")), ("Steps", ("batch_size",))))
    qtbot.addWidget(form)
    form.set_value(training())
    form.resize(320, 1200)
    form.show()
    assert set(form.rows) == {spec.name for spec in fields_of(cls)}
    assert form.folds[0].isAncestorOf(form.rows["accumulate"])
    assert form.folds[1].isAncestorOf(form.rows["precision"]), "what no section names is in the last"
    tops = [form.rows[name].mapTo(form, QPoint(0, 0)).y() for name in ("epochs", "batch_size", "optimizer")]
    heading = next(label for label in form.findChildren(QLabel) if label.text() == "Steps")
    assert tops[0] < heading.y() < tops[1] < tops[2]


def test_notes_reach_nested_fields(watched):
    w = watched(training(penalties=(made("penalty", "l2"),)))
    w.form.set_notes({"optimizer.learning_rate": ("info", "edited since run")})
    nested = w.row("optimizer").editor.below.form
    assert nested.rows["learning_rate"].note.text() == "Edited since run."
    w.form.set_notes({})
    assert not nested.rows["learning_rate"].note.isVisible()


def test_setting_the_same_value_keeps_the_widgets(watched):
    w = watched(training())
    before = w.row("optimizer").editor.below.form
    w.form.set_value(training(epochs=7))
    assert w.row("optimizer").editor.below.form is before
    assert w.row("epochs").editor.number.text() == "7"


def test_a_form_refuses_a_value_of_another_class(qtbot):
    form = Form(SplitSpec)
    qtbot.addWidget(form)
    with pytest.raises(TypeError, match="SplitSpec"):
        form.set_value(training())


def test_help_opens_with_f1_and_shuts_with_escape(watched, qtbot):
    w = watched(training())
    rate = w.row("optimizer").editor.below.form.rows["learning_rate"].editor.number
    rate.setFocus()
    QTest.keyClick(rate, Qt.Key.Key_F1)
    popover = w.row("optimizer").editor.below.form._popover
    assert popover is not None and popover.isVisible()
    assert "Learning rate" in popover.text and "Source:" in popover.text and "Can be changed" in popover.text
    QTest.keyClick(popover, Qt.Key.Key_Escape)
    assert not popover.isVisible()
    QTest.mouseClick(w.row("optimizer").label, Qt.MouseButton.LeftButton)
    assert "Adam" in w.form._popover.text
    w.form._popover.close()


def test_the_keyboard_reaches_every_field(watched, qapp):
    w = watched(SplitSpec())
    w.row("validation").editor.number.setFocus()
    seen = []
    for _ in range(12):
        focus = qapp.focusWidget()
        seen.append(focus.accessibleName())
        QTest.keyClick(focus, Qt.Key.Key_Tab)
    assert {"Validation", "Test", "Training limit", "Shuffle", "Seed"} <= set(seen)
