"""The words of training in the command palette: what they find, and what choosing them does."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from engine.experiment import DataSpec, TrainingSpec
from engine.schema import components_of, fields_of, info_of
from lab.choices import choices, take
from tests.support.examples import blobs, make


def texts(query: str) -> list[str]:
    return [choice.text for choice in choices(query, blobs())]


def test_everything_is_found_by_its_own_name() -> None:
    kinds = {
        spec.component_kind
        for cls in (TrainingSpec, DataSpec)
        for spec in fields_of(cls)
        if spec.kind in ("component", "components")
    }
    assert {"optimizer", "schedule", "penalty", "augmentation"} < kinds
    for kind in kinds - {"source"} | {"initializer"}:
        for cls in components_of(kind).values():
            label = info_of(cls).label
            assert any(text.endswith(f": {label}") for text in texts(label)), label


def test_the_name_of_a_kind_finds_all_of_it() -> None:
    assert len([text for text in texts("optimizer") if text.startswith("Optimizer: ")]) == len(
        components_of("optimizer")
    )
    assert texts("optimizer adam")[0] == "Optimizer: Adam"
    assert texts("warm-up linear")[0] == "Warm-up: Linear"
    assert texts("xyzzy") == texts("") == []


@pytest.mark.parametrize(
    ("query", "path", "value"),
    [
        ("adamw", ("training", "optimizer"), make("optimizer", "adamw", learning_rate=0.003)),
        ("sgd", ("training", "optimizer"), make("optimizer", "sgd")),
        ("lasso", ("training", "penalties"), (make("penalty", "max_norm"), make("penalty", "l1"))),
        ("ema", ("training", "averaging"), make("averaging", "ema")),
        ("z-score", ("data", "preprocessing"), (make("preprocessing", "standardize"),)),
    ],
)
def test_what_is_chosen_is_set_or_added(query: str, path: tuple[str, str], value: Any) -> None:
    experiment = blobs()
    training = replace(
        experiment.training,
        optimizer=make("optimizer", "adam", learning_rate=0.003),
        penalties=(make("penalty", "max_norm"),),
    )
    experiment = replace(experiment, training=training, data=replace(experiment.data, preprocessing=()))
    after = choices(query, experiment)[0].edit(experiment)
    assert getattr(getattr(after, path[0]), path[1]) == value


def test_an_initializer_is_for_the_selected_layers_or_for_all() -> None:
    experiment = blobs()
    found = {choice.text: choice for choice in choices("orthogonal", experiment)}
    after = found["Initializer of all layers: Orthogonal"].edit(experiment)
    assert {after.network.node(node).component.weight_init for node in ("dense_1", "dense_2")} == {
        make("initializer", "orthogonal")
    }
    one, *others = choices("orthogonal", experiment, ("dense_2", "relu_1"))
    assert one.text.startswith("Initializer of Dense ")
    after = one.edit(experiment)
    assert after.network.node("dense_2").component.weight_init == make("initializer", "orthogonal")
    assert after.network.node("dense_1") == experiment.network.node("dense_1")
    assert [c.text for c in others] == [c.text for c in choices("orthogonal", experiment, ("relu_1",))]


def test_what_was_added_is_scrolled_to(make_window: Any, qtbot: Any) -> None:
    window = make_window(size=(1280, 800))
    (choice, *_) = choices("early stopping", window.document.experiment)
    take(window, choice)
    tab = window.training_tab
    row = tab.form.rows["stopping"]

    def whole() -> bool:
        top = row.mapTo(tab.viewport(), QPoint(0, 0)).y()
        return bool(top >= 0 and top + row.height() <= tab.viewport().height() and row.height() > 150)

    qtbot.waitUntil(whole)


def test_the_palette_changes_the_experiment_and_shows_where(make_window: Any) -> None:
    window = make_window()
    window.area.toggle_maximized("loss")
    QTest.keyClick(window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    palette = window.command_palette
    QTest.keyClicks(palette.field, "ema")
    assert palette.shown[0].text == "Weight averaging: Moving average"
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert window.document.experiment.training.averaging == make("averaging", "ema")
    assert window.document.undo_label == "Weight averaging: Moving average"
    assert not window.area.maximized and window.right.currentWidget() is window.training_tab
    row = window.training_tab.form.rows["averaging"]
    assert row.isVisible(), "it was folded away"
    window.document.undo()
    assert window.document.experiment.training.averaging == make("averaging", "none")
