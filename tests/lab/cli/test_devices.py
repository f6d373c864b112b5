"""`descent devices`: the devices, what stands in a GPU's way, and figures."""

from __future__ import annotations

from typing import Any

import pytest

from engine import devices
from engine.device_benchmark import Measured, Product
from engine.devices import Devices, Gpu, Trouble
from tests.support.command import complaint, descent

TWO = Devices(
    gpus=(
        Gpu(index=0, name="NVIDIA RTX 4090", total=24 << 30, free=22 << 30, capability=(8, 9)),
        Gpu(index=1, name="NVIDIA GTX 1080", total=8 << 30, free=0, capability=(6, 1),
            trouble=Trouble("The card is too old.", "Take another.")),
    ),
    driver=13000, runtime=13020, cupy="14.2.0",
)  # fmt: skip


def found(monkeypatch: pytest.MonkeyPatch, what: Devices) -> None:
    monkeypatch.setattr(devices, "_found", what)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The devices that were measured; each has figures of its own."""
    names: list[str] = []

    def benchmark(device: str, report: Any = None) -> Measured:
        names.append(device)
        products = (Product(math="float32", size=4096, flops=6.1e13, error=3e-7),)
        products += (Product(math="bf16", size=4096, flops=3e14, error=2e-3),) if device != "cpu" else ()
        return Measured(device=device, label=device, products=products, bandwidth=9.1e11)

    monkeypatch.setattr("engine.device_benchmark.benchmark", benchmark)
    return names


def test_devices_and_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, TWO)
    called = descent("devices")
    assert (called.status, called.err) == (0, "")
    head, cpu, first, second, _, versions, refused = called.out.splitlines()
    assert head.split() == ["DEVICE", "NAME", "MEMORY", "FREE", "COMPUTE", "CAPABILITY"]
    assert cpu.startswith("cpu") and devices.processor_name()[:20] in cpu
    assert first.split() == ["cuda:0", "NVIDIA", "RTX", "4090", "24.0", "GiB", "22.0", "GiB", "8.9"]
    assert second.startswith("cuda:1")
    assert versions == "The NVIDIA driver supports CUDA 13.0; CuPy 14.2.0 for CUDA 13.2."
    assert refused == "cuda:1 cannot be used: the card is too old. Take another."


def test_why_there_is_none_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, Devices(trouble=Trouble("There is no driver.", "Install one."), driver=None))
    assert descent("devices").out.splitlines()[-2:] == ["No GPU can be used: there is no driver.", "Install one."]


def test_figures(monkeypatch: pytest.MonkeyPatch, measured: list[str]) -> None:
    found(monkeypatch, TWO)
    called = descent("devices", "--benchmark")
    assert measured == ["cpu", "cuda:0"], "all that can be used"
    assert called.err.splitlines() == ["descent: measuring cpu …", "descent: measuring cuda:0 …"]
    *_, cpu, exact, rounded = called.out.splitlines()
    assert cpu.split() == ["cpu", "float32", "4096", "61,000", "3.0e-07", "910"]
    assert exact.split() == ["cuda:0", "float32", "4096", "61,000", "3.0e-07", "910"]
    assert rounded.split() == ["bf16", "4096", "300,000", "2.0e-03"]


def test_one_of_them_as_json(monkeypatch: pytest.MonkeyPatch, measured: list[str]) -> None:
    found(monkeypatch, TWO)
    called = descent("devices", "--device", "cuda:0", "--json")
    assert (called.err, measured) == ("", ["cuda:0"])
    told = called.json
    assert [gpu["name"] for gpu in told["gpus"]] == ["NVIDIA RTX 4090", "NVIDIA GTX 1080"]
    assert told["gpus"][1]["trouble"]["remedy"] == "Take another." and told["cpu"]["name"]
    (figures,) = told["benchmarks"]
    assert figures["device"] == "cuda:0" and figures["products"][1]["error"] == 2e-3


def test_a_device_that_there_is_none_of(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, Devices(trouble=Trouble("There is no driver.", "Install one.")))
    monkeypatch.setattr(devices, "missing", lambda: Trouble("There is no driver.", "Install one."))
    assert complaint("devices", "--device", "cuda", "--json") == "There is no driver. Install one."
    assert "argument --device: there is no device “gpu”" in complaint("devices", "--device", "gpu")
