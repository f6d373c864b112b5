"""Kernels that are compiled in the background, before they are asked for."""

from __future__ import annotations

import threading

import pytest

from engine.kernels.cuda import nvrtc
from engine.kernels.cuda.ahead import Ahead
from engine.kernels.cuda.nvrtc import Compiled, CompileError


class Compiler:
    """In NVRTC's place: waits at the sources that are `held`, and fails for "broken". Tells who compiled what."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], held: tuple[str, ...] = ()) -> None:
        self.by: dict[str, str] = {}
        self.begun = {name: threading.Event() for name in names}
        self.go = threading.Event()
        self._held = held
        monkeypatch.setattr(nvrtc, "sources", lambda: names)
        monkeypatch.setattr(nvrtc, "compile", self.compile)

    def compile(self, name: str, arch: str) -> Compiled:
        self.begun[name].set()
        if name in self._held:
            assert self.go.wait(20)
        if name == "broken":
            raise CompileError("“broken” cannot be compiled.")
        self.by[name] = threading.current_thread().name
        return Compiled(f"{name} {arch}".encode(), "")


def cores(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: count)


def test_what_is_being_compiled_is_waited_for_and_the_rest_compiled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cores(monkeypatch, 2)
    compiler = Compiler(monkeypatch, ("gemm", "implicit", "step"), held=("implicit",))
    ahead = Ahead("sm_90")
    assert compiler.begun["implicit"].wait(20)
    assert ahead.get("step").cubin == b"step sm_90"
    assert compiler.by == {"step": threading.current_thread().name}
    compiler.go.set()
    assert ahead.get("implicit").cubin == b"implicit sm_90"
    assert ahead.get("gemm").cubin == b"gemm sm_90"
    assert compiler.by["implicit"].startswith("nvrtc")


def test_a_machine_of_one_core_compiles_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    cores(monkeypatch, 1)
    compiler = Compiler(monkeypatch, ("gemm", "implicit"))
    ahead = Ahead("sm_75")
    assert ahead.get("gemm").cubin == b"gemm sm_75"
    assert list(compiler.by) == ["gemm"]
    ahead.close()


def test_an_error_is_told_to_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    cores(monkeypatch, 8)
    compiler = Compiler(monkeypatch, ("broken", "step"))
    ahead = Ahead("sm_90")
    assert compiler.begun["broken"].wait(20)
    assert ahead.get("step").cubin == b"step sm_90"
    with pytest.raises(CompileError, match="broken"):
        ahead.get("broken")


def test_closing_begins_with_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    cores(monkeypatch, 2)
    compiler = Compiler(monkeypatch, ("implicit", "step"), held=("implicit",))
    ahead = Ahead("sm_90")
    assert compiler.begun["implicit"].wait(20)
    ahead.close()
    compiler.go.set()
    ahead.get("implicit")
    assert not compiler.begun["step"].is_set()
