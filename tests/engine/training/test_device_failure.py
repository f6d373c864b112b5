"""A run whose GPU fails goes on on the processor from its last checkpoint, and loses nothing."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import executors
from engine.device_errors import DeviceError, OutOfDeviceMemory
from engine.stopping import EarlyStopping
from engine.training import events, steering
from engine.training.control import Control
from engine.training.database import StoreError
from engine.training.recovery import read_counters
from engine.training.replay import replay_of
from engine.training.result import TrainingError
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.engine.training.experiments import RICH, Log, spiral, weights
from tests.support.cards import CUDARuntimeError
from tests.support.failing_gpu import FailingGpu

STEPS = 18
"""Of the whole run: three epochs of six."""

pytestmark = pytest.mark.usefixtures("without_kernels")


@pytest.fixture
def without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs on the processor compute with arrays, as the pretended GPU does."""
    monkeypatch.setattr(executors, "compiled", lambda: False)


def run(log: Log | None = None, *, device: str = "auto", **more: Any) -> Trainer:
    experiment = more.pop("experiment", None) or spiral(RICH)
    trainer = Trainer(experiment, device=device, report=Log() if log is None else log, **more)
    trainer.result = trainer.run()  # type: ignore[attr-defined]
    return trainer


def rows(log: Log) -> list[events.StepRow]:
    """The steps that count: those made again replace what was told of them before."""
    found: dict[int, events.StepRow] = {}
    for event in log:
        if isinstance(event, events.DeviceFailed):
            found = {step: row for step, row in found.items() if step <= event.step}
        elif isinstance(event, events.StepRows):
            for row in Log([event]).of(events.StepRow):
                assert row.step not in found
                found[row.step] = row
    return list(found.values())


