"""The window's memory of a run is bounded and keeps spikes, means and moments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.training.events import EpochEnd, Frame, ParameterStats
from lab.live import LiveHistory, Moment, Series, smooth
from lab.mailbox import Mailbox
from lab.thinning import COLUMNS
from tests.support.runs import columns_of, row, step_rows


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(16, 80), st.integers(1, 2000))
def test_series_is_bounded_and_keeps_extremes_mean_and_count(seed: int, capacity: int, size: int) -> None:
    values = np.random.default_rng(seed).normal(size=size)
    series = Series(COLUMNS, "loss", capacity)
    for start in range(0, size, 37):
        part = values[start : start + 37]
        ones = np.ones(len(part))
        series.extend(np.stack([np.arange(start, start + len(part)), ones, part, ones, ones, part, ones]))
        assert len(series) <= capacity
    assert series["loss"].min() == values.min() and series["loss"].max() == values.max()
    assert series["step"][0] == 0 and series["step"][-1] == size - 1
    assert np.all(np.diff(series["step"]) > 0)
    assert series["count"].sum() == pytest.approx(size)
    assert np.dot(series["mean"], series["count"]) / size == pytest.approx(values.mean(), abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(16, 80), st.integers(1, 1000))
def test_series_of_other_columns_keep_extremes(seed: int, capacity: int, size: int) -> None:
    values = np.random.default_rng(seed).normal(size=size)
    series = Series(("step", "value"), "value", capacity)
    for i, value in enumerate(values):
        series.append(i, value)
    assert len(series) <= capacity and series["step"][-1] == size - 1
    assert series["value"].min() == values.min() and series["value"].max() == values.max()


def test_smooth_is_the_weighted_average_to_both_sides() -> None:
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.uniform(0.1, 2.0, 400))
    y = rng.normal(size=400)
    w = rng.integers(1, 5, 400).astype(float)
    y[17] = np.nan
    span = 1.7
    expected = []
    for i in range(400):
        kernel = np.where(np.isfinite(y), w * np.exp(-np.abs(x - x[i]) / span), 0.0)
        expected.append((kernel * np.nan_to_num(y)).sum() / kernel.sum())
    np.testing.assert_allclose(smooth(x, y, w, span), expected, rtol=1e-9)


def test_smooth_over_long_gaps_stays_finite() -> None:
    x = np.array([0.0, 1.0, 1e6, 1e6 + 1])
    np.testing.assert_allclose(smooth(x, np.array([1.0, 1.0, 3.0, 3.0]), np.ones(4), 0.5), [1, 1, 3, 3])


def epoch_end(epoch: int, validation: float | None = None) -> EpochEnd:
    return EpochEnd(
        run="r",
        step=epoch * 10,
        epoch=epoch,
        train_loss=1.0 / epoch,
        validation_loss=validation,
        train_metrics={},
        validation_metrics={},
        learning_rate=0.1,
        seconds=1.0,
    )


def frame(step: int, *norms: tuple[str, str, float]) -> Frame:
    parameters = {
        f"{node}/{name}": ParameterStats(node=node, shape=(2,), weight_norm=2.0, gradient_norm=norm, update_norm=0.002)
        for node, name, norm in norms
    }
    return Frame(run="r", step=step, epoch=step / 10, activations={}, adjoints={}, parameters=parameters)


def test_a_layers_gradient_norm_is_taken_over_all_its_parameters() -> None:
    live = LiveHistory()
    live.add_frame(frame(1, ("dense_1", "weight", 3.0), ("dense_1", "bias", 4.0), ("dense_2", "weight", 1.0)))
    assert list(live.gradients) == ["dense_1", "dense_2"]
    assert live.gradients["dense_1"]["value"].tolist() == [5.0]
    live.add_frame(frame(1, ("dense_1", "weight", 9.0)))
    assert len(live.gradients["dense_1"]) == 1, "the same frame counts once"


def test_a_long_run_stays_small_and_its_spike_visible() -> None:
    live = LiveHistory()
    box = Mailbox()
    for step in range(300_000):
        loss = 1e6 if step == 123_456 else 1.0 + (step % 7)
        box.post(row(step, loss))
        if step % 3000 == 0:
            live.add_table(box.drain().rows)
    live.add_table(box.drain().rows)
    assert live.step_count == 300_000
    assert len(live.steps) <= 20_000 and live.nbytes < 2_000_000
    assert 123_456 in live.steps["step"]
    assert live.steps["count"].sum() == pytest.approx(300_000)


def test_moments_are_bounded_and_the_nearest_is_found() -> None:
    live = LiveHistory(moments=16)
    for epoch in range(1, 200):
        live.add_epoch(epoch_end(epoch), Moment(epoch=epoch, step=epoch * 10))
    assert len(live.moments) <= 16
    assert len(live.epochs) == 199
    moment = live.moment(100)
    assert moment is not None and abs(moment.epoch - 100) <= 16
    assert LiveHistory().moment(3) is None


def test_best_epoch_goes_by_validation_loss_and_skips_nan() -> None:
    live = LiveHistory()
    for epoch, loss in enumerate([float("nan"), 0.5, 0.3, 0.4], start=1):
        live.add_epoch(epoch_end(epoch, loss))
    best = live.best_epoch()
    assert best is not None and best.epoch == 3


def test_cut_forgets_what_came_after_a_step() -> None:
    def history(last: int) -> LiveHistory:
        made = LiveHistory()
        made.add_columns(columns_of(step_rows(*(row(step, 1.0 / step).last for step in range(1, last + 1)))))
        for epoch in range(1, last // 10 + 1):
            end = EpochEnd(
                run="r", step=10 * epoch, epoch=epoch, train_loss=1.0, validation_loss=abs(epoch - 6.0),
                train_metrics={"accuracy": epoch / 10}, validation_metrics={}, learning_rate=0.1, seconds=1.0,
            )  # fmt: skip
            made.add_epoch(end, Moment(epoch=epoch, step=10 * epoch))
        return made

    cut, whole = history(100), history(40)
    cut.cut(40)
    assert cut.step_count == whole.step_count == 40
    for name in COLUMNS:
        np.testing.assert_array_equal(cut.steps[name], whole.steps[name])
    assert cut.epochs == whole.epochs and cut.moments == whole.moments
    assert cut.best_epoch() == whole.best_epoch()  # the sixth epoch, the best of all, is forgotten
    for name in ("train/loss", "validation/loss", "train/accuracy"):
        np.testing.assert_array_equal(cut.epoch_curve(name), whole.epoch_curve(name))
