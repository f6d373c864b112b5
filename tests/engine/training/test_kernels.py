"""Runs that wait for the kernels before their first step."""

import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine import compilation, executors
from engine.backend import Backend
from engine.compilation import SWITCH
from engine.device_errors import DeviceError
from engine.executors import ExecutorError
from engine.kernels.cuda import nvrtc
from engine.training import events
from engine.training.control import Control
from engine.training.kernels import await_gpu_kernels, await_kernels
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


# -- a GPU's -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Backend:
    """A card for which two files are not compiled yet."""
    properties = {"major": 9, "minor": 0}
    runtime = SimpleNamespace(getDeviceProperties=lambda index: properties)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(nvrtc, "architecture", lambda major, minor: f"sm_{major}{minor}")
    monkeypatch.setattr(nvrtc, "uncompiled", lambda arch: ("gemm", "step") if arch == "sm_90" else ())
    return Backend("cupy", SimpleNamespace(cuda=SimpleNamespace(runtime=runtime)), "a card", 256, 0)


def test_files_are_compiled_and_it_is_told_how_far_that_is(gpu: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    go_on = threading.Event()

    def compile(name: str, arch: str) -> None:
        asked.append((name, arch))
        if name == "gemm":
            assert go_on.wait(10)

    monkeypatch.setattr(nvrtc, "compile", compile)
    log = Log()

    def report(event: events.Event) -> None:
        log(event)
        if isinstance(event, events.Compiling) and event.done == 1:
            go_on.set()

    assert await_gpu_kernels(gpu, Control(), report)
    assert sorted(asked) == [("gemm", "sm_90"), ("step", "sm_90")]
    told = [(event.done, event.total) for event in log.of(events.Compiling)]
    assert (1, 2) in told and told == sorted(told)


def test_what_is_compiled_for_the_gpu_is_not_waited_for(gpu: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "uncompiled", lambda arch: ())
    log = Log()
    assert await_gpu_kernels(gpu, Control(), log) and log == []


def test_a_run_that_is_stopped_does_not_begin_on_the_gpu(gpu: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    control = Control()
    monkeypatch.setattr(nvrtc, "compile", lambda name, arch: None)
    assert not await_gpu_kernels(gpu, control, lambda event: control.stop())


def test_kernels_that_cannot_be_compiled_are_a_fault_of_the_device(
    gpu: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile(name: str, arch: str) -> None:
        raise nvrtc.CompileError(f"{name}.cu cannot be compiled")

    monkeypatch.setattr(nvrtc, "compile", compile)
    with pytest.raises(DeviceError, match="cannot be compiled"):
        await_gpu_kernels(gpu, Control(), Log())
