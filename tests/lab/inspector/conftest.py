"""Every test of the inspectors starts in the dark theme, with a document, a selection and, where asked for, a run."""

import functools

import pytest

from engine.presets import make
from lab.document import Document, Selection
from lab.session import Session
from tests.lab.fakes import FakeTrainer
from widgets import theme


@pytest.fixture(autouse=True)
def dark(qapp):
    theme.apply(qapp, "dark")
    yield
    theme.apply(qapp, "dark")


@pytest.fixture
def document():
    document = Document(make("moons-mlp"))
    yield document
    document.close()


@pytest.fixture
def selection(document):
    return Selection(document)


@pytest.fixture
def session():
    session = Session(trainer_factory=functools.partial(FakeTrainer, rate=50.0))
    yield session
    session.stop()
    session.close()


@pytest.fixture
def shown(qtbot):
    """Show a widget in an active window."""

    def show(widget, width=320, height=900):
        qtbot.addWidget(widget)
        widget.resize(width, height)
        widget.show()
        widget.activateWindow()
        qtbot.waitUntil(widget.isActiveWindow)
        return widget

    return show


@pytest.fixture
def start(session, qtbot):
    """Start a run of an experiment and wait until it trains."""

    def begin(experiment):
        session.start(experiment)
        qtbot.waitUntil(lambda: session.state == "running")
        return session

    return begin
