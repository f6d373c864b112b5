"""Images moved by whole pixels: nothing is interpolated, so that nothing is blurred."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from engine.data.augmentation.base import AugmentationStep, Background, Probability, Samples
from engine.data.augmentation.draws import Draws
from engine.schema import component, field

__all__ = ["RandomCrop", "Shift", "padded", "windows"]

Border = Literal["constant", "edge", "reflect"]


def padded(
    images: np.ndarray, rows: int, columns: int, border: Border = "constant", fill: float | np.ndarray = 0.0
) -> np.ndarray:
    """Images (n, height, width, channels) with so many rows and columns more on each side. `fill` is a number, or one
    for each channel."""
    if border != "constant":
        return np.pad(images, ((0, 0), (rows, rows), (columns, columns), (0, 0)), border)
    count, height, width, channels = images.shape
    out = np.empty((count, height + 2 * rows, width + 2 * columns, channels), np.float32)
    out[:, :rows] = out[:, rows + height :] = fill
    out[:, :, :columns] = out[:, :, columns + width :] = fill
    out[:, rows : rows + height, columns : columns + width] = images
    return out


def windows(images: np.ndarray, top: np.ndarray, left: np.ndarray, height: int, width: int) -> np.ndarray:
    """Of each image (H, W, channels) the window of `height` x `width` pixels that begins at `top`, `left` (n,)."""
    count, tall, wide, channels = images.shape
    # A row of a window is one piece of memory: pieces are copied, not pixels.
    starts = ((np.arange(count) * tall + top)[:, None] + np.arange(height)) * wide + left[:, None]
    pieces = sliding_window_view(images.reshape(-1), width * channels)
    return pieces[starts * channels].reshape(count, height, width, channels)


@component(
    "shift",
    label="Shift",
    group="Geometry",
    formula="x′[i, j] = x[i − a, j − b],  a, b = −p … p",
    source="Simard, Steinkraus, Platt: Best practices for convolutional neural networks applied to visual document "
    "analysis (ICDAR 2003)",
    synonyms=("translate", "translation", "move", "jitter"),
    avoid="Not by more pixels than things are away from the border: what is pushed out cannot be learned. Where all "
    "images of the test are centred as those of the training are, it costs a little accuracy.",
)
class Shift(AugmentationStep, frozen=True):
    """Moves images by a random whole number of pixels in both directions.

    For things that may lie anywhere: a network of dense layers, trained on centred images, is lost when they are moved
    by a single pixel.
    """

    images_only: ClassVar[bool] = True
    moves: ClassVar[bool] = True

    pixels: Annotated[
        int, field(ge=0, le=1024, unit="px", search=(1, 4), help="How far at most, up, down, left and right.")
    ] = 1
    background: Background = 0.0
    probability: Probability = 1.0

    def apply(self, samples: Samples, draws: Draws) -> None:
        chosen = draws.chosen(self.probability)
        down = np.where(chosen, draws.whole("down", -self.pixels, self.pixels), 0)
        right = np.where(chosen, draws.whole("right", -self.pixels, self.pixels), 0)
        for name, images in samples.images():
            height, width = images.shape[1:3]
            # Farther than its size, an image is gone.
            rows, columns = min(self.pixels, height), min(self.pixels, width)
            top, left = rows - np.clip(down, -rows, rows), columns - np.clip(right, -columns, columns)
            wide = padded(images, rows, columns, fill=samples.level(name, self.background))
            samples.inputs[name] = windows(wide, top, left, height, width)


@component(
    "random_crop",
    label="Random crop",
    group="Geometry",
    formula="pad by p pixels, then cut out H × W anywhere",
    source="He, Zhang, Ren, Sun: Deep residual learning for image recognition (CVPR 2016), section 4.2",
    synonyms=("crop", "padding", "cut out", "RandomCrop"),
    avoid="Not where the place in the image matters, as that of a digit in a form. A padding of much more than an "
    "eighth of the size cuts off what the image shows.",
    differs="With a constant border it is Shift by as many pixels. Libraries also crop to another size; here images "
    "keep theirs, as the network expects.",
)
class RandomCrop(AugmentationStep, frozen=True):
    """Pads images on all sides and cuts a window of the original size out of them.

    The usual choice for small photographs, with 4 pixels at 32 × 32, together with the horizontal flip.
    """

    images_only: ClassVar[bool] = True
    moves: ClassVar[bool] = True

    padding: Annotated[
        int, field(ge=0, le=64, unit="px", search=(1, 8), help="Pixels that are added on each side before cutting.")
    ] = 4
    border: Annotated[
        Border,
        field(
            advanced=True,
            help="What is added. constant: the background; edge: the outermost pixels again; reflect: a mirror image.",
        ),
    ] = "constant"
    background: Background = 0.0
    probability: Probability = 1.0

    def apply(self, samples: Samples, draws: Draws) -> None:
        p, chosen = self.padding, draws.chosen(self.probability)
        top = np.where(chosen, draws.whole("top", 0, 2 * p), p)
        left = np.where(chosen, draws.whole("left", 0, 2 * p), p)
        for name, images in samples.images():
            wide = padded(images, p, p, self.border, samples.level(name, self.background))
            samples.inputs[name] = windows(wide, top, left, *images.shape[1:3])
