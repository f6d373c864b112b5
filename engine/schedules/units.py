"""Lengths of schedules: in epochs, parts of one included, or in steps."""

from __future__ import annotations

from typing import Literal

__all__ = ["Unit", "in_steps"]

Unit = Literal["epochs", "steps"]


def in_steps(length: float, unit: Unit, steps_per_epoch: int) -> float:
    """A length in steps, parts of one included."""
    return length * steps_per_epoch if unit == "epochs" else length
