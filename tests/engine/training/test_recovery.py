"""Counters that come back as they were, and when checkpoints are written."""

import json
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine.training.checkpoint import CheckpointError
from engine.training.evaluate import Sums
from engine.training.recovery import Counters, Keeper, Written, read_counters
from engine.training.result import TrainingError
from tests.engine.training.experiments import RICH, spiral


def counters(step: int = 10, best: float | None = 0.1) -> Counters:
    sums = Sums()
    sums.add_losses(np.array([0.1]), 3)
    sums.add_losses(np.array([1 / 3]), 7)
    sums.metrics["accuracy"] = (5.0, 10.0)
    sums.metrics["recall"] = ([0.1, 1 / 3, 7.0], 10.0)
    return Counters(
        step=step, epoch=step / 6, evaluated=step // 6, sums=sums, seconds=0.1 + 0.2, samples=160, best=best,
        train_loss=None, experiment=spiral(RICH),
    )  # fmt: skip


def test_counters_come_back_from_json_bit_for_bit() -> None:
    before = counters()
    after = read_counters(json.loads(json.dumps(before.to_plain())))
    assert after.to_plain() == before.to_plain()
    assert after.sums.loss == before.sums.loss and after.sums.metrics == before.sums.metrics
    assert after.experiment == before.experiment


@pytest.mark.parametrize("damage", ["step", "sums", "experiment"])
def test_damaged_counters_are_refused_in_words(damage: str) -> None:
    plain = counters().to_plain()
    del plain[damage]
    with pytest.raises(TrainingError, match="damaged"):
        read_counters(plain)
    with pytest.raises(TrainingError, match="damaged"):
        read_counters({**counters().to_plain(), damage: "x"})


class FakeWriter:
    def __init__(self) -> None:
        self.written: list[tuple[int, bool, float]] = []

    def checkpoint(self, arrays: dict[str, np.ndarray], plain: dict[str, Any], best: bool = False) -> None:
        self.written.append((plain["step"], best, float(arrays["w"][0])))


class FakeState:
    def __init__(self) -> None:
        self.value = 0.0

    def to_host(self) -> dict[str, np.ndarray]:
        return {"w": np.array([self.value])}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def parts() -> tuple[Keeper, FakeWriter, FakeState, Clock]:
    writer, state, clock = FakeWriter(), FakeState(), Clock()
    return Keeper(writer, state, clock=clock), writer, state, clock  # type: ignore[arg-type]


def test_fast_epochs_are_written_once_a_second(parts: tuple[Keeper, FakeWriter, FakeState, Clock]) -> None:
    keeper, writer, _state, clock = parts
    for epoch in range(1, 41):
        clock.now = epoch * 0.1
        keeper.epoch_end(counters(6 * epoch), improved=False)
    assert writer.written[0][0] == 6
    assert 4 <= len(writer.written) <= 5


def test_the_best_state_is_copied_at_once_and_written_later(
    parts: tuple[Keeper, FakeWriter, FakeState, Clock],
) -> None:
    keeper, writer, state, clock = parts
    keeper.save(counters(1))
    state.value, clock.now = 1.0, 0.1
    assert not keeper.epoch_end(counters(6), improved=True)
    state.value, clock.now = 2.0, 0.2
    assert not keeper.epoch_end(counters(12), improved=False)
    state.value, clock.now = 3.0, 5.0
    assert keeper.epoch_end(counters(18), improved=False) == (Written(6, 1.0, True), Written(18, 3.0, False))
    assert writer.written == [(1, False, 0.0), (6, True, 1.0), (18, False, 3.0)]


def test_the_best_state_that_is_also_the_last_is_written_once(
    parts: tuple[Keeper, FakeWriter, FakeState, Clock],
) -> None:
    keeper, writer, _state, clock = parts
    clock.now = 2.0
    assert keeper.epoch_end(counters(6), improved=True) == (Written(6, 1.0, True),)
    assert keeper.save(counters(6)) == ()
    assert writer.written == [(6, True, 0.0)]


def test_a_state_that_is_not_finite_replaces_nothing(parts: tuple[Keeper, FakeWriter, FakeState, Clock]) -> None:
    keeper, writer, state, _clock = parts
    state.value = float("nan")
    assert not keeper.save(counters(7))
    assert writer.written == []


