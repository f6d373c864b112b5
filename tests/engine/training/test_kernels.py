"""Runs that wait for the kernels before their first step."""

import sys
from pathlib import Path

import pytest

from engine import compilation, executors
from engine.compilation import SWITCH
from engine.executors import ExecutorError
from engine.training import events
from engine.training.control import Control
from engine.training.kernels import await_kernels
from tests.engine.training.experiments import Log


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "kernels"
    monkeypatch.setenv(SWITCH, "on")
    monkeypatch.setenv("DESCENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(executors, "unavailable", lambda: "")
    monkeypatch.setattr(executors, "compiled", found.exists)
    return found


def command(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(compilation, "COMMAND", (sys.executable, "-c", f"import pathlib, sys, time\n{code}"))


def test_what_is_ready_is_not_waited_for(ready: Path) -> None:
    ready.touch()
    log = Log()
    assert await_kernels(Control(), log) and log == []


def test_it_is_told_how_far_it_is(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = ready.with_name("seen")
    command(
        monkeypatch,
        "print('1 2 a', flush=True)\n"
        f"while not pathlib.Path({str(seen)!r}).exists(): time.sleep(0.01)\n"
        f"pathlib.Path({str(ready)!r}).touch()",
    )
    log = Log()

    def report(event: events.Event) -> None:
        log(event)
        if len(log) == 2:
            seen.touch()

    assert await_kernels(Control(), report)
    assert [(event.run, event.done, event.total) for event in log.of(events.Compiling)] == [("", 0, 0), ("", 1, 2)]


def test_a_run_that_is_stopped_meanwhile_does_not_begin(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(monkeypatch, "print('0 2 a', flush=True); time.sleep(60)")
    control = Control()
    assert not await_kernels(control, lambda event: control.stop())


def test_kernels_that_cannot_be_compiled_are_an_error_in_words(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(monkeypatch, "sys.exit('no such processor')")
    with pytest.raises(ExecutorError, match="no such processor"):
        await_kernels(Control(), Log())


def test_where_compiling_is_forbidden_nothing_is_waited_for(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "off")
    assert await_kernels(Control(), Log())
