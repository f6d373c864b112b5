"""The choice of a device: what fails on a GPU is told in words, and “auto” goes on without one."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import pytest

from engine import backend
from engine.backend import BackendError, choose


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    backend._cupy.cache_clear()
    yield
    backend._cupy.cache_clear()


def fake(available: bool, failing: str = "") -> types.ModuleType:
    """A CuPy whose driver is there or not, and one of whose calls may fail."""

    def is_available() -> bool:
        if failing == "available":
            raise RuntimeError("the driver is too old")
        return available

    def properties(device: int) -> dict[str, bytes]:
        if failing == "properties":
            raise RuntimeError("the device is lost")
        return {"name": b"Some GPU"}

    module = types.ModuleType("cupy")
    module.cuda = types.SimpleNamespace(  # type: ignore[attr-defined]
        is_available=is_available,
        runtime=types.SimpleNamespace(getDeviceProperties=properties),
        Device=lambda: types.SimpleNamespace(id=0),
    )
    return module


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (None, "not installed"),
        (fake(False), "no NVIDIA GPU"),
        (fake(True, "available"), "the driver is too old"),
        (fake(True, "properties"), "the device is lost"),
    ],
)
def test_without_a_usable_gpu(monkeypatch: pytest.MonkeyPatch, module: types.ModuleType | None, words: str) -> None:
    monkeypatch.setitem(sys.modules, "cupy", module)
    with pytest.raises(BackendError, match=words):
        choose("cuda")
    assert choose("auto").name == "numpy"


def test_a_broken_installation(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "cupy.py").write_text("raise OSError('libcudart is damaged')")
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BackendError, match="libcudart is damaged"):
        choose("cuda")
    assert choose("auto").name == "numpy"


def test_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", fake(True))
    assert (choose("auto").name, choose("cuda").label) == ("cupy", "CuPy · Some GPU")


def test_a_device_that_does_not_exist() -> None:
    with pytest.raises(BackendError, match="no device"):
        choose("tpu")  # type: ignore[arg-type]
