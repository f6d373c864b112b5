"""Results as `benchmarks/run.py` gathers them, with round numbers."""

from __future__ import annotations

from typing import Any


def times(seconds: float) -> dict[str, float]:
    return {"median": seconds, "low": seconds, "high": seconds, "least": seconds}


def row(name: str, title: str, medians: dict[str, float], differences: dict[str, float]) -> dict[str, Any]:
    peers = [side for side in medians if side not in ("cpu", "array") and "/" not in side]
    return {
        "name": name,
        "title": title,
        "work": {"flops": 10**9, "bytes": 10**6, "resident": 10**6},
        "times": {side: times(seconds) for side, seconds in medians.items()},
        "steps_a_call": {"cpu": 64, "array": 64},
        "ratios": {ours: {peer: medians[ours] / medians[peer] for peer in peers} for ours in ("cpu", "array")},
        "reference": "torch",
        "differences": differences,
    }


def results() -> dict[str, Any]:
    """Two workloads on two executors, beside PyTorch and NumPy, which cannot do the second."""
    level = {"size": 1 << 20, "rate": 2e10}
    limits = {"threads": 2, "flops": 2e11, "levels": [level], "method": "multiply-adds"}
    small = {"cpu": 0.001, "cpu/single": 0.002, "array": 0.004, "array/single": 0.005, "torch": 0.01, "numpy": 0.004}
    large = {"cpu": 0.02, "cpu/single": 0.02, "array": 0.08, "array/single": 0.08, "torch": 0.04}
    return {
        "machine": {
            "cpu": "A Processor", "cores": "2", "memory": "8 GiB", "system": "Linux x86_64", "python": "3.11.9",
            "date": "2026-01-02", "numpy": "2.4.6", "torch": "2.13.0",
        },
        "threads": 2,
        "rounds": 15,
        "executors": ["cpu", "array"],
        "peers": ["torch", "numpy"],
        "steps": [
            row("W1", "MLP 2-8-1, batch 32, SGD", small, {"cpu": 2e-7, "array": 1e-7, "numpy": 0.0}),
            row("W5", "conv <5>, batch 128, Adam", large, {}),
        ],
        "roofline": {"one": limits | {"threads": 1, "flops": 1e11}, "all": limits},
        "instruments": {
            "steps": [{"name": "W1", "executor": "cpu", "plain": 0.002, "observed": 0.003, "ratio": 1.5}],
            "cadence": [{"preset": "spiral-mlp", "executor": "cpu", "share": 0.031}],
        },
        "startup": [{"what": "Python alone", "seconds": 0.02, "first": 0.05}],
        "memory": [{"name": "W1", "peaks": {"cpu": 100 << 20, "torch": 300 << 20}}],
        "scaling": {
            "threads": [{"name": "W2", "side": "cpu", "seconds": {"1": 0.002, "2": 0.001}}],
            "sizes": [{"what": "batch", "size": 32, "seconds": {"cpu": 0.001, "torch": 0.002}}],
        },
    }  # fmt: skip
