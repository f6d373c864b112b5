"""The data inspector: edits, the summary, errors in words, and samples loaded off the window's thread."""

import threading

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from engine.data import DataError
from engine.data.preprocessing import Center, Pca, Rescale, Whiten
from engine.data.signature import DataSignature, TargetSignature
from engine.presets import make
from engine.schema import lookup
from lab.document import Document
from lab.inspector import DataInspector
from lab.inspector.data import signature_facts


@pytest.fixture
def inspect(shown):
    made = []

    def show(document, **arguments):
        inspector = DataInspector(document, **arguments)
        made.append(inspector)
        return shown(inspector)

    yield show
    for inspector in made:
        inspector.close_loader()


def previewed(inspector, qtbot):
    qtbot.waitUntil(lambda: not inspector._loader.busy)
    qtbot.waitUntil(lambda: not inspector.preview_status.text().startswith("Reading"))


def test_it_shows_what_the_network_gets(document, inspect, qtbot):
    inspector = inspect(document)
    facts = dict(inspector.facts.texts())
    assert facts["Input “x”"] == "2"
    assert facts["Target “y”"].startswith("2 classes")
    previewed(inspector, qtbot)
    assert inspector.samples.shown_as == "points"
    assert "of" in inspector.preview_status.text()


def test_samples_are_loaded_on_another_thread(document, inspect, qtbot):
    from engine.data import load

    threads = []

    def slow(spec):
        threads.append(threading.current_thread())
        return load(spec)

    inspector = inspect(document, load=slow)
    previewed(inspector, qtbot)
    assert threads and all(thread is not threading.main_thread() for thread in threads)


def test_a_hidden_panel_loads_nothing(document, qtbot):
    loads = []
    inspector = DataInspector(document, load=loads.append)
    qtbot.addWidget(inspector)
    noise = document.experiment.data.source
    assert noise is not None
    inspector._mark_stale()
    assert loads == [] and not inspector._loader.busy
    inspector.close_loader()


def test_an_edit_is_one_undo_step_and_shows_other_samples(document, inspect, qtbot):
    inspector = inspect(document)
    previewed(inspector, qtbot)
    before = document.experiment
    row = inspector.form.rows["source"].editor.below.form.rows["noise"]
    row.editor.number.setFocus()
    row.editor.number.selectAll()
    QTest.keyClicks(row.editor.number, "0.01")
    with qtbot.waitSignal(inspector.previewed):
        QTest.keyClick(row.editor.number, Qt.Key.Key_Return)
    assert document.experiment.data.source.noise == 0.01
    assert document.undo_label == "Change data: source"
    with qtbot.waitSignal(inspector.previewed):
        document.undo()
    assert document.experiment is before


def test_an_augmentation_is_added_edited_and_taken_out_by_hand(document, inspect, qtbot):
    inspector = inspect(document)
    before = document.experiment
    editor = inspector.form.rows["augmentation"].editor
    assert editor.add.text() == "Add an augmentation"
    QTest.mouseClick(editor.add, Qt.MouseButton.LeftButton)
    entries = {action.text(): action for action in editor.menu.actions()}
    entries["Gaussian noise"].trigger()
    editor.menu.hide()
    (step,) = document.experiment.data.augmentation
    assert step == lookup("augmentation", "gaussian_noise")()
    assert document.undo_label == "Change data: augmentation"
    row = editor._items[0].form.rows["deviation"]
    row.editor.number.setFocus()
    row.editor.number.selectAll()
    QTest.keyClicks(row.editor.number, "0.4")
    QTest.keyClick(row.editor.number, Qt.Key.Key_Return)
    assert document.experiment.data.augmentation[0].deviation == 0.4
    QTest.mouseClick(editor._items[0].buttons["remove"], Qt.MouseButton.LeftButton)
    assert document.experiment.data.augmentation == ()
    for _ in range(3):
        document.undo()
    assert document.experiment is before


def test_raw_and_preprocessed_samples(document, inspect, qtbot):
    inspector = inspect(document)
    previewed(inspector, qtbot)
    fed = inspector.preview_status.text()
    QTest.mouseClick(inspector.fed, Qt.MouseButton.LeftButton)
    raw = inspector.preview_status.text()
    preprocessed = bool(document.experiment.data.preprocessing)
    assert (fed != raw) == preprocessed
    assert not inspector.fed.isChecked()


def test_a_part_without_samples_says_so(document, inspect, qtbot):
    inspector = inspect(document)
    previewed(inspector, qtbot)
    assert document.signature.test_size == 0
    inspector.part.setCurrentIndex(2)
    with qtbot.waitSignal(inspector.previewed):
        inspector.part.activated.emit(2)
    assert "has no samples" in inspector.preview_status.text()
    assert inspector.samples.shown_as == "nothing"


def test_data_that_cannot_be_read_are_explained_at_the_field(inspect, qtbot, tmp_path):
    from msgspec.structs import replace

    from engine.presets import make

    csv = lookup("source", "csv")(path=str(tmp_path / "missing.csv"))
    experiment = make("moons-mlp")
    document = Document(replace(experiment, data=replace(experiment.data, source=csv)))
    inspector = inspect(document)
    qtbot.waitUntil(lambda: inspector.preview_status.text().startswith("No samples"))
    assert "missing.csv" in inspector.preview_status.text()
    qtbot.waitUntil(lambda: bool(document.signature_error))
    assert "missing.csv" in inspector.status.text()
    note = inspector.form.rows["source"].editor.below.form.rows["path"].note
    qtbot.waitUntil(note.isVisible)
    assert "missing.csv" in note.text()
    document.close()


