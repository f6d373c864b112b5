"""Which executor is taken, and what is said where one cannot be used."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from engine import executors
from engine.executor import ArrayExecutor
from engine.executors import ExecutorError


class Cuda(ArrayExecutor):
    """Stands for the CUDA executor."""

    kind = "cuda"  # type: ignore[assignment]

    def __init__(self, state: Any, *, math: str = "float32", ways: Any = None) -> None:
        super().__init__(state)
        self.math = math


@pytest.fixture(autouse=True)
def cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("engine.cuda_executor")
    module.CUDAExecutor = Cuda  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "engine.cuda_executor", module)


@pytest.fixture
def asked_anew() -> Iterator[None]:
    executors._refusal.cache_clear()
    yield
    executors._refusal.cache_clear()


def state(name: str, precision: str) -> Any:
    backend = types.SimpleNamespace(name=name, xp=np, label=name)
    return types.SimpleNamespace(backend=backend, precision=precision)


@pytest.mark.usefixtures("asked_anew")
def test_a_broken_llvmlite_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert executors.unavailable() == ""
    executors._refusal.cache_clear()
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    assert "llvmlite" in executors.unavailable()
    assert "pip install --force-reinstall" in executors.unavailable()
    assert not executors.compiled()


@pytest.mark.parametrize(
    ("kind", "name", "precision", "found"),
    [
        ("auto", "cupy", "float32", "cuda"),
        ("cuda", "cupy", "float32", "cuda"),
        ("array", "cupy", "float32", "array"),
        ("auto", "cupy", "float64", "array"),
        ("auto", "numpy", "float64", "array"),
        ("array", "numpy", "float32", "array"),
    ],
)
def test_what_is_taken(kind: Any, name: str, precision: str, found: str) -> None:
    assert executors.choose(kind, state(name, precision)).kind == found


@pytest.mark.parametrize(
    ("kind", "name", "precision", "words"),
    [
        ("cuda", "numpy", "float32", "choose the device “cuda”"),
        ("cuda", "cupy", "float64", "the precision float32"),
        ("cpu", "cupy", "float32", "choose the device “cpu”"),
        ("gpu", "cupy", "float32", "use auto, array, cpu, cuda"),
    ],
)
def test_what_is_refused(kind: Any, name: str, precision: str, words: str) -> None:
    with pytest.raises(ExecutorError, match=words):
        executors.choose(kind, state(name, precision))


@pytest.mark.parametrize("math", ["tf32", "bf16"])
def test_rounded_matrix_products_are_the_cuda_executor_s(math: Any) -> None:
    found = executors.choose("auto", state("cupy", "float32"), math=math)
    assert isinstance(found, Cuda) and found.math == math
    for kind, name, precision in (
        ("auto", "numpy", "float32"),
        ("array", "cupy", "float32"),
        ("auto", "cupy", "float64"),
    ):
        with pytest.raises(ExecutorError, match=f"Matrix products in {math}"):
            executors.choose(kind, state(name, precision), math=math)  # type: ignore[arg-type]
