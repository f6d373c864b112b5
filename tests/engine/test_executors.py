"""Which executor is taken, and what is said where the compiled one cannot be used."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from engine import executors


@pytest.fixture
def asked_anew() -> Iterator[None]:
    executors._refusal.cache_clear()
    yield
    executors._refusal.cache_clear()


@pytest.mark.usefixtures("asked_anew")
def test_a_broken_llvmlite_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert executors.unavailable() == ""
    executors._refusal.cache_clear()
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    assert "llvmlite" in executors.unavailable()
    assert "pip install --force-reinstall" in executors.unavailable()
    assert not executors.compiled()
