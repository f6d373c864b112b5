"""The peers train what the engine trains: a small network with everything that the workloads have, loss by loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.losses import LIMIT, difference
from benchmarks.peers import PEERS, installed, maker
from benchmarks.sides import contender, initial, stepper_of
from benchmarks.workloads import Workload, workload
from engine.optimizers import SGD, Adam
from engine.penalties import WeightDecay

STEPS = 5
MLP = [("dense", {"units": 8}), ("batch_norm", {}), ("relu", {}), ("dense", {"units": 6}), ("tanh", {})]
CNN = [
    ("conv2d", {"filters": 4, "size": 3}), ("batch_norm", {}), ("relu", {}), ("max_pool2d", {}),
    ("conv2d", {"filters": 3, "size": 5}), ("relu", {}), ("flatten", {}), ("dense", {"units": 5}), ("relu", {}),
]  # fmt: skip
LAST = ("dense", {"units": 3})
NETWORKS: dict[str, Workload] = {
    "adamw": workload("x", "x", [*MLP, LAST], (7,), 3, 16, Adam(), (WeightDecay(strength=0.5),)),
    "momentum": workload("x", "x", [*MLP, LAST], (7,), 3, 16, SGD(learning_rate=0.05, momentum=0.9)),
    "number": workload("x", "x", [*MLP, ("dense", {"units": 1})], (7,), 0, 16, Adam()),
    "images": workload("x", "x", [*CNN, LAST], (6, 6, 2), 3, 16, Adam()),
    "statistics": workload(
        "x", "x", [("dense", {"units": 8}), ("tanh", {}), LAST], (7,), 3, 16, Adam(), training=False
    ),
}


def losses(name: str, network: Workload) -> list[float] | None:
    side = contender(name, network)
    if side is None:
        return None
    try:
        return [side.step() for _ in range(STEPS)]
    finally:
        side.close()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("peer", [pytest.param(name, marks=pytest.mark.parity) for name in PEERS if name != "numpy"])
def test_a_peer_trains_the_same(peer: str, network: str) -> None:
    if not installed(peer):
        pytest.skip(f"{PEERS[peer].library} is not installed")
    found, ours = losses(peer, NETWORKS[network]), losses("array", NETWORKS[network])
    assert found is not None and ours is not None
    assert difference(found, ours) < LIMIT / 10


@pytest.mark.parametrize("network", NETWORKS)
def test_numpy_trains_the_same_where_there_are_no_images(network: str) -> None:
    found, ours = losses("numpy", NETWORKS[network]), losses("array", NETWORKS[network])
    assert (found is None) == (network == "images")
    if found is not None:
        assert ours is not None and difference(found, ours) < LIMIT / 10


def test_dropout_in_numpy_keeps_the_mean() -> None:
    network = workload("x", "x", [("dropout", {"rate": 0.5}), ("dense", {"units": 1})], (64,), 0, 256, SGD())
    step: Any = maker("numpy")(network, initial(network))
    assert step() == pytest.approx(losses("array", network)[0], rel=0.5)  # type: ignore[index]


def test_everybody_begins_with_the_engine_s_weights() -> None:
    network = NETWORKS["adamw"]
    stepper = stepper_of("array", network)
    kept = {name: array for name, array in stepper.state.to_host().items() if not name.startswith("slot/")}
    stepper.close()
    found = initial(network)
    assert found.keys() == kept.keys()
    assert all(np.array_equal(found[name], kept[name]) for name in kept)
