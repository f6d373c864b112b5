"""What augmentation does to a network: it pays where it matches how the test differs, and hurts where it does not.

100 of the digits, 64-100-10, plain SGD, 200 epochs. The bands are wide enough for other random streams.
"""

from __future__ import annotations

from statistics import fmean
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine.data.augmentation import HorizontalFlip, Shift
from engine.presets import make
from engine.training.evaluate import evaluate
from engine.training.trainer import Trainer

pytest.importorskip("sklearn", reason="the digits come with scikit-learn")

SIDEWAYS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def accuracies(seed: int, *augmentation: Any) -> tuple[float, float]:
    """On the test part, and on the same digits moved by a pixel in four directions."""
    base = make("digits-baseline")
    data = replace(base.data, split=replace(base.data.split, train_limit=100), augmentation=augmentation)
    experiment = replace(base, data=data, seed=seed, training=replace(base.training, epochs=200))
    trainer = Trainer(experiment, device="cpu", executor="array")
    trainer.run()
    loop = trainer.loop
    assert loop is not None
    part, dataset = loop.dataset.test, loop.dataset

    def accuracy(x: np.ndarray) -> float:
        found = evaluate(loop.programs, {**part.arrays, "x": x}, part.size, loop.heads, loop.scalars())
        assert found is not None and found.accuracy is not None
        return found.accuracy

    wide = np.pad(dataset.raw.inputs["x"][part.indices], ((0, 0), (1, 1), (1, 1), (0, 0)))
    moved = [accuracy(dataset.transform(wide[:, 1 - i : 9 - i, 1 - j : 9 - j])) for i, j in SIDEWAYS]
    return accuracy(part.arrays["x"]), fmean(moved)


def test_shifts_help_with_what_is_shifted_and_flips_hurt() -> None:
    plain, shifted, flipped = (
        tuple(map(fmean, zip(*(accuracies(seed, *steps) for seed in range(2)), strict=True)))
        for steps in ((), (Shift(),), (HorizontalFlip(),))
    )
    assert 0.88 < plain[0] < 0.93 and plain[1] < 0.5
    assert 0.83 < shifted[0] < plain[0], "the test's digits are centred: it costs a little"
    assert shifted[1] > 0.78, "and it is worth it where they are not"
    assert flipped[0] < plain[0] - 0.03, "a mirrored digit is no digit"
