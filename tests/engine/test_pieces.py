"""Programs of the compiled executor that are cut into pieces by operations without compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine import data, presets
from engine.backend import choose
from engine.cpu_executor import ALONE, CompiledProgram, CPUExecutor
from engine.graph import check_experiment
from engine.plan import compile
from engine.state import State
from tests.support.examples import chain, make

GAPS = "conv2d_2"
"""A convolution with gaps, which is left to the reference kernels."""


def bound(threads: int) -> tuple[CompiledProgram, CPUExecutor, Any]:
    """Three convolutions with gaps among compiled operations, on 64 digits."""
    layers = [make("layer", "conv2d", filters=8, dilation=2) if i % 2 else make("layer", "relu") for i in range(6)]
    network = chain(
        make("layer", "input"), make("layer", "conv2d", filters=8), *layers,
        make("layer", "flatten"), make("layer", "dense", units=10), make("loss", "softmax_cross_entropy"),
    )  # fmt: skip
    base = presets.make("digits-baseline")
    experiment = replace(base, network=network)
    dataset = data.load(base.data)
    report = check_experiment(experiment, dataset.signature)
    state = State(network, report, base.training.optimizer, choose("cpu"))
    executor = CPUExecutor(state, threads)
    program = executor.bind(compile(experiment, report, dataset.signature, batch_size=64, training=True))
    assert isinstance(program, CompiledProgram)
    program.gather(dataset.train.arrays, np.arange(64))
    return program, executor, dataset


def test_the_timeline_tells_of_array_operations_between_compiled_pieces() -> None:
    program, executor, _ = bound(1)
    program.stamping = True
    assert program.run({"learning_rate": 0.05})
    found = program.timeline()
    assert found is not None
    assert {"array: grouped_conv2d", "matmul+add_bias", "loss"} <= set(found.rows)
    assert found.nodes[found.rows.index("array: grouped_conv2d")] == GAPS
    begin, end = found.begin[0], found.end[0]
    assert (end >= begin).all()
    # In order, but for what two clocks differ by.
    assert (np.diff(begin) > -1e-4).all() and (begin[1:] - end[:-1] > -1e-4).all()
    assert 0.3 * found.seconds < found.busy().sum() < found.seconds + 1e-3
    flops = sum(value for value in found.flops if value == value)
    assert flops == pytest.approx(program.program.flops)
    program.stamping = False
    assert program.run({"learning_rate": 0.05}) and program.timeline() is None
    executor.close()


def test_small_pieces_between_array_operations_stay_on_one_thread() -> None:
    program, executor, _ = bound(2)
    assert program.program.flops > 3 * ALONE and program.threads == 1
    executor.close()
