"""Every test of widgets starts in the dark theme."""

import pytest

from widgets import theme


@pytest.fixture(autouse=True)
def dark(qapp):
    theme.apply(qapp, "dark")
    yield
    theme.apply(qapp, "dark")
