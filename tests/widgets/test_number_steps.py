"""Numbers as text and back, and where steps and drags lead: no widget is needed to say so."""

import pytest

from engine.schema import FieldSpec, SchemaError, parse_field
from widgets.number_steps import bounds_hint, dragged, example, number_text, parse_number, stepped

UNITS = FieldSpec("units", "int", "Units", "How many.", 128, minimum=1, maximum=65536, integer=True)
BATCH = FieldSpec("batch", "int", "Batch", "How many.", 64, minimum=1, maximum=1_000_000, integer=True, scale="log")
RATE = FieldSpec("rate", "float", "Rate", "η.", 0.1, minimum=0, maximum=1e6, exclusive_minimum=True, scale="log")
STRENGTH = FieldSpec("strength", "float", "Strength", "λ.", 1e-4, minimum=0, maximum=1000, scale="log")
SHARE = FieldSpec("share", "float", "Share", "p.", 0.5, minimum=0, maximum=1, exclusive_maximum=True)
ALL = (UNITS, BATCH, RATE, STRENGTH, SHARE)


@pytest.mark.parametrize(("text", "value"), [("65,536", 65536), ("1_000", 1000), (" 12 ", 12), ("1e3", 1000)])
def test_ways_of_writing_a_whole_number(text, value):
    assert parse_number(UNITS, text) == value


def test_a_decimal_comma_is_explained():
    with pytest.raises(SchemaError, match="write a point"):
        parse_number(RATE, "0,5")
    assert parse_number(FieldSpec("x", "float", "X", "", 0.0), "−2") == -2


@pytest.mark.parametrize("text", ["", "  ", "abc", "1.5.2", "0x10", "inf", "nan", "1e999", "-1"])
def test_what_is_no_number_or_not_allowed_is_refused_in_words(text):
    for spec in ALL:
        with pytest.raises(SchemaError) as refusal:
            parse_number(spec, text)
        assert refusal.value.message


def test_a_refusal_shows_a_number_that_would_do():
    for spec, shown in ((UNITS, "128"), (RATE, "0.1"), (STRENGTH, "1e-4")):
        assert example(spec) == shown
        with pytest.raises(SchemaError, match=f"such as {shown}"):
            parse_number(spec, "abc")
    assert example(FieldSpec("x", "float", "X", "", None, minimum=3)) == "3.0"


@pytest.mark.parametrize(
    ("spec", "value", "text"),
    [(UNITS, 128.0, "128"), (RATE, 3e-4, "3e-4"), (RATE, 0.1 + 0.2, "0.30000000000000004"), (SHARE, 0, "0.0")],
)
def test_a_number_is_written_with_every_digit_and_reads_back(spec, value, text):
    assert number_text(spec, value) == text
    assert float(number_text(spec, value)) == value


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        (UNITS, "1–65,536"),
        (BATCH, "≥ 1"),
        (RATE, "> 0"),
        (STRENGTH, "0–1,000"),
        (FieldSpec("x", "float", "X", "", 0.0, unit="px"), "px"),
    ],
)
def test_hints(spec, hint):
    assert bounds_hint(spec) == hint


@pytest.mark.parametrize(
    ("spec", "value", "how", "up", "down"),
    [
        (UNITS, 128, {}, 129, 127),
        (UNITS, 128, {"far": True}, 138, 118),
        (BATCH, 64, {}, 128, 32),
        (BATCH, 100, {}, 128, 64),
        (BATCH, 64, {"far": True}, 1024, 4),
        (BATCH, 64, {"fine": True}, 65, 63),
        (RATE, 0.1, {}, 0.126, 0.0794),
        (RATE, 0.1, {"far": True}, 1.0, 0.01),
        (RATE, 0.1, {"fine": True}, 0.1023, 0.09772),
        (SHARE, 0.5, {}, 0.51, 0.49),
        (SHARE, 0.5, {"far": True}, 0.6, 0.4),
        (SHARE, 0.5, {"fine": True}, 0.501, 0.499),
    ],
)
def test_steps(spec, value, how, up, down):
    assert stepped(spec, value, 1, **how) == up
    assert stepped(spec, value, -1, **how) == down
    assert type(stepped(spec, value, 1, **how)) is (int if spec.integer else float)


def test_a_log_number_steps_down_to_an_allowed_zero_and_out_of_it():
    assert stepped(STRENGTH, 1e-12, -1) == 0
    assert stepped(STRENGTH, 0.0, -1) == 0
    assert stepped(STRENGTH, 0.0, 1) == 1e-6
    assert stepped(RATE, 1e-12, -1) > 0


@pytest.mark.parametrize(
    ("spec", "start", "distance", "value"),
    [
        (RATE, 0.1, 120, 1.0),
        (RATE, 0.1, -240, 1e-3),
        (BATCH, 64, 120, 640),
        (STRENGTH, 0.0, 120, 1e-5),
        (UNITS, 128, 50, 228),
        (UNITS, 1, 8, 2),
        (SHARE, 0.5, 40, 0.7),
    ],
)
def test_drags(spec, start, distance, value):
    assert dragged(spec, start, distance) == value
    assert dragged(spec, start, 0) == (start or 1e-6), "a log number leaves zero at once"


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.name)
def test_steps_and_drags_stay_inside_what_is_allowed(spec):
    for direction in (-1, 1):
        for how in ({}, {"far": True}, {"fine": True}):
            value = spec.default
            for _ in range(200):
                value = stepped(spec, value, direction, **how)
                assert parse_field(spec, value) == value
        for distance in (1, 30, 1000, 10_000):
            value = dragged(spec, spec.default, direction * distance)
            assert parse_field(spec, value) == value


def test_a_bound_that_is_not_allowed_itself_is_neared_and_not_passed():
    value = 0.999
    for _ in range(50):
        value = stepped(SHARE, value, 1)
    assert 0.999 < value < 1
    assert dragged(SHARE, 0.5, 10_000) == 0.5
    assert stepped(UNITS, 65535, 1, far=True) == 65536


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.name)
@pytest.mark.parametrize("distance", [-1e6, 1e6])
def test_a_drag_however_long_stays_within_the_bounds(spec: FieldSpec, distance: float) -> None:
    value = dragged(spec, float(spec.default), distance)  # type: ignore[arg-type]
    assert parse_field(spec, value) == value
