"""The number field under real keys, wheels and drags."""

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QVBoxLayout, QWidget

from engine.schema import FieldSpec
from widgets.number import HANDLE, NumberField

UNITS = FieldSpec("units", "int", "Units", "How many.", 128, minimum=1, maximum=65536, integer=True)
BATCH = FieldSpec("batch", "int", "Batch", "How many.", 64, minimum=1, maximum=1_000_000, integer=True, scale="log")
RATE = FieldSpec("rate", "float", "Rate", "η.", 0.1, minimum=0, maximum=1e6, exclusive_minimum=True, scale="log")
STRENGTH = FieldSpec("strength", "float", "Strength", "λ.", 1e-4, minimum=0, maximum=1000, scale="log")
SHARE = FieldSpec("share", "float", "Share", "p.", 0.5, minimum=0, maximum=1, exclusive_maximum=True)


class Bench:
    """A field among others, with what it said."""

    def __init__(self, qtbot, spec):
        self.window = QWidget()
        layout = QVBoxLayout(self.window)
        self.field = NumberField(spec)
        self.other = QLineEdit()
        layout.addWidget(self.field)
        layout.addWidget(self.other)
        qtbot.addWidget(self.window)
        self.window.show()
        self.window.activateWindow()
        qtbot.waitUntil(self.window.isActiveWindow)
        self.other.setFocus()
        self.edits, self.problems = [], []
        self.field.edited.connect(lambda value, merging: self.edits.append((value, merging)))
        self.field.problem.connect(self.problems.append)

    def type(self, text, then=Qt.Key.Key_Return):
        self.field.setFocus()
        self.field.selectAll()
        QTest.keyClicks(self.field, text)
        if then is not None:
            QTest.keyClick(self.field, then)

    def wheel(self, notches, modifiers=Qt.KeyboardModifier.NoModifier):
        place = QPointF(10, 10)
        event = QWheelEvent(
            place,
            self.field.mapToGlobal(place),
            QPoint(),
            QPoint(0, 120 * notches),
            Qt.MouseButton.NoButton,
            modifiers,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(self.field, event)
        return event.isAccepted()

    def drag(self, *stops, release=True):
        QTest.mousePress(self.field, Qt.MouseButton.LeftButton, pos=QPoint(30, 10))
        for stop in stops:
            QTest.mouseMove(self.field, QPoint(30 + stop, 10))
        if release:
            QTest.mouseRelease(self.field, Qt.MouseButton.LeftButton, pos=QPoint(30 + stops[-1], 10))


@pytest.fixture
def bench(qtbot):
    return lambda spec: Bench(qtbot, spec)


def test_typing_and_return(bench):
    b = bench(UNITS)
    b.type("256")
    assert b.edits == [(256, False)]
    assert isinstance(b.field.value, int)
    b.type("256")
    assert len(b.edits) == 1, "the same number again is no edit"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0", "expected at least 1 and at most 65536, got 0"),
        ("70000", "expected at least 1 and at most 65536, got 70000"),
        ("2.5", "expected a whole number, got 2.5"),
        ("abc", "expected a whole number, such as 128"),
        ("", "type a number"),
    ],
)
def test_what_is_not_allowed_is_refused_in_words_where_it_is_typed(bench, text, words):
    b = bench(UNITS)
    b.field.setFocus()
    b.field.selectAll()
    QTest.keyClick(b.field, Qt.Key.Key_Delete)
    b.type(text)
    assert b.edits == []
    assert b.problems[-1] == words
    assert b.field.property("wrong") == "true"
    assert b.field.text() == text, "the text stays to be mended"
    QTest.keyClick(b.field, Qt.Key.Key_Escape)
    assert b.field.text() == "128"
    assert b.problems[-1] == "" and b.field.property("wrong") == "false"


def test_leaving_with_a_wrong_text_keeps_the_old_number_and_says_so(bench):
    b = bench(UNITS)
    b.type("0", then=Qt.Key.Key_Tab)
    assert b.edits == []
    assert b.field.text() == "128"
    assert b.problems[-1].endswith("; 128 was kept")


def test_leaving_takes_a_good_text(bench):
    b = bench(RATE)
    b.type("3e-4", then=Qt.Key.Key_Tab)
    assert b.edits == [(3e-4, False)]
    assert b.field.text() == "3e-4"


def test_infinity_and_nan_are_refused(bench):
    b = bench(RATE)
    for text in ("inf", "nan", "1e999"):
        b.type(text)
        assert "finite" in b.problems[-1]
    assert b.edits == []


