"""Ready-made experiments: small, quick to train, each with notes that say what to look at."""

from __future__ import annotations

import difflib
from pathlib import Path

from msgspec import Struct

from engine import files
from engine.experiment import Experiment

__all__ = ["FIRST", "FOLDER", "Preset", "PresetError", "make", "presets"]

FOLDER = Path(__file__).resolve().parent.parent / "resources" / "presets"

FIRST = "spiral-mlp"
"""The preset that a newcomer sees: it needs nothing beyond the program and learns visibly within seconds."""


class Preset(Struct, frozen=True):
    """One entry of the list. `name` is what the command line and files call it."""

    name: str
    label: str
    summary: str
    group: str


class PresetError(ValueError):
    """A preset that does not exist, in words."""


_POINTS, _IMAGES, _NUMBERS = "Points in the plane", "Images", "Regression"
_SEQUENCES, _DEPTH = "Sequences", "Initialization"

_PRESETS = (
    Preset("spiral-mlp", "Spiral, MLP", "Three spiral arms: watch the decision surface wind itself up.", _POINTS),
    Preset("moons-mlp", "Moons, MLP", "Two half circles and a single yes-or-no output.", _POINTS),
    Preset(
        "logistic-regression",
        "Digits, logistic regression",
        "One picture for each digit: what every network has to beat.",
        _IMAGES,
    ),
    Preset("mnist-mlp", "MNIST, MLP", "Handwritten digits with two hidden layers: the classic first network.", _IMAGES),
    Preset("mnist-cnn", "MNIST, CNN", "The same digits with two convolutions: fewer errors, more work.", _IMAGES),
    Preset(
        "mnist-augmented",
        "MNIST, augmented",
        "Only 300 digits, but shifted and turned anew in every batch: far fewer errors.",
        _IMAGES,
    ),
    Preset("fashion-cnn", "Fashion, CNN", "Photographs of clothes: shirts and coats are hard to tell apart.", _IMAGES),
    Preset(
        "digits-baseline",
        "Digits, baseline",
        "One hidden layer and plain SGD: a yardstick for all else.",
        _IMAGES,
    ),
    Preset("digits-residual", "Digits, residual CNN", "Two residual blocks: each adds to what it was given.", _IMAGES),
    Preset("lenet-5", "MNIST, LeNet-5", "Two convolutions with tanh, three dense layers: the plan of 1998.", _IMAGES),
    Preset("vgg-32", "Fashion, VGG-like", "Small filters in stages, on images of 32 × 32, augmented.", _IMAGES),
    Preset(
        "resnet-32",
        "Fashion, ResNet-like",
        "Residual blocks in repeated groups: as deep as you like.",
        _IMAGES,
    ),
    Preset("autoencoder", "Digits, autoencoder", "Says again what it was shown, through a waist of eight.", _IMAGES),
    Preset(
        "mnist-batchnorm-dropout",
        "MNIST, batch norm and dropout",
        "Normalization, dropout, weight decay and a cosine schedule together.",
        _IMAGES,
    ),
    Preset(
        "deep-tanh", "Digits, ten layers of tanh", "How the first weights decide whether signals survive depth.", _DEPTH
    ),
    Preset("deep-relu", "Digits, ten layers of ReLU", "The same with ReLU, which needs He’s initializer.", _DEPTH),
    Preset(
        "diabetes-regression", "Diabetes, regression", "Ten measurements predict the course of a disease.", _NUMBERS
    ),
    Preset("sine-regression", "Sine, regression", "One number in, one number out: fit a wave through noise.", _NUMBERS),
    Preset(
        "tiny-transformer",
        "Brackets, tiny transformer",
        "One block of attention tells balanced brackets from others.",
        _SEQUENCES,
    ),
)


def presets() -> tuple[Preset, ...]:
    """All presets, in the order of a menu."""
    return _PRESETS


def make(name: str) -> Experiment:
    """The experiment of that preset. Raises PresetError for a name that is none."""
    names = [preset.name for preset in _PRESETS]
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean “{close[0]}”?" if close else f"the presets are {', '.join(names)}"
        raise PresetError(f"there is no preset “{name}”; {hint}")
    return files.load(FOLDER / f"{name}{files.SUFFIX}")
