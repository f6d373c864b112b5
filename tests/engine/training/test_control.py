"""Orders from any thread, picked up by the trainer."""

import threading

import pytest

from engine.training.control import TOPICS, Control


def test_a_new_control_lets_the_run_go() -> None:
    control = Control()
    assert not control.attention
    assert control.permission() == "go"


def test_pause_and_resume() -> None:
    control = Control()
    control.pause()
    assert control.attention and control.held
    assert control.permission() == "wait"
    control.resume()
    assert not control.attention and not control.held
    assert control.permission() == "go"


def test_steps_add_up_and_then_wait() -> None:
    control = Control()
    control.step()
    control.step(2)
    assert not control.held  # the last step's evaluation goes through
    assert [control.permission() for _ in range(4)] == ["step", "step", "step", "wait"]


def test_pause_takes_back_outstanding_steps() -> None:
    control = Control()
    control.step(5)
    control.pause()
    assert control.permission() == "wait"


def test_step_epoch_goes_to_the_end_of_the_epoch() -> None:
    control = Control()
    control.step_epoch()
    assert control.attention
    assert [control.permission() for _ in range(3)] == ["go", "go", "go"]
    control.epoch_ended()
    assert control.permission() == "wait"


def test_stop_comes_before_everything() -> None:
    control = Control()
    control.pause()
    control.step(3)
    control.stop()
    control.resume()
    assert control.stopping and control.attention
    assert control.permission() == "stop"


def test_changes_are_taken_once_and_in_order() -> None:
    control = Control()
    control.set("training.clipping.max_norm", 1.0)
    control.set("training.clipping.max_norm", 2.0)
    assert control.attention
    assert control.changes() == [("training.clipping.max_norm", 1.0), ("training.clipping.max_norm", 2.0)]
    assert control.changes() == []
    assert not control.attention


def test_only_new_topics_count_as_a_look() -> None:
    control = Control()
    control.watch(frozenset({"weights", "surface"}))
    assert control.looked() and not control.looked()
    control.watch(frozenset({"weights"}))
    assert not control.looked()
    assert control.topics == {"weights"}


def test_unknown_topics_are_refused() -> None:
    with pytest.raises(ValueError, match="colour"):
        Control().watch(frozenset({"colour"}))
    assert "surface" in TOPICS


def test_a_step_must_be_one_at_least() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Control().step(0)


@pytest.mark.parametrize(
    "order",
    [
        lambda control: control.resume(),
        lambda control: control.step(),
        lambda control: control.step_epoch(),
        lambda control: control.stop(),
        lambda control: control.set("training.clipping.max_norm", 1.0),
        lambda control: control.watch(frozenset({"surface"})),
    ],
    ids=["resume", "step", "epoch", "stop", "set", "watch"],
)
def test_every_order_wakes_a_waiting_trainer(order) -> None:  # type: ignore[no-untyped-def]
    control = Control()
    control.pause()
    woken = threading.Event()

    def trainer() -> None:
        control.wait()
        woken.set()

    thread = threading.Thread(target=trainer)
    thread.start()
    order(control)
    assert woken.wait(10)
    thread.join()
