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


_POINTS, _IMAGES, _NUMBERS, _SEQUENCES = "Points in the plane", "Images", "Regression", "Sequences"

_PRESETS = (
    Preset("spiral-mlp", "Spiral, MLP", "Three spiral arms: watch the decision surface wind itself up.", _POINTS),
    Preset("moons-mlp", "Moons, MLP", "Two half circles and a single yes-or-no output.", _POINTS),
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
    Preset(
        "mnist-batchnorm-dropout",
        "MNIST, batch norm and dropout",
        "Normalization, dropout, weight decay and a cosine schedule together.",
        _IMAGES,
    ),
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
