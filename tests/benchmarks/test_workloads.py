"""The workloads are sound networks with data of their own."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.workloads import ROWS, SAMPLES, WORKLOADS, mlp
from engine.graph import check
from engine.plan import compile


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_compiles_and_its_batches_are_in_its_data(name: str) -> None:
    found = WORKLOADS[name]()
    assert found.name == name
    report = check(found.experiment.network, found.signature)
    program = compile(found.experiment, report, found.signature, batch_size=found.batch, training=found.training)
    assert program.flops > 0
    assert found.batches.shape == (ROWS, found.batch) and found.batches.dtype == np.int64
    assert {len(array) for array in found.arrays.values()} == {SAMPLES * found.batch}
    # Within an epoch no sample comes twice.
    assert sorted(found.batches[:SAMPLES].ravel()) == list(range(SAMPLES * found.batch))


def test_only_dropout_makes_losses_random() -> None:
    assert [name for name, make in WORKLOADS.items() if make().random] == ["W4"]
    assert [name for name, make in WORKLOADS.items() if make().decay] == ["W4"]
    assert [name for name, make in WORKLOADS.items() if not make().training] == ["W3s"]


def test_a_network_to_be_scaled_has_the_sizes_it_was_asked_for() -> None:
    found = mlp(batch=8, width=16, depth=3)
    nodes = found.experiment.network.nodes
    assert [getattr(node.component, "units", None) for node in nodes if node.id.startswith("dense")] == [16, 16, 16, 10]
    assert found.batch == 8