def test_any_failure_becomes_words(document, inspect, qtbot):
    def broken(_spec):
        raise DataError("the disk is on fire; choose another")

    inspector = inspect(document, load=broken)
    qtbot.waitUntil(lambda: inspector.preview_status.text().startswith("No samples"))
    assert inspector.preview_status.text().endswith("The disk is on fire; choose another.")


def test_facts_of_a_regression():
    signature = DataSignature(
        inputs={"x": (28, 28, 1)}, targets={"y": TargetSignature(shape=(1,))}, train_size=1347, validation_size=360
    )
    assert signature_facts(signature) == [
        ("Training", "1,347 samples"),
        ("Validation", "360 samples"),
        ("Test", "0 samples"),
        ("Input “x”", "28×28×1"),
        ("Target “y”", "a number"),
    ]


def test_the_columns_of_a_table_are_offered_and_an_empty_target_says_which(inspect, qtbot, tmp_path):
    from msgspec.structs import replace

    from engine.presets import make

    table = tmp_path / "flowers.csv"
    table.write_text("length,width,kind\n5.1,3.5,a\n4.9,,b\n6.2,2.9,a\n5.9,3.1,b\n")
    experiment = make("moons-mlp")
    csv = lookup("source", "csv")(path=str(table))
    document = Document(replace(experiment, data=replace(experiment.data, source=csv)))
    inspector = inspect(document)
    entry = inspector.form.rows["source"].editor.below.form.rows["target"].editor.entry
    qtbot.waitUntil(lambda: entry.placeholderText() == "the last: kind")
    assert not document.report.ok, "a missing value stands in the way, and the columns are known all the same"
    entry.setFocus()
    QTest.keyClicks(entry, "wid")
    popup = entry.completer().popup()
    qtbot.waitUntil(popup.isVisible)
    QTest.keyClick(popup, Qt.Key.Key_Down)
    QTest.keyClick(popup, Qt.Key.Key_Return)
    assert document.experiment.data.source.target == "width"
    document.close()


def test_sources_without_files_come_first():
    from engine.schema import components_of

    tags = list(components_of("source"))
    files = {"csv", "idx", "image_folder", "npz"}
    assert files <= set(tags) and set(tags[-len(files) :]) == files


@pytest.mark.parametrize(
    ("steps", "row", "words"),
    [
        ((Center(), Pca(components=3)), "components", "only 2 values"),
        # The shape is known before the samples are, and what is wrong only after.
        ((Pca(components=2), Rescale(low=1, high=1)), "high", "must be more than low"),
    ],
)
def test_what_is_wrong_with_a_step_stands_at_its_field(document, inspect, qtbot, steps, row, words):
    data = document.experiment.data
    document.apply("steps", replace(document.experiment, data=replace(data, preprocessing=steps)))
    inspector = inspect(document)
    previewed(inspector, qtbot)
    qtbot.waitUntil(lambda: bool(inspector._error))
    card = inspector.form.rows["preprocessing"].editor._items[1]
    assert words in card.form.rows[row].note.text()
    assert not card.form.rows[row].note.isHidden()
    document.undo()
    previewed(inspector, qtbot)
    assert words not in inspector.status.text()


def test_what_is_wrong_with_a_whole_step_stands_below_the_list(document, inspect, qtbot):
    data = document.experiment.data
    data = replace(data, split=replace(data.split, train_limit=1), preprocessing=(Whiten(),))
    document.apply("steps", replace(document.experiment, data=data))
    inspector = inspect(document)
    qtbot.waitUntil(lambda: "single sample" in inspector.form.rows["preprocessing"].note.text())


@pytest.mark.parametrize("shape", [(20, 2), (20, 3), (20, 4, 4, 1)])
@pytest.mark.parametrize("everywhere", [False, True])
def test_missing_values_are_shown_as_such(inspect, qtbot, tmp_path, shape, everywhere):
    x = np.random.default_rng(0).normal(size=shape)
    x[2] = np.nan
    if everywhere:
        x[:] = np.nan
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(20) % 2)
    source = lookup("source", "npz")(path=str(tmp_path / "x.npz"), missing="keep")
    step = lookup("preprocessing", "fill_missing")(by="constant")
    base = make("moons-mlp")
    split = replace(base.data.split, validation=0.0)
    document = Document(replace(base, data=replace(base.data, source=source, split=split, preprocessing=(step,))))
    inspector = inspect(document)
    qtbot.waitUntil(lambda: inspector._dataset is not None)
    previewed(inspector, qtbot)
    assert "missing" not in inspector.preview_status.text()
    inspector.fed.click()
    missing = int(np.isnan(x).sum())
    values = "no values" if everywhere else "values "
    assert values in inspector.preview_status.text()
    assert inspector.preview_status.text().endswith(f", {missing} missing")
    inspector.samples.grab()
    document.close()
