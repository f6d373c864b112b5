"""The mailbox loses no spike, no rare event and no memory."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.training.events import Changed, Confusion, EpochEnd, Frame, Progress
from lab.mailbox import GROUP, PICTURED, Mail, Mailbox
from lab.thinning import COLUMNS
from tests.support.runs import row, step_rows


def column(mail: Mail, name: str) -> list[float]:
    return mail.rows[COLUMNS.index(name)].tolist()


def frame(step: int) -> Frame:
    return Frame(run="r", step=step, epoch=0.0, activations={}, adjoints={}, parameters={})


def epoch_end(epoch: int, step: int) -> EpochEnd:
    return EpochEnd(
        run="r",
        step=step,
        epoch=epoch,
        train_loss=1.0,
        validation_loss=None,
        train_metrics={},
        validation_metrics={},
        learning_rate=0.1,
        seconds=1.0,
    )


def test_without_thinning_every_row_arrives_in_order() -> None:
    box = Mailbox()
    for step in range(100):
        box.post(row(step, float(step)))
    mail = box.drain()
    assert column(mail, "step") == list(range(100))
    assert column(mail, "mean") == column(mail, "loss") == [float(step) for step in range(100)]
    assert column(mail, "count") == [1] * 100
    assert not box.drain()


def test_many_steps_in_one_event_are_as_many_rows() -> None:
    box, small = Mailbox(), Mailbox(32)
    box.post(step_rows(*(row(step, float(step)).last for step in range(100))))
    assert len(box) == 100
    mail = box.drain()
    assert column(mail, "step") == column(mail, "mean") == column(mail, "loss") == list(range(100))
    assert column(mail, "count") == [1] * 100
    small.post(step_rows(*(row(step, float(step % 7)).last for step in range(100))))
    assert len(small) <= 32, "thinned like single ones"
    mail = small.drain()
    assert sum(column(mail, "count")) == pytest.approx(100)
    assert {min(column(mail, "loss")), max(column(mail, "loss"))} == {0.0, 6.0}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=True, width=32), min_size=1, max_size=700),
    st.integers(min_value=2 * GROUP, max_value=64),
)
def test_thinning_keeps_lowest_highest_first_last_and_order(losses: list[float], capacity: int) -> None:
    box = Mailbox(capacity)
    for step, loss in enumerate(losses):
        box.post(row(step, loss))
        assert len(box) <= capacity
    mail = box.drain()
    kept, steps = column(mail, "loss"), column(mail, "step")
    assert min(kept) == min(losses) and max(kept) == max(losses)
    assert steps == sorted(set(steps))
    assert steps[0] == 0 and steps[-1] == len(losses) - 1
    assert sum(column(mail, "count")) == pytest.approx(len(losses))


def test_thinning_keeps_the_mean() -> None:
    losses = np.random.default_rng(3).normal(size=5000)
    box = Mailbox(256)
    for step, loss in enumerate(losses):
        box.post(row(step, float(loss)))
    mail = box.drain()
    means, counts = column(mail, "mean"), column(mail, "count")
    assert np.dot(means, counts) / sum(counts) == pytest.approx(losses.mean(), abs=1e-12)


def test_a_loss_that_is_not_a_number_survives_thinning() -> None:
    box = Mailbox(32)
    for step in range(1000):
        box.post(row(step, math.nan if step == 457 else 1.0))
    assert 457 in column(box.drain(), "step")


def test_a_million_rows_take_bounded_room() -> None:
    box = Mailbox(2048)
    largest = 0
    for step in range(1_000_000):
        box.post(row(step, 1e9 if step == 777_777 else float(step % 13)))
        if step % 1000 == 0:
            largest = max(largest, len(box))
    mail = box.drain()
    assert largest <= 2048 and mail.rows.shape[1] <= 2048
    assert 777_777 in column(mail, "step")
    assert sum(column(mail, "count")) == pytest.approx(1_000_000)


def test_slots_hold_the_latest_of_each_type() -> None:
    box = Mailbox()
    for step in range(50):
        box.post(frame(step))
    box.post(Confusion(run="r", step=7, matrix=np.eye(2), class_names=("a", "b")))
    mail = box.drain()
    assert {(type(item), item.step) for item in mail.slots} == {(Frame, 49), (Confusion, 7)}
    assert not box.drain().slots


def test_rare_events_are_never_lost() -> None:
    box = Mailbox(32)
    for step in range(5000):
        box.post(row(step, 1.0))
        if step % 10 == 0:
            box.post(Changed(run="r", step=step, path="training.clipping.max_norm", before=0.0, after=float(step)))
    mail = box.drain()
    assert [event.step for event in mail.events] == list(range(0, 5000, 10))


def test_an_epoch_carries_what_was_seen_at_its_end() -> None:
    box = Mailbox()
    box.post(frame(10))
    box.drain()
    box.post(epoch_end(1, 10))
    box.post(frame(20))
    box.post(epoch_end(2, 20))
    box.post(frame(30))
    mail = box.drain()
    assert [[item.step for item in seen] for seen in mail.seen] == [[10], [20]]
    assert [item.step for item in mail.slots] == [30]


def test_post_and_drain_from_two_threads_lose_nothing() -> None:
    box = Mailbox()
    total = 20_000

    def produce() -> None:
        for step in range(total):
            box.post(row(step, float(step)))
            if step % 100 == 0:
                box.post(epoch_end(step // 100, step))
        box.post(
            Progress(
                run="r",
                step=total,
                epoch=1.0,
                epochs=1,
                total_steps=total,
                samples_per_second=0.0,
                instrument_share=0.0,
                seconds=0.0,
                seconds_left=None,
            )
        )

    thread = threading.Thread(target=produce)
    thread.start()
    steps, events = [], []
    while True:
        alive = thread.is_alive()
        mail = box.drain()
        steps.extend(zip(column(mail, "step"), column(mail, "count"), strict=True))
        events.extend(event.step for event in mail.events)
        if not alive:
            break
    thread.join()
    assert sum(count for _, count in steps) == pytest.approx(total)
    assert [step for step, _ in steps] == sorted(step for step, _ in steps)
    assert events == list(range(0, total, 100))


def test_rows_of_another_run_take_the_place_of_those_that_wait() -> None:
    box = Mailbox()
    box.post(row(1, 1.0))
    box.post(row(5, 2.0, run="other"))
    mail = box.drain()
    assert mail.run == "other" and column(mail, "step") == [5.0]


def test_too_small_a_mailbox_is_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        Mailbox(4)


def test_ends_of_epochs_that_nobody_fetches_let_their_pictures_go() -> None:
    box = Mailbox()
    for epoch in range(1, 5001):
        box.post(frame(epoch))
        box.post(epoch_end(epoch, epoch))
    mail = box.drain()
    assert [event.step for event in mail.events] == list(range(1, 5001))
    pictured = [i + 1 for i, seen in enumerate(mail.seen) if seen]
    assert PICTURED // 2 <= len(pictured) <= PICTURED
    assert all(mail.seen[epoch - 1][0].step == epoch for epoch in pictured)
    assert set(np.diff(pictured)) == {32}  # from all over the time that passed
