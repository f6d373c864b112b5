"""Every test of widgets starts in the dark theme."""

from typing import Any

import pytest

from tests.support.patience import PatientBot
from widgets import theme


@pytest.fixture
def qtbot(qapp: Any, request: pytest.FixtureRequest) -> PatientBot:
    """pytest-qt's, with more patience."""
    return PatientBot(request)


@pytest.fixture(autouse=True)
def dark(qapp):
    theme.apply(qapp, "dark")
    yield
    theme.apply(qapp, "dark")
