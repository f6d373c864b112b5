"""Activations, updates, weights, confusion and surface: what is drawn is what was measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor

from engine.training.events import Confusion, Frame, TensorStats
from lab.panels import Panel
from lab.panels.activations import ActivationsPanel, ridge_top, value_range
from lab.panels.confusion import ConfusionPanel, count_font
from lab.panels.layers import density, percentiles, update_ratios
from lab.panels.surface import SurfacePanel, shade
from lab.panels.updates import UpdatesPanel, judgement, ratio_text
from lab.panels.weights import WeightsPanel, filter_image
from lab.session import Session
from tests.lab import fakes
from widgets import theme

Show = Callable[..., Panel]


# -- histograms --------------------------------------------------------------------------------------------------------


def test_density_integrates_to_one() -> None:
    stats = fakes.tensor(np.random.default_rng(0).normal(size=2000))
    width = (stats.maximum - stats.minimum) / 64
    middles, shares = density(stats)
    assert shares.sum() * width == pytest.approx(1.0)
    assert np.dot(shares, middles) * width == pytest.approx(stats.mean, abs=width)


def test_percentiles_to_within_a_bin() -> None:
    values = np.random.default_rng(1).normal(size=50_000)
    stats = fakes.tensor(values, bins=200)
    width = (stats.maximum - stats.minimum) / 200
    low, high = percentiles(stats, 0.005, 0.995)
    assert low == pytest.approx(np.quantile(values, 0.005), abs=width)
    assert high == pytest.approx(np.quantile(values, 0.995), abs=width)


def test_one_wide_layer_does_not_shrink_the_others() -> None:
    rng = np.random.default_rng(2)
    rows = [fakes.tensor(rng.normal(size=2000)) for _ in range(5)] + [fakes.tensor(rng.normal(size=2000) * 100)]
    low, high = value_range(rows)
    assert 5 < high < 12 and -12 < low < -5


def test_a_spike_is_cut_so_that_the_rest_is_seen() -> None:
    y = np.array([0.0, 0.2, 100.0, 0.3, 0.25, 0.1])
    assert ridge_top(y) == pytest.approx(0.75)
    smooth = np.array([0.1, 0.5, 1.0, 0.9, 0.4])
    assert ridge_top(smooth) == 1.0


# -- activations -------------------------------------------------------------------------------------------------------


def test_activation_rows_follow_the_network(show: Show, session: Session) -> None:
    panel = show(ActivationsPanel)
    assert isinstance(panel, ActivationsPanel)
    assert [item.node for item, _ in panel.chart.rows] == list(session.frame.activations)  # type: ignore[union-attr]
    titles = {item.node: item.title for item, _ in panel.chart.rows}
    assert titles["dense_1"] == "Dense 128"
    groups = {item.node: item.group for item, _ in panel.chart.rows}
    assert groups["tanh_1"] == "Activation"


def test_the_hover_text_has_the_numbers(show: Show, session: Session) -> None:
    panel = show(ActivationsPanel)
    assert isinstance(panel, ActivationsPanel)
    panel.grab()
    plot = panel.chart._plot
    row = [item.node for item, _ in panel.chart.rows].index("tanh_1")
    text = panel.chart.tip(QPointF(plot.center().x(), plot.top() + (row + 0.5) * panel.chart._step))
    assert text.startswith("Tanh (tanh_1)") and "saturated 62.0%" in text
    assert panel.chart.tip(QPointF(5, -5)) == ""


def test_statistics_are_drawn_when_there_are_no_histograms(show: Show, session: Session) -> None:
    from msgspec.structs import replace

    assert session.frame is not None
    bare = {node: replace(stats, histogram=None) for node, stats in session.frame.activations.items()}
    session.frame = replace(session.frame, activations=bare)
    panel = show(ActivationsPanel)
    assert isinstance(panel, ActivationsPanel)
    assert panel.chart.statistics
    panel.grab()


def test_values_that_are_not_finite_do_not_break_the_drawing(show: Show, session: Session) -> None:
    nan = float("nan")
    broken = TensorStats(
        count=10,
        mean=nan,
        std=nan,
        minimum=nan,
        maximum=nan,
        zero_share=0.0,
        saturated_share=0.0,
        dead_share=0.0,
        nonfinite=10,
        histogram=np.zeros(64, dtype=int),
    )
    session.frame = Frame(run="fake", step=1, epoch=0.1, activations={"dense_1": broken}, adjoints={}, parameters={})
    panel = show(ActivationsPanel)
    assert isinstance(panel, ActivationsPanel)
    for statistics in (False, True):
        panel.statistics.setChecked(statistics)
        panel.refresh()
        panel.grab()
    assert "10 values are not finite" in panel.chart.tip(panel.chart._plot.center())


# -- updates -----------------------------------------------------------------------------------------------------------


def test_ratios_are_of_the_whole_layer(show: Show, session: Session) -> None:
    panel = show(UpdatesPanel)
    assert isinstance(panel, UpdatesPanel)
    assert session.frame is not None
    weight, bias = (session.frame.parameters[f"dense_2/{name}"] for name in ("weight", "bias"))
    expected = np.hypot(weight.update_norm, bias.update_norm) / np.hypot(weight.weight_norm, bias.weight_norm)
    assert panel.chart.ratios["dense_2"] == pytest.approx(expected)
    assert update_ratios(session.frame.parameters).keys() == fakes.GRADIENTS.keys()


def test_the_table_has_every_layer_and_each_of_its_parameters_in_full(show: Show, session: Session) -> None:
    panel = show(UpdatesPanel)
    assert isinstance(panel, UpdatesPanel) and session.frame is not None
    names, rows = panel.table()
    table = [dict(zip(names, row, strict=True)) for row in rows]
    assert not any(cell in ("", None) for row in table for cell in row.values())
    assert {row["layer"]: row["update_ratio"] for row in table if row["parameter"] == "all"} == panel.chart.ratios
    for row in table:
        norms = (row["weight_norm"], row["gradient_norm"], row["update_norm"])
        assert row["update_ratio"] == pytest.approx(norms[2] / norms[0])
        if row["parameter"] != "all":
            stats = session.frame.parameters[f"{row['layer']}/{row['parameter']}"]
            assert norms == (stats.weight_norm, stats.gradient_norm, stats.update_norm)
    assert len(table) == len(panel.chart.ratios) + len(session.frame.parameters)


@pytest.mark.parametrize(
    ("ratio", "colour"),
    [(1e-3, "good"), (3e-3, "good"), (4e-3, "warn"), (1e-4, "warn"), (1e-5, "bad"), (0.5, "bad"), (0.0, "bad")],
)
def test_judgement(ratio: float, colour: str) -> None:
    assert judgement(ratio) == colour


def test_ratio_texts() -> None:
    assert [ratio_text(value) for value in (3e-3, 1.234e-5, 0.5, float("nan"))] == [
        *("3.0e-3", "1.2e-5", "5.0e-1", "all weights are 0")
    ]


# -- weights -----------------------------------------------------------------------------------------------------------


def test_weights_of_the_selection_alone(show: Show, session: Session) -> None:
    from lab.document import Selection

    panel = show(WeightsPanel)
    assert isinstance(panel, WeightsPanel)
    assert [path for path, _, _ in panel.chart.parameters] == [f"{node}/weight" for node in fakes.GRADIENTS]
    selection = Selection()
    panel.set_selection(selection)
    selection.set(["dense_1"])
    panel.refresh()
    assert [path for path, _, _ in panel.chart.parameters] == ["dense_1/weight", "dense_1/bias"]
    assert panel.caption().endswith(" · dense_1")
    selection.set(["relu_1"])
    panel.refresh()
    assert len(panel.chart.parameters) == 5, "a layer without parameters selects nothing"


def test_filters_are_shown_as_images(show: Show, session: Session) -> None:
    panel = show(WeightsPanel)
    assert isinstance(panel, WeightsPanel)
    panel.show_filters.setChecked(True)
    panel.refresh()
    assert panel.caption() == "step 480 · conv_1 · 32 filters"
    panel.grab()
    assert len(panel.chart._cells) == 32
    assert session.filters is not None
    rows = list(panel.table()[1])
    assert len(rows) == session.filters.filters.size
    assert rows[5][4] == session.filters.filters.ravel()[5]


def test_filter_image_levels() -> None:
    weights = np.array([[[-2.0], [0.0]], [[2.0], [1.0]]])
    image = filter_image(weights, 2.0)
    levels = [QColor(image.pixel(x, y)).red() for y in range(2) for x in range(2)]
    assert levels == [0, 127, 255, 191]


# -- confusion ---------------------------------------------------------------------------------------------------------


def test_recall_and_hover(show: Show, session: Session) -> None:
    matrix = np.array([[8, 2, 0], [0, 5, 5], [0, 0, 0]])
    session.confusion = Confusion(run="fake", step=1, matrix=matrix, class_names=("cat", "dog", "owl"))
    panel = show(ConfusionPanel)
    assert isinstance(panel, ConfusionPanel)
    assert panel.caption() == "step 1 · 65.0% right · 13 of 20"
    panel.grab()
    origin, size = panel.chart._origin, panel.chart._size
    assert panel.chart.tip(origin + QPointF(1.5 * size, 0.5 * size)) == "true cat, predicted dog\n2 of 10, 20.0%"
    assert panel.chart.tip(QPointF(0, 0)) == ""
    header, rows = panel.table()
    assert header == ("true class", "predicted cat", "predicted dog", "predicted owl", "recall", "precision", "F1")
    assert list(rows)[1] == ("dog", 0, 5, 5, 0.5, 5 / 7, pytest.approx(10 / 17))


def test_counts_are_left_out_where_they_do_not_fit(qapp: object) -> None:
    assert count_font(9, 40) is not None
    assert count_font(12345, 12) is None


def test_a_hundred_classes_still_draw(show: Show, session: Session) -> None:
    session.confusion = fakes.confusion("fake", 1, np.random.default_rng(0), classes=100)
    panel = show(ConfusionPanel)
    assert not panel.grab().isNull()


# -- surface -----------------------------------------------------------------------------------------------------------


def test_classes_are_shaded_in_their_colours() -> None:
    panel, inks = QColor("#000000"), [QColor("#ff0000"), QColor("#00ff00")]
    sure, unsure = shade(np.array([[[1.0, 0.0], [0.5, 0.5]]]), panel, inks)[0]
    assert sure[0] > 100 and sure[1] == sure[2] == 0
    assert 0 < unsure.max() < 40


def test_one_output_goes_from_colour_to_colour() -> None:
    panel, inks = QColor("#000000"), [QColor("#ff0000"), QColor("#00ff00")]
    low, middle, high = shade(np.array([[[0.0], [0.5], [1.0]]]), panel, inks)[0]
    assert low[0] > 100 and high[1] > 100 and middle.max() < 40


def test_row_zero_lies_at_the_bottom(show: Show, session: Session) -> None:
    from engine.training.events import Surface

    values = np.zeros((2, 2, 2))
    values[0, :, 0] = 1.0
    values[1, :, 1] = 1.0
    session.surface = Surface(run="fake", step=1, values=values, extent=(0.0, 1.0, 0.0, 1.0))
    panel = show(SurfacePanel)
    assert isinstance(panel, SurfacePanel)
    panel.show_points.setChecked(False)
    panel.refresh()
    image = panel.chart._shaded(session.surface)
    first, second = (QColor(name) for name in theme.current().series[:2])
    bottom, top = QColor(image.pixel(0, 1)), QColor(image.pixel(0, 0))
    assert abs(bottom.hue() - first.hue()) < 15 and abs(top.hue() - second.hue()) < 15
    panel.grab()
    assert "output 0: 1" in panel.chart.tip(QPointF(panel.chart._plot.center().x(), panel.chart._plot.bottom() - 1))


def test_training_samples_lie_on_the_surface(show: Show, session: Session) -> None:
    from engine.data import load

    assert session.experiment is not None
    panel = show(SurfacePanel)
    assert isinstance(panel, SurfacePanel)
    dataset = load(session.experiment.data)
    assert panel.chart.points is not None and panel.chart.classes
    np.testing.assert_array_equal(
        panel.chart.points[0],
        dataset.raw.inputs["x"][dataset.train.indices].astype(float)[: len(panel.chart.points[0])],
    )


def test_data_of_another_shape_are_explained(show: Show, qapp: object) -> None:
    from engine.data.signature import DataSignature
    from lab.document import Document

    signature = DataSignature(inputs={"x": (28, 28, 1)}, targets={}, train_size=640)
    document = Document(fakes.experiment(), peek=lambda spec: signature)
    session = Session()
    panel = show(SurfacePanel, session)
    panel.set_document(document)
    panel.refresh()
    assert "28×28×1" in panel._empty.text()
    document.close()
    session.close()
