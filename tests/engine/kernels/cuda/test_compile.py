"""Every kernel of the GPU is compiled for every generation of GPUs, and fits in the registers. Needs no GPU."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.kernels.cuda import libraries, nvrtc
from engine.kernels.cuda.libraries import MissingLibrary
from engine.kernels.cuda.nvrtc import CompileError
from tests.support.nvrtc import needs_nvrtc

pytestmark = needs_nvrtc

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")
REGISTERS = 65536
"""Of a multiprocessor, all of which one block may take (NVIDIA, CUDA C++ Programming Guide, compute capabilities)."""

SCALE = """
#include "shared.cuh"
extern "C" __global__ void __launch_bounds__(128) scale(float* out, const float* a, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = a[i] * FACTOR;
}
"""
KEEPS_AN_ARRAY = """
extern "C" __global__ void __launch_bounds__(128) gather(float* out, const int* index) {
    float room[64] = {};
    for (int i = 0; i < 64; i++) room[index[i]] += out[i];
    out[threadIdx.x] = room[index[threadIdx.x]];
}
"""
SPILLS = """
extern "C" __global__ void __launch_bounds__(1024) spill(float* out, const float* a, int n) {
    float sums[96];
    for (int i = 0; i < 96; i++) sums[i] = 0.0f;
    for (int k = 0; k < n; k++)
        for (int i = 0; i < 96; i++) sums[i] += a[k] * a[k + i];
    for (int i = 0; i < 96; i++) out[i * 1024 + threadIdx.x] = sums[i];
}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of kernels of our own, and a folder for what is compiled."""
    monkeypatch.setenv("DESCENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(nvrtc, "FOLDER", tmp_path)
    (tmp_path / "shared.cuh").write_text("#pragma once\n#define FACTOR 2.0f\n")
    (tmp_path / "scale.cu").write_text(SCALE)
    return tmp_path


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", nvrtc.sources())
def test_kernels_fit(name: str, arch: str) -> None:
    assert problems(nvrtc.compile(name, arch)) == []


def problems(compiled: nvrtc.Compiled) -> list[str]:
    """What is wrong with the kernels of a file, in words."""
    found = [compiled.warnings] if compiled.warnings else []
    if not compiled.entries:
        found.append("no kernel")
    for entry in compiled.entries:
        if entry.spilled:
            found.append(f"{entry.name} spills {entry.spilled} bytes")
        if entry.stack:
            found.append(f"{entry.name} keeps {entry.stack} bytes in memory")
        # Registers go to warps in units of 256, 8 a thread; without bounds a block may have 1024 threads.
        warps = -(-(entry.threads or 1024) // 32)
        if entry.registers > 255 or -(-entry.registers // 8) * 256 * warps > REGISTERS:
            found.append(f"{entry.name} takes {entry.registers} registers for {entry.threads or 1024} threads")
    return found


# -- the check itself --------------------------------------------------------------------------------------------------


def test_what_is_right_has_no_problems(folder: Path) -> None:
    compiled = nvrtc.compile("scale", "sm_86")
    assert compiled.cubin.startswith(b"\x7fELF")
    (entry,) = compiled.entries
    assert (entry.name, entry.stack, entry.spilled, entry.threads) == ("scale", 0, 0, 128)
    assert 4 <= entry.registers <= 32
    assert problems(compiled) == []


def test_several_kernels_have_each_its_own_numbers(folder: Path) -> None:
    (folder / "both.cu").write_text(SCALE + KEEPS_AN_ARRAY)
    gather, scale = nvrtc.compile("both").entries
    assert (gather.name, gather.stack) == ("gather", 256) and (scale.name, scale.stack) == ("scale", 0)


def test_what_does_not_fit_is_named(folder: Path) -> None:
    (folder / "gather.cu").write_text(KEEPS_AN_ARRAY)
    (folder / "spill.cu").write_text(SPILLS)
    assert any("gather keeps 256 bytes" in text for text in problems(nvrtc.compile("gather")))
    assert any(re.search(r"spill spills \d+ bytes", text) for text in problems(nvrtc.compile("spill")))


def test_a_kernel_without_bounds_is_judged_by_the_largest_block(folder: Path) -> None:
    (folder / "wide.cu").write_text(SPILLS.replace("__launch_bounds__(1024)", ""))
    (entry,) = nvrtc.compile("wide").entries
    assert entry.threads is None and entry.registers > 64
    assert problems(nvrtc.compile("wide")) == [f"spill takes {entry.registers} registers for 1024 threads"]


def test_a_warning_counts(folder: Path) -> None:
    (folder / "scale.cu").write_text(SCALE.replace("const int i", "int unused; const int i"))
    (found,) = problems(nvrtc.compile("scale"))
    assert "scale.cu(4): warning" in found and "unused" in found


# -- errors ------------------------------------------------------------------------------------------------------------


def test_a_mistake_is_told_with_its_place(folder: Path) -> None:
    (folder / "scale.cu").write_text(SCALE.replace("FACTOR;", "FACTR;"))
    with pytest.raises(CompileError, match=r'scale\.cu cannot be compiled \(sm_80, [^)]+\):\nscale\.cu\(5\).*"FACTR"'):
        nvrtc.compile("scale", "sm_80")
    with pytest.raises(CompileError, match=r"nothing\.cu cannot be read"):
        nvrtc.compile("nothing")
    assert not (folder / "cache").exists()


def test_an_architecture_that_does_not_exist(folder: Path) -> None:
    with pytest.raises(CompileError, match="sm_5"):
        nvrtc.compile("scale", "sm_5")


def test_the_nearest_architecture_below_is_taken() -> None:
    assert nvrtc.architecture(8, 6) == "sm_86"
    assert nvrtc.architecture(9, 5) == "sm_90"
    with pytest.raises(CompileError, match=r"compute capability 99\.0.*update"):
        nvrtc.architecture(99, 0)
    with pytest.raises(CompileError, match=r"compute capability 6\.1.*“cpu”"):
        nvrtc.architecture(6, 1)


def test_without_the_library_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "places", lambda name: iter(["lib-that-does-not-exist.so.13"]))
    libraries.load.cache_clear()
    try:
        with pytest.raises(MissingLibrary, match=r"NVRTC.*is not on this machine: install the extra “gpu”"):
            libraries.load("nvrtc")
        broken = folder / "libnvrtc.so.13"
        broken.write_text("not a library")
        monkeypatch.setattr(libraries, "places", lambda name: iter([str(broken)]))
        with pytest.raises(MissingLibrary, match=r"NVRTC.*cannot be loaded \(.*libnvrtc.*: install"):
            libraries.load("nvrtc")
    finally:
        libraries.load.cache_clear()


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_what_was_compiled_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert nvrtc.uncompiled("sm_90") == ("scale",)
    first = nvrtc.compile("scale")
    assert nvrtc.uncompiled("sm_90") == () and nvrtc.uncompiled("sm_80") == ("scale",)
    assert len(list((folder / "cache").iterdir())) == 1
    compiled = []
    whole = nvrtc._compile
    monkeypatch.setattr(nvrtc, "_compile", lambda *given: compiled.append(given[0]) or whole(*given))
    again = nvrtc.compile("scale")
    assert again == first and again.entries == first.entries and compiled == []
    nvrtc.compile("scale", "sm_80")
    (folder / "shared.cuh").write_text("#pragma once\n#define FACTOR 3.0f\n")
    assert nvrtc.compile("scale").cubin != first.cubin
    assert compiled == ["scale.cu", "scale.cu"]


def test_a_damaged_file_is_compiled_anew(folder: Path) -> None:
    first = nvrtc.compile("scale")
    (kept,) = (folder / "cache").iterdir()
    content = kept.read_bytes()
    kept.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert nvrtc.compile("scale") is not None
    assert len(kept.read_bytes()) > 32 and nvrtc.compile("scale").entries == first.entries


def test_a_file_of_others_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvrtc.compile("scale")
    (kept,) = (folder / "cache").iterdir()
    kept.chmod(0o666)
    compiled = []
    whole = nvrtc._compile
    monkeypatch.setattr(nvrtc, "_compile", lambda *given: compiled.append(given[0]) or whole(*given))
    nvrtc.compile("scale")
    assert compiled == ["scale.cu"]


def test_a_folder_that_cannot_be_written_is_no_hindrance(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_CACHE", str(folder / "scale.cu"))
    assert nvrtc.compile("scale").entries


def test_old_files_go(folder: Path) -> None:
    for factor in range(5):
        (folder / "shared.cuh").write_text(f"#pragma once\n#define FACTOR {factor}.0f\n")
        nvrtc.compile("scale")
    assert len(list((folder / "cache").iterdir())) == 3
