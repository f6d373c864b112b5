"""The picture: sound SVG with every mark where its ratio belongs."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from benchmarks.chart import Mark, Row, svg

NAMESPACE = "{http://www.w3.org/2000/svg}"


def drawn(*rows: Row) -> ElementTree.Element:
    return ElementTree.fromstring(svg(rows, "Times <&>", "PyTorch"))


def places(root: ElementTree.Element) -> dict[str, float]:
    """The horizontal place of each mark, by its tooltip."""
    found = {}
    for group in root.iter(f"{NAMESPACE}g"):
        shape = group[1]
        if shape.tag.endswith("circle"):
            x = float(shape.attrib["cx"])
        elif shape.tag.endswith("rect"):
            x = float(shape.attrib["x"]) + float(shape.attrib["width"]) / 2
        else:
            x = float(shape.attrib["points"].split(",")[0])
        found[str(group[0].text)] = x
    return found


def test_marks_lie_on_a_logarithmic_axis() -> None:
    found = places(drawn(Row("A", (Mark("x", 0.1), Mark("y", 1.0), Mark("z", 10.0)))))
    left, middle, right = found["A, x: 0.1"], found["A, y: 1"], found["A, z: 10"]
    assert left < middle < right
    assert middle - left == pytest.approx(right - middle, abs=0.2)


def test_the_axis_reaches_as_far_as_the_marks() -> None:
    root = drawn(Row("A", (Mark("x", 0.003), Mark("y", 40.0))))
    width = float(root.attrib["width"])
    assert all(0 < x < width for x in places(root).values())


def test_every_workload_and_side_is_named() -> None:
    root = drawn(Row("A & B", (Mark("ours", 0.5),)), Row("C", (Mark("ours", 0.2), Mark("other", 2.0))))
    words = [element.text for element in root.iter(f"{NAMESPACE}text")]
    assert {"A & B", "C", "ours", "other", "Times <&>"} <= set(words)
    assert len(places(root)) == 3


def test_it_follows_the_reader_s_light_or_dark_theme() -> None:
    assert "prefers-color-scheme:dark" in svg([Row("A", (Mark("x", 1.0),))], "T", "R")


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_ratio_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        svg([Row("A", (Mark("x", wrong),))], "T", "R")
