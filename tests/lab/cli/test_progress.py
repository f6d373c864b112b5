"""The progress bar: what it shows, how often it draws, and that it keeps quiet without a terminal."""

from __future__ import annotations

from engine.training.events import Progress, Started, StepRows
from lab.cli.progress import ProgressBar
from tests.support import runs as support
from tests.support.command import Stream

STARTED = Started(
    run="r", step=0, total_steps=200, steps_per_epoch=10, epochs=20, device="d", expected_initial_loss=None,
    parameter_count=1,
)  # fmt: skip
PROGRESS = Progress(
    run="r", step=50, epoch=5.0, epochs=20, total_steps=200, samples_per_second=12345.6, instrument_share=0.0,
    seconds=1.0, seconds_left=61.4,
)  # fmt: skip


def row(step: int) -> StepRows:
    return support.row(step, loss=0.123456)


def test_the_line_says_how_far_it_is_and_how_long_it_takes() -> None:
    bar = ProgressBar(Stream(tty=True))
    bar.follow(STARTED)
    bar.follow(PROGRESS)
    expected = "epoch 6/20  [######..................]  25%  loss 0.1235  12,346 samples/s  1:01 left"
    assert bar.line(row(50).last) == expected


def test_it_draws_at_most_ten_times_a_second() -> None:
    now = 0.0
    stream = Stream(tty=True)
    bar = ProgressBar(stream, clock=lambda: now)
    bar.follow(STARTED)
    for step in range(100):
        now = step / 100
        bar.follow(row(step))
    assert 9 <= stream.getvalue().count("\r") <= 11


def test_it_takes_its_line_away_once() -> None:
    stream = Stream(tty=True)
    bar = ProgressBar(stream)
    bar.clear()
    assert stream.getvalue() == ""
    bar.follow(STARTED)
    bar.follow(row(1))
    bar.clear()
    bar.clear()
    assert stream.getvalue().endswith("\r\x1b[K") and stream.getvalue().count("\r") == 2


def test_without_a_terminal_it_writes_nothing() -> None:
    stream = Stream(tty=False)
    bar = ProgressBar(stream)
    for event in (STARTED, PROGRESS, row(1)):
        bar.follow(event)
    bar.clear()
    assert stream.getvalue() == ""
