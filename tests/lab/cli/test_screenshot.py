"""The options of `screenshot`; the picture itself is tested with the window."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.command import complaint, descent


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The calls of a stand-in for the window."""
    calls: list[Any] = []
    module = ModuleType("lab.screenshots")
    module.take = lambda file, out, **options: calls.append((file, out, options))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lab.screenshots", module)
    return calls


def test_the_options_reach_the_window(file: Path, tmp_path: Path, taken: list[Any]) -> None:
    out = tmp_path / "x.png"
    assert descent("screenshot", file, "--out", out).status == 0
    called = descent(
        "screenshot", file, "--out", out, "--size", "800x600", "--theme", "light", "--train-steps", 7, "--panel", "loss"
    )
    assert called.status == 0
    plain = {"size": (1600, 1000), "theme": "dark", "train_steps": 0, "panel": None}
    chosen = {"size": (800, 600), "theme": "light", "train_steps": 7, "panel": "loss"}
    assert taken == [(str(file), out, plain), (str(file), out, chosen)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--out", "x.jpg"), "expected a name that ends in .png"),
        (("--out", "x.png", "--size", "big"), "expected a size such as 1600x1000, got “big”"),
        (("--out", "x.png", "--size", "10x10"), "expected a size such as 1600x1000, got “10x10”"),
        (("--out", "x.png", "--theme", "blue"), "argument --theme: invalid choice: 'blue'"),
        (("--out", "x.png", "--train-steps", "-1"), "argument --train-steps: expected a whole number from 0 to"),
        ((), "the following arguments are required: --out"),
    ],
)
def test_what_cannot_be_drawn(
    file: Path, taken: list[Any], monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(file.parent)
    assert words in complaint("screenshot", file, *options)
    assert taken == []
