"""The register tile and the transposition, as IR for processors of other kinds and as machine code of this one."""

from __future__ import annotations

import ctypes
import re

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite import ir

from engine.kernels.cpu.microkernel import emit_tile, emit_transpose
from engine.kernels.cpu.target import Target, host, shaped

ARM = shaped("aarch64-unknown-linux-gnu", "neoverse-n1", "+neon,+fp-armv8")
AVX512 = shaped("x86_64-unknown-linux-gnu", "skylake-avx512", "+avx512f,+avx2,+fma")
AVX2 = shaped("x86_64-unknown-linux-gnu", "haswell", "+avx2,+fma,-avx512f")
PLAIN = shaped("x86_64-unknown-linux-gnu", "x86-64", "+sse2")


def module(target: Target) -> llvm.ModuleRef:
    source = ir.Module("test")
    emit_tile(source, target).linkage = "external"
    emit_transpose(source, target).linkage = "external"
    parsed = llvm.parse_assembly(str(source))
    parsed.verify()
    return parsed


def machine(target: Target) -> llvm.TargetMachine:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return llvm.Target.from_triple(target.triple).create_target_machine(cpu=target.cpu, features=target.features, opt=3)


@pytest.mark.parametrize(
    ("target", "label", "multiply"),
    [
        (AVX512, "AVX-512", r"vfmadd.*zmm"),
        (AVX2, "AVX2", r"vfmadd.*ymm"),
        (ARM, "NEON", r"fmla\s+v"),
        (PLAIN, "SSE2", r"mulps"),
    ],
)
def test_the_inner_loop_keeps_its_sums_in_registers(target: Target, label: str, multiply: str) -> None:
    assert target.label == label
    text = machine(target).emit_assembly(module(target))
    largest = f"descent_tile_{target.rows}x{target.vectors}"
    body = text[text.index(f"\n{largest}:") : text.index(f".size\t{largest}")]
    found = [match.end() for match in re.finditer(multiply, body)]
    sums = target.rows * target.vectors
    assert len(found) >= 5 * sums  # four steps a turn, and one for the rest
    # No vector is put aside from the first multiplication of a turn to the last.
    assert not re.search(
        r"(mov\w+\s+%[xyz]mm\d+, \S*\(%rsp\))|(st[rp]\s+q\d+.*\[sp)", body[found[0] : found[4 * sums - 1]]
    )


@pytest.fixture(scope="module")
def functions() -> tuple[object, object, object]:
    """(keeps the code alive, tile, transpose) for this processor."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    engine = llvm.create_mcjit_compiler(module(host()), machine(host()))
    engine.finalize_object()
    tile = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 14)(engine.get_function_address("descent_tile"))
    turn = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)(engine.get_function_address("descent_transpose"))
    return engine, tile, turn


@pytest.mark.parametrize("accumulate", [0, 1])
@pytest.mark.parametrize("length", [1, 3, 4, 9])
def test_every_size_of_tile(functions: tuple, length: int, accumulate: int) -> None:
    target, (_, tile, _) = host(), functions
    rng = np.random.default_rng(length)
    for rows in range(1, target.rows + 1):
        for vectors in range(1, target.vectors + 1):
            width, runs = vectors * target.lanes, 2
            a = rng.normal(size=(rows, runs, length)).astype(np.float32)
            b = rng.normal(size=(runs, length, width)).astype(np.float32)
            c = rng.normal(size=(rows, width + 3)).astype(np.float32)
            expected = np.einsum("irk,rkj->ij", a.astype(float), b.astype(float))
            expected += c[:, :width] if accumulate else 0
            beyond = c[:, width:].copy()
            tile(
                rows, vectors, accumulate, c.ctypes.data, width + 3, a.ctypes.data, runs * length, 1, length,
                b.ctypes.data, width, length * width, length, runs,
            )  # fmt: skip
            np.testing.assert_allclose(c[:, :width], expected, rtol=1e-5, atol=1e-5)
            np.testing.assert_array_equal(c[:, width:], beyond)


def test_a_block_is_turned(functions: tuple) -> None:
    lanes, (_, _, turn) = host().lanes, functions
    source = np.arange(lanes * (lanes + 5), dtype=np.float32).reshape(lanes, lanes + 5)
    result = np.zeros((lanes, lanes + 2), np.float32)
    turn(result.ctypes.data, lanes + 2, source.ctypes.data, lanes + 5)
    np.testing.assert_array_equal(result[:, :lanes], source[:, :lanes].T)
    assert not result[:, lanes:].any()
