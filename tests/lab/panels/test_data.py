"""The data panel: measured on another thread, side by side, in words where nothing can be shown."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine.data import load
from engine.data.facts import DataFacts, data_facts
from engine.experiment import Experiment
from lab.document import Document
from lab.panels.data import DataPanel
from lab.panels.data_chart import VIEWS
from lab.panels.data_covariance import Covariance, Spectrum
from lab.panels.data_parts import Counts, Features, condition_texts, fitting
from lab.panels.data_samples import SamplesOf
from lab.session import Session
from tests.support.examples import blobs, make
from widgets import theme

Shown = Callable[..., DataPanel]


def on(source: Any, *steps: Any) -> Experiment:
    base = blobs()
    return replace(base, data=replace(base.data, source=source, preprocessing=steps))


CLOUD = on(make("source", "blobs", samples=80), make("preprocessing", "center"), make("preprocessing", "whiten"))
TABLE = on(make("source", "regression", samples=60), make("preprocessing", "standardize"))


@pytest.fixture
def shown(qtbot: QtBot, qapp: Any) -> Iterator[Shown]:
    """A panel of a document on the screen, once its data have been measured."""
    theme.apply(qapp, "dark")
    session = Session()
    made: list[tuple[DataPanel, Document]] = []

    def build(experiment: Experiment, size: tuple[int, int] = (900, 640), wait: bool = True) -> DataPanel:
        panel, document = DataPanel(), Document(experiment)
        qtbot.addWidget(panel)
        made.append((panel, document))
        panel.set_session(session)
        panel.set_document(document)
        panel.resize(*size)
        panel.show()
        if wait:
            settled(panel, qtbot)
        return panel

    yield build
    for panel, document in made:
        panel.stop()
        document.close()
    session.close()


def settled(panel: DataPanel, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not panel.busy)
    panel.refresh()
    panel.grab()


def change(panel: DataPanel, *steps: Any) -> None:
    assert panel.document is not None
    before = panel.document.experiment
    panel.document.apply("Change", replace(before, data=replace(before.data, preprocessing=steps)))


def kinds(panel: DataPanel) -> list[str]:
    return [type(part).__name__ for part in panel.chart.parts]


# -- before any run ----------------------------------------------------------------------------------------------------


def test_it_shows_both_sides_before_any_run(shown: Shown) -> None:
    panel = shown(CLOUD)
    assert panel.stack.currentIndex() == 1
    facts = data_facts(load(CLOUD.data))
    assert panel.caption() == f"κ {facts.before.condition:.2f} → 1.0 · 64 training samples"
    # With room for it, everything on one page: samples, covariance and features twice, counts and eigenvalues once.
    assert kinds(panel) == [
        "SamplesOf", "SamplesOf", "Covariance", "Covariance", "Features", "Features", "Counts", "Spectrum",
    ]  # fmt: skip
    assert [part.titles()[0] for part in panel.chart.parts[:2]] == ["Source", "After 2: Whiten"]
    moments = [f"{stage.second_moment_condition:.3g}" for stage in (facts.before, facts.after)]
    assert panel.chart.parts[-1].figures()[0] == f"κ of second moment {moments[0]} → {float(moments[1])}"
    assert not panel.chart.parts[0].area.intersects(panel.chart.parts[1].area)


def test_data_are_measured_on_another_thread(shown: Shown, qtbot: QtBot) -> None:
    panel = shown(CLOUD)
    threads = []
    measure = panel._measure

    def watched(*arguments: Any) -> DataFacts:
        threads.append(threading.current_thread())
        return measure(*arguments)

    panel._measure = watched
    change(panel, make("preprocessing", "standardize"))
    settled(panel, qtbot)
    assert len(threads) == 1 and threads[0] is not threading.main_thread()


def test_an_edit_of_the_preprocessing_is_followed(shown: Shown, qtbot: QtBot) -> None:
    panel = shown(CLOUD)
    change(panel, make("preprocessing", "pca", components=1.0))
    settled(panel, qtbot)
    assert panel._facts is not None and panel._facts.after.shape == (1,)
    change(panel)
    settled(panel, qtbot)
    assert kinds(panel) == ["SamplesOf", "Covariance", "Features", "Counts", "Spectrum"]
    assert panel.stage.currentText() == "no preprocessing" and not panel.stage.isEnabled()
    assert "→" not in panel.caption()


def test_a_hidden_panel_measures_nothing(shown: Shown, qtbot: QtBot) -> None:
    panel = shown(CLOUD)
    panel.hide()
    change(panel, make("preprocessing", "standardize"))
    assert not panel.busy
    panel.show()
    settled(panel, qtbot)
    assert panel._facts is not None and panel._facts.steps == ("Standardize",)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((make("preprocessing", "pca", components=3.0),), "3 components are wanted, but a sample has only 2 values"),
        ((make("preprocessing", "one_hot"),), "No column holds"),
    ],
)
def test_what_cannot_be_shown_is_said_in_words(shown: Shown, qtbot: QtBot, steps: tuple[Any, ...], words: str) -> None:
    panel = shown(on(CLOUD.data.source, *steps))
    assert panel.stack.currentIndex() == 0
    assert words in panel._empty.text() and "Mend it under Data" in panel._empty.text()
    change(panel)
    settled(panel, qtbot)
    assert panel.stack.currentIndex() == 1


# -- choices -----------------------------------------------------------------------------------------------------------


def test_the_view_is_chosen_with_the_keyboard_or_in_the_menu(shown: Shown) -> None:
    panel = shown(CLOUD)
    panel.view.setFocus()
    expected = (None, SamplesOf, Covariance, Spectrum, Features, Counts)
    for view, kind in zip(VIEWS[1:], expected[1:], strict=True):
        QTest.keyClick(panel.view, Qt.Key.Key_Down)
        panel.refresh()
        panel.grab()
        assert panel.view.currentData() == view
        assert {type(part) for part in panel.chart.parts} == {kind}
        assert [action.text() for action in panel._views.actions() if action.isChecked()] == [view.capitalize()]
    next(action for action in panel.menu.actions() if action.text() == "Covariance").trigger()
    assert panel.view.currentData() == "covariance"
    assert panel.view_state() == {"view": "covariance", "correlations": False}
    other = shown(CLOUD)
    other.set_view_state({"view": "features", "correlations": True, "more": 1})
    assert other.view.currentData() == "features" and other.correlations.isChecked()


def test_a_stage_between_can_be_chosen(shown: Shown, qtbot: QtBot) -> None:
    panel = shown(CLOUD)
    assert [panel.stage.itemText(i) for i in range(panel.stage.count())] == ["after all steps", "after 1: Centre"]
    panel.stage.setFocus()
    QTest.keyClick(panel.stage, Qt.Key.Key_Down)
    settled(panel, qtbot)
    assert panel.chart.parts[1].titles()[0] == "After 1: Centre"
    # The step that was chosen is gone: all steps are shown again.
    change(panel, make("preprocessing", "standardize"))
    settled(panel, qtbot)
    assert panel.stage.currentData() is None
    assert panel._facts is not None and panel._facts.after.step == 1


def test_features_are_chosen_for_the_axes(shown: Shown, qtbot: QtBot) -> None:
    panel = shown(TABLE)
    assert panel.axes_row.isVisible() and not panel.upward.isVisible()
    panel.across.setFocus()
    QTest.keyClick(panel.across, Qt.Key.Key_Down)
    settled(panel, qtbot)
    assert (panel.across.currentText(), panel.upward.currentText()) == ("x1", "x2") and panel.upward.isVisible()
    assert panel._facts is not None and panel._facts.after.cloud is not None
    assert panel._facts.after.cloud.axes == ("x1", "x2")
    np.testing.assert_allclose(panel._facts.after.cloud.points, load(TABLE.data).train.arrays["x"][:, :2], atol=1e-6)
    QTest.keyClick(panel.across, Qt.Key.Key_Up)
    settled(panel, qtbot)
    assert panel._facts.after.cloud is not None and panel._axes() is None


def test_data_of_two_features_have_no_axes_to_choose(shown: Shown) -> None:
    assert not shown(CLOUD).axes_row.isVisible()


def test_little_room_is_for_the_samples(shown: Shown) -> None:
    panel = shown(CLOUD, (240, 185))
    assert kinds(panel) == ["SamplesOf", "SamplesOf"] and not panel.choices.isVisible()
    panel.resize(420, 300)
    panel.grab()
    assert kinds(panel) == ["SamplesOf", "SamplesOf"] and panel.choices.isVisible()


# -- what is drawn -----------------------------------------------------------------------------------------------------


def test_the_mouse_reads_the_numbers(shown: Shown) -> None:
    panel = shown(CLOUD)
    facts = panel._facts
    assert facts is not None
    parts = {type(part): part for part in panel.chart.parts if part.stage.step}
    covariance = parts[Covariance]
    origin, cell = covariance._grid  # type: ignore[attr-defined]
    assert panel.chart.tip(QPointF(origin.x() + 1.5 * cell, origin.y() + 0.5 * cell)).startswith("x1, x2\ncovariance")
    samples = parts[SamplesOf]
    px, py = samples._places  # type: ignore[attr-defined]
    text = panel.chart.tip(QPointF(px[3], py[3]))
    assert text.splitlines()[0] in facts.class_names
    count = facts.class_counts["train"][0]
    counted = parts[Counts]
    assert f"train {count}" in panel.chart.tip(QPointF(counted.area.center().x(), counted.area.top() + 26))
    spectrum = parts[Spectrum]
    tip = panel.chart.tip(QPointF(spectrum._x.pixel(1), spectrum.area.center().y()))  # type: ignore[attr-defined]
    assert tip.splitlines()[0] == "eigenvalue 1" and len(tip.splitlines()) == 3
    features = parts[Features]
    assert panel.chart.tip(features._room.center() - QPointF(20, 0)).startswith("x1\nmean")  # type: ignore[attr-defined]
    assert panel.chart.tip(QPointF(1, 1)) == ""


def test_correlations_have_ones_on_their_diagonal(shown: Shown) -> None:
    panel = shown(TABLE)
    panel.correlations.setChecked(True)
    panel.refresh()
    panel.grab()
    drawn = next(part for part in panel.chart.parts if isinstance(part, Covariance))
    x = load(TABLE.data).raw.inputs["x"][load(TABLE.data).train.indices]
    np.testing.assert_allclose(drawn.values, np.corrcoef(x.T), atol=1e-9)


def test_images_before_and_points_after(shown: Shown) -> None:
    pytest.importorskip("sklearn.datasets")
    panel = shown(on(make("source", "digits"), make("preprocessing", "pca", components=4.0)), (420, 300))
    before, after = panel.chart.parts
    assert before.stage.images is not None and after.stage.images is None
    assert panel.chart.tip(before._spots[0][0].center()).splitlines()[0] in set("0123456789")  # type: ignore[attr-defined]
    assert condition_texts(before.stage)[0].startswith("κ infinite;")
    assert condition_texts(before.stage)[1].endswith("in rank 61 of 64")
    assert "25 of 1,438 samples" in before.figures()[0]


def test_data_without_a_picture_are_drawn_in_words(shown: Shown, tmp_path: Path) -> None:
    x = np.full((20, 3), np.nan)
    x[:, 0] = np.arange(20)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(20) % 2)
    source = make("source", "npz", path=str(tmp_path / "x.npz"), missing="keep")
    panel = shown(on(source, make("preprocessing", "fill_missing", by="constant")))
    assert panel._facts is not None and panel._facts.before.samples == 0
    pixels = panel.chart.grab().toImage()
    assert len({pixels.pixel(x, y) for x in range(0, pixels.width(), 3) for y in range(0, pixels.height(), 3)}) > 8


def test_images_with_missing_values_are_drawn(shown: Shown, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(20, 4, 4))
    x[0], x[1, 2, 2] = np.nan, np.nan
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(20) % 2)
    source = make("source", "npz", path=str(tmp_path / "x.npz"), missing="keep")
    experiment = on(source, make("preprocessing", "fill_missing"))
    data = replace(experiment.data, split=replace(experiment.data.split, validation=0.0, shuffle=False))
    panel = shown(replace(experiment, data=data))
    spots = panel.chart.parts[0]._spots  # type: ignore[attr-defined]
    assert spots[0][1].endswith("all values are missing") and "from -" in spots[1][1]


def test_titles_and_figures_give_way() -> None:
    titles, figures = ("Covariance, source", "Source"), ("κ 12345", "κ 12")

    def within(room: int) -> tuple[str, str]:
        return fitting(titles, figures, lambda a, b: len(a) + len(b) <= room)

    assert within(30) == ("Covariance, source", "κ 12345")
    assert within(22) == ("Covariance, source", "κ 12")
    assert within(13) == ("Source", "κ 12345")
    assert within(6) == ("Source", "")
    assert within(2) == ("Source", "")


# -- on file -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "columns", "count"),
    [
        ("overview", 6, 2 * 10), ("samples", 4, 2 * 48), ("covariance", 4, 2 * 100), ("eigenvalues", 3, 2 * 10),
        ("classes", 2, 3),
    ],
)  # fmt: skip
def test_the_table_is_that_of_the_view(shown: Shown, tmp_path: Path, view: str, columns: int, count: int) -> None:
    panel = shown(TABLE)
    panel.set_view_state({"view": view})
    panel.export(tmp_path / "p.csv")
    with open(tmp_path / "p.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len(rows[0]) == columns and len(rows) == 1 + count
    if view == "overview":
        x = load(TABLE.data).raw.inputs["x"][load(TABLE.data).train.indices].astype(float)
        np.testing.assert_allclose([float(row[2]) for row in rows[1:11]], x.mean(axis=0))
        assert all(abs(float(row[3]) - 1) < 1e-12 for row in rows[11:])
