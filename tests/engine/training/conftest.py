"""What tests of training share."""

import pytest

from engine.training import chunks


@pytest.fixture
def singly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs make one step in a call, so that an order given in the report of a step is obeyed before the next."""
    monkeypatch.setattr(chunks, "MOST", 1)
