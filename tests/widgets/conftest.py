"""Every test of widgets starts in the dark theme."""

from typing import Any

import pytest

from tests.support.patience import PatientBot
from widgets import theme
from widgets.plot import Plot


@pytest.fixture
def qtbot(qapp: Any, request: pytest.FixtureRequest) -> PatientBot:
    """pytest-qt's, with more patience."""
    return PatientBot(request)


@pytest.fixture(autouse=True)
def dark(qapp):
    theme.apply(qapp, "dark")
    yield
    theme.apply(qapp, "dark")


@pytest.fixture
def plot(qtbot: PatientBot) -> Plot:
    """An empty plot on the screen."""
    made = Plot()
    qtbot.addWidget(made)
    made.resize(400, 240)
    made.show()
    return made
