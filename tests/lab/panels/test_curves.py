"""Loss, metrics, gradients and learning rate: the numbers on the screen are those of the run."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from engine.clipping import ClipByGlobalNorm, ClipByLayerNorm, ClipByValue
from engine.kinds import Clipping
from engine.schedules import learning_rate
from engine.training.events import EpochEnd
from lab.live import LiveHistory
from lab.panels import Panel
from lab.panels.gradients import GradientsPanel
from lab.panels.learning_rate import LearningRatePanel, course_name
from lab.panels.loss import LossPanel, expected_text, few, smoothing_span
from lab.panels.metrics import MetricsPanel
from lab.session import Session
from lab.stored import StoredRun
from tests.lab import fakes
from widgets.text import number

Show = Callable[..., Panel]


def stored(session: Session, run: str = "past") -> StoredRun:
    assert session.experiment is not None
    return StoredRun(
        run=run, label="Past", experiment=session.experiment, history=session.live, started=session.started
    )


# -- loss --------------------------------------------------------------------------------------------------------------


def test_loss_curves(show: Show, session: Session) -> None:
    panel = show(LossPanel)
    assert isinstance(panel, LossPanel)
    live = session.live
    np.testing.assert_array_equal(panel.raw.y, live.steps["loss"])
    np.testing.assert_array_equal(panel.validation.x, np.arange(1, 13))
    np.testing.assert_array_equal(panel.validation.y, [event.validation_loss for event in live.epochs])
    assert panel._guide.value == pytest.approx(math.log(10))
    assert panel.caption() == "epoch · log y · smooth 0.8"
    low, high = panel.plot.getPlotItem().viewRange()[0]
    assert (low, high) == (0.0, 50.0), "the whole run has its place from the beginning"


@pytest.mark.parametrize("log", [True, False], ids=["log", "linear"])
def test_the_smoothed_loss_is_the_average_on_its_axis(show: Show, session: Session, log: bool) -> None:
    panel = show(LossPanel)
    assert isinstance(panel, LossPanel)
    panel.set_smoothing(0.9)
    panel.log_y.setChecked(log)
    panel.refresh()
    total = 50 * 40
    span = smoothing_span(0.9, total)
    assert math.exp(-(total / 250) / span) == pytest.approx(0.9)
    steps, loss = session.live.steps["step"], session.live.steps["loss"]
    expected = []
    for i in few(steps):
        kernel = np.exp(-np.abs(steps - steps[i]) / span)
        expected.append((kernel * (np.log(loss) if log else loss)).sum() / kernel.sum())
    np.testing.assert_allclose(panel.train.y, np.exp(expected) if log else expected, rtol=1e-9)


def test_the_smoothed_line_runs_through_a_falling_loss(show: Show, session: Session) -> None:
    panel = show(LossPanel)
    assert isinstance(panel, LossPanel)
    live = LiveHistory()
    steps = np.arange(1, 1001)
    live.add_columns(
        {"step": steps, "epoch": steps / 20, "loss": np.exp(-steps / 40), "penalty": 0 * steps, "learning_rate": steps}
    )
    panel.set_smoothing(0.8)
    x, y = panel.smoothed(live, 3000)
    inner = (x > 20) & (x < 30)  # many time constants from either end
    np.testing.assert_allclose(y[inner], np.exp(-20 * x[inner] / 40), rtol=5e-3)


def test_without_smoothing_the_raw_loss_is_the_curve(show: Show, session: Session) -> None:
    panel = show(LossPanel)
    assert isinstance(panel, LossPanel)
    panel.set_smoothing(0.0)
    panel.refresh()
    assert not len(panel.raw.x)
    np.testing.assert_array_equal(panel.train.y, session.live.steps["loss"])
    assert panel.caption() == "epoch · log y"


def test_past_runs_lie_over_the_present_one(show: Show, session: Session) -> None:
    panel = show(LossPanel)
    assert isinstance(panel, LossPanel)
    curves = len(panel.plot.curves)
    session.overlays["past"] = stored(session)
    panel.refresh()
    assert len(panel.plot.curves) == curves + 2
    names = [curve.name for curve in panel.plot.curves]
    assert "Past" in names and "Past: validation" in names
    runs = {row[0] for row in panel.table()[1]}
    assert runs == {"fake", "past"}
    session.remove_overlay("past")
    panel.refresh()
    assert len(panel.plot.curves) == curves


def test_the_loss_table_holds_every_row(show: Show, session: Session) -> None:
    panel = show(LossPanel)
    header, rows = panel.table()
    train = [row for row in rows if row[1] == "train"]
    assert [row[4] for row in train] == session.live.steps["loss"].tolist()
    assert header[4] == "loss"


# -- metrics -----------------------------------------------------------------------------------------------------------


def test_metrics_show_the_best_epoch_and_the_gap(show: Show, session: Session) -> None:
    panel = show(MetricsPanel)
    assert isinstance(panel, MetricsPanel)
    values = [event.validation_metrics["accuracy"] for event in session.live.epochs]
    np.testing.assert_array_equal(panel.validation.y, values)
    assert panel.best() == (float(np.argmax(values)) + 1, max(values))
    last = session.live.epochs[-1]
    gap = last.train_metrics["accuracy"] - last.validation_metrics["accuracy"]
    assert panel.caption() == f"gap {gap:.3f}"
    assert panel.header.title.text() == "Accuracy"
    assert panel.marker.isVisible()


def metric_epoch(epoch: int, train: dict[str, float], validation: dict[str, float]) -> EpochEnd:
    return replace(fakes.epoch_end("r", epoch, epoch), train_metrics=train, validation_metrics=validation)


def test_of_an_error_the_lowest_is_the_best(show: Show) -> None:
    session = Session()
    for epoch, value in enumerate([0.9, 0.3, 0.5], start=1):
        session.live.add_epoch(metric_epoch(epoch, {"mean_absolute_error": value}, {"mean_absolute_error": value}))
    panel = show(MetricsPanel, session)
    assert isinstance(panel, MetricsPanel)
    assert panel.best() == (2.0, 0.3)
    assert panel.header.title.text() == "Mean absolute error"
    session.close()


def test_another_metric_can_be_chosen(show: Show) -> None:
    session = Session()
    session.live.add_epoch(metric_epoch(1, {"accuracy": 0.5, "mean_absolute_error": 2.0}, {}))
    panel = show(MetricsPanel, session)
    assert isinstance(panel, MetricsPanel)
    assert panel.tag == "accuracy"
    panel.choose("mean_absolute_error")
    panel.refresh()
    assert panel.train.y.tolist() == [2.0] and panel.best() == (1.0, 2.0)
    session.close()


def test_a_run_without_metrics_says_so(show: Show) -> None:
    session = Session()
    session.live.add_epoch(metric_epoch(1, {}, {}))
    panel = show(MetricsPanel, session)
    assert "no metrics" in panel._empty.text()
    session.close()


# -- gradients ---------------------------------------------------------------------------------------------------------


def test_gradient_norms_are_those_of_the_frames(show: Show, session: Session) -> None:
    panel = show(GradientsPanel)
    assert isinstance(panel, GradientsPanel)
    assert list(panel.curves) == list(fakes.GRADIENTS)
    frames = [moment.frame for moment in session.live.moments]
    expected = [
        math.hypot(frame.parameters["dense_1/weight"].gradient_norm, frame.parameters["dense_1/bias"].gradient_norm)
        for frame in frames
        if frame is not None
    ]
    np.testing.assert_allclose(panel.curves["dense_1"].y, expected, rtol=1e-12)
    assert len(list(panel.table()[1])) == 12 * len(fakes.GRADIENTS)


def test_the_caption_counts_what_was_clipped(show: Show, session: Session) -> None:
    panel = show(GradientsPanel)
    assert isinstance(panel, GradientsPanel) and session.experiment is not None
    assert "clipped" not in panel.caption()
    values = [series["value"] for series in session.live.gradients.values()]

    def clipping(component: Clipping) -> str:
        training = replace(session.experiment.training, clipping=component)
        session.experiment = replace(session.experiment, training=training)
        return panel.caption()

    bound = float(np.median(np.concatenate(values)))
    above = sum(int((series > bound).sum()) for series in values)
    assert f"{above} of {12 * len(values)} clipped to {number(bound, 3)}" in clipping(ClipByLayerNorm(max_norm=bound))
    whole = np.sqrt(sum(series**2 for series in values))
    bound = float(np.sort(whole)[3]) * 1.0001
    assert f"{int((whole > bound).sum())} of 12 clipped" in clipping(ClipByGlobalNorm(max_norm=bound))
    assert "clipped" not in clipping(ClipByValue())


def test_another_network_gets_other_curves(show: Show, session: Session) -> None:
    panel = show(GradientsPanel)
    assert isinstance(panel, GradientsPanel)
    session.live.gradients.pop("conv_1")
    panel.refresh()
    assert list(panel.curves) == ["bn_1", "conv_2", "dense_1", "dense_2"]
    assert len(panel.plot.curves) == 4


# -- learning rate -----------------------------------------------------------------------------------------------------


def test_the_learning_rate_is_past_and_plan(show: Show, session: Session) -> None:
    panel = show(LearningRatePanel)
    assert isinstance(panel, LearningRatePanel)
    assert session.experiment is not None
    training = session.experiment.training
    assert panel.past.y[-1] == session.live.steps["learning_rate"][-1]
    assert panel.now.value == 12.0
    ahead = panel.future.x
    assert ahead[0] > 12.0 and ahead[-1] == 50.0
    for epoch, rate in zip(ahead, panel.future.y, strict=True):
        assert rate == pytest.approx(learning_rate(training, round(epoch * 40) - 1, 2000, 40), abs=1e-15)
    assert panel.caption() == "warm-up 5 + cosine"


def test_before_a_run_the_documents_plan_is_shown(show: Show, qapp: object) -> None:
    from engine.data.signature import DataSignature
    from lab.document import Document

    signature = DataSignature(inputs={"x": (2,)}, targets={}, train_size=640)
    document = Document(fakes.experiment(epochs=10), peek=lambda spec: signature)
    session = Session()
    panel = show(LearningRatePanel, session)
    assert isinstance(panel, LearningRatePanel)
    assert panel.stack.currentIndex() == 0
    panel.set_document(document)
    panel.refresh()
    assert panel.stack.currentIndex() == 1
    assert len(panel.future.x) == 100 and panel.future.x[-1] == 10.0, "ten epochs of ten batches of 64"
    assert panel.future.style == "solid"
    document.close()
    session.close()


def test_course_names() -> None:
    training = fakes.experiment().training
    assert course_name(training) == "warm-up 5 + cosine"
    assert course_name(replace(training, warmup=fakes.make("warmup", "none"))) == "cosine"
    steps = fakes.make("warmup", "linear", duration=200.0, unit="steps")
    assert course_name(replace(training, warmup=steps)) == "warm-up 200 steps + cosine"


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (np.log(10), "−log(1/10) = 2.303"),
        (np.log(1000), "−log(1/1000) = 6.908"),
        (0.5 * np.log(10), "knows nothing: 1.151"),  # weighted by a half: ten classes, but no logarithm of them
        (None, ""),
    ],
)
def test_the_guide_names_classes_only_where_it_is_their_logarithm(expected: float | None, text: str) -> None:
    assert expected_text(expected) == text
