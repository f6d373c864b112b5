"""The document: history and its merging, check, signature, file, autosave; and the selection."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine import edits
from engine.data.signature import DataSignature, TargetSignature
from engine.experiment import Experiment
from lab.document import Document, Selection
from tests.support.examples import blobs, make
from tests.support.patience import WAIT

SIGNATURE = DataSignature(inputs={"x": (2,)}, targets={"y": TargetSignature(classes=3)}, train_size=40)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def document(qapp, clock):
    document = Document(blobs(), peek=lambda spec: SIGNATURE, clock=clock)
    yield document
    document.close()


def units(document: Document) -> int:
    return document.experiment.network.node("dense_1").component.units


def set_units(document: Document, value: int, key: str | None = None) -> None:
    document.apply("Set units", edits.set_field(document.experiment, "dense_1", "units", value), key)


def test_apply_undo_redo(document):
    first = document.experiment
    seen: list[tuple[Experiment, Experiment]] = []
    document.changed.connect(lambda before, after: seen.append((before, after)))
    set_units(document, 16)
    assert (units(document), document.undo_label, document.redo_label, document.dirty) == (16, "Set units", "", True)
    document.undo()
    assert document.experiment is first
    assert (document.undo_label, document.redo_label, document.dirty) == ("", "Set units", False)
    document.redo()
    assert units(document) == 16
    assert [(a is first, b is first) for a, b in seen] == [(True, False), (False, True), (True, False)]
    document.undo()
    document.undo()
    assert document.experiment is first


def test_a_new_step_forgets_what_was_undone(document):
    set_units(document, 16)
    document.undo()
    set_units(document, 32)
    assert document.redo_label == ""
    document.redo()
    assert units(document) == 32


def test_applying_the_same_value_is_no_step(document):
    set_units(document, 8)
    document.apply("Nothing", blobs())
    assert document.undo_label == "" and not document.dirty


def test_steps_with_one_key_merge(document, clock):
    for value in (9, 10, 11):
        clock.now += 0.1
        set_units(document, value, "units")
    document.undo()
    assert units(document) == 8 and document.undo_label == ""
    document.redo()
    assert units(document) == 11


@pytest.mark.parametrize("how", ["seal", "time", "other key", "in between", "undo"])
def test_what_ends_a_merge(document, clock, how):
    set_units(document, 9, "units")
    match how:
        case "seal":
            document.seal()
        case "time":
            clock.now += 60
        case "in between":
            document.apply("Name", replace(document.experiment, name="Other"))
        case "undo":
            document.undo()
            document.redo()
    set_units(document, 10, "else" if how == "other key" else "units")
    document.undo()
    assert units(document) == 9


def test_a_drag_that_comes_back_leaves_no_step(document):
    set_units(document, 9, "units")
    set_units(document, 8, "units")
    assert document.undo_label == "" and not document.dirty


def test_the_report_is_checked_again_only_when_it_can_differ(document):
    reports = []
    document.reportChanged.connect(lambda: reports.append(document.report))
    before = document.report
    document.apply("Move", edits.move(document.experiment, {"dense_1": (5.0, 5.0)}))
    document.apply("Name", replace(document.experiment, name="Other"))
    assert document.report is before and not reports
    set_units(document, 16)
    assert document.report is reports[0] and document.report.nodes["dense_1"].shape == (16,)


def test_the_report_is_new_when_changed_is_emitted(document):
    shapes = []
    document.changed.connect(lambda before, after: shapes.append(document.report.nodes["dense_1"].shape))
    set_units(document, 16)
    assert shapes == [(16,)]


def test_a_signature_that_must_be_loaded_comes_later(qtbot):
    may_read = threading.Event()

    def read(spec):
        may_read.wait(WAIT / 1000)
        return SIGNATURE

    document = Document(blobs(), peek=lambda spec: None, read=read)
    try:
        assert document.signature is None and document.loading and document.report.nodes["dense_1"].shape is None
        with qtbot.waitSignal(document.signatureChanged):
            may_read.set()
        assert document.signature == SIGNATURE and document.report.nodes["dense_1"].shape == (8,)
    finally:
        may_read.set()
        document.close()


def test_only_the_newest_data_count(qtbot):
    reading, may_read = threading.Event(), threading.Event()
    read_seeds = []

    def read(spec):
        reading.set()
        may_read.wait(WAIT / 1000)
        read_seeds.append(spec.source.seed)
        return replace(SIGNATURE, train_size=spec.source.seed)

    document = Document(blobs(), peek=lambda spec: None, read=read)
    arrived = []
    document.signatureChanged.connect(lambda: arrived.append(document.signature))
    try:
        assert reading.wait(WAIT / 1000), "the worker is busy with the first data before others are asked for"
        for seed in (5, 6, 7):
            source = make("source", "blobs", samples=60, seed=seed)
            data = replace(document.experiment.data, source=source)
            document.apply("Data", replace(document.experiment, data=data))
        may_read.set()
        qtbot.waitUntil(lambda: document.signature is not None)
        assert document.signature.train_size == 7
        assert 5 not in read_seeds and 6 not in read_seeds
        assert {item.train_size for item in arrived if item} == {7}
    finally:
        may_read.set()
        document.close()


@pytest.mark.parametrize("where", ["peek", "read"])
def test_data_that_cannot_be_read_say_why(qtbot, where):
    def fail(spec):
        raise ValueError("the file is gone")

    document = Document(blobs(), peek=fail if where == "peek" else lambda spec: None, read=fail)
    try:
        qtbot.waitUntil(lambda: document.signature_error != "")
        assert document.signature is None and document.signature_error == "the file is gone"
    finally:
        document.close()


def test_real_data_are_peeked(qapp):
    document = Document(blobs())
    try:
        assert document.signature is not None and document.signature.inputs["x"] == (2,)
        assert document.report.ok
    finally:
        document.close()


def test_save_open_and_dirty(document, tmp_path: Path):
    flags = []
    document.dirtyChanged.connect(lambda: flags.append(document.dirty))
    with pytest.raises(ValueError, match="no file"):
        document.save()
    set_units(document, 16)
    document.save_as(tmp_path / "a.dlab")
    assert document.path == tmp_path / "a.dlab" and not document.dirty
    set_units(document, 32)
    assert document.dirty
    document.save()
    document.undo()
    assert document.dirty
    document.open(tmp_path / "a.dlab")
    assert units(document) == 32 and not document.dirty and document.undo_label == ""
    assert flags == [True, False, True, False, True, False]


def test_a_file_that_cannot_be_opened_changes_nothing(document, tmp_path: Path):
    set_units(document, 16)
    bad = tmp_path / "bad.dlab"
    bad.write_text("{")
    with pytest.raises(Exception, match=r"too early|JSON"):
        document.open(bad)
    assert units(document) == 16 and document.path is None and document.undo_label == "Set units"


def test_a_recovered_copy_counts_as_unsaved(document):
    document.replace(replace(blobs(), name="Recovered"), saved=False)
    assert document.dirty and document.undo_label == ""


def test_autosave_is_called_once_for_many_changes(document, qtbot):
    calls = []
    document.set_autosave(lambda experiment, path: calls.append(experiment), 20)
    set_units(document, 16)
    set_units(document, 32)
    qtbot.waitUntil(lambda: bool(calls))
    assert [item.network.node("dense_1").component.units for item in calls] == [32]
    document.set_autosave(None)
    set_units(document, 64)
    document.flush_autosave()
    assert len(calls) == 1


def test_selection_follows_the_document(document):
    selection = Selection(document)
    changes = []
    selection.changed.connect(lambda: changes.append(selection.nodes))
    selection.set(["dense_1", "relu_1", "dense_1"])
    selection.set(["dense_1", "relu_1"])
    assert changes == [("dense_1", "relu_1")] and selection.current == "relu_1"
    document.apply("Delete", edits.remove_nodes(document.experiment, ["relu_1"]))
    assert selection.nodes == ("dense_1",)
    selection.toggle("dense_1")
    assert selection.nodes == () and selection.current is None
