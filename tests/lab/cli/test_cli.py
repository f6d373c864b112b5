"""The command itself: dispatch, help, and what happens to errors."""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
from contextlib import redirect_stderr
from pathlib import Path
from types import ModuleType

import pytest

import lab
from engine.training.result import Result
from lab.cli import COMMANDS
from lab.cli.train import _status
from tests.support.command import complaint, descent

ROOT = Path(__file__).parents[3]


def test_help_names_every_command() -> None:
    called = descent("--help")
    assert called.status == 0
    for name, (_, text) in COMMANDS.items():
        assert f"  {name}" in called.out
        assert text in called.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    called = descent(name, "--help")
    assert called.status == 0
    assert called.out.startswith(f"usage: descent {name}")


def test_the_version() -> None:
    assert descent("--version").out == f"Descent Lab {lab.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("trian", "x.dlab"), "there is no file “trian”; did you mean the command “train”?"),
        (("trian",), "there is no file “trian”; did you mean the command “train”?"),
        (("x.dlab",), "there is no file “x.dlab”, and no command of that name"),
        (("--wrong",), "unrecognized arguments: --wrong"),
        (("train", "--wrong"), "unrecognized arguments: --wrong"),
        (("presets", "more"), "unrecognized arguments: more"),
        (("new",), "the following arguments are required: PRESET, --out"),
        (("components", "--jso"), "unrecognized arguments: --jso"),
    ],
)
def test_a_wrong_call_is_answered_with_one_sentence(arguments: tuple[str, ...], words: str) -> None:
    assert words in complaint(*arguments)


def test_a_file_that_cannot_be_read_is_refused_before_a_window_opens(tmp_path: Path) -> None:
    (tmp_path / "bad.dlab").write_text("{}")
    assert complaint(tmp_path / "bad.dlab") == f"{tmp_path / 'bad.dlab'}: is not an experiment of Descent Lab"
    assert complaint(tmp_path).endswith("is a folder, not a file")


@pytest.mark.parametrize("given", [False, True])
def test_without_a_command_the_window_opens(file: Path, monkeypatch: pytest.MonkeyPatch, given: bool) -> None:
    opened = []
    window = ModuleType("lab.app")
    window.main = lambda path: opened.append(path) or 7  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lab.app", window)
    assert descent(*([file] if given else [])).status == 7
    assert opened == [str(file) if given else None]


def test_a_bug_is_not_hidden_as_a_user_s_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(options: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("lab.cli.new.run_presets", broken)
    with pytest.raises(ZeroDivisionError):
        descent("presets")


def test_an_interruption_leaves_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("lab.cli.new.run_presets", interrupted)
    called = descent("presets")
    assert (called.status, called.err) == (130, "descent: stopped\n")


@pytest.mark.skipif(os.name == "nt", reason="needs a shell's pipe")
def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m lab components --json | head -c 10"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert len(done.stdout) == 10


def interruption() -> str:
    """What is said of a run that was interrupted."""
    result = Result(
        run="r", epochs=0, steps=9, train_loss=None, val_loss=None, val_accuracy=None, metrics={}, seconds=1.0,
        samples_per_second=1.0, device="NumPy", reason="stopped",
    )  # fmt: skip
    said = io.StringIO()
    with redirect_stderr(said):
        assert _status(result, argparse.Namespace(out="my runs"), interrupted=True) == 130
    return said.getvalue()


@pytest.mark.parametrize("told", ["python3 run.py --", "python3 '/opt/100 %s/run.py' --"])
def test_the_program_goes_by_the_name_it_was_called_by(monkeypatch: pytest.MonkeyPatch, home: Path, told: str) -> None:
    monkeypatch.setenv("DESCENT_COMMAND", told)
    assert descent("--help").out.startswith(f"usage: {told} [FILE]\n       {told} COMMAND ...\n")
    assert f"“{told} COMMAND --help” tells more." in descent("--help").out
    for name in COMMANDS:
        assert descent(name, "--help").out.startswith(f"usage: {told} {name}")
    assert descent("new", "zzz", "--out", "s.dlab").err.endswith(f"“{told} presets” lists them\n")
    assert descent("check", "spiral-mlp").err.endswith(f"{told} new spiral-mlp --out spiral-mlp.dlab\n")
    assert f"see “{told} train --help”" in descent("train", "--wrong").err
    assert descent("train", "--wrong").err.startswith("descent train: ")
    assert interruption() == f"descent: stopped after step 9; go on with: {told} train --resume r --out 'my runs'\n"
    assert descent("runs").out == f"There are no runs yet: “{told} train FILE” makes one.\n"


def test_python_m_lab_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab", "presets"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == descent("presets").out
    wrong = subprocess.run([sys.executable, "-m", "lab", "train"], cwd=ROOT, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert wrong.stderr == "descent: expected an experiment file, or --resume RUN\n"
