"""The choice of a device: what stands in a GPU's way is told in words, and “auto” goes on without one."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from engine import devices
from engine.backend import BackendError, choose, read_device
from engine.devices import Devices, Trouble
from tests.support.cards import Card, CUDARuntimeError, cupy_with, install
from tests.support.fake_cuda import FakeDevice


@pytest.mark.parametrize(
    ("module", "driver", "words"),
    [
        (None, 13000, "not installed"),
        (cupy_with(), None, "no NVIDIA driver"),
        (cupy_with(), 12080, "cupy-cuda12x"),
        (cupy_with([Card(capability=(7, 0))]), 13000, "compute capability 7.0"),
    ],
)
def test_without_a_usable_gpu(monkeypatch: pytest.MonkeyPatch, module: Any, driver: int | None, words: str) -> None:
    install(monkeypatch, module, driver=driver)
    with pytest.raises(BackendError, match=words):
        choose("cuda")
    assert choose("auto").name == "numpy"


def test_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    module = cupy_with()
    install(monkeypatch, module)
    found = choose("cuda")
    assert (found.name, found.label, found.device, found.index) == ("cupy", "CuPy · Some GPU", "cuda:0", 0)
    assert choose("auto") == found and choose("cpu").device == "cpu"
    assert found.free_memory() == (23 << 30) + 1000 and choose("cpu").free_memory() is None


def test_one_of_several_becomes_the_current_device(monkeypatch: pytest.MonkeyPatch) -> None:
    module = cupy_with([Card("Old", capability=(6, 0)), Card("One"), Card("Two")])
    install(monkeypatch, module)
    assert choose("cuda:2").label == "CuPy · Two (cuda:2)"
    assert choose("cuda").index == choose("auto").index == 1, "the first that can be used"
    assert module.used == [2, 1, 1]
    with pytest.raises(BackendError, match=r"compute capability 6\.0"):
        choose("cuda:0")
    with pytest.raises(BackendError, match="no GPU cuda:3: this machine has cuda:0 to cuda:2"):
        choose("cuda:3")


def test_a_gpu_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    module = cupy_with()
    install(monkeypatch, module)

    def refuse(index: int) -> dict[str, Any]:
        raise CUDARuntimeError(999, "cudaErrorUnknown: unknown error")

    monkeypatch.setattr(module.cuda.runtime, "getDeviceProperties", refuse)
    with pytest.raises(BackendError, match="unknown error"):
        choose("cuda")
    assert choose("auto").name == "numpy"


def test_auto_believes_what_was_found_and_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, cupy_with())
    monkeypatch.setattr(devices, "_found", Devices(trouble=Trouble("None.", "Nothing.")))
    monkeypatch.setattr(devices, "missing", None)
    assert choose("auto").name == "numpy"


def test_the_processor_needs_no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert choose("cpu").name == "numpy"


@pytest.mark.parametrize("name", ["tpu", "cpu:0", "auto:1", "cuda:", "cuda:x", "cuda:-1", "cuda:01", " cuda", ""])
def test_a_device_that_does_not_exist(name: str) -> None:
    with pytest.raises(BackendError, match="no device"):
        choose(name)


def test_names_of_devices() -> None:
    read = {name: read_device(name) for name in ("auto", "cpu", "cuda", "cuda:0", "cuda:12")}
    assert list(read.values()) == [("auto", None), ("cpu", None), ("cuda", None), ("cuda", 0), ("cuda", 12)]


def test_a_copy_is_an_array_of_its_own() -> None:
    for place in (choose("cpu"), FakeDevice().backend):
        array = place.xp.zeros((2, 3), np.float32)
        place.write(array, np.arange(6, dtype=np.float32).reshape(2, 3))
        copy = place.copy(array)
        array.fill(0)
        np.testing.assert_array_equal(place.to_host(copy), [[0, 1, 2], [3, 4, 5]])
