"""Images turned, scaled and sheared about their centre, by one resampler for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from engine.data.augmentation.base import AugmentationStep, Background, Probability, Samples
from engine.data.augmentation.draws import Draws
from engine.data.augmentation.shifts import padded
from engine.schema import component, field

__all__ = ["AffineStep", "Rotate", "Scale", "Shear", "resample"]

Interpolation = Literal["bilinear", "nearest"]
_PIXELS = 1 << 14
"""Pixels that are resampled at a time: their coordinates stay in the cache."""


def resample(
    images: np.ndarray, matrices: np.ndarray, fill: float | np.ndarray = 0.0, interpolation: Interpolation = "bilinear"
) -> np.ndarray:
    """Images (n, height, width, channels) under linear maps about their centres, (n, 2, 2).

    `matrices` lead from a place of the result to the place in the image that it shows, both as (row, column) from the
    centre ((H - 1) / 2, (W - 1) / 2), in pixels. Outside of the image lies `fill` (a number, or one for each channel),
    which bilinear interpolation mixes with the outermost pixels.
    """
    count, height, width = images.shape[:3]
    out = np.empty_like(images)
    at_once = max(1, _PIXELS // (height * width))
    for start in range(0, count, at_once):
        part = slice(start, start + at_once)
        _resample(images[part], matrices[part].astype(np.float32), fill, interpolation, out[part])
    return out


def _resample(
    images: np.ndarray, m: np.ndarray, fill: float | np.ndarray, interpolation: Interpolation, out: np.ndarray
) -> None:
    count, height, width, channels = images.shape
    # A border of one pixel holds what lies outside; every place beyond it is moved onto it.
    flat = padded(images, 1, 1, fill=fill).reshape(-1, channels)
    i, j = (np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2) for size in (height, width))
    place = []
    for row, size in ((0, height), (1, width)):
        along = m[:, row, :1] * i + np.float32((size - 1) / 2)
        across = m[:, row, 1:] * j
        place.append(along[:, :, None] + across[:, None, :])
    y, x = place
    first = (np.arange(count, dtype=np.int32) * ((height + 2) * (width + 2)) + (width + 3))[:, None, None]
    if interpolation == "nearest":
        for values, size in ((y, height), (x, width)):
            values += np.float32(0.5)
            np.floor(values, out=values)
            np.clip(values, -1, size, out=values)
        at = y.astype(np.int32) * (width + 2) + x.astype(np.int32) + first
        np.take(flat, at.reshape(-1), axis=0, out=out.reshape(-1, channels), mode="clip")
        return
    corners = []
    for values, size in ((y, height), (x, width)):
        np.clip(values, -1, size, out=values)
        corner = np.floor(values)
        np.minimum(corner, size - 1, out=corner)
        values -= corner
        corners.append(corner.astype(np.int32))
    at = (corners[0] * (width + 2) + corners[1] + first).reshape(-1)
    y, x = y.reshape(-1, 1), x.reshape(-1, 1)

    def between(start: np.ndarray) -> np.ndarray:
        left = np.take(flat, start, axis=0, mode="clip")
        right = np.take(flat, start + 1, axis=0, mode="clip")
        right -= left
        right *= x
        right += left
        return right

    upper, lower = between(at), between(at + (width + 2))
    lower -= upper
    lower *= y
    np.add(lower, upper, out=out.reshape(-1, channels))


_INTERPOLATION = field(
    advanced=True,
    help="bilinear mixes the four nearest pixels; nearest takes one, which keeps their values and makes steps.",
)


class AffineStep(AugmentationStep, frozen=True):
    """A linear map of the plane. Neighbours in the list with the same background and interpolation are made in one go,
    so that pixels are interpolated once; see `engine.data.augmentation.pipeline`."""

    images_only: ClassVar[bool] = True
    moves: ClassVar[bool] = True

    if TYPE_CHECKING:
        interpolation: Interpolation = "bilinear"
        background: float = 0.0

    def inverse(self, draws: Draws) -> np.ndarray:
        """float64 (n, 2, 2): from a place in the result to its place in the image, as (row, column)."""
        raise NotImplementedError

    def matrices(self, draws: Draws) -> np.ndarray:
        """`inverse`, and the identity for samples that are not chosen."""
        return np.where(draws.chosen(self.probability)[:, None, None], self.inverse(draws), np.eye(2))

    def apply(self, samples: Samples, draws: Draws) -> None:
        move(samples, self.matrices(draws), self.background, self.interpolation)


def move(samples: Samples, matrices: np.ndarray, background: float, interpolation: Interpolation) -> None:
    """Resample the images whose matrix is not the identity."""
    changed = np.flatnonzero((matrices != np.eye(2)).any(axis=(1, 2)))
    for name, images in samples.images():
        if len(changed):
            level = samples.level(name, background)
            images[changed] = resample(images[changed], matrices[changed], level, interpolation)


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a b for matrices (n, 2, 2), by elementwise arithmetic: its bits depend on no number of samples."""
    return a[:, :, :1] * b[:, :1, :] + a[:, :, 1:] * b[:, 1:, :]


