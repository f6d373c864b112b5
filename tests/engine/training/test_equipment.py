"""What a run computes with: what was asked for, or what the run had that goes on or is replayed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine import executors
from engine.backend import BackendError
from engine.training import equipment
from engine.training.equipment import Equipment
from engine.training.replay import Act, Replay


@pytest.fixture(autouse=True)
def numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "unavailable", lambda: "")


def counters(device: str = "cpu", executor: str = "array", math: str = "float32") -> Any:
    return SimpleNamespace(device=device, executor=executor, math=math)


def replay(executor: Any, *acts: tuple[int, str, Any]) -> Replay:
    return Replay("r", None, executor, tuple(Act(step, what, "", to) for step, what, to in acts), None)  # type: ignore[arg-type]


def state(kind: str = "cpu", precision: str = "float32") -> Any:
    name = "numpy" if kind == "cpu" else "cupy"
    return SimpleNamespace(backend=SimpleNamespace(name=name, kind=kind), precision=precision)


@pytest.mark.parametrize(
    ("device", "executor", "math", "before", "found"),
    [
        ("auto", "auto", None, None, "auto"),
        ("auto", "cpu", None, None, "cpu"),
        ("auto", "cuda", None, None, "cuda"),
        ("auto", "auto", "tf32", None, "cuda"),
        ("auto", "auto", "float32", None, "auto"),
        ("auto", "auto", None, counters("cpu"), "cpu"),
        ("auto", "auto", None, counters("cuda", "cuda"), "auto"),
        ("auto", "cuda", None, counters("cpu"), "cuda"),
        ("cuda:2", "cpu", None, counters("cpu"), "cuda:2"),
        ("cpu", "auto", "bf16", counters("cuda"), "cpu"),
    ],
)
def test_the_device(
    monkeypatch: pytest.MonkeyPatch, device: str, executor: Any, math: Any, before: Any, found: str
) -> None:
    monkeypatch.setattr(equipment, "choose", lambda asked: asked)
    assert Equipment(device, executor, math).backend(before) == found


@pytest.mark.parametrize(
    ("device", "executor", "math", "words"),
    [
        ("cuda", "cuda", "tf32", "There is no driver."),
        ("auto", "cuda", "tf32", "The executor “cuda” needs an NVIDIA GPU. There is no driver."),
        ("auto", "auto", "tf32", "Matrix products in tf32 need an NVIDIA GPU. There is no driver."),
    ],
)
def test_what_asks_for_a_gpu_is_said(
    monkeypatch: pytest.MonkeyPatch, device: str, executor: Any, math: Any, words: str
) -> None:
    def refuse(asked: str) -> None:
        assert asked == "cuda"
        raise BackendError("There is no driver.")

    monkeypatch.setattr(equipment, "choose", refuse)
    with pytest.raises(BackendError) as caught:
        Equipment(device, executor, math).backend(None)
    assert str(caught.value) == words


def test_the_device_of_a_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equipment, "choose", lambda asked: asked)
    assert Equipment("auto", "auto", None, replay("cuda")).backend(None) == "auto"
    assert Equipment("auto", "auto", None, replay("array", (4, "executor", "cpu"))).backend(None) == "cpu"
    assert Equipment("auto", "auto", None, replay("array", (4, "executor", "cuda"))).backend(None) == "auto"
    assert Equipment("auto", "cpu", "bf16", replay("cuda")).backend(None) == "auto", (
        "what is set otherwise does not count"
    )


@pytest.mark.parametrize(
    ("asked", "where", "before", "found"),
    [
        ("auto", "cpu", None, "auto"),
        ("array", "cuda", counters("cuda", "cuda"), "array"),
        ("auto", "cpu", counters("cpu", "cpu"), "cpu"),
        ("auto", "cpu", counters("cpu", "array"), "array"),
        ("auto", "cuda", counters("cuda", "cuda"), "auto"),
        ("auto", "cuda", counters("cuda", "array"), "array"),
        ("auto", "cuda", counters("cpu", "cpu"), "auto"),
        ("auto", "cpu", counters("cuda", "cuda"), "auto"),
    ],
)
def test_the_executor(asked: Any, where: str, before: Any, found: str) -> None:
    assert Equipment("auto", asked, None).executor(before, state(where)) == found


def test_matrix_products_are_those_that_were_asked_for_or_the_run_s() -> None:
    assert Equipment("auto", "auto", "bf16").math(counters(math="tf32"), state("cuda")) == "bf16"
    assert Equipment("auto", "auto", None).math(counters("cuda", math="tf32"), state("cuda")) == "tf32"
    assert Equipment("auto", "auto", None).math(counters("cuda", math="tf32"), state("cpu")) == "float32"
    tf32 = replay("cuda")._replace(math="tf32")
    assert Equipment("auto", "auto", "float32", tf32).math(None, state("cuda")) == "tf32"
    assert Equipment("auto", "auto", "float32", tf32).math(None, state("cpu")) == "float32"


def test_a_gpu_that_failed_is_not_chosen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equipment, "choose", lambda asked: asked)
    made = Equipment("cuda:1", "cuda", "tf32")
    made.fall_back()
    assert made.backend(counters("cuda", "cuda", "tf32")) == "cpu"
    assert made.executor(counters("cuda", "cuda"), state()) == "auto"
    assert made.math(counters("cuda", "cuda", "tf32"), state()) == "float32"
    made.compare(counters("cuda", "cuda"), SimpleNamespace(), "float32")  # type: ignore[arg-type]
    assert made.problems == (), "the event tells of it"
    arrays = Equipment("cuda", "array", None)
    arrays.fall_back()
    assert arrays.executor(None, state()) == "array"


def test_a_replay_falls_back_to_the_executor_that_the_run_had(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Equipment("auto", "auto", None, replay("cuda", (6, "device", "cpu")))
    made.fall_back("cpu")
    assert made.executor(None, state()) == "cpu"
    monkeypatch.setattr(executors, "unavailable", lambda: "It needs numba.")
    made.fall_back("cpu")
    assert made.executor(None, state()) == "auto"
