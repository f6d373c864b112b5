"""Whole windows: with the real engine or with one that only pretends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

from engine.compilation import SWITCH
from engine.experiment import Experiment
from engine.training.store import RunStore
from lab.recovery import Recovery
from lab.session import default_trainer
from lab.settings import Settings
from lab.window import Window
from tests.lab.fakes import FakeTrainer
from tests.support.examples import blobs
from tests.support.patience import PatientBot
from widgets import theme


@pytest.fixture
def qtbot(qapp: Any, request: pytest.FixtureRequest) -> PatientBot:
    """pytest-qt's, with more patience."""
    return PatientBot(request)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[QMessageBox.StandardButton]:
    """What a person answers to the questions of the window, in order; a question without an answer is an error."""
    given: list[QMessageBox.StandardButton] = []

    def answer(box: QMessageBox) -> int:
        assert given, f"an unexpected question: {box.text()}"
        return given.pop(0)

    monkeypatch.setattr(QMessageBox, "exec", answer)
    return given


def make_active(window: QWidget, qtbot: Any) -> None:
    """Give a window the focus. Offscreen no window manager gives it back when a pop-up or another window goes, and
    without it shortcuts reach nobody. News of that kind wait in the event queue."""
    QApplication.processEvents()
    if not window.isActiveWindow():
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)


MakeWindow = Callable[..., Window]


@pytest.fixture
def make_window(
    qtbot: Any, qapp: Any, tmp_path: Path, answers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeWindow]:
    """A factory of shown windows. `fake=False` trains with the real engine; other arguments go to the fake one. Nothing
    is compiled."""
    monkeypatch.setenv(SWITCH, "off")
    windows: list[Window] = []
    theme.apply(qapp, "dark")

    def make(
        experiment: Experiment | None = None,
        path: Path | None = None,
        *,
        fake: bool = True,
        store: RunStore | None = None,
        settings: Settings | None = None,
        recovery: Recovery | None = None,
        size: tuple[int, int] = (1400, 900),
        show: bool = True,
        **options: Any,
    ) -> Window:
        window = Window(
            experiment or blobs(),
            path,
            settings=settings or Settings(),
            store=store if store is not None or fake else RunStore(tmp_path / "store"),
            recovery=recovery or Recovery(tmp_path / "recovery"),
            trainer_factory=partial(FakeTrainer, **options) if fake else default_trainer,
        )
        windows.append(window)
        window.resize(*size)
        if show:
            window.show()
            window.canvas.net().animated = False
            qtbot.waitUntil(lambda: not (window.devices.busy or window.jobs.busy or window.document.loading))
            make_active(window, qtbot)
        return window

    yield make
    for window in windows:
        window.discard()
        qtbot.waitUntil(lambda window=window: window.ended)
        window.deleteLater()
