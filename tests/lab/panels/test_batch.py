"""The batch preview: what a run would train on, made off the window's thread, and again when the data are edited."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine import data, presets
from engine.data.augmentation.preview import preview_batch, shares_text
from engine.data.errors import DataError
from engine.experiment import Experiment
from engine.training.trainer import Trainer
from lab.document import Document, Selection
from lab.panelarea import PanelArea
from lab.panels import batch_chart
from lab.panels.batch import BatchPanel
from lab.panels.batch_chart import IMAGE, grid
from lab.session import Session
from tests.lab import fakes
from tests.support.examples import blobs, make
from widgets import theme
from widgets.samples import to_image

pytest.importorskip("sklearn")


def digits(*augmentation: object) -> Experiment:
    base = presets.make("digits-baseline")
    return replace(base, data=replace(base.data, augmentation=augmentation))


MIXED = digits(make("augmentation", "shift"), make("augmentation", "mixup", alpha=1.0, each="sample"))


@pytest.fixture
def build(qtbot: QtBot, qapp: QApplication) -> Iterator[Callable[[Experiment], tuple[BatchPanel, Document]]]:
    theme.apply(qapp, "dark")
    made: list[tuple[BatchPanel, Document, Session]] = []

    def build(experiment: Experiment) -> tuple[BatchPanel, Document]:
        panel, document, session = BatchPanel(), Document(experiment), Session()
        made.append((panel, document, session))
        qtbot.addWidget(panel)
        panel.set_document(document)
        panel.set_session(session)
        panel.resize(560, 360)
        panel.show()
        qtbot.waitUntil(lambda: panel.stack.currentIndex() == 1 and not panel.busy)
        return panel, document

    yield build
    for panel, document, session in made:
        panel.stop()
        document.close()
        session.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "batch-preview"]


# -- the batch ---------------------------------------------------------------------------------------------------------


def test_it_is_the_batch_that_a_run_trains_on() -> None:
    dataset = data.load(MIXED.data)
    for step in (0, 7):
        preview = preview_batch(MIXED, dataset, step)
        trainer = Trainer(MIXED, dataset=dataset, device="cpu", executor="array", steps=step + 1)
        trainer.run()
        assert trainer.loop is not None
        batch = trainer.loop.programs.train(50, observe=True).inputs["x"]  # the last step is observed
        np.testing.assert_array_equal(preview.after, batch)
        np.testing.assert_array_equal(preview.before, dataset.train.arrays["x"][_rows(preview.indices, dataset)])


def _rows(indices: np.ndarray, dataset: data.Dataset) -> list[int]:
    places = {int(place): row for row, place in enumerate(dataset.train.indices)}
    return [places[int(index)] for index in indices]


def test_shares_in_words() -> None:
    names = ("cat", "dog", "owl")
    assert shares_text(np.array([0.0, 1.0, 0.0]), names) == "dog"
    assert shares_text(np.array([0.38, 0.0, 0.62]), names) == "owl · 62 %, cat · 38 %"
    assert shares_text(np.array([0.998, 0.002, 0.0]), names) == "cat"


def test_targets_that_are_numbers_are_told_as_they_are_trained_on() -> None:
    base = presets.make("sine-regression")
    mixed = replace(base, data=replace(base.data, augmentation=(make("augmentation", "mixup", alpha=1.0),)))
    plain, shown = (preview_batch(item, data.load(item.data), 0) for item in (base, mixed))
    assert plain.classes is None and plain.labels != shown.labels
    # With one share for all, each is weighed in as much as it is taken from.
    means = [np.mean([float(text) for text in preview.labels]) for preview in (plain, shown)]
    assert means[0] == pytest.approx(means[1], abs=1e-3)


def test_an_input_that_there_is_none_of_is_refused() -> None:
    with pytest.raises(DataError, match="no input “z”"):
        preview_batch(blobs(), data.load(blobs().data), 0, "z")


@pytest.mark.parametrize(("count", "width", "height"), [(64, 900, 600), (16, 240, 110), (3, 300, 200), (50, 60, 40)])
def test_pictures_fit_their_places(count: int, width: float, height: float) -> None:
    columns, size = grid(count, width, height, 2.0, 60.0)
    assert columns >= 1 and columns * (2 * size + 8) <= width + 8
    if count <= 16 and width >= 300:
        assert size > IMAGE


# -- the panel ---------------------------------------------------------------------------------------------------------


def test_it_shows_a_batch_before_any_run(build: Callable[..., tuple[BatchPanel, Document]]) -> None:
    panel, _ = build(MIXED)
    preview = panel.chart.preview
    assert preview is not None and preview.after.shape == (50, 8, 8, 1)
    assert panel.caption() == "epoch 1 · batch 1 of 20 · 50 samples"
    assert panel.hint.text() == "left: before, right: after"
    panel.grab()
    assert 10 < panel.chart.shown <= 50
    place, index = panel.chart._cells[3]
    text = panel.chart.tip(place.center())
    assert text.startswith(preview.labels[index]) and f"sample {preview.indices[index]:,} " in text
    assert panel.chart.tip(QPointF(-5, -5)) == ""
    names, rows = panel.table()
    assert len(rows) == 100 and len(names) == 3 + 64


def test_draw_again_shows_the_next_batch(build: Callable[..., tuple[BatchPanel, Document]], qtbot: QtBot) -> None:
    panel, _ = build(MIXED)
    before = panel.chart.preview
    qtbot.mouseClick(panel.next, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: panel.chart.preview is not before)
    assert panel.chart.preview is not None and panel.chart.preview.step == 1
    qtbot.waitUntil(lambda: "batch 2 of" in panel.header.caption.text())


def test_it_follows_the_list_as_it_is_edited(build: Callable[..., tuple[BatchPanel, Document]], qtbot: QtBot) -> None:
    panel, document = build(digits())
    first = panel.chart.preview
    assert first is not None and (first.before == first.after).all() and panel.hint.text() == "no augmentation"
    document.apply("Add", digits(make("augmentation", "vertical_flip", probability=1.0)))
    qtbot.waitUntil(lambda: panel.chart.preview is not first)
    flipped = panel.chart.preview
    assert flipped is not None
    dataset = data.load(document.experiment.data)
    raw = dataset.raw.inputs["x"][flipped.indices]
    np.testing.assert_allclose(flipped.after, dataset.transform(raw[:, ::-1]), atol=1e-5)
    qtbot.waitUntil(lambda: panel.hint.text().startswith("left"))
    document.apply("Name", replace(document.experiment, name="Another"))
    assert not panel.busy, "the name changes no batch"


def test_hidden_it_makes_nothing(build: Callable[..., tuple[BatchPanel, Document]], qtbot: QtBot) -> None:
    panel, document = build(digits())
    panel.hide()
    document.apply("Add", MIXED)
    assert not panel.busy
    before = panel.chart.preview
    panel.show()
    qtbot.waitUntil(lambda: panel.chart.preview is not before)


def test_points_and_rows_are_shown_too(build: Callable[..., tuple[BatchPanel, Document]]) -> None:
    noise = make("augmentation", "gaussian_noise")
    points, _ = build(replace(blobs(), data=replace(blobs().data, augmentation=(noise,))))
    assert points.hint.text() == "hollow: before"
    points.grab()
    assert points.chart.shown == 16
    assert points.chart.tip(points.chart._cells[0][0].center())
    base = presets.make("diabetes-regression")
    rows, _ = build(replace(base, data=replace(base.data, augmentation=(noise,))))
    rows.grab()
    assert 5 < rows.chart.shown <= 32 and rows.chart.preview is not None
    assert "bmi" in rows.chart.preview.names
    rows.pairs.setChecked(False)
    rows.refresh()
    rows.grab()
    assert rows.hint.text() == ""


def test_of_a_large_batch_only_what_is_shown_is_made_into_pictures(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(values: np.ndarray, low: float, high: float) -> QImage:
        made.append(1)
        return to_image(values, low, high)

    monkeypatch.setattr(batch_chart, "to_image", counted)
    for shape, pictures in (((8, 8, 1), True), ((2,), False)):
        chart = batch_chart.BatchChart()
        qtbot.addWidget(chart)
        chart.resize(700, 400)
        chart.set_preview(fakes.batch(5000, shape=shape))
        assert not made, "nothing is converted before it is painted"
        chart.grab()
        assert 10 < chart.shown <= batch_chart.MOST
        assert len(made) == (2 * chart.shown if pictures else 0)
        chart.grab()
        assert len(made) == (2 * chart.shown if pictures else 0), "pictures are kept"
        made.clear()


def test_what_cannot_be_made_is_told(build: Callable[..., tuple[BatchPanel, Document]], qtbot: QtBot) -> None:
    panel, document = build(blobs())
    base = document.experiment
    document.apply("Split", replace(base, data=replace(base.data, split=replace(base.data.split, validation=60))))
    qtbot.waitUntil(lambda: panel.stack.currentIndex() == 0)
    assert "There is none: " in panel._empty.text()


def test_the_first_augmentation_brings_it_to_the_front(qtbot: QtBot, qapp: QApplication) -> None:
    theme.apply(qapp, "dark")
    document, session = Document(digits()), Session()
    area = PanelArea(document, Selection(), session)
    qtbot.addWidget(area)
    area.resize(900, 500)
    area.show()
    assert "batch" not in area.shown
    document.apply("Add", MIXED)
    assert "batch" in area.shown
    area.close_panel("batch")
    document.apply("Add", digits(make("augmentation", "shift")))
    assert "batch" not in area.shown, "closed by hand, it stays closed while the list is edited"
    area.stop()
    document.close()
    session.close()


def test_the_view_of_a_batch_is_drawn_without_a_document(qtbot: QtBot) -> None:
    panel = BatchPanel()
    qtbot.addWidget(panel)
    session = Session()
    panel.set_session(session)
    panel.take(fakes.batch(4, shape=(3,)))
    panel.refresh()
    panel.grab()
    assert panel.stack.currentIndex() == 1
    panel.stop()
    session.close()
