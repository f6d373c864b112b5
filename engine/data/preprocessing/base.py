"""What every preprocessing step offers beside its fields."""

from __future__ import annotations

from typing import ClassVar, Literal

from engine.data.preprocessing.statistics import Statistics
from engine.data.preprocessing.transformation import Transformation
from engine.kinds import Preprocessing

__all__ = ["Outlined", "PreprocessingStep"]

Outlined = tuple[tuple[int, ...], tuple[str, ...]]
"""The shape of a sample, and the names of its features (none for images)."""


class PreprocessingStep(Preprocessing, frozen=True):
    """A step. `applies_to` says whether it transforms the inputs or the numbers to be predicted; `fills` whether it
    takes missing values (NaN) and leaves none."""

    applies_to: ClassVar[Literal["inputs", "targets"]] = "inputs"
    fills: ClassVar[bool] = False

    def fit(self, training: Statistics) -> Transformation:
        """The transformation, from the training part only. Raises DataError, with the field of the step at fault."""
        raise NotImplementedError

    def outline(self, shape: tuple[int, ...], names: tuple[str, ...]) -> Outlined | None:
        """Shape and names after the step, where they are known before it is fitted; else None."""
        return shape, names
