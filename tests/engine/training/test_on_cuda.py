"""Runs on the CUDA executor, from the first step to the last: on the pretended device, and on a GPU if there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine.kernels.cuda.choice import Chooser
from engine.layers import Dense, Input, ReLU
from engine.losses import MeanSquaredError
from engine.optimizers import SGD
from engine.training import events
from engine.training.recovery import read_counters
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.engine.training.experiments import RICH, Log, regression, sequential, spiral, weights
from tests.support import pretended_gpu
from tests.support.cards import CUDARuntimeError
from tests.support.fake_cuda import FakeDevice

Machine = Callable[..., list[FakeDevice]]


@pytest.fixture(params=["pretended", pytest.param("real", marks=pytest.mark.gpu)])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a GPU."""
    if request.param == "pretended":
        pretended_gpu.install(monkeypatch)


def run(device: str, log: Log | None = None, **more: Any) -> Trainer:
    experiment = more.pop("experiment", None) or spiral(RICH)
    executor = "cuda" if device == "cuda" else "array"
    trainer = Trainer(experiment, device=device, executor=executor, report=Log() if log is None else log, **more)  # type: ignore[arg-type]
    trainer.result = trainer.run()  # type: ignore[attr-defined]
    return trainer


def close(trainer: Trainer, other: Trainer, tolerance: float = 2e-3) -> None:
    assert trainer.loop is not None and other.loop is not None
    expected = other.loop.state.to_host()
    for name, array in trainer.loop.state.to_host().items():
        scale = max(float(np.abs(expected[name]).max()), 0.1)
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=tolerance * scale, err_msg=name)


@pytest.mark.usefixtures("gpu")
def test_a_run_goes_as_on_the_processor() -> None:
    """The same random numbers, other summation orders: losses, metrics and weights agree closely."""
    logs = {device: Log() for device in ("cpu", "cuda")}
    trainers = {device: run(device, log) for device, log in logs.items()}
    close(trainers["cuda"], trainers["cpu"])
    cpu, cuda = ([row.loss for row in log.of(events.StepRow)] for log in logs.values())
    np.testing.assert_allclose(cuda, cpu, rtol=1e-3)
    ours, theirs = (log.of(events.EpochEnd)[-1] for log in (logs["cuda"], logs["cpu"]))
    assert ours.validation_loss == pytest.approx(theirs.validation_loss, rel=1e-3)
    assert ours.validation_metrics["accuracy"] == pytest.approx(theirs.validation_metrics["accuracy"], abs=0.05)
    (started,) = logs["cuda"].of(events.Started)
    assert started.executor == "cuda" and started.device.startswith("CUDA · ")


@pytest.mark.usefixtures("gpu")
def test_what_panels_show_agrees_with_the_processor() -> None:
    logs = {device: Log() for device in ("cpu", "cuda")}
    for device, log in logs.items():
        run(device, log)
    ours, theirs = (logs[device].of(events.Frame)[-1] for device in ("cuda", "cpu"))
    assert ours.step == theirs.step
    for node, stats in theirs.activations.items():
        assert ours.activations[node].mean == pytest.approx(stats.mean, abs=2e-3 * max(1.0, stats.std))
        assert ours.activations[node].std == pytest.approx(stats.std, rel=1e-2, abs=1e-3)
    for name, stats in theirs.parameters.items():
        assert ours.parameters[name].weight_norm == pytest.approx(stats.weight_norm, rel=1e-2, abs=1e-3)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(("first", "second"), [("cuda", "cpu"), ("cpu", "cuda")])
