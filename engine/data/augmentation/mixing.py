"""Samples of a batch mixed with one another, and their targets with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from engine.data.augmentation.base import AugmentationStep, Samples
from engine.data.augmentation.boxes import clipped_boxes
from engine.data.augmentation.draws import Draws
from engine.schema import component, field

__all__ = ["CutMix", "Mixup"]

Each = Literal["batch", "sample"]
_EACH = field(
    advanced=True,
    help="batch: all samples of a batch are mixed with the same share λ, as libraries do; sample: each with its own.",
)
_PROBABILITY = field(ge=0, le=1, help="How likely a batch (or, with a λ for each sample, a sample) is mixed.")


class _Mixing(AugmentationStep, frozen=True):
    mixes: ClassVar[bool] = True

    if TYPE_CHECKING:
        alpha: float = 1.0
        each: Each = "batch"

    def _shares(self, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
        """Who is mixed (n,), and the share λ that each keeps of itself (n,)."""
        of_batches = self.each == "batch"
        if self.probability >= 1 or not of_batches:
            chosen = draws.chosen(self.probability)
        else:
            chosen = draws.uniform_of_batches("chosen") < self.probability
        return chosen, draws.beta("share", self.alpha, of_batches=of_batches)


def mix_targets(samples: Samples, partners: np.ndarray, kept: np.ndarray) -> None:
    """Every target becomes `kept` (float32 (n,)) of itself and the rest of the partner's."""
    for targets in (samples.numbers, samples.shares):
        for name, values in targets.items():
            targets[name] = _between(values, values[partners], kept)


def _between(own: np.ndarray, other: np.ndarray, kept: np.ndarray) -> np.ndarray:
    share = kept.reshape(-1, *[1] * (own.ndim - 1))
    return share * own + (1 - share) * other


@component(
    "mixup",
    label="Mixup",
    group="Mixing",
    formula="x′ = λ x + (1 − λ) x̃,  t′ = λ t + (1 − λ) t̃,  λ ~ Beta(α, α)",
    source="Zhang, Cisse, Dauphin, Lopez-Paz: mixup, Beyond empirical risk minimization (ICLR 2018)",
    synonyms=("mix", "blend", "interpolate", "soft targets", "vicinal"),
    avoid="Not with a large α on data that are hard anyway: the network underfits. Training loss and training accuracy "
    "say less, since no network can bring them to 0 and 1.",
)
class Mixup(_Mixing, frozen=True):
    """Trains on weighted means of two samples, with the same means of their targets.

    The network learns to change its answer evenly from one sample to the next. It helps most where samples are few, or
    where some of their labels are wrong; it works on tables as well as on images.

    The accuracy during training counts the class of the larger share as the right one; validation is never mixed.
    """

    alpha: Annotated[
        float,
        field(
            gt=0,
            le=100,
            symbol="α",
            scale="log",
            search=(0.1, 1.0),
            help="Form of the distribution Beta(α, α) of the share: at 1 all are equally likely; below, most samples "
            "stay nearly themselves (at 0.2 the smaller share is 0.10 on average); above, they become halves.",
        ),
    ] = 0.2
    each: Annotated[Each, _EACH] = "batch"
    probability: Annotated[float, _PROBABILITY] = 1.0

    def apply(self, samples: Samples, draws: Draws) -> None:
        chosen, share = self._shares(draws)
        kept, partners = np.where(chosen, share, 1.0).astype(np.float32), draws.partners("partner")
        for name, values in samples.inputs.items():
            samples.inputs[name] = _between(values, values[partners], kept)
        mix_targets(samples, partners, kept)


@component(
    "cutmix",
    label="CutMix",
    group="Mixing",
    formula="x′ = x with a box of x̃, √(1 − λ) of its sides;  t′ = (1 − area) t + area t̃,  λ ~ Beta(α, α)",
    source="Yun, Han, Oh, Chun, Choe, Yoo: CutMix, Regularization strategy to train strong classifiers with "
    "localizable features (ICCV 2019)",
    synonyms=("mix", "paste", "patch", "cut and paste", "soft targets"),
    avoid="Not on tables: a box takes pixels that are neighbours. Not where a small box holds all that tells a class.",
    differs="Notes take λ itself for the target's share. But the box is cut off at the image's border: for λ uniform "
    "it covers 0.32 of the image on average, not 0.5, so that the shares are taken from the box as it is.",
)
class CutMix(_Mixing, frozen=True):
    """Puts a rectangle of another sample into each image; the targets are mixed by the areas.

    The network has to tell classes by any part of an image. For photographs; stronger than Cutout, which puts nothing
    into the hole.

    The accuracy during training counts the class of the larger share as the right one; validation is never mixed.
    """

    images_only: ClassVar[bool] = True

    alpha: Annotated[
        float,
        field(
            gt=0,
            le=100,
            symbol="α",
            scale="log",
            search=(0.1, 1.0),
            help="Form of the distribution Beta(α, α) of the share that is kept: at 1 all are equally likely.",
        ),
    ] = 1.0
    each: Annotated[Each, _EACH] = "batch"
    probability: Annotated[float, _PROBABILITY] = 1.0

    def apply(self, samples: Samples, draws: Draws) -> None:
        chosen, share = self._shares(draws)
        partners = draws.partners("partner")
        side = np.where(chosen, np.sqrt(1 - share), 0.0)
        pasted = []
        for _, images in samples.images():
            height, width = images.shape[1:3]
            # As the paper's code: half the side, rounded down, to either side of the centre.
            sides = 2 * (side * height / 2).astype(np.int64), 2 * (side * width / 2).astype(np.int64)
            boxes = clipped_boxes(draws, "box", (height, width), sides, of_batches=self.each == "batch")
            np.copyto(images, images[partners], where=boxes.mask())
            pasted.append(boxes.area)
        if not pasted:
            return  # a table: `findings` says so
        # Images of other sizes, where there are several inputs, have boxes of nearly the same share.
        mix_targets(samples, partners, (1 - np.mean(pasted, axis=0)).astype(np.float32))
