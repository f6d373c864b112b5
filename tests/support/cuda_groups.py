"""Groups of calls by the GPU's kernels on the pretended device: each is one pass, with the bits of its calls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.kernels.cuda.launches import Launch
from engine.ops.base import Value
from tests.support.cuda_bench import CudaBench
from tests.support.interpreter import Interpreter

__all__ = ["Build", "Draw", "check_group"]

Draw = Callable[..., Value]
"""Gives a value of drawn numbers of a shape, about one in three of them negative."""

Build = Callable[[Interpreter, Draw], None]
"""Calls the operations of a group, and no others."""


def check_group(build: Build, bench: CudaBench) -> list[str]:
    """The group of calls is one pass that gives the last call's bits; returns the kernels it launches."""
    machine = Interpreter(precision="float32")
    rng = np.random.default_rng(4)
    build(machine, lambda *shape: machine.value(np.abs(rng.standard_normal(shape)) - 0.4))
    made = {value.id for call in machine.calls for value in call.outputs}
    given = {value.id: value for call in machine.calls for value in call.inputs if value.id not in made}
    known = {value_id: machine.host(value) for value_id, value in given.items()}

    together = bench.run(machine.calls, known, times=2)
    assert bench.names == ["+".join(call.op.name for call in machine.calls)]
    kernels = [work.kernel for work in bench.works if isinstance(work, Launch)]
    for call in machine.calls:
        alone = bench.run([call], {value.id: known[value.id] for value in call.inputs})
        known |= {value.id: alone[value.id] for value in call.outputs}
    for output in machine.calls[-1].outputs:
        np.testing.assert_array_equal(together[output.id], known[output.id])
        expected = machine.host(output)
        np.testing.assert_allclose(together[output.id], expected, rtol=0, atol=2e-5 * np.abs(expected).max())
    return kernels