def test_what_cannot_be_written_is_tried_again_and_only_the_last_must_succeed(
    parts: tuple[Keeper, FakeWriter, FakeState, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper, writer, state, clock = parts
    write = writer.checkpoint

    def full(*_: Any, **__: Any) -> None:
        raise CheckpointError("The disk is full.")

    monkeypatch.setattr(writer, "checkpoint", full)
    state.value, clock.now = 1.0, 10.0
    assert keeper.epoch_end(counters(6), improved=True) == () and keeper.problem == "The disk is full."
    with pytest.raises(CheckpointError, match="full"):
        keeper.save(counters(7), last=True)
    monkeypatch.setattr(writer, "checkpoint", write)
    state.value, clock.now = 2.0, 20.0
    assert keeper.epoch_end(counters(12), improved=False) == (Written(6, 1.0, True), Written(12, 2.0, False))
    assert keeper.problem == "" and writer.written == [(6, True, 1.0), (12, False, 2.0)]


def test_sparing_saves_wait_for_the_interval(parts: tuple[Keeper, FakeWriter, FakeState, Clock]) -> None:
    keeper, _writer, _state, clock = parts
    assert keeper.save(counters(1))
    assert not keeper.save(counters(2), sparing=True)
    clock.now = 1.5
    assert keeper.save(counters(3), sparing=True)


def test_a_slow_disk_is_asked_less_often(parts: tuple[Keeper, FakeWriter, FakeState, Clock]) -> None:
    keeper, writer, _state, clock = parts
    write = writer.checkpoint

    def slowly(*arguments: Any, **more: Any) -> Any:
        clock.now += 0.1
        return write(*arguments, **more)

    writer.checkpoint = slowly  # type: ignore[method-assign]
    assert keeper.save(counters(1))
    clock.now = 4.9
    assert not keeper.save(counters(2), sparing=True)
    assert keeper.save(counters(2)), "asked for"
    clock.now = 10.1
    assert keeper.save(counters(3), sparing=True)


def test_an_epoch_whose_end_was_told_is_written_although_the_last_checkpoint_is_young(
    parts: tuple[Keeper, FakeWriter, FakeState, Clock],
) -> None:
    keeper, writer, _state, clock = parts
    before = replace(counters(12), evaluated=1)  # paused inside the evaluation of the second epoch
    assert keeper.save(before)
    clock.now = 0.2
    assert keeper.epoch_end(counters(12), improved=False) == (Written(12, 2.0, False),)
    assert [step for step, _, _ in writer.written] == [12, 12]
    clock.now = 0.3
    assert keeper.epoch_end(counters(18), improved=False) == ()


def test_a_run_that_remembers_has_its_last_checkpoint_in_memory() -> None:
    state, clock = FakeState(), Clock()
    keeper = Keeper(None, state, remembers=True, clock=clock)  # type: ignore[arg-type]
    keeper.holds = True
    assert keeper.epoch_end(counters(6), improved=True) == () and keeper.remembered is not None
    assert keeper.remembered.counters.step == 6 and keeper.remembered.held == keeper.held
    state.value, clock.now = 1.0, 0.5
    keeper.epoch_end(counters(12), improved=False)
    assert keeper.remembered.counters.step == 6, "as seldom as on a disk"
    state.value = float("nan")
    keeper.save(counters(13))
    assert keeper.remembered.counters.step == 6, "nothing to go on from"
    state.value, clock.now = 2.0, 5.0
    keeper.epoch_end(counters(18), improved=False)
    assert keeper.remembered.counters.step == 18 and keeper.remembered.arrays["w"].tolist() == [2.0]
    keeper.save(counters(19), last=True)
    assert keeper.remembered.counters.step == 18, "the run is over"


def test_what_is_written_is_not_remembered_as_well(parts: tuple[Keeper, FakeWriter, FakeState, Clock]) -> None:
    _, writer, state, clock = parts
    keeper = Keeper(writer, state, remembers=True, clock=clock)  # type: ignore[arg-type]
    keeper.save(counters(3))
    assert [step for step, _, _ in writer.written] == [3] and keeper.remembered is None


def test_without_a_store_nothing_is_copied() -> None:
    class Untouchable:
        def to_host(self) -> dict[str, np.ndarray]:
            raise AssertionError("copied for nobody")

    keeper = Keeper(None, Untouchable())  # type: ignore[arg-type]
    assert not keeper.epoch_end(counters(), improved=True)
    assert not keeper.save(counters())
