"""Presets: listed, and made into files."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import files
from engine.presets import make, presets
from tests.support.command import complaint, descent


def test_every_preset_is_listed() -> None:
    lines = descent("presets").out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [preset.name for preset in presets()]
    for line, preset in zip(lines, presets(), strict=True):
        assert line.endswith(preset.summary)


def test_a_preset_becomes_a_file(tmp_path: Path) -> None:
    path = tmp_path / "s.dlab"
    for word, options in (("written", ()), ("replaced", ("--force",))):
        called = descent("new", "spiral-mlp", "--out", path, *options)
        assert (called.status, called.out, called.err) == (0, f"{path}: {word}\n", "")
        assert files.load(path) == make("spiral-mlp")


def test_a_file_that_is_there_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "s.dlab"
    path.write_text("edited")
    assert complaint("new", "spiral-mlp", "--out", path) == (
        f"{path}: is there already; give another name, or --force to replace it"
    )
    assert path.read_text() == "edited"


@pytest.mark.parametrize(
    ("name", "out", "words"),
    [
        ("spiral-mlb", "s.dlab", "there is no preset “spiral-mlb”; did you mean “spiral-mlp”?"),
        ("zzz", "s.dlab", "there is no preset “zzz”; “descent presets” lists them"),
        ("spiral-mlp", "s.json", "expected a name that ends in .dlab"),
        ("spiral-mlp", "no/s.dlab", "the folder does not exist"),
    ],
)
def test_what_cannot_be_made(tmp_path: Path, name: str, out: str, words: str) -> None:
    assert complaint("new", name, "--out", tmp_path / out).endswith(words)
    assert list(tmp_path.iterdir()) == []
