"""A filled session, and panels on the screen that is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine import presets
from engine.checks import CHECKS
from engine.data import load
from engine.data.facts import data_facts
from lab.checking import Outcome
from lab.document import Document
from lab.panels import Panel
from lab.panels.batch import BatchPanel
from lab.panels.checks import ChecksPanel
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
def document(qapp: QApplication) -> Iterator[Document]:
    made = Document(presets.make("digits-baseline"))
    yield made
    made.close()


@pytest.fixture
def show(qtbot: QtBot, session: Session, document: Document) -> Callable[..., Panel]:
    """Put a panel on the screen, with the filled session unless another is given, and draw it."""

    def build(kind: type[Panel], shown: Session | None = session) -> Panel:
        panel = kind()
        qtbot.addWidget(panel)
        panel.set_session(shown)
        if isinstance(panel, BatchPanel) and shown is session:
            panel.take(fakes.batch())  # of the document, not of the session
        if isinstance(panel, DataPanel) and shown is session:
            panel.show_facts(data_facts(load(fakes.experiment().data)))
        if isinstance(panel, ChecksPanel) and shown is session:
            panel.set_document(document)
            summary = CHECKS[0]
            found = summary.run(document.experiment, load(document.experiment.data), summary.options(), None)
            panel.checking.outcomes[summary.tag] = Outcome("done", document.experiment, found, found.words)
        panel.resize(420, 300)
        panel.show()
        panel.refresh()
        return panel

    return build