def _stack(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """((a, b), (c, d)) of arrays (n,)."""
    return np.stack((a, b, c, d), axis=1).reshape(-1, 2, 2)


@component(
    "rotate",
    label="Rotate",
    group="Geometry",
    formula="x′(u) = x(R(−φ) u),  φ uniform in ±degrees",
    source="Simard, Steinkraus, Platt: Best practices for convolutional neural networks applied to visual document "
    "analysis (ICDAR 2003)",
    synonyms=("rotation", "turn", "angle", "degrees"),
    avoid="Not by so much that one class becomes another: from 45 degrees on a 6 begins to be a 9.",
)
class Rotate(AffineStep, frozen=True):
    """Turns images about their centre by a random angle.

    For things that are never quite upright, such as handwriting; by all 180 degrees for pictures without an up and
    down.
    """

    degrees: Annotated[
        float, field(ge=0, le=180, unit="°", search=(5, 30), help="The largest angle, to either side.")
    ] = 15.0
    interpolation: Annotated[Interpolation, _INTERPOLATION] = "bilinear"
    background: Background = 0.0
    probability: Probability = 1.0

    def inverse(self, draws: Draws) -> np.ndarray:
        angle = np.deg2rad(draws.uniform("angle", -self.degrees, self.degrees))
        cosine, sine = np.cos(angle), np.sin(angle)
        return _stack(cosine, sine, -sine, cosine)


@component(
    "scale",
    label="Scale",
    group="Geometry",
    formula="x′(u) = x(u / s),  s uniform in [smallest, largest]",
    source="Simard, Steinkraus, Platt: Best practices for convolutional neural networks applied to visual document "
    "analysis (ICDAR 2003)",
    synonyms=("zoom", "resize", "size"),
    avoid="Not where size tells classes apart, and not so far that things leave the image.",
)
class Scale(AffineStep, frozen=True):
    """Makes images larger or smaller about their centre; their number of pixels stays.

    For things that are seen from different distances.
    """

    smallest: Annotated[float, field(ge=0.05, le=20, help="The smallest factor; below 1 images shrink.")] = 0.9
    largest: Annotated[float, field(ge=0.05, le=20, help="The largest factor, at least the smallest one.")] = 1.1
    interpolation: Annotated[Interpolation, _INTERPOLATION] = "bilinear"
    background: Background = 0.0
    probability: Probability = 1.0

    def inverse(self, draws: Draws) -> np.ndarray:
        factor = 1.0 / draws.uniform("factor", self.smallest, self.largest)
        return _stack(factor, np.zeros_like(factor), np.zeros_like(factor), factor)

    def misfit(self) -> tuple[str, str] | None:
        if self.smallest <= self.largest:
            return None
        return "largest", f"The largest factor ({self.largest:g}) is less than the smallest one ({self.smallest:g})."


@component(
    "shear",
    label="Shear",
    group="Geometry",
    formula="x′(i, j) = x(i, j + i tan φ),  φ uniform in ±degrees",
    source="Simard, Steinkraus, Platt: Best practices for convolutional neural networks applied to visual document "
    "analysis (ICDAR 2003)",
    synonyms=("slant", "skew", "italic", "oblique"),
    avoid="Not for things that have right angles and are told apart by them.",
)
class Shear(AffineStep, frozen=True):
    """Slants images: rows are moved sideways, the more the farther they are from the centre.

    For handwriting, whose slant differs from hand to hand.
    """

    degrees: Annotated[
        float, field(ge=0, le=80, unit="°", search=(5, 30), help="The largest slant, to either side.")
    ] = 10.0
    interpolation: Annotated[Interpolation, _INTERPOLATION] = "bilinear"
    background: Background = 0.0
    probability: Probability = 1.0

    def inverse(self, draws: Draws) -> np.ndarray:
        slant = np.tan(np.deg2rad(draws.uniform("angle", -self.degrees, self.degrees)))
        one, zero = np.ones_like(slant), np.zeros_like(slant)
        return _stack(one, zero, slant, one)