@pytest.fixture
def whole() -> tuple[dict[str, bytes], list[events.StepRow]]:
    """The weights and steps of a run on the processor alone."""
    log = Log()
    return weights(run(log, device="cpu")), rows(log)


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize(("at", "kept"), [(0, 0), (3, 0), (6, 6), (9, 6), (17, 6)])
def test_the_run_goes_on_from_its_last_checkpoint(
    stored: bool, at: int, kept: int, whole: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gpu, log = FailingGpu(at).install(monkeypatch), Log()
    store = RunStore(tmp_path) if stored else None
    trainer = run(log, store=store)
    assert gpu.lost and gpu.made[0].closed
    assert (weights(trainer), rows(log)) == whole
    (event,) = log.of(events.DeviceFailed)
    assert (event.step, event.executor, event.device.split(" ")[0]) == (kept, "array", "NumPy")
    assert kept <= event.failed_at <= at and "does not answer" in event.message
    result = trainer.result  # type: ignore[attr-defined]
    assert (result.steps, result.reason, result.device) == (STEPS, "done", event.device)
    (started,) = log.of(events.Started)
    assert (started.executor, started.device) == ("cuda", gpu.label)
    if store is not None:
        reader = store.open(trainer.run_id)
        assert reader.steps()["step"].tolist() == list(range(1, STEPS + 1))
        assert [epoch.epoch for epoch in reader.epochs()] == [1, 2, 3]
        assert event in reader.events()
        assert (reader.summary.status, reader.summary.device) == ("done", event.device)


def test_nothing_of_the_lost_device_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FailingGpu(9).install(monkeypatch)
    trainer = run()
    gpu.made.clear()
    gc.collect()
    assert gpu.states and all(state() is None for state in gpu.states)
    assert trainer.loop is not None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OutOfDeviceMemory("The GPU's memory is full."), "memory is full"),
        (CUDARuntimeError(700, "cudaErrorIllegalAddress: an illegal memory access was encountered"), "IllegalAddress"),
        (DeviceError("The GPU reports an error (CUBLAS_STATUS_EXECUTION_FAILED)."), "EXECUTION_FAILED"),
    ],
)
def test_every_error_of_a_device_counts(
    error: Exception, words: str, whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    FailingGpu(9, error).install(monkeypatch)
    log = Log()
    assert weights(run(log)) == whole[0]
    assert words in log.of(events.DeviceFailed)[0].message


def test_other_errors_are_the_run_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    FailingGpu(9, KeyError("mislaid")).install(monkeypatch)
    log = Log()
    with pytest.raises(TrainingError, match="mislaid"):
        run(log)
    assert log.of(events.DeviceFailed) == []


@pytest.mark.usefixtures("singly")
def test_live_changes_are_kept_wherever_they_were_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(steering, "DRAG", -1.0)
    path = "training.optimizer.learning_rate"

    def ordered(device: str, orders: dict[int, float], store: RunStore | None = None) -> tuple[Trainer, Log]:
        log, control = Log(), Control()

        def report(event: events.Event) -> None:
            log(event)
            if isinstance(event, events.StepRows) and event.step in orders:
                control.set(path, orders.pop(event.step))

        trainer = Trainer(spiral(RICH), device=device, report=report, control=control, store=store)
        trainer.run()
        return trainer, log

    expected, _ = ordered("cpu", {3: 0.02, 8: 0.07})
    for store in (None, RunStore(tmp_path)):
        FailingGpu(11).install(monkeypatch)
        trainer, log = ordered("auto", {3: 0.02, 8: 0.07}, store)
        (failed,) = log.of(events.DeviceFailed)
        assert failed.step == 8, "a change leaves a checkpoint of the state before it"
        assert weights(trainer) == weights(expected)
        assert trainer.loop is not None and trainer.loop.experiment.training.optimizer.learning_rate == 0.07


def test_a_change_after_the_last_checkpoint_is_made_again(monkeypatch: pytest.MonkeyPatch, singly: None) -> None:
    FailingGpu(11).install(monkeypatch)
    log, control = Log(), Control()

    def report(event: events.Event) -> None:
        log(event)
        # Two changes that follow each other soon are one: only the first leaves a checkpoint.
        if isinstance(event, events.StepRows) and event.step in (8, 9) and not log.of(events.DeviceFailed):
            control.set("training.optimizer.learning_rate", event.step / 100)

    trainer = Trainer(spiral(RICH), device="auto", report=report, control=control)
    trainer.run()
    assert log.of(events.DeviceFailed)[0].step == 8
    assert [(event.step, event.after) for event in log.of(events.Changed)] == [(8, 0.08), (9, 0.09), (8, 0.09)]
    assert trainer.loop is not None and trainer.loop.experiment.training.optimizer.learning_rate == 0.09


def test_a_run_that_began_from_given_weights_begins_from_them_again(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {name: 0.1 + array for name, array in run(device="cpu").loop.state.to_host().items() if "parameter" in name}  # type: ignore[union-attr]
    expected = weights(run(device="cpu", state=given))
    FailingGpu(2).install(monkeypatch)
    assert weights(run(state=given)) == expected


def test_the_best_state_is_put_back_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    experiment = spiral(RICH, stopping=(EarlyStopping(patience=2),), epochs=9)
    expected = weights(run(device="cpu", experiment=experiment))
    for store in (None, RunStore(tmp_path)):
        FailingGpu(27).install(monkeypatch)
        assert weights(run(experiment=experiment, store=store)) == expected


def test_a_disk_that_is_full_just_then_is_told_beside_the_gpu(
    whole: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    FailingGpu(9).install(monkeypatch)
    log, store = Log(), RunStore(tmp_path)

    def full(*_: Any, **__: Any) -> None:
        raise StoreError("The run store cannot be written: the disk is full.")

    with monkeypatch.context() as then, pytest.raises(TrainingError) as caught:
        then.setattr(RunStore, "resume", full)
        run(log, store=store)
    assert str(caught.value) == (
        "The GPU does not answer any more (cudaErrorLaunchFailure). The run cannot go on on the processor: the run "
        "store cannot be written: the disk is full."
    )
    assert log.names()[-2:] == ["Failed", "Finished"]
    (summary,) = store.list()
    assert summary.status == "interrupted"
    assert weights(run(store=store, resume=summary.id, device="cpu")) == whole[0]


# -- at the start ------------------------------------------------------------------------------------------------------


def test_auto_begins_without_a_gpu_that_fails_at_once_and_says_so(
    whole: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gpu, log, store = FailingGpu().install(monkeypatch), Log(), RunStore(tmp_path)
    gpu.refuses_to_bind = True
    trainer = run(log, store=store)
    assert weights(trainer) == whole[0]
    assert log.names()[:2] == ["Started", "DeviceFailed"]
    (event,) = log.of(events.DeviceFailed)
    assert (event.step, event.failed_at) == (0, 0) and "from its beginning" in event.text()
    assert store.list()[0].device == event.device and len(store.list()) == 1


def test_a_gpu_that_was_asked_for_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gpu, log = FailingGpu().install(monkeypatch), Log()
    gpu.refuses_to_bind = True
    with pytest.raises(TrainingError, match="does not answer"):
        run(log, device="cuda")
    assert log.of(events.DeviceFailed) == [] and log.names() == ["Failed", "Finished"]


def test_a_gpu_that_is_lost_before_the_first_step_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost refuses to be let go of as well."""
    gpu, log = FailingGpu().install(monkeypatch), Log()
    gpu.refuses_to_bind = gpu.lost_by_binding = True
    with pytest.raises(TrainingError, match="does not answer"):
        run(log, device="cuda")
    assert gpu.lost and log.names() == ["Failed", "Finished"]


def test_a_gpu_that_is_lost_after_the_last_step_spoils_nothing(
    whole: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gpu, store = FailingGpu().install(monkeypatch), RunStore(tmp_path)

    def lose(event: events.Event) -> None:
        gpu.lost = isinstance(event, events.Finished)

    trainer = Trainer(spiral(RICH), device="cuda", report=lose, store=store)
    result = trainer.run()
    assert gpu.made[0].closed and (result.reason, result.steps) == ("done", STEPS)
    assert store.open(trainer.run_id).summary.status == "done"


def test_memory_is_asked_for_before_it_is_taken(whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, log = FailingGpu(free=(128 << 20) + 3000).install(monkeypatch), Log()
    with pytest.raises(TrainingError, match=r"parameters, their gradients and the optimizer's memory\), and of Pret"):
        run(device="cuda")
    gpu.free += 20_000
    with pytest.raises(TrainingError, match=r"KiB for batches of up to 22 samples, .*micro-batches"):
        run(device="cuda")
    assert weights(run(log)) == whole[0]
    assert "3.0 KiB" not in log.of(events.DeviceFailed)[0].message


# -- what a checkpoint knows ------------------------------------------------------------------------------------------


def test_a_run_goes_on_where_it_was(whole: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gpu, store = FailingGpu().install(monkeypatch), RunStore(tmp_path)
    first = run(store=store, steps=8, math="tf32")
    found = store.open(first.run_id).last_checkpoint()
    assert found is not None
    counters = read_counters(found[1])
    assert (counters.device, counters.executor, counters.math) == ("cuda", "cuda", "tf32")
    second = run(store=store, resume=first.run_id)
    assert gpu.chosen == [("cuda", "auto", "tf32"), ("cuda", "auto", "tf32")] and second.problems == ()
    assert weights(second) == whole[0]


def test_a_run_of_the_processor_stays_there_unless_a_gpu_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gpu, store = FailingGpu().install(monkeypatch), RunStore(tmp_path)
    first = run(store=store, steps=4, device="cpu")
    second = run(store=store, steps=8, resume=first.run_id)
    assert second.problems == () and not gpu.made
    third = run(store=store, resume=first.run_id, device="cuda")
    (problem,) = third.problems
    assert "on the processor by array operations" in problem and gpu.label in problem and "last digits" in problem
    assert len(gpu.made) == 1


def test_a_run_of_a_gpu_goes_on_without_one_and_says_so(
    whole: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = RunStore(tmp_path)
    with monkeypatch.context() as there:
        FailingGpu().install(there)
        first = run(store=store, steps=8, math="bf16")
    second = run(store=store, resume=first.run_id, device="cpu")
    digits, products = second.problems
    assert "on an NVIDIA GPU by the CUDA executor" in digits and "NumPy" in digits
    assert products == "Its matrix products were computed in bf16, and are in float32 from here on."
    assert weights(second) == whole[0]


def test_what_a_processor_cannot_do_is_refused() -> None:
    with pytest.raises(TrainingError, match="Matrix products in tf32"):
        run(device="cpu", math="tf32")
    with pytest.raises(TrainingError, match="choose the device “cuda”"):
        run(device="cpu", executor="cuda")


def test_the_compiled_executor_needs_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FailingGpu().install(monkeypatch)
    monkeypatch.setattr(executors, "unavailable", lambda: "It needs numba.")
    with pytest.raises(TrainingError, match="It needs numba"):
        run(executor="cpu")
    assert gpu.chosen == [("cpu", "cpu", "float32")], "with “auto” it takes the processor"


def test_a_run_that_failed_and_was_then_interrupted_goes_on(
    whole: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, singly: None
) -> None:
    FailingGpu(9).install(monkeypatch)
    store = RunStore(tmp_path)

    def interrupt(event: events.Event) -> None:
        if isinstance(event, events.DeviceFailed):
            failed.append(event)
        if isinstance(event, events.StepRows) and failed and event.step == 8:
            raise KeyboardInterrupt

    failed: list[events.DeviceFailed] = []
    trainer = Trainer(spiral(RICH), device="auto", report=interrupt, store=store)
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    assert store.open(trainer.run_id).summary.status == "interrupted"
    assert weights(run(store=store, resume=trainer.run_id)) == whole[0]


def test_a_run_that_lost_its_gpu_is_replayed(whole: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gpu, store, log = FailingGpu(9).install(monkeypatch), RunStore(tmp_path), Log()
    first = run(store=store)
    gpu.lost, gpu.fail_at = False, None
    replay = replay_of(store.open(first.run_id))
    assert replay.executor == "cuda" and replay.acts == ((6, "device", "", "array"),)
    second = run(log, replay=replay)
    (event,) = log.of(events.DeviceFailed)
    assert (event.step, event.failed_at) == (6, 6) and "replayed" in event.message
    assert weights(second) == whole[0] and rows(log) == whole[1]
    with monkeypatch.context() as without:
        without.setattr("engine.backend._cupy", None)
        without.setattr("engine.devices._found", type("None", (), {"usable": ()}))
        third = run(replay=replay)
    assert weights(third) == whole[0] and "used the CUDA executor" in third.problems[0]


def test_nothing_is_remembered_on_the_processor() -> None:
    trainer = run(device="cpu")
    assert trainer.loop is not None and trainer.loop.keeper.remembered is None


def test_time_on_the_device_that_failed_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    FailingGpu(9).install(monkeypatch)
    trainer = run()
    result = trainer.result  # type: ignore[attr-defined]
    assert trainer.loop is not None and result.seconds > trainer.loop.session_seconds() > 0
    assert np.isfinite(result.samples_per_second)


def test_a_lost_device_is_not_asked_again() -> None:
    gpu = FailingGpu()
    gpu.lost = True
    with pytest.raises(CUDARuntimeError):
        gpu.backend.free_memory()
