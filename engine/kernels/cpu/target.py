"""The processor that kernels are compiled for, and the shape of a tile that fits its registers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

__all__ = ["Target", "host"]


@dataclass(frozen=True)
class Target:
    """A processor. `lanes` float32 make a vector; a tile of a matrix product has `rows` rows of `vectors` vectors: as
    many accumulators as there are registers, less what holds the operands."""

    triple: str
    cpu: str
    features: str
    lanes: int
    rows: int
    vectors: int

    @property
    def label(self) -> str:
        """Its instruction set, for people."""
        if self.triple.startswith(("aarch64", "arm64")):
            return "NEON"
        return {16: "AVX-512", 8: "AVX2"}.get(self.lanes, "SSE2")


def shaped(triple: str, cpu: str, features: str) -> Target:
    """The target with the tile that suits its features ("+avx2,-avx512f,...")."""
    have = {item[1:] for item in features.split(",") if item.startswith("+")}
    if triple.startswith(("aarch64", "arm64")):
        return Target(triple, cpu, features, lanes=4, rows=8, vectors=3)
    if "avx512f" in have:
        return Target(triple, cpu, features, lanes=16, rows=14, vectors=2)
    if {"avx2", "fma"} <= have:
        return Target(triple, cpu, features, lanes=8, rows=6, vectors=2)
    return Target(triple, cpu, features, lanes=4, rows=4, vectors=2)  # products need registers, too


@cache
def host() -> Target:
    """This machine. `NUMBA_CPU_NAME` and `NUMBA_CPU_FEATURES`, where set, stand for what the processor says of itself,
    as they do for numba: kernels can so be made for less than the machine has."""
    import llvmlite.binding as llvm

    cpu = os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()
    features = os.environ.get("NUMBA_CPU_FEATURES")
    if features is None:
        features = llvm.get_host_cpu_features().flatten()
    return shaped(llvm.get_process_triple(), cpu, features)
