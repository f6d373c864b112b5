"""Declarations read back: fields, bounds, values to JSON types and back, and errors that name the place."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

import pytest
from msgspec import Struct

from engine import registry, schema
from engine.schema import (
    Component,
    FieldSpec,
    SchemaError,
    Unknown,
    field,
    fields_of,
    from_plain,
    info_of,
    no_such_field,
    parse_field,
    to_plain,
    validate,
)


class Inner(Struct, frozen=True, kw_only=True):
    depth: Annotated[int, field(ge=0, help="How deep.")] = 1


class Part(Component, frozen=True):
    kind: ClassVar[str] = "test_part"


class Small(Part, frozen=True):
    """A small one."""

    size: Annotated[float, field(gt=0, le=2, help="How large.", scale="log", live=True, unit="m", symbol="s")] = 1.0


class Whole(Part, frozen=True, kw_only=True):
    """First line
    goes on.

    More of it.
    """

    count: Annotated[int, field(ge=1, le=9, label="Number", help="How many.", search=(2, 4))]
    flag: Annotated[bool, field(help="On or off.", advanced=True)] = False
    mode: Annotated[Literal["a", "b"], field(help="Which.")] = "a"
    name: Annotated[str, field(help="Name.")] = ""
    place: Annotated[str, field(help="Where.", path=True)] = ""
    pair: Annotated[tuple[int, int], field(ge=0, help="Two.")] = (1, 2)
    many: Annotated[tuple[float, ...], field(help="Any number.")] = ()
    words: Annotated[tuple[str, ...], field(help="Words.")] = ()
    part: Annotated[Part | Unknown, field(help="A part.")] = Small()
    parts: Annotated[tuple[Part | Unknown, ...], field(help="Parts.")] = ()
    inner: Annotated[Inner, field(help="Inner.")] = Inner()
    inners: Annotated[tuple[Inner, ...], field(help="Inners.")] = ()


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two components above, in the registry for one test only."""
    registry._load()  # what is loaded for the first time must not go into the copy
    monkeypatch.setattr(registry, "_REGISTRY", {kind: dict(entries) for kind, entries in registry._REGISTRY.items()})
    monkeypatch.setattr(registry, "_INFO", dict(registry._INFO))
    schema.component("small", label="Small", source="A book")(Small)
    schema.component("whole", label="Whole", source="A book", group="Test", formula="x", synonyms=("all",))(Whole)


def spec(name: str) -> FieldSpec:
    return next(item for item in fields_of(Whole) if item.name == name)


def refused(plain: Any, target: Any = "test_part") -> str:
    with pytest.raises(SchemaError) as caught:
        from_plain(target, plain, "here")
    return str(caught.value)


def test_a_declaration_says_what_it_is() -> None:
    info = info_of(Whole)
    assert (info.kind, info.tag, info.label, info.group) == ("test_part", "whole", "Whole", "Test")
    assert info.summary == "First line goes on."
    assert info.help == "First line\ngoes on.\n\nMore of it."
    assert info_of(Whole(count=1)) is info
    assert schema.lookup("test_part", "whole") is Whole
    assert schema.components_of("test_part") == {"small": Small, "whole": Whole}
    assert schema.lookup("test_part", "x") is None
    assert schema.lookup("x", "x") is None


def test_a_tag_is_declared_once_and_needs_a_kind() -> None:
    with pytest.raises(TypeError, match="declared twice"):
        schema.component("small", label="", source="")(Small)

    class Kindless(Component, frozen=True):
        pass

    with pytest.raises(TypeError, match="no kind"):
        schema.component("kindless", label="", source="")(Kindless)


def test_fields_are_read_off_the_types() -> None:
    kinds = {item.name: item.kind for item in fields_of(Whole)}
    assert kinds == {
        "count": "int", "flag": "bool", "mode": "choice", "name": "text", "place": "path", "pair": "numbers",
        "many": "numbers", "words": "strings", "part": "component", "parts": "components", "inner": "struct",
        "inners": "structs",
    }  # fmt: skip
    assert spec("count").required and spec("count").label == "Number" and spec("count").search == (2, 4)
    assert spec("mode").choices == ("a", "b") and spec("mode").default == "a" and not spec("mode").required
    assert spec("pair").length == 2 and spec("pair").integer and spec("many").length is None
    assert spec("part").component_kind == "test_part" and spec("parts").component_kind == "test_part"
    assert spec("inner").struct is Inner and spec("flag").advanced and not spec("flag").live
    (size,) = fields_of(Small)
    assert (size.minimum, size.exclusive_minimum, size.maximum, size.exclusive_maximum) == (0, True, 2, False)
    assert (size.scale, size.live, size.unit, size.symbol) == ("log", True, "m", "s")
    assert size.bounds_text() == "more than 0 and at most 2"


