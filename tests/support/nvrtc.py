"""Tests that compile the GPU's kernels."""

from __future__ import annotations

import platform
import sys

import pytest

from engine.kernels.cuda.libraries import MissingLibrary, load

__all__ = ["needs_nvrtc"]


def _missing() -> bool:
    if sys.platform == "linux" and platform.machine() == "x86_64":
        return False  # it is among the packages of the tests there: without it they fail
    try:
        load("nvrtc")
    except MissingLibrary:
        return True
    return False


needs_nvrtc = pytest.mark.skipif(_missing(), reason="NVRTC is not on this machine")
