"""How a run ends: done, refused, failed, interrupted, diverged; and that the same seed ends in the same bits."""

import math
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from engine.data import DataError
from engine.experiment import DataSpec, SplitSpec
from engine.layers import BatchNorm, Dense, Input, ReLU
from engine.losses import MeanSquaredError, SoftmaxCrossEntropy
from engine.optimizers import SGD
from engine.training import events
from engine.training.result import Result, TrainingError
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.engine.training.experiments import PLAIN, RICH, Log, regression, sequential, spiral, train, weights

pytestmark = pytest.mark.usefixtures("singly")


def test_errors_in_the_network_are_told_in_words() -> None:
    log = Log()
    network = sequential([Input(), Dense(units=5), SoftmaxCrossEntropy()])
    with pytest.raises(TrainingError) as caught:
        train(spiral(network), log)
    failed = log.of(events.Failed)[0]
    assert failed.node == caught.value.node == "softmax_cross_entropy_1"
    assert "softmax_cross_entropy_1" in failed.message and "Traceback" not in failed.message
    assert log.of(events.Finished)[0].reason == "failed"


def test_errors_in_the_data_keep_their_words(tmp_path: Path) -> None:
    from engine.data.sources import CsvFile

    log = Log()
    experiment = replace(spiral(), data=DataSpec(source=CsvFile(path=str(tmp_path / "none.csv"))))
    with pytest.raises(DataError, match=r"none\.csv"):
        train(experiment, log)
    assert "none.csv" in log.of(events.Failed)[0].message
    assert log.names() == ["Failed", "Finished"]


def test_an_error_inside_the_loop_is_failed_and_the_run_is_kept_as_failed(tmp_path: Path) -> None:
    log, store = Log(), RunStore(tmp_path)

    def report(event: events.Event) -> None:
        log(event)
        if isinstance(event, events.StepRows) and event.step == 7:
            raise KeyError("mislaid")

    with pytest.raises(TrainingError, match="mislaid"):
        train(spiral(), report, store=store)
    failed = log.of(events.Failed)[0]
    assert failed.step == 7 and "Traceback" in failed.details
    assert log.of(events.Finished)[0].reason == "failed"
    assert store.list()[0].status == "failed"


def test_a_want_of_memory_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.training.programs.memory_limit", lambda: 1000)
    with pytest.raises(TrainingError, match="smaller batch size"):
        train(spiral())


def test_an_interrupt_leaves_the_run_to_be_resumed(tmp_path: Path) -> None:
    store = RunStore(tmp_path)

    def report(event: events.Event) -> None:
        if isinstance(event, events.StepRows) and event.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(spiral(), report, store=store)
    run = store.list()[0]
    assert run.status == "interrupted"
    assert train(spiral(), store=store, resume=run.id).steps == 18


def test_a_loss_that_is_not_finite_ends_the_run_and_names_the_layer(tmp_path: Path) -> None:
    """A learning rate far too large for a regression: the loss grows until it overflows."""
    log, store = Log(), RunStore(tmp_path)
    network = sequential([Input(), Dense(units=8), ReLU(), Dense(units=1), MeanSquaredError()])
    experiment = replace(regression(optimizer=SGD(learning_rate=50.0), epochs=50), network=network)
    result = train(experiment, log, store=store)
    diverged = log.of(events.Diverged)[0]
    assert result.reason == "diverged" and result.message == diverged.message
    assert diverged.step == result.steps == len(log.of(events.StepRow))
    assert diverged.node in {node.id for node in network.nodes}
    assert f"({diverged.node})" in diverged.message
    assert log.names()[-1] == "Finished" and log.of(events.Finished)[0].reason == "diverged"
    assert all(math.isfinite(row.loss) for row in log.of(events.StepRow))
    assert store.list()[0].status == "diverged"


def test_the_state_before_the_divergence_is_kept(tmp_path: Path) -> None:
    """What is kept of a run that diverges is the state of the step before, running statistics included."""
    layers = [Input(), Dense(units=8), BatchNorm(), ReLU(), Dense(units=1), MeanSquaredError()]
    base = regression(optimizer=SGD(learning_rate=100.0), epochs=50)
    data = replace(base.data, split=SplitSpec(validation=0))
    experiment = replace(base, network=sequential(layers), data=data)
    store = RunStore(tmp_path)

    def kept(result: Result) -> dict[str, bytes]:
        found = store.open(result.run).last_checkpoint()
        assert found is not None and found[1]["step"] == result.steps
        return {name: array.tobytes() for name, array in found[0].items()}

    diverged = train(experiment, store=store)
    assert diverged.reason == "diverged" and diverged.steps > 0
    cut = train(experiment, store=store, steps=diverged.steps)
    assert cut.reason == "stopped"
    assert kept(diverged) == kept(cut)


def test_the_layer_that_overflows_is_found() -> None:
    log = Log()
    network = sequential([Input(), Dense(units=4), ReLU(), Dense(units=4), ReLU(), Dense(units=1), MeanSquaredError()])
    large = {"dense_1/bias": np.full(4, 1e20), "dense_2/weight": np.full((4, 4), 1e20)}
    result = train(replace(regression(), network=network), log, state=large)
    diverged = log.of(events.Diverged)[0]
    assert (diverged.node, diverged.step, result.steps) == ("dense_2", 0, 0)
    assert "at step 1" in diverged.message and "(dense_2)" in diverged.message


def test_a_validation_loss_that_is_not_finite_ends_the_run_too() -> None:
    log = Log()
    experiment = regression(batch_size=1000, optimizer=SGD(learning_rate=1e6))
    large = {"dense_2/weight": np.full((8, 1), 1e17), "dense_2/bias": np.full(1, 1e17)}
    result = train(experiment, log, state=large)
    assert result.reason == "diverged"
    assert len(log.of(events.StepRow)) == result.steps == log.of(events.Diverged)[0].step


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    def final(seed: int) -> dict[str, bytes]:
        trainer = Trainer(replace(spiral(RICH), seed=seed), device="cpu")
        trainer.run()
        return weights(trainer)

    assert final(1) == final(1) != final(2)


@pytest.mark.gpu
def test_a_run_on_a_gpu_goes_the_same_way() -> None:
    """The same random numbers, other summation orders: the losses agree closely."""
    experiment = spiral(RICH, optimizer=SGD(learning_rate=0.05, momentum=0.9))
    logs = {device: Log() for device in ("cpu", "cuda")}
    for device, log in logs.items():
        Trainer(experiment, device=device, report=log).run()  # type: ignore[arg-type]
    cpu, cuda = ([row.loss for row in log.of(events.StepRow)] for log in logs.values())
    np.testing.assert_allclose(cuda, cpu, rtol=1e-3)


def test_a_store_is_needed_to_resume() -> None:
    with pytest.raises(ValueError, match="store"):
        Trainer(spiral(PLAIN), resume="some run")