def test_a_type_that_no_form_knows_is_refused() -> None:
    class Odd(Part, frozen=True):
        table: Annotated[dict[str, int], field(help="A table.")] = {}

    with pytest.raises(TypeError, match="no field kind"):
        fields_of(Odd)


def full() -> Whole:
    return Whole(
        count=3, flag=True, mode="b", name="n", place="/p", pair=(3, 4), many=(0.5,), words=("w",), part=Whole(count=1),
        parts=(Small(size=0.5),), inner=Inner(depth=5), inners=(Inner(),),
    )  # fmt: skip


def test_values_go_through_json_and_come_back() -> None:
    plain = json.loads(json.dumps(to_plain(full())))
    assert from_plain("test_part", plain) == full()
    assert list(plain) == ["type", *(item.name for item in fields_of(Whole))]
    assert plain["type"] == "whole" and plain["parts"] == [{"type": "small", "size": 0.5}]
    assert validate(full()) == full()


def test_an_unknown_component_is_kept_as_it_is() -> None:
    plain = {"type": "new", "x": [1, {"y": None}]}
    value = from_plain("test_part", plain)
    assert value == Unknown(of_kind="test_part", tag="new", plain=plain)
    assert to_plain(value) == plain
    assert info_of(value).summary == "This version of Descent Lab does not know the test_part “new”."
    assert fields_of(Unknown) == ()
    nested = {"type": "whole", "count": 1, "part": plain, "parts": [plain]}
    assert to_plain(from_plain("test_part", nested))["parts"] == [plain]


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ([], "here: expected an object, got a list"),
        ({}, "here.type: expected the name of a test_part, got nothing"),
        ({"type": 3}, "here.type: expected the name of a test_part, got 3"),
        ({"type": "whole"}, "here.count: is missing"),
        ({"type": "whole", "count": 0}, "here.count: expected at least 1 and at most 9, got 0"),
        ({"type": "whole", "count": 10}, "here.count: expected at least 1 and at most 9, got 10"),
        ({"type": "whole", "count": 1.5}, "here.count: expected a whole number, got 1.5"),
        ({"type": "whole", "count": True}, "here.count: expected a whole number, got true"),
        ({"type": "whole", "count": "1"}, "here.count: expected a whole number, got “1”"),
        ({"type": "whole", "count": float("nan")}, "here.count: expected a whole number, got nan"),
        ({"type": "whole", "count": 1, "cuont": 1}, "here.cuont: there is no such field; did you mean “count”?"),
        ({"type": "whole", "count": 1, "flag": 1}, "here.flag: expected true or false, got 1"),
        ({"type": "whole", "count": 1, "mode": "c"}, "here.mode: expected one of a, b; got “c”"),
        ({"type": "whole", "count": 1, "mode": []}, "here.mode: expected one of a, b; got a list"),
        ({"type": "whole", "count": 1, "name": {}}, "here.name: expected text, got an object"),
        ({"type": "whole", "count": 1, "pair": [1]}, "here.pair: expected 2 values, got 1"),
        ({"type": "whole", "count": 1, "pair": [1, -1]}, "here.pair[1]: expected at least 0, got -1"),
        ({"type": "whole", "count": 1, "words": ["a", 1]}, "here.words[1]: expected text, got 1"),
        ({"type": "whole", "count": 1, "parts": [{"type": "small", "size": 0}]},
         "here.parts[0].size: expected more than 0 and at most 2, got 0"),
        ({"type": "whole", "count": 1, "inner": {"depth": -1}}, "here.inner.depth: expected at least 0, got -1"),
        ({"type": "whole", "count": 1, "inners": [{}, 1]}, "here.inners[1]: expected an object, got 1"),
        ({"type": "small", "size": 10**400}, "here.size: expected a finite number, got one too large"),
        ({"type": "small", "size": float("inf")}, "here.size: expected a finite number, got inf"),
    ],
)  # fmt: skip
def test_what_a_declaration_does_not_allow_is_refused_with_its_place(plain: Any, message: str) -> None:
    assert refused(plain) == message


def test_numbers_are_brought_to_their_type() -> None:
    value = from_plain("test_part", {"type": "whole", "count": 2.0, "many": [1, 2]})
    assert type(value.count) is int
    assert [type(item) for item in value.many] == [float, float]


def test_built_values_are_checked_too() -> None:
    assert parse_field(spec("part"), Small(size=2.0)) == Small(size=2.0)
    with pytest.raises(SchemaError, match=r"part\.size: expected more than 0"):
        parse_field(spec("part"), Small(size=-1.0))
    with pytest.raises(SchemaError, match=r"inners\[0\]\.depth"):
        validate(Whole(count=1, inners=(Inner(depth=-1),)))


def test_a_field_of_what_has_none() -> None:
    assert str(no_such_field("warmup.start", "start", ())) == (
        "warmup.start: there is no such field; there are no fields here"
    )
