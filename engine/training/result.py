"""What a run comes to, and the error that says in words why it could not be made."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["Reason", "Result", "TrainingError", "words"]

Reason = Literal["done", "stopped", "failed", "diverged"]


class TrainingError(Exception):
    """A run cannot start or cannot go on. `message` is for people; `node` is the node at fault, or ""."""

    def __init__(self, message: str, node: str = "") -> None:
        super().__init__(message)
        self.message, self.node = message, node


class Result(Struct, frozen=True, kw_only=True):
    """A run in numbers.

    `epochs` counts complete epochs, `steps` optimizer steps, both since the run's first start; `train_loss` is the
    mean data loss of the last complete epoch's steps (of the steps so far when no epoch is complete); `val_loss` and
    `metrics` are those of the last evaluation: of the last state, unless the run was stopped or diverged inside an
    epoch (None and empty without a validation part, or when the run ended before the first evaluation);
    `val_accuracy` is None where there are no classes. `seconds` and `samples_per_second` are of this start or resume,
    without loading, compiling and pauses; `waited` are the seconds of them that steps waited for augmented batches.
    `message` says more when the run diverged or a stop condition ended it.
    """

    run: str
    epochs: int
    steps: int
    train_loss: float | None
    val_loss: float | None
    val_accuracy: float | None
    metrics: dict[str, float]
    seconds: float
    samples_per_second: float
    device: str
    reason: Reason
    message: str = ""
    waited: float = 0.0


def words(error: BaseException) -> str:
    """An error in words for the person at the window."""
    if isinstance(error, TrainingError):
        return error.message
    if isinstance(error, MemoryError):
        return "There is not enough memory for this run. Choose a smaller batch size or fewer units."
    message = getattr(error, "message", "") or str(error)
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.strerror}: “{error.filename}”" if error.filename else error.strerror
    elif not isinstance(error, ValueError | RuntimeError) and type(error).__module__ == "builtins":
        message = f"Internal error ({type(error).__name__}): {message}"
    return message or type(error).__name__