def test_a_run_goes_on_on_another_device(first: str, second: str, tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    begun = run(first, store=store, steps=8)
    gone_on = run(second, store=store, resume=begun.run_id)
    assert any("last digits" in problem for problem in gone_on.problems)
    close(gone_on, run("cpu"))


@pytest.mark.usefixtures("gpu")
def test_the_same_seed_gives_the_same_bits() -> None:
    assert weights(run("cuda")) == weights(run("cuda"))


@pytest.mark.usefixtures("gpu")
def test_the_layer_that_overflows_is_found() -> None:
    log = Log()
    network = sequential([Input(), Dense(units=4), ReLU(), Dense(units=4), ReLU(), Dense(units=1), MeanSquaredError()])
    large = {"dense_1/bias": np.full(4, 1e20), "dense_2/weight": np.full((4, 4), 1e20)}
    trainer = run("cuda", log, experiment=replace(regression(), network=network), state=large)
    diverged = log.of(events.Diverged)[0]
    assert (diverged.node, diverged.step) == ("dense_2", 0)
    assert trainer.result.steps == 0  # type: ignore[attr-defined]


@pytest.mark.usefixtures("gpu")
def test_micro_batches_give_the_large_batch() -> None:
    """Gradients that add up within a step; dropout would draw other masks, so that there is none."""
    base = regression(optimizer=SGD(learning_rate=0.05))
    parts = replace(base, training=replace(base.training, accumulate=3))
    close(run("cuda", experiment=parts), run("cpu", experiment=base))


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(("math", "least", "most"), [("tf32", 1e-6, 3e-3), ("bf16", 1e-4, 3e-2)])
def test_the_error_of_rounded_products_is_told(math: str, least: float, most: float) -> None:
    log, plain = Log(), Log()
    trainer = run("cuda", log, math=math)
    (told,) = log.of(events.Rounded)
    assert least < told.error < most and f"{told.error:.2g} of its norm" in told.text()
    assert log.of(events.Started)[0].math == math
    exact = run("cuda", plain)
    assert not plain.of(events.Rounded)
    assert weights(trainer) != weights(exact)


@pytest.mark.usefixtures("gpu")
def test_telling_the_error_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    told = run("cuda", math="tf32")
    monkeypatch.setattr("engine.training.rounding.gradient_error", lambda loop: float("nan"))
    log = Log()
    untold = run("cuda", log, math="tf32")
    assert weights(told) == weights(untold)
    assert "could not be told" in log.of(events.Rounded)[0].text()


def test_a_run_that_goes_on_goes_the_same_ways(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was chosen where there are several ways is part of a checkpoint: another choice would give other bits."""
    pretended_gpu.install(monkeypatch)
    monkeypatch.setattr(Chooser, "_decide", lambda self, key, call, binding, candidates: max(candidates))
    store = RunStore(tmp_path)
    whole, begun = run("cuda"), run("cuda", store=store, steps=8)
    monkeypatch.undo()
    pretended_gpu.install(monkeypatch)
    counters = read_counters(store.open(begun.run_id).last_checkpoint()[1])  # type: ignore[index]
    gone_on = run("cuda", store=store, resume=begun.run_id)
    assert weights(gone_on) == weights(whole)

    def ways(trainer: Trainer) -> dict[str, str]:
        assert trainer.loop is not None
        (found,) = trainer.loop.programs.executor.ways.values()
        return {key: name for key, name in found.items() if key in kept}

    (kept,) = counters.ways.values()
    assert ways(gone_on) == ways(whole) | kept == kept
    itself = ways(run("cuda"))
    assert any(name != kept[key] for key, name in itself.items()), "left to itself it chooses otherwise"


def test_a_device_that_fails_hands_over_to_the_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = pretended_gpu.install(monkeypatch)
    count = 0

    def fail() -> None:
        nonlocal count
        count += 1
        if count > 200:
            raise CUDARuntimeError(700, "cudaErrorIllegalAddress: an illegal memory access was encountered")

    log, expected = Log(), run("cpu")

    def report(event: events.Event) -> None:
        log(event)
        if isinstance(event, events.Started):
            made[0].fail = fail

    trainer = Trainer(spiral(RICH), device="cuda", report=report, store=RunStore(tmp_path))
    result = trainer.run()
    (failed,) = log.of(events.DeviceFailed)
    assert 0 < failed.failed_at < 18 and "IllegalAddress" in failed.message
    assert result.reason == "done" and result.steps == 18 and not result.device.startswith("CUDA")
    close(trainer, expected)


def test_a_device_with_too_little_memory_hands_over_to_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    made = pretended_gpu.install(monkeypatch)
    log = Log()

    def report(event: events.Event) -> None:
        log(event)
        if isinstance(event, events.Started):
            made[0].xp.limit = made[0].xp.used

    result = Trainer(spiral(RICH), device="cuda", report=report).run()
    (failed,) = log.of(events.DeviceFailed)
    assert "memory" in failed.message and result.reason == "done" and result.steps == 18
