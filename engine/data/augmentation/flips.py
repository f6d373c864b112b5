"""Mirror images."""

from __future__ import annotations

from typing import ClassVar

from engine.data.augmentation.base import AugmentationStep, Probability, Samples
from engine.data.augmentation.draws import Draws
from engine.schema import component

__all__ = ["HorizontalFlip", "VerticalFlip"]

_SOURCE = "Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural networks (NIPS 2012), "
_AVOID = (
    "Not where left and right, or above and below, make a difference. Digits and letters are such: a mirrored 2 is no "
    "2, and {} costs several points of accuracy."
)


@component(
    "horizontal_flip",
    label="Horizontal flip",
    group="Geometry",
    formula="x′[i, j] = x[i, W − 1 − j]",
    source=_SOURCE + "section 4.1",
    synonyms=("mirror", "left right", "fliplr", "reflection"),
    avoid=_AVOID.format("flipping them"),
)
class HorizontalFlip(AugmentationStep, frozen=True):
    """Mirrors images at the vertical axis: left becomes right.

    For photographs of things that look as good from the other side: it doubles the data at no cost.
    """

    images_only: ClassVar[bool] = True
    moves: ClassVar[bool] = True

    probability: Probability = 0.5

    def apply(self, samples: Samples, draws: Draws) -> None:
        chosen = draws.chosen(self.probability)
        for _, images in samples.images():
            images[chosen] = images[chosen, :, ::-1]


@component(
    "vertical_flip",
    label="Vertical flip",
    group="Geometry",
    formula="x′[i, j] = x[H − 1 − i, j]",
    source="Shorten, Khoshgoftaar: A survey on image data augmentation for deep learning (Journal of Big Data, 2019)",
    synonyms=("mirror", "upside down", "flipud", "reflection"),
    avoid=_AVOID.format("turning them over") + " Few photographs are taken upside down.",
)
class VerticalFlip(AugmentationStep, frozen=True):
    """Mirrors images at the horizontal axis: what was above comes to lie below.

    For pictures without an up and down: of cells, of the sky, of the ground from above.
    """

    images_only: ClassVar[bool] = True
    moves: ClassVar[bool] = True

    probability: Probability = 0.5

    def apply(self, samples: Samples, draws: Draws) -> None:
        chosen = draws.chosen(self.probability)
        for _, images in samples.images():
            images[chosen] = images[chosen, ::-1]
