"""Rectangles: erased, or (see `mixing`) exchanged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from engine.data.augmentation.base import AugmentationStep, Fill, Probability, Samples
from engine.data.augmentation.draws import Draws
from engine.schema import component, field

__all__ = ["Boxes", "Cutout", "RandomErasing", "clipped_boxes"]


@dataclass(frozen=True)
class Boxes:
    """A rectangle of each of n images of `shape` (height, width): the first row or column in it and the first one
    behind it, int64 (n,)."""

    rows: tuple[np.ndarray, np.ndarray]
    columns: tuple[np.ndarray, np.ndarray]
    shape: tuple[int, int]

    @property
    def area(self) -> np.ndarray:
        """The rectangle's share of the image, float64 (n,)."""
        (top, bottom), (left, right) = self.rows, self.columns
        return (bottom - top) * (right - left) / (self.shape[0] * self.shape[1])

    def mask(self) -> np.ndarray:
        """bool (n, height, width, 1): what lies in the rectangle."""
        rows, columns = (
            (np.arange(size) >= begin[:, None]) & (np.arange(size) < end[:, None])
            for (begin, end), size in zip((self.rows, self.columns), self.shape, strict=True)
        )
        return rows[:, :, None, None] & columns[:, None, :, None]


def clipped_boxes(
    draws: Draws,
    purpose: str,
    shape: tuple[int, int],
    sides: tuple[np.ndarray, np.ndarray],
    *,
    of_batches: bool = False,
) -> Boxes:
    """Boxes of sides (height, width) in whole pixels, (n,), around a pixel that is drawn from the whole image, with
    what reaches beyond its border cut off."""
    draw = draws.uniform_of_batches if of_batches else draws.uniform
    edges: list[np.ndarray] = []
    for name, size, side in zip(("row", "column"), shape, sides, strict=True):
        centre = (draw(f"{purpose} {name}") * size).astype(np.int64)
        begin = centre - side // 2
        edges += [np.clip(begin, 0, size), np.clip(begin + side, 0, size)]
    return Boxes((edges[0], edges[1]), (edges[2], edges[3]), shape)


@component(
    "cutout",
    label="Cutout",
    group="Erasing",
    formula="x′ = fill in a square around a random pixel",
    source="DeVries, Taylor: Improved regularization of convolutional neural networks with Cutout (2017)",
    synonyms=("erase", "mask", "occlusion", "hide", "coarse dropout"),
    avoid="Not larger than what a class is told by, else the labels of such images are wrong.",
    differs="The square is centred anywhere and cut off at the border, as in the paper: one of half the image's side "
    "hides 19 % of it on average, not 25 %.",
)
class Cutout(AugmentationStep, frozen=True):
    """Hides a square of each image.

    The network has to find more than one thing to tell a class by. For images whose subject may be partly hidden.
    """

    images_only: ClassVar[bool] = True

    size: Annotated[
        int, field(ge=1, le=4096, unit="px", search=(2, 16), help="The square's side before it is cut off.")
    ] = 8
    fill: Fill = 0.0
    probability: Probability = 1.0

    def apply(self, samples: Samples, draws: Draws) -> None:
        side = np.where(draws.chosen(self.probability), self.size, 0)
        for _, images in samples.images():
            height, width = images.shape[1:3]
            mask = clipped_boxes(draws, "box", (height, width), (side, side)).mask()
            np.copyto(images, np.float32(self.fill), where=mask)


@component(
    "random_erasing",
    label="Random erasing",
    group="Erasing",
    formula="x′ = fill in a rectangle of random area and form",
    source="Zhong, Zheng, Kang, Li, Yang: Random erasing data augmentation (AAAI 2020)",
    synonyms=("erase", "mask", "occlusion", "hide"),
    avoid="Not of more than about a third of the image: labels become wrong.",
    differs="Libraries draw again where a rectangle does not fit into the image; here its longer side is shortened to "
    "the image's.",
)
class RandomErasing(AugmentationStep, frozen=True):
    """Erases a rectangle of random area and form from each image.

    As Cutout, for images whose subject may be partly hidden; rectangles lie within the image.
    """

    images_only: ClassVar[bool] = True

    smallest: Annotated[float, field(ge=0, le=1, help="The smallest share of the image that is erased.")] = 0.02
    largest: Annotated[float, field(ge=0, le=1, help="The largest share, at least the smallest one.")] = 0.33
    elongation: Annotated[
        float, field(ge=1, le=100, advanced=True, help="How many times as long as wide, or as wide as long, at most.")
    ] = 3.3
    content: Annotated[
        Literal["fill", "noise"],
        field(
            help="What takes the place. fill: one value; noise: standard normal values, as large as normalized data."
        ),
    ] = "fill"
    fill: Fill = 0.0
    probability: Probability = 0.5

    def apply(self, samples: Samples, draws: Draws) -> None:
        chosen = draws.chosen(self.probability)
        area = draws.uniform("area", self.smallest, self.largest)
        limit = math.log(self.elongation)
        form = np.exp(draws.uniform("form", -limit, limit))
        for name, images in samples.images():
            edges: list[tuple[np.ndarray, np.ndarray]] = []
            for along, size, share in (("row", images.shape[1], area * form), ("column", images.shape[2], area / form)):
                pixels = np.minimum(np.rint(np.sqrt(share) * size), size).astype(np.int64)
                begin = (draws.uniform(f"first {along}") * (size - pixels + 1)).astype(np.int64)
                edges.append((begin, np.where(chosen, begin + pixels, begin)))
            mask = Boxes(edges[0], edges[1], (images.shape[1], images.shape[2])).mask()
            flat = images.reshape(len(images), -1)
            noise = self.content == "noise"
            content = draws.normal(f"noise {name}", flat.shape[1]).reshape(images.shape) if noise else self.fill
            np.copyto(images, np.float32(content), where=mask)

    def misfit(self) -> tuple[str, str] | None:
        if self.smallest <= self.largest:
            return None
        return "largest", f"The largest share ({self.largest:g}) is less than the smallest one ({self.smallest:g})."
