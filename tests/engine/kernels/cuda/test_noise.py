"""Random bits: the same masks as on the CPU, bit for bit, and the same noise to the last digits."""

from __future__ import annotations

import numpy as np
import pytest

from engine import ops
from engine.ops.base import Op
from engine.ops.noise import Drop, GaussianNoise
from engine.random import bits
from tests.support.cuda_bench import CudaBench
from tests.support.interpreter import Interpreter

SEED, STEP, STREAM = 0x1_2345_6789, 77, 0xFEDCBA98
COUNTERS = np.array([SEED & 0xFFFFFFFF, SEED >> 32, STEP, 0], np.uint32)


def ran(bench: CudaBench, op: Op, shape: tuple[int, ...], number: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The outputs by the GPU's kernels and by the reference kernel in float32."""
    machine = Interpreter(precision="float32")
    x = np.random.default_rng(2).standard_normal(shape)
    values = [machine.value(x), machine.value(np.array([number])), machine.value(COUNTERS)]
    call = machine.call(op, *values)
    found = bench.run([call], {value.id: machine.host(value) for value in values})
    return [found[value.id] for value in call.outputs], [machine.host(value) for value in call.outputs]


@pytest.mark.parametrize("rate", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("shape", [(1,), (3, 7), (1000,), (33, 45), (65_537,), (40, 30, 10)], ids=str)
def test_dropout_has_the_bits_of_the_reference(
    shape: tuple[int, ...], rate: float, benches: tuple[CudaBench, ...]
) -> None:
    found, expected = ran(benches[1], ops.Dropout(STREAM), shape, rate)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine.view(np.uint32), theirs.view(np.uint32))
    # Of the stream's definition as well, not of the two kernels alone.
    limit = np.uint32(np.float32(rate) * np.float32(2**32))
    drawn = bits(found[1].size, SEED, STEP, STREAM).reshape(shape)
    np.testing.assert_array_equal(found[1] != 0, drawn >= limit)


@pytest.mark.parametrize("part", ["element", "channel", "sample", "batch"])
@pytest.mark.parametrize(("inverted", "survival"), [(True, False), (False, True), (False, False), (True, True)])
def test_parts_are_dropped_as_in_the_reference(
    part: str, inverted: bool, survival: bool, benches: tuple[CudaBench, ...]
) -> None:
    for shape in ((3, 5), (7, 4, 3, 5), (5, 1), (64, 9, 33), (5, 3, 8), (3, 2, 2)):
        found, expected = ran(benches[2], Drop(STREAM, part, inverted, survival), shape, 0.3)  # type: ignore[arg-type]
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(mine.view(np.uint32), theirs.view(np.uint32), f"{shape}")


def test_noise_is_that_of_the_reference(benches: tuple[CudaBench, ...]) -> None:
    (found,), (expected,) = ran(benches[0], GaussianNoise(STREAM, STREAM + 1), (300, 701), 1.5)
    np.testing.assert_allclose(found, expected, rtol=0, atol=4e-6)
    _, (exact,) = ran(benches[0], GaussianNoise(STREAM, STREAM + 1), (300, 701), 0.0)
    noise = (found - exact) / 1.5
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 1) < 0.01
