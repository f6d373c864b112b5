"""Errors in words."""

import pytest

from engine.training.result import TrainingError, bytes_text, words


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


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB"), (2 << 40, "2.0 TiB")],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert bytes_text(size) == text
