"""The command palette finds everything and does what is chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from lab.commands import Entry, find
from lab.window import Window

MakeWindow = Callable[..., Window]


def entry(text: str, **values: Any) -> Entry:
    return Entry("Action", text, lambda: None, **values)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("save", "Save"),
        ("sa as", "Save as"),
        ("weights", "Load weights"),
        ("runs", "Runs"),
        ("WEIGHTS load", "Load weights"),
    ],
)
def test_what_a_query_finds_first(query: str, first: str) -> None:
    entries = [entry("Save as"), entry("Save"), entry("Load weights"), entry("Export", words="weights"), entry("Runs")]
    assert find(query, entries, lambda _: [])[0].text == first


def test_every_word_must_be_found() -> None:
    assert find("save nothing", [entry("Save")], lambda _: []) == []
    assert len(find("  ", [entry("A"), entry("B")], lambda _: [])) == 2


def test_the_keyboard_finds_and_does(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    QTest.keyClick(window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    palette = window.command_palette
    assert palette.isVisible()
    kinds = {item.kind for item in palette.shown}
    assert "Action" in kinds
    QTest.keyClicks(palette.field, "dense 24")
    assert palette.shown[0].text == "Add Dense 24"
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert not palette.isVisible()
    assert window.document.experiment.network.node("dense_3").component.units == 24


@pytest.mark.parametrize(
    ("query", "kind", "text"),
    [
        ("moons", "Preset", "Moons, MLP"),
        ("confusion", "Panel", "Confusion matrix"),
        ("one step", "Action", "One step"),
        ("light", "Action", "Theme: light"),
        ("batchnorm", "Layer", "Add BatchNorm"),
        ("adamw", "Training", "Optimizer: AdamW"),
        ("optimizer lion", "Training", "Optimizer: Lion"),
        ("kaiming", "Layer", "Initializer of Dense 8: He / Kaiming"),
        ("weight decay", "Training", "Add penalty: Weight decay (decoupled)"),
        ("L2", "Training", "Add penalty: L2 (ridge)"),
        ("cosine", "Training", "Schedule: Cosine"),
        ("SGDR", "Training", "Schedule: Cosine with restarts"),
        ("early stopping", "Training", "Add stop condition: Early stopping"),
        ("EMA", "Training", "Weight averaging: Moving average"),
        ("PCA", "Data", "Add preprocessing step: Principal components"),
        ("mixup", "Data", "Add augmentation: Mixup"),
        ("gelu", "Layer", "Add GELU"),
    ],
)
def test_presets_panels_actions_and_layers_are_found(make_window: MakeWindow, query: str, kind: str, text: str) -> None:
    window = make_window()
    window.command_palette.open(query)
    found = window.command_palette.shown[0]
    assert (found.kind, found.text) == (kind, text)
    window.command_palette.close()


def test_what_cannot_be_done_is_shown_but_not_done(make_window: MakeWindow) -> None:
    window = make_window()
    palette = window.command_palette
    palette.open("stop")
    assert palette.shown[0].text == "Stop" and not palette.shown[0].enabled
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert palette.isVisible()
    QTest.keyClick(palette.field, Qt.Key.Key_Escape)


def test_arrows_walk_the_list(make_window: MakeWindow) -> None:
    window = make_window()
    palette = window.command_palette
    palette.open()
    QTest.keyClick(palette.field, Qt.Key.Key_Down)
    QTest.keyClick(palette.field, Qt.Key.Key_Down)
    assert palette.list.currentRow() == 2
    QTest.keyClick(palette.field, Qt.Key.Key_PageUp)
    assert palette.list.currentRow() == 0
    palette.close()
