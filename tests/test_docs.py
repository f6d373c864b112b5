"""The documents say what the program does."""

from __future__ import annotations

import argparse
import json
import re
from importlib import import_module
from pathlib import Path

import pytest

from engine.files import VERSION, loads
from lab.cli import COMMANDS
from lab.cli.common import Parser

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def options(name: str) -> set[str]:
    """Every long option of a command."""
    parser = Parser(prog=name)
    getattr(import_module(COMMANDS[name][0]), "add_" + name.replace("-", "_") + "_arguments")(parser)
    return {text for action in parser._actions for text in action.option_strings if text.startswith("--")} - {"--help"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_described(name: str) -> None:
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## descent ([\w-]+)[^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    heading = next(line for line in text.splitlines() if line.startswith(f"## descent {name}"))
    described = set(re.findall(r"--[a-z][a-z-]*", heading + sections[name]))
    assert options(name) <= described
    foreign = {word for word in described - options(name) if f"`{word}`" in sections[name]}
    assert foreign == set()


def test_the_options_are_really_read() -> None:
    expected = {
        "--set",
        "--device",
        "--executor",
        "--precision",
        "--epochs",
        "--steps",
        "--seed",
        "--out",
        "--resume",
        "--json",
    }
    assert expected == options("train")
    assert isinstance(Parser(prog="x"), argparse.ArgumentParser)


def test_the_example_of_the_file_format_is_a_file() -> None:
    text = (ROOT / "docs" / "file-format.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert loads(example).name == "Moons, MLP"
    assert json.loads(example)["version"] == VERSION


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files_that_exist(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (document.parent / target).exists(), target
