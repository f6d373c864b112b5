"""Augmentation: random changes of the training samples, drawn anew for every batch, applied in the order of the list.

Each is a component of the kind "augmentation". They act on preprocessed samples, on the host, and are pure functions of
(seed, step, place in the batch, place in the list): see `draws`.
"""

# isort: off
# The order of declaration is the order of the menu.
from engine.data.augmentation.base import AugmentationStep, Samples
from engine.data.augmentation.flips import HorizontalFlip, VerticalFlip
from engine.data.augmentation.shifts import RandomCrop, Shift
from engine.data.augmentation.affine import Rotate, Scale, Shear
from engine.data.augmentation.values import Brightness, Contrast, GaussianNoise
from engine.data.augmentation.boxes import Cutout, RandomErasing
from engine.data.augmentation.mixing import CutMix, Mixup
from engine.data.augmentation.pipeline import Augmenter
# isort: on

__all__ = [
    "AugmentationStep",
    "Augmenter",
    "Brightness",
    "Contrast",
    "CutMix",
    "Cutout",
    "GaussianNoise",
    "HorizontalFlip",
    "Mixup",
    "RandomCrop",
    "RandomErasing",
    "Rotate",
    "Samples",
    "Scale",
    "Shear",
    "Shift",
    "VerticalFlip",
]
