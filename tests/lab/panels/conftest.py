"""A filled session, and panels on the screen that is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.data import load
from engine.data.facts import data_facts
from lab.panels import Panel
from lab.panels.batch import BatchPanel
from lab.panels.data import DataPanel
from lab.session import Session
from tests.lab import fakes
from widgets import theme


@pytest.fixture
def session(qapp: QApplication) -> Iterator[Session]:
    theme.apply(qapp, "dark")
    made = fakes.filled_session()
    yield made
    made.close()


@pytest.fixture
def show(qtbot: QtBot, session: Session) -> Callable[..., Panel]:
    """Put a panel on the screen, with the filled session unless another is given, and draw it."""

    def build(kind: type[Panel], shown: Session | None = session) -> Panel:
        panel = kind()
        qtbot.addWidget(panel)
        panel.set_session(shown)
        if isinstance(panel, BatchPanel) and shown is session:
            panel.take(fakes.batch())  # of the document, not of the session
        if isinstance(panel, DataPanel) and shown is session:
            panel.show_facts(data_facts(load(fakes.experiment().data)))
        panel.resize(420, 300)
        panel.show()
        panel.refresh()
        return panel

    return build