def test_arrow_keys_step_and_merge(bench):
    b = bench(SHARE)
    b.field.setFocus()
    QTest.keyClick(b.field, Qt.Key.Key_Up)
    QTest.keyClick(b.field, Qt.Key.Key_Up)
    assert b.edits == [(0.51, True), (0.52, True)]
    QTest.keyClick(b.field, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert b.field.value == pytest.approx(0.4)
    QTest.keyClick(b.field, Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    assert b.field.value == pytest.approx(0.401)


def test_steps_end_at_the_bounds(bench):
    b = bench(SHARE)
    b.field.set_value(0.999)
    for _ in range(50):
        b.field.step(1)
    assert 0.999 < b.field.value < 1
    for _ in range(500):
        b.field.step(-1, far=True)
    assert b.field.value == 0
    units = bench(UNITS)
    units.field.set_value(65535)
    units.field.step(1, far=True)
    assert units.field.value == 65536


def test_batch_sizes_double_and_halve(bench):
    b = bench(BATCH)
    b.field.step(1)
    b.field.step(1)
    assert [value for value, _ in b.edits] == [128, 256]
    b.field.set_value(100)
    b.field.step(1)
    assert b.field.value == 128
    b.field.set_value(100)
    b.field.step(-1)
    assert b.field.value == 64
    b.field.set_value(1)
    b.field.step(-1)
    assert b.field.value == 1
    b.field.step(1, fine=True)
    assert b.field.value == 2


def test_a_log_field_that_may_be_zero_reaches_and_leaves_it(bench):
    b = bench(STRENGTH)
    for _ in range(20):
        b.field.step(-1, far=True)
    assert b.field.value == 0
    b.field.step(1)
    assert 0 < b.field.value <= 1e-5


def test_the_wheel_moves_only_a_field_with_the_focus(bench):
    b = bench(RATE)
    assert not b.wheel(1)
    assert b.edits == []
    b.field.setFocus()
    assert b.wheel(1)
    assert b.wheel(-1)
    assert [merging for _, merging in b.edits] == [True, True]
    assert b.edits[0][0] == pytest.approx(0.126) and b.field.value == pytest.approx(0.1, rel=0.01)


def test_a_drag_moves_a_log_field_by_factors(bench):
    b = bench(RATE)
    b.drag(60, 120)
    assert b.field.value == pytest.approx(1.0)
    assert all(merging for _, merging in b.edits)
    assert not b.field.hasFocus()
    b.drag(-240)
    assert b.field.value == pytest.approx(0.01)


def test_a_drag_moves_whole_numbers_and_shares_evenly(bench):
    units = bench(UNITS)
    units.drag(50)
    assert 128 < units.field.value < 400 and isinstance(units.field.value, int)
    share = bench(SHARE)
    share.drag(40)
    assert share.field.value == pytest.approx(0.7)
    share.drag(4000)
    assert share.field.value < 1


def test_escape_takes_a_drag_back(bench):
    b = bench(RATE)
    b.drag(60, 120, release=False)
    assert b.field.value != 0.1
    QTest.keyClick(b.field, Qt.Key.Key_Escape)
    assert b.field.value == 0.1
    assert b.edits[-1] == (0.1, True)
    QTest.mouseMove(b.field, QPoint(200, 10))
    assert b.field.value == 0.1


def test_a_click_without_a_drag_is_for_typing(bench):
    b = bench(UNITS)
    QTest.mouseClick(b.field, Qt.MouseButton.LeftButton, pos=QPoint(30, 10))
    assert b.field.hasFocus() and b.field.selectedText() == "128"
    assert b.edits == []


def test_a_value_from_elsewhere_does_not_disturb_typing(bench):
    b = bench(UNITS)
    b.type("25", then=None)
    b.field.set_value(128)
    assert b.field.text() == "25"
    b.field.set_value(512)
    assert b.field.text() == "512"
    assert b.edits == []


def test_it_says_what_it_is(bench):
    field = bench(UNITS).field
    assert field.accessibleName() == "Units"
    assert "at most 65536" in field.accessibleDescription()


def test_the_handle_drags_even_while_the_field_is_typed_in(qtbot):
    bench = Bench(qtbot, RATE)
    field = bench.field
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "0.2")
    handle = QPoint(field.width() - HANDLE // 2, field.height() // 2)
    QTest.mouseMove(field, handle)
    QTest.mousePress(field, Qt.MouseButton.LeftButton, pos=handle)
    assert bench.edits == [(0.2, False)]
    QTest.mouseMove(field, handle + QPoint(-120, 0))
    QTest.mouseRelease(field, Qt.MouseButton.LeftButton, pos=handle + QPoint(-120, 0))
    assert bench.edits[-1] == (pytest.approx(0.02), True)


def test_the_handle_of_a_live_field_is_always_to_be_seen(qtbot):
    def inked(spec):
        field = NumberField(spec)
        qtbot.addWidget(field)
        field.resize(180, 27)
        image = field.grab().toImage()
        area = range(image.width() - HANDLE + 2, image.width() - 4)
        colors = {image.pixel(x, y) for x in area for y in range(8, image.height() - 8)}
        return len(colors) > 1

    plain = FieldSpec("rate", "float", "Rate", "η.", 0.1, minimum=0, scale="log")
    live = FieldSpec("rate", "float", "Rate", "η.", 0.1, minimum=0, scale="log", live=True)
    assert inked(live) and not inked(plain)


def test_a_third_click_selects_everything_as_the_second_did(bench):
    b = bench(UNITS)
    middle = QPoint(20, 10)
    QTest.mouseClick(b.field, Qt.MouseButton.LeftButton, pos=middle)
    QTest.mouseDClick(b.field, Qt.MouseButton.LeftButton, pos=middle)
    QTest.mouseClick(b.field, Qt.MouseButton.LeftButton, pos=middle)
    assert b.field.selectedText() == b.field.text()
    QTest.keyClicks(b.field, "1500")
    QTest.keyClick(b.field, Qt.Key.Key_Return)
    assert b.edits == [(1500, False)]
