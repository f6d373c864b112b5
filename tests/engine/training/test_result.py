"""Errors in words."""

import pytest

from engine.training.result import TrainingError, words


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TrainingError("The batch is too large.", "dense_1"), "The batch is too large."),
        (MemoryError(), "There is not enough memory for this run. Choose a smaller batch size or fewer units."),
        (OSError(28, "No space left on device", "/data/runs.db"), "No space left on device: “/data/runs.db”"),
        (ValueError("out of range"), "out of range"),
        (KeyError("mislaid"), "Internal error (KeyError): 'mislaid'"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_every_error_has_words(error: Exception, text: str) -> None:
    assert words(error) == text
