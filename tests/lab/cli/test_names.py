"""Names from files on a terminal: on one line, without control characters, and not endless."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.experiment import Experiment, experiment_to_plain
from engine.files import dumps, save
from lab.cli.common import in_words, print_table, sentence, warn
from tests.support.command import Called, descent
from tests.support.examples import blobs

EVIL = ["two\nlines \x1b[31mred\x9b\u202eback", "long name " * 30_000]


def renamed(name: str) -> Experiment:
    """Blobs, everything of which has the name."""
    value = blobs(epochs=1)
    nodes = tuple(replace(node, title=name) for node in value.network.nodes)
    return replace(value, name=name, network=replace(value.network, nodes=nodes))


def harmless(called: Called) -> str:
    """All that was printed, when it is fit for a terminal."""
    text = called.out + called.err
    assert all(line.isprintable() and len(line) < 5000 for line in text.split("\n")), ascii(text[:2000])
    return text


@pytest.mark.parametrize("name", EVIL, ids=["control", "long"])
def test_names_are_fit_for_a_terminal(tmp_path: Path, name: str) -> None:
    file = tmp_path / "x.dlab"
    save(renamed(name), file)
    lines = harmless(descent("check", file)).splitlines()
    assert len(lines) == 1 + len(blobs().network.nodes) + 2
    assert max(map(len, lines)) < 160
    harmless(descent("program", file))
    harmless(descent("train", file))
    heading, row = harmless(descent("runs")).splitlines()
    assert len(row) < 240 and heading.startswith("RUN")
    assert descent("runs", "--json").json[0]["name"] == name, "data stay as they are"


@pytest.mark.parametrize("name", [*EVIL, "q" * 100_000], ids=["control", "long", "word"])
def test_components_and_wires_that_do_not_exist(tmp_path: Path, name: str) -> None:
    plain = experiment_to_plain(renamed(name))
    first, second, third = plain["network"]["nodes"][:3]
    second["type"], third["inputs"] = name, [name]
    plain["training"]["metrics"] = [{"type": name}]
    file = tmp_path / "x.dlab"
    file.write_text(json.dumps({"format": "descent-lab", "version": 1, "experiment": plain}))
    called = descent("check", file)
    assert called.status == 1 and "does not know the layer “" in harmless(called)
    assert max(map(len, called.out.splitlines())) < 400
    refused = descent("train", file)
    assert refused.status == 2 and "does not know the metric “" in harmless(refused)
    first[name] = 1
    file.write_text(json.dumps({"format": "descent-lab", "version": 1, "experiment": plain}))
    refused = descent("check", file)
    assert refused.status == 2 and "there is no such field" in harmless(refused) and len(refused.err) < 600


def test_a_key_that_stands_twice(tmp_path: Path) -> None:
    file, key = tmp_path / "x.dlab", json.dumps(EVIL[0] * 5000)
    file.write_text(dumps(blobs()).replace('"notes"', f'{key}: 1, {key}: 2, "notes"'))
    assert "stands twice in one object" in harmless(descent("check", file))


def test_sentences_and_tables(capsys: pytest.CaptureFixture[str]) -> None:
    warn("a\n\x1b[2Jb")
    print_table([("A", "B"), ("x\ny", "z" * 500)])
    printed = capsys.readouterr()
    assert printed.err == "descent: a [2Jb\n"
    assert [len(line) for line in printed.out.splitlines()] == [6, 5 + 160]
    assert len(sentence("x" * 10**6)) == 4000
    assert in_words(OSError(2, "No such file", "a\n\x1bb")) == "a b: no such file"
