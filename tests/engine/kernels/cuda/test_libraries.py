"""Where NVIDIA's libraries are looked for."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from engine.kernels.cuda import libraries

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="other names there")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a library in every place where one may lie."""
    for place in (
        *("site/nvidia/cu13/lib/libcublas.so.13", "site/nvidia/cublas/lib/libcublas.so.12"),
        *("conda/lib/libcublas.so.13", "toolkit/lib64/libcublas.so.13", "toolkit/lib64/libcublas.so.12"),
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "site"), str(tmp_path / "nowhere")])
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / "conda"))
    monkeypatch.setenv("CUDA_PATH", str(tmp_path / "toolkit"))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "toolkit"))
    return tmp_path


def test_packages_come_first_and_toolkits_last(root: Path) -> None:
    found = [item.removeprefix(f"{root}/") for item in libraries.places("cublas")]
    assert [item for item in found if not item.startswith("/")] == [
        *("site/nvidia/cu13/lib/libcublas.so.13", "conda/lib/libcublas.so.13"),
        *("libcublas.so.13", "toolkit/lib64/libcublas.so.13"),
        *("site/nvidia/cublas/lib/libcublas.so.12", "libcublas.so.12", "toolkit/lib64/libcublas.so.12"),
    ]


def test_the_version_of_cupy_comes_first(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name != "cupy-cuda12x":
            raise importlib.metadata.PackageNotFoundError(name)
        return "14.2.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert next(libraries.places("cublas")) == f"{root}/site/nvidia/cublas/lib/libcublas.so.12"


def test_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr("platform.machine", lambda: "AMD64")
    place = tmp_path / "nvidia" / "cu13" / "bin" / "x86_64" / "nvrtc64_130_0.dll"
    place.parent.mkdir(parents=True)
    place.touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert list(libraries.places("nvrtc"))[:2] == [str(place), "nvrtc64_130_0.dll"]
