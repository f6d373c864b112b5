"""What all panels promise: they cost nothing unseen, explain themselves when empty, follow the theme, look back."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.training.control import TOPICS
from lab.panels import PANELS, Panel, panel_names
from lab.session import Session
from tests.lab import fakes
from widgets import theme

Show = Callable[..., Panel]
NAMES = (
    "loss", "metrics", "activations", "gradients", "updates", "learning_rate", "weights", "confusion", "surface",
    "step_time", "batch", "activation_function", "checks", "data",
)  # fmt: skip


def test_the_panels_by_name() -> None:
    assert panel_names() == NAMES
    assert all(panel.topics <= TOPICS for panel in PANELS)
    assert len({panel.title for panel in PANELS}) == len(PANELS)


@pytest.mark.parametrize("kind", [kind for kind in PANELS if kind.empty], ids=lambda kind: kind.name)
def test_an_empty_panel_says_what_it_will_show_and_what_to_press(
    kind: type[Panel], show: Show, qapp: QApplication
) -> None:
    session = Session()
    panel = show(kind, session)
    assert panel.stack.currentIndex() == 0
    text = panel._empty.text()
    assert text.startswith("Shows") and "Train" in text
    session.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("metrics", "at the end of the first epoch"),
        ("confusion", "at the end of the epoch"),
        *((name, "with the next steps") for name in ("activations", "gradients", "updates", "weights", "surface")),
    ],
)
def test_while_a_run_goes_on_an_empty_panel_says_what_it_waits_for(name: str, words: str, show: Show) -> None:
    session = Session()
    panel = show(next(kind for kind in PANELS if kind.name == name), session)
    before = panel._empty.text()
    session.experiment = fakes.experiment()
    session._set_state("running")
    panel.refresh()
    text = panel._empty.text()
    assert text.endswith(f"{words}.") and "Press" not in text
    assert text.splitlines()[0] == before.splitlines()[0], "what it shows is still said"
    session._set_state("finished")
    panel.refresh()
    assert panel._empty.text() == before
    session.close()


def test_a_run_without_metrics_is_not_waited_for(show: Show) -> None:
    session = Session()
    run = fakes.experiment()
    session.experiment = replace(run, training=replace(run.training, metrics=()))
    session._set_state("running")
    panel = show(next(kind for kind in PANELS if kind.name == "metrics"), session)
    assert panel._empty.text().startswith("This experiment takes no metrics.")
    session.close()


@pytest.mark.parametrize("kind", PANELS, ids=NAMES)
def test_a_filled_panel_draws_in_both_themes(kind: type[Panel], show: Show, qapp: QApplication) -> None:
    panel = show(kind)
    pictures = []
    for mode in ("dark", "light"):
        theme.apply(qapp, mode)  # type: ignore[arg-type]
        panel.refresh()
        assert panel.stack.currentIndex() == 1
        pictures.append(panel.grab().toImage())
    for picture, name in zip(pictures, (theme.DARK.panel, theme.LIGHT.panel), strict=True):
        assert picture.pixelColor(2, picture.height() - 3).name() == name
        assert len(colours(picture)) > 8, "there is a drawing on it"


def colours(image: QImage) -> set[int]:
    return {image.pixel(x, y) for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}


@pytest.mark.parametrize("kind", PANELS, ids=NAMES)
def test_a_panel_watches_its_topics_only_while_it_is_shown(kind: type[Panel], show: Show, session: Session) -> None:
    panel = show(kind)
    assert session.watched == kind.topics
    panel.hide()
    assert session.watched == frozenset()
    panel.show()
    assert session.watched == kind.topics
    panel.set_session(None)
    assert session.watched == frozenset()


@pytest.mark.parametrize("kind", PANELS, ids=NAMES)
def test_a_hidden_panel_does_not_draw(kind: type[Panel], show: Show, session: Session, qtbot: QtBot) -> None:
    panel = show(kind)
    panel.hide()
    before = panel.drawings
    for signal in (session.stepsChanged, session.frameChanged, session.surfaceChanged, session.confusionChanged):
        signal.emit()
    qtbot.wait(60)
    assert panel.drawings == before


def test_a_shown_panel_draws_at_its_pace(show: Show, session: Session, qtbot: QtBot) -> None:
    panel = show(PANELS[0])
    before = panel.drawings
    begun = time.monotonic()

    def three_more() -> bool:
        session.stepsChanged.emit()
        return panel.drawings >= before + 3

    qtbot.waitUntil(three_more)
    # A slow machine only makes the drawings rarer.
    assert time.monotonic() - begun >= (panel.drawings - before - 1) * panel.interval_ms / 1000


def test_looking_back_is_announced_and_ended_with_a_press(show: Show, session: Session, qtbot: QtBot) -> None:
    panel = show(next(kind for kind in PANELS if kind.name == "activations"))
    session.look(3)
    panel.refresh()
    assert panel.header.look.isVisible() and panel.header.look.text() == "epoch 3"
    panel.resize(800, 300)
    panel.refresh()
    assert panel.header.look.text() == "looking back: epoch 3 of 50 (click to return to now)"
    assert panel.caption().startswith("step 120")
    qtbot.mousePress(panel.header.look, Qt.MouseButton.LeftButton)
    assert session.looking is None
    panel.refresh()
    assert not panel.header.look.isVisible() and panel.caption().startswith("step 480")


def test_looking_back_says_which_step_is_shown_where_none_was_kept(show: Show, session: Session) -> None:
    for moment in session.live.moments[1:8]:
        moment.surface = session.live.moments[0].surface  # nobody watched from epoch 2 to 8
    panel = show(next(kind for kind in PANELS if kind.name == "surface"))
    for epoch, words in ((1, "step 40"), (2, "nearest kept: step 40"), (7, "nearest kept: step 360"), (9, "step 360")):
        session.look(epoch)
        panel.refresh()
        assert panel.caption() == words and panel.header.caption.text() == words
    session.look(None)
    assert panel.caption() == "step 480"


@pytest.mark.parametrize("name", ["activations", "updates", "weights", "confusion", "surface", "gradients"])
def test_pictures_say_their_step(name: str, show: Show) -> None:
    assert "step 480" in show(next(kind for kind in PANELS if kind.name == name)).caption()


@pytest.mark.parametrize("kind", PANELS, ids=NAMES)
def test_the_view_is_kept(kind: type[Panel], show: Show) -> None:
    first, second = show(kind), show(kind)
    for action in first._toggles():
        action.setChecked(not action.isChecked())
    second.set_view_state(first.view_state())
    assert second.view_state() == first.view_state()
    second.set_view_state({"unknown": True, **{action.objectName(): "no" for action in second._toggles()}})
    assert second.view_state() == first.view_state()
