"""Keeping results in files and in the document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.record import BEGIN, END, chart, document, renewed, write
from tests.benchmarks.results import results

ROOT = Path(__file__).parents[2]


def test_the_newest_results_replace_the_ones_before() -> None:
    page = f"Above.\n{BEGIN}\nold \\1\n{END}\nBelow.\n"
    once = renewed(page, "new \\2")
    assert once == f"Above.\n{BEGIN}\n\nnew \\2\n{END}\nBelow.\n"
    assert renewed(once, "new \\2") == once


@pytest.mark.parametrize("page", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_a_page_without_a_place_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="once each and in this order"):
        renewed(page, "new")


def test_the_document_has_a_place() -> None:
    assert "new results" in renewed((ROOT / "docs" / "performance.md").read_text(encoding="utf-8"), "new results")


def test_files_are_named_by_the_day(tmp_path: Path) -> None:
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "performance.md").write_text(f"# Page\n{BEGIN}\n{END}\n", encoding="utf-8")
    names = {path.relative_to(tmp_path).as_posix() for path in write(results(), tmp_path)}
    stem = "benchmarks/results/2026-01-02-cpu"
    assert names == {f"{stem}.json", f"{stem}.md", f"{stem}.svg", "docs/performance.md"}
    assert json.loads((tmp_path / f"{stem}.json").read_text()) == results()
    page = (tmp_path / "docs" / "performance.md").read_text(encoding="utf-8")
    assert "(../benchmarks/results/2026-01-02-cpu.svg)" in page
    assert "(2026-01-02-cpu.svg)" in (tmp_path / f"{stem}.md").read_text(encoding="utf-8")
    assert "A Processor" in page and "NumPy 2.4.6, PyTorch 2.13.0" in page and "JAX" not in page


def test_nothing_is_written_where_the_page_has_no_place(tmp_path: Path) -> None:
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "performance.md").write_text("# Page\n", encoding="utf-8")
    with pytest.raises(ValueError, match="needs the lines"):
        write(results(), tmp_path)
    assert list((tmp_path / "benchmarks" / "results").iterdir()) == []


def test_the_chart_leaves_out_the_reference_and_what_was_not_measured() -> None:
    drawn = chart(results())
    assert "W1  MLP 2-8-1, Descent Lab, compiled: 0.1<" in drawn
    assert "W5  conv &lt;5&gt;, Descent Lab, array: 2<" in drawn
    assert ", NumPy: 0.4<" in drawn and "conv &lt;5&gt;, NumPy" not in drawn
    assert ", PyTorch eager: " not in drawn


def test_every_section_is_in_the_document() -> None:
    page = document(results() | {"live": "preset  kept\n"}, "x.svg")
    for title in ("Time of a training step", "Start-up", "Peak memory", "By size", "Training with the window open"):
        assert f"## {title}" in page
