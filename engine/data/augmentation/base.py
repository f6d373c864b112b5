"""What every augmentation is: a change of batches that are on their way to the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from engine.kinds import Augmentation
from engine.schema import field as described

if TYPE_CHECKING:
    from engine.data.augmentation.draws import Draws

__all__ = ["AugmentationStep", "Background", "Fill", "Probability", "Samples"]

Probability = Annotated[float, described(ge=0, le=1, help="How likely a sample is changed, each on its own.")]
Fill = Annotated[
    float,
    described(
        ge=-1e6,
        le=1e6,
        advanced=True,
        help="The value that takes the place, after preprocessing: 0 is the mean of centred data.",
    ),
]
Background = Annotated[
    float,
    described(ge=-1e6, le=1e6, advanced=True, help="What lies around the image, as a value of the source: 0 is black."),
]


@dataclass
class Samples:
    """Whole batches of `batch` samples, one after the other. What changes them replaces arrays or writes into them.

    inputs      preprocessed float32 (n, ...) by name.
    numbers     targets that are numbers, float32 (n, k) by name.
    shares      for each target of classes the shares of the classes, float32 (n, classes) by name; filled only where
                some augmentation mixes samples.
    """

    batch: int
    inputs: dict[str, np.ndarray]
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    shares: dict[str, np.ndarray] = field(default_factory=dict)
    levels: dict[str, Callable[[float], np.ndarray]] = field(default_factory=dict)
    """By input, what stands for a value of the source; itself where there is none."""

    def level(self, name: str, value: float) -> float | np.ndarray:
        """What stands for a value of the source in the images of that name: a number, or one for each channel."""
        return self.levels[name](value) if name in self.levels else value

    def images(self) -> Iterator[tuple[str, np.ndarray]]:
        """The inputs that are images (n, height, width, channels)."""
        return ((name, array) for name, array in list(self.inputs.items()) if array.ndim == 4)


class AugmentationStep(Augmentation, frozen=True):
    """One random change. Every subclass has the field `probability`.

    `moves` says that it moves pixels: it gets images as they are in the source (see `pixels`).
    """

    moves: ClassVar[bool] = False

    def apply(self, samples: Samples, draws: Draws) -> None:
        """Change the samples. What becomes of one depends on its draws and its batch alone."""
        raise NotImplementedError

    def misfit(self) -> tuple[str, str] | None:
        """(field, words) where two fields contradict each other, else None."""
        return None
