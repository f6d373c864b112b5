"""The devices in a window: looked for off its thread, and what a run will compute with in words."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from engine import devices, executors
from engine.backend import BackendError
from engine.devices import Devices, Gpu, Trouble
from lab.devices import DeviceList, computing, gpu_of, gpu_words, math_for, short

CARD = Gpu(index=1, name="NVIDIA GeForce RTX 4090", total=24 << 30, free=22 << 30, capability=(8, 9))
AGE = Trouble("It is too old.", "Take another.")
OLD = Gpu(index=0, name="GTX 1080", total=8 << 30, free=0, capability=(6, 1), trouble=AGE)
TWO = Devices(gpus=(OLD, CARD), driver=13000, runtime=13020, cupy="14.2.0")
NONE = Devices(trouble=Trouble("There is no driver.", "Install one."))


@pytest.fixture(autouse=True)
def unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_found", None)


def test_a_thread_looks_and_tells_once(qtbot: Any) -> None:
    gate, asked = threading.Event(), []

    def look(*, anew: bool) -> Devices:
        asked.append((anew, threading.current_thread() is threading.main_thread()))
        gate.wait(10)
        return TWO

    found = DeviceList(look=look)
    found.look()
    found.look()
    assert found.busy and found.found is None and found.usable == ()
    with qtbot.waitSignal(found.changed):
        gate.set()
    assert found.usable == (CARD,) and not found.busy
    found.look()
    assert asked == [(False, False)], "it is known"
    with qtbot.waitSignals([found.changed, found.changed]):
        found.look(anew=True)
    assert asked[1:] == [(True, False)]


def test_a_window_that_is_gone_is_not_told(qtbot: Any) -> None:
    gate = threading.Event()

    def look(*, anew: bool) -> Devices:
        gate.wait(10)
        return TWO

    found = DeviceList(look=look)
    found.look()
    thread = found._thread
    found.close()
    gate.set()
    assert thread is not None
    thread.join()
    qtbot.wait(20)
    assert found.found is None


@pytest.mark.parametrize(
    ("device", "found", "gpu"),
    [("auto", TWO, CARD), ("cuda", TWO, CARD), ("cuda:1", TWO, CARD), ("cuda:0", TWO, None), ("cpu", TWO, None),
     ("auto", NONE, None), ("auto", None, None)],
)  # fmt: skip
def test_what_a_device_stands_for(device: str, found: Devices | None, gpu: Gpu | None) -> None:
    assert gpu_of(device, found) == gpu


@pytest.mark.parametrize(
    ("device", "executor", "math", "words"),
    [
        ("auto", "auto", "float32", "CUDA · NVIDIA GeForce RTX 4090"),
        ("cuda", "cuda", "tf32", "CUDA · NVIDIA GeForce RTX 4090 · TF32"),
        ("cuda:1", "array", "tf32", "CuPy · NVIDIA GeForce RTX 4090"),
        ("auto", "cpu", "bf16", "Compiled"),
        ("cpu", "auto", "bf16", "Compiled"),
    ],
)
def test_what_a_run_computes_with(
    monkeypatch: pytest.MonkeyPatch, device: str, executor: Any, math: Any, words: str
) -> None:
    monkeypatch.setattr(executors, "unavailable", lambda: "")
    monkeypatch.setattr(executors, "compiled", lambda: True)
    assert computing(device, executor, math, TWO) == words


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "unavailable", lambda: "It needs numba.")
    assert computing("auto", "auto", "tf32", NONE).startswith("NumPy")
    with pytest.raises(BackendError, match=r"There is no driver\. Install one\."):
        computing("cuda", "auto", "float32", NONE)
    with pytest.raises(BackendError, match="too old"):
        computing("cuda:0", "auto", "float32", TWO)
    with pytest.raises(BackendError, match="no GPU cuda:7: this machine has cuda:0, cuda:1"):
        computing("cuda:7", "auto", "float32", TWO)


def test_rounded_products_are_for_the_cuda_executor() -> None:
    assert math_for("auto", "auto", "tf32", TWO) == "tf32"
    assert math_for("auto", "array", "tf32", TWO) == math_for("cpu", "auto", "tf32", TWO) == "float32"
    assert math_for("auto", "auto", "tf32", NONE) == "float32"


def test_words_for_a_device() -> None:
    assert gpu_words(CARD) == "RTX 4090 · 22.0 GiB of 24.0 GiB free"
    assert short("CUDA · NVIDIA H200 · TF32") == "CUDA · H200 · TF32"
