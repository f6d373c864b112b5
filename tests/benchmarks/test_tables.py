"""Tables: the right number in the right place, and none where nothing was measured."""

from __future__ import annotations

import pytest

from benchmarks.tables import Table, limits_of, markdown, milliseconds, ratio_text, tables, text
from tests.benchmarks.results import results


def named(title: str) -> Table:
    (found,) = (table for table in tables(results()) if table.title == title)
    return found


def cell(table: Table, row: str, head: str) -> str:
    (found,) = (cells for cells in table.rows if cells[0] == row)
    return found[table.heads.index(head)]


def test_times_are_medians_in_milliseconds() -> None:
    table = named("Time of a training step")
    assert cell(table, "W1", "compiled, ms") == "1.00"
    assert cell(table, "W1", "compiled, one a call") == "2.00"
    assert cell(table, "W1", "PyTorch eager, ms") == "10.0"
    assert cell(table, "W5", "NumPy, ms") == "–"


def test_ratios_are_those_of_the_rounds_with_their_geometric_mean() -> None:
    table = named("The engine's time as a part of a peer's")
    assert cell(table, "W1", "compiled / PyTorch eager") == "0.10"
    assert cell(table, "W5", "array / PyTorch eager") == "2.00"
    assert cell(table, "all", "compiled / PyTorch eager") == "0.22"  # the root of 0.1 times 0.5
    assert cell(table, "W5", "compiled / NumPy") == "–"
    assert cell(table, "all", "compiled / NumPy") == "0.25"
    assert (cell(table, "W1", "losses"), cell(table, "W5", "losses")) == ("2e-07", "–")


def test_without_peers_there_are_no_ratios() -> None:
    alone = results() | {"peers": []}
    for row in alone["steps"]:
        row["ratios"] = {"cpu": {}, "array": {}}
    assert "The engine's time as a part of a peer's" not in [table.title for table in tables(alone)]


def test_the_share_of_the_bound() -> None:
    table = named("The share of it that a step reaches")
    assert cell(table, "W1", "bound, ms") == "5.00"  # 10^9 operations at 2 x 10^11 a second
    assert cell(table, "W5", "by") == "arithmetic"
    assert cell(table, "W5", "compiled, GFLOP/s") == "50.0"
    assert cell(table, "W5", "of the bound") == "25%"
    machine = limits_of(results())
    assert machine is not None and machine.flops == 2e11
    assert limits_of({}) is None


def test_only_what_was_measured_is_shown() -> None:
    kept = {key: results()[key] for key in ("machine", "executors", "peers", "startup")}
    assert [table.title for table in tables(kept)] == ["Start-up"]
    without = {key: value for key, value in results().items() if key != "steps"}
    assert "The share of it that a step reaches" not in [table.title for table in tables(without)]


def test_every_row_has_a_cell_for_every_head() -> None:
    for table in tables(results()):
        assert {len(row) for row in table.rows} == {len(table.heads)}, table.title
        assert len(set(table.left) - set(range(len(table.heads)))) == 0


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(3.3e-6, "0.0033"), (1.234e-4, "0.123"), (0.00185, "1.85"), (0.0904, "90.4"), (0.4123, "412")],
)
def test_milliseconds_have_three_digits(seconds: float, shown: str) -> None:
    assert milliseconds(seconds) == shown


def test_small_ratios_keep_two_digits() -> None:
    assert [ratio_text(value) for value in (0.00021, 0.0213, 0.47, 1.8, 23.4)] == [
        "0.00021",
        "0.021",
        "0.47",
        "1.80",
        "23",
    ]


def test_text_is_aligned_and_markdown_is_a_table() -> None:
    table = Table("Title", ("", "ms"), (("a", "1.0"), ("long", "10.0")), "A note.")
    assert text(table).splitlines() == ["Title", "        ms", "a      1.0", "long  10.0", "A note."]
    assert markdown(table, 2).splitlines() == [
        "## Title", "", "|  | ms |", "|---|---:|", "| a | 1.0 |", "| long | 10.0 |", "", "A note."
    ]  # fmt: skip
