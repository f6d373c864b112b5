"""Values changed where they are: brightness, contrast, noise."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from engine.data.augmentation.base import AugmentationStep, Probability, Samples
from engine.data.augmentation.draws import Draws
from engine.schema import component, field

__all__ = ["Brightness", "Contrast", "GaussianNoise"]

_COLOURS = (
    "Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural networks (NIPS 2012), "
)


@component(
    "brightness",
    label="Brightness",
    group="Values",
    formula="x′ = x + b,  b uniform in ±strength",
    source=_COLOURS + "section 4.1, for changes of all pixels' intensity",
    synonyms=("light", "exposure", "intensity", "colour jitter", "color jitter"),
    avoid="Not where brightness itself is what is to be learned.",
    differs="Libraries multiply raw pixels by a factor. Here the data are preprocessed before, and a factor of centred "
    "values would be a change of contrast: brightness adds a number.",
)
class Brightness(AugmentationStep, frozen=True):
    """Adds a random number to all pixels of an image.

    For photographs taken in different light. It acts on preprocessed values: after Normalize, a strength of 1 is one
    standard deviation of the training images.
    """

    images_only: ClassVar[bool] = True

    strength: Annotated[
        float, field(ge=0, le=1000, search=(0.05, 0.5), help="The largest number, in units of the preprocessed values.")
    ] = 0.2
    probability: Probability = 1.0

    def apply(self, samples: Samples, draws: Draws) -> None:
        offset = draws.uniform("offset", -self.strength, self.strength).astype(np.float32)
        offset *= draws.chosen(self.probability)
        for _, images in samples.images():
            images += offset[:, None, None, None]


@component(
    "contrast",
    label="Contrast",
    group="Values",
    formula="x′ = m + c (x − m),  m the image's mean, c uniform in 1 ± strength",
    source="Howard: Some improvements on deep convolutional neural network based image classification (2013), section "
    "2.2",
    synonyms=("colour jitter", "color jitter", "gain"),
    avoid="Not behind a preprocessing or a layer that divides each image by its own deviation: that takes it back.",
    differs="Libraries take the mean of the grey image for m; here it is that of all the image's values.",
)
class Contrast(AugmentationStep, frozen=True):
    """Moves the values of an image away from their mean, or towards it, by a random factor.

    For photographs taken in different light or by different cameras.
    """

    images_only: ClassVar[bool] = True

    strength: Annotated[
        float, field(ge=0, le=1, search=(0.1, 0.5), help="How far the factor lies from 1 at most; at 1 it may be 0.")
    ] = 0.2
    probability: Probability = 1.0

    def apply(self, samples: Samples, draws: Draws) -> None:
        factor = draws.uniform("factor", 1 - self.strength, 1 + self.strength)
        factor = np.where(draws.chosen(self.probability), factor, 1.0).astype(np.float32)[:, None]
        for _, images in samples.images():
            flat = images.reshape(len(images), -1)
            # x + (c - 1) (x - m): nothing is rounded where c is 1.
            difference = flat - flat.mean(axis=1, keepdims=True)
            difference *= factor - 1
            flat += difference


@component(
    "gaussian_noise",
    label="Gaussian noise",
    group="Values",
    formula="x′ = x + σ n,  n standard normal",
    source="Bishop: Training with noise is equivalent to Tikhonov regularization (Neural Computation, 1995)",
    synonyms=("jitter", "normal", "input noise"),
    avoid="Not stronger than what tells classes apart; below a tenth of the data's deviation it hardly does anything.",
)
class GaussianNoise(AugmentationStep, frozen=True):
    """Adds independent normal noise to every value of the inputs, of images and of tables alike.

    Small noise acts like a penalty on the slope of the network's function: neighbours get the same answer. It acts on
    preprocessed values: after Normalize, a deviation of 1 is as much noise as signal.
    """

    deviation: Annotated[
        float,
        field(
            ge=0,
            le=1000,
            symbol="σ",
            search=(0.05, 0.5),
            help="The noise's standard deviation, in units of the preprocessed values.",
        ),
    ] = 0.1
    probability: Probability = 1.0

    def apply(self, samples: Samples, draws: Draws) -> None:
        size = (draws.chosen(self.probability) * np.float32(self.deviation))[:, None]
        for name, values in samples.inputs.items():
            flat = values.reshape(len(values), -1)
            noise = draws.normal(f"noise {name}", flat.shape[1])
            noise *= size
            flat += noise
