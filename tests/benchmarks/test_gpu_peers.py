"""PyTorch's ways to train train what the engine trains; and what a card is asked for, with a card that is none."""

from __future__ import annotations

import sys
import types
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from benchmarks.losses import LIMIT, difference
from benchmarks.sides import contender, initial
from benchmarks.workloads import workload
from engine.optimizers import SGD, Adam
from engine.penalties import WeightDecay

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

from benchmarks.gpu_device import WARM_UPS, Card, Processor, multiply  # noqa: E402
from benchmarks.gpu_peers import PEERS  # noqa: E402

LAYERS = [("dense", {"units": 8}), ("batch_norm", {}), ("relu", {}), ("dense", {"units": 3})]
IMAGES = [("conv2d", {"filters": 4, "size": 3}), ("relu", {}), ("max_pool2d", {}), ("flatten", {}), LAYERS[-1]]
NETWORKS = {
    "adamw": workload("x", "x", LAYERS, (7,), 3, 16, Adam(), (WeightDecay(strength=0.5),)),
    "images": workload("x", "x", IMAGES, (6, 6, 2), 3, 16, SGD(learning_rate=0.05, momentum=0.9)),
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_trains_the_same(peer: str, network: str) -> None:
    found = NETWORKS[network]
    side = contender("array", found)
    assert side is not None
    try:
        ours = [side.step() for _ in range(8)]
    finally:
        side.close()
    chunk = PEERS[peer](found, initial(found), Processor(), "float32")
    losses = [*chunk(1), *chunk(4), *chunk(3)]
    assert difference(losses, ours) < LIMIT / 10


def test_how_pytorch_multiplies() -> None:
    one = torch.ones(2, 2)
    try:
        for math, allowed in (("tf32", True), ("float32", False), ("bf16", False)):
            with multiply(math, "cpu")():  # type: ignore[arg-type]
                dtype = torch.mm(one, one).dtype
            assert dtype is (torch.bfloat16 if math == "bf16" else torch.float32)
            assert torch.backends.cuda.matmul.allow_tf32 is torch.backends.cudnn.allow_tf32 is allowed
    finally:
        multiply("float32", "cpu")


# -- a card ------------------------------------------------------------------------------------------------------------


class Fake:
    """PyTorch's CUDA as far as a card asks for it: what is asked is put down, and time goes by events."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.now = 0.0
        fake = self

        class Event:
            def __init__(self, enable_timing: bool) -> None:
                assert enable_timing

            def record(self) -> None:
                fake.now += 0.25
                self.at = fake.now

            def synchronize(self) -> None: ...

            def elapsed_time(self, later: Event) -> float:
                return float(np.float32(1e3 * (later.at - self.at)))

        class Stream:
            def __init__(self, name: str = "other") -> None:
                self.name = name

            def wait_stream(self, stream: Stream) -> None:
                fake.log.append(f"{self.name} waits for {stream.name}")

        class Graph:
            def replay(self) -> None:
                fake.log.append("replay")

        @contextmanager
        def inside(what: Any) -> Any:
            fake.log.append(f"into {getattr(what, 'name', 'capture')}")
            yield
            fake.log.append("out")

        self.Event, self.Stream, self.CUDAGraph, self.stream, self.graph = Event, Stream, Graph, inside, inside
        self.default = Stream("default")

    def current_stream(self) -> Any:
        return self.default

    def synchronize(self) -> None:
        self.log.append("synchronize")

    def empty_cache(self) -> None:
        self.log.append("empty cache")

    def current_device(self) -> int:
        return 0

    def get_device_properties(self, index: int) -> Any:
        found = {"name": "NVIDIA Example", "major": 9, "minor": 0, "multi_processor_count": 80}
        return types.SimpleNamespace(**found, total_memory=24 << 30)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    made = Fake()
    for name in ("Event", "Stream", "CUDAGraph", "stream", "graph", "current_stream", "synchronize", "empty_cache",
                 "current_device", "get_device_properties"):  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, getattr(made, name))
    pool = types.SimpleNamespace(free_all_blocks=lambda: made.log.append("free blocks"))
    cupy = types.SimpleNamespace(__version__="14.2.0", get_default_memory_pool=lambda: pool)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return made


def test_a_card_counts_seconds_by_events_however_long_it_runs(fake: Fake) -> None:
    card = Card()
    begun = card.clock()
    for _ in range(4 * 3600):
        last = card.clock()
    assert last - begun == pytest.approx(3600, abs=1e-6)
    assert fake.log.count("synchronize") == 4 * 3600 + 1


def test_a_card_captures_after_warming_up_on_another_stream(fake: Fake) -> None:
    replay = Card().captured(lambda: fake.log.append("step"))
    replay()
    assert fake.log == [
        *("other waits for default", "into other", *["step"] * WARM_UPS, "out", "default waits for other"),
        *("synchronize", "into capture", "step", "out", "replay"),
    ]


def test_a_card_is_described_and_let_go(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: object, **options: object) -> None:
        raise FileNotFoundError("nvidia-smi")

    monkeypatch.setattr("benchmarks.gpu_device.subprocess.run", missing)
    card = Card("reduce-overhead")
    found = card.describe()
    assert found["card"] == "NVIDIA Example" and found["capability"] == "9.0" and found["card_memory"] == "24 GiB"
    assert found["driver"] == "?" and found["cupy"] == "14.2.0" and found.keys() == Processor().describe().keys()
    assert card.compiling == {"mode": "reduce-overhead"}
    card.free()
    assert fake.log[-2:] == ["empty cache", "free blocks"]
