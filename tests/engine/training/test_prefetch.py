"""Threads ahead of the steps: bounded, in order, ended, and with the errors told where they belong."""

from __future__ import annotations

import threading
import time

import pytest

from engine.training.prefetch import Prefetch


class Ring:
    """A ring of numbers: slot t modulo `slots` holds t once step t is prepared."""

    def __init__(self, slots: int, group: int, total: int, workers: int, delay: float = 0.0) -> None:
        self.slots, self.delay = slots, delay
        self.numbers = [-1] * slots
        self.filled: list[tuple[int, int]] = []
        self.reading = 0
        self.prefetch = Prefetch(self.fill, self.room, slots, group, total, workers)

    def room(self, step: int, most: int) -> int:
        return min(most, self.slots - step % self.slots)

    def fill(self, step: int, count: int) -> None:
        time.sleep(self.delay)
        assert step + count <= self.reading + self.slots, "a slot that may still be read is filled"
        for k in range(step, step + count):
            self.numbers[k % self.slots] = k
        self.filled.append((step, count))

    def take(self, step: int, count: int) -> list[int]:
        self.reading = step  # what was read before may go
        ready = min(count, self.prefetch.take(step))
        return [self.numbers[k % self.slots] for k in range(step, step + ready)]


@pytest.mark.parametrize("workers", [1, 3])
def test_steps_come_in_order_and_none_is_left_out(workers: int) -> None:
    ring = Ring(slots=12, group=3, total=100, workers=workers)
    step = 7
    while step < 100:
        found = ring.take(step, 5)
        assert 1 <= len(found) <= 5 and found == list(range(step, step + len(found)))
        step += len(found)
    ring.prefetch.close()
    assert sorted(k for first, count in ring.filled for k in range(first, first + count)) == list(range(7, 100))
    assert max(count for _, count in ring.filled) == 3
    assert not any(thread.is_alive() for thread in ring.prefetch._threads)


def test_no_more_is_prepared_than_there_are_slots() -> None:
    ring = Ring(slots=8, group=2, total=1000, workers=2)
    ring.take(0, 1)
    deadline = time.monotonic() + 5
    while len(ring.filled) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert sum(count for _, count in ring.filled) == 8
    ring.prefetch.close()


def test_an_error_is_raised_where_its_batch_is_taken() -> None:
    def fill(step: int, count: int) -> None:
        if step >= 4:
            raise RuntimeError("no memory")

    prefetch = Prefetch(fill, lambda step, most: most, 8, 2, 100, 2)
    for step in range(4):
        assert prefetch.take(step) >= 1
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no memory"):
            prefetch.take(4)
    prefetch.close()
    assert not any(thread.is_alive() for thread in prefetch._threads)


def test_closing_ends_threads_that_wait_and_who_waits_for_them() -> None:
    gate = threading.Event()
    prefetch = Prefetch(lambda step, count: gate.wait(5) and None, lambda step, most: most, 8, 2, 100, 1)
    failed: list[Exception] = []

    def take() -> None:
        try:
            prefetch.take(0)
        except ValueError as error:
            failed.append(error)

    taker = threading.Thread(target=take)
    taker.start()
    closer = threading.Thread(target=prefetch.close)
    closer.start()
    gate.set()
    closer.join(5)
    taker.join(5)
    assert not closer.is_alive() and not taker.is_alive()
    prefetch.close()


def test_waiting_is_counted() -> None:
    ring = Ring(slots=4, group=1, total=10, workers=1, delay=0.01)
    ring.take(0, 1)
    assert ring.prefetch.waited >= 0.009
    ring.prefetch.close()


def test_steps_out_of_order_are_refused() -> None:
    ring = Ring(slots=4, group=1, total=10, workers=1)
    ring.take(3, 1)
    with pytest.raises(ValueError, match="out of order"):
        ring.take(2, 1)
    ring.prefetch.close()
