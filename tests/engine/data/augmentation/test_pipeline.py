"""The whole list: pure functions of seed and step, whatever the number of batches made at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.data.augmentation import AugmentationStep, Augmenter, HorizontalFlip, Mixup, RandomCrop, Rotate, Samples
from engine.data.signature import DataSignature, TargetSignature
from engine.schema import Unknown, components_of
from tests.engine.data.augmentation.support import images

EVERY: tuple[Any, ...] = tuple(cls() for cls in components_of("augmentation").values())


def augmenter(steps: tuple[Any, ...], x: np.ndarray, seed: int = 3) -> Augmenter:
    arrays = {"x": x, "y": np.arange(len(x)) % 3, "z": np.arange(2.0 * len(x), dtype=np.float32).reshape(-1, 2)}
    targets = {"y": TargetSignature(classes=3), "z": TargetSignature(shape=(2,))}
    signature = DataSignature(inputs={"x": x.shape[1:]}, targets=targets)
    return Augmenter(steps, arrays, signature, seed, inputs=("x",), targets=("y", "z"))


def arrays_of(samples: Samples) -> list[np.ndarray]:
    return [*samples.inputs.values(), *samples.numbers.values(), *samples.shares.values()]


@pytest.mark.parametrize("step", [*EVERY, EVERY], ids=lambda step: getattr(type(step), "__name__", ""))
@pytest.mark.parametrize("channels", [1, 3])
def test_batches_made_together_have_the_bits_of_each(step: Any, channels: int) -> None:
    steps = step if isinstance(step, tuple) else (step,)
    x = images(60, 9, 7, channels)
    made = augmenter(steps, x)
    indices = np.random.default_rng(1).permutation(60)[:55].reshape(5, 11)
    together = arrays_of(made.prepare(indices, 20))
    for k in range(5):
        for whole, one in zip(together, arrays_of(made.prepare(indices[k : k + 1], 20 + k)), strict=True):
            np.testing.assert_array_equal(whole[11 * k : 11 * k + 11], one)


def test_known_values() -> None:
    """These fix the draws: a change of theirs would change every run with augmentation."""
    x = np.arange(4 * 4 * 4, dtype=np.float32).reshape(4, 4, 4, 1)
    made = augmenter((RandomCrop(padding=1), HorizontalFlip(), Mixup(alpha=1.0)), x)
    samples = made.prepare(np.arange(4)[None], 9)
    np.testing.assert_allclose(samples.inputs["x"].sum(axis=(1, 2, 3)), KNOWN_SUMS, rtol=1e-6)
    np.testing.assert_allclose(samples.shares["y"][1], KNOWN_SHARES, atol=1e-6)


KNOWN_SUMS = [143.14302, 210.52374, 416.85706, 480.47617]
KNOWN_SHARES = [0.15343958, 0.84656042, 0.0]


def test_the_data_stay_as_they_are() -> None:
    x = images(30, 9, 7)
    before = x.copy()
    x.flags.writeable = False
    augmenter(EVERY, x).prepare(np.arange(30)[None], 0)
    np.testing.assert_array_equal(x, before)


def test_each_place_in_the_list_draws_for_itself() -> None:
    x = images(200)
    twice = augmenter((HorizontalFlip(), HorizontalFlip()), x).prepare(np.arange(200)[None], 0).inputs["x"]
    flipped = (twice != x).any(axis=(1, 2, 3)).mean()
    assert flipped == pytest.approx(0.5, abs=0.1), "the same draws twice would give the images back"


def test_what_is_switched_off_draws_for_nobody() -> None:
    x = images(50)
    off = HorizontalFlip(probability=0.0)
    unknown = Unknown(of_kind="augmentation", tag="solarize", plain={"type": "solarize"})
    for steps in ((off, Rotate()), (unknown, Rotate())):
        found = augmenter(steps, x).prepare(np.arange(50)[None], 0).inputs["x"]
        other = augmenter((HorizontalFlip(probability=1e-12), Rotate()), x).prepare(np.arange(50)[None], 0).inputs["x"]
        np.testing.assert_array_equal(found, other)


def test_shares_are_made_only_where_samples_are_mixed() -> None:
    x = images(12)
    plain = augmenter((Rotate(),), x).prepare(np.arange(12)[None], 0)
    assert plain.shares == {} and plain.batch == 12
    made = augmenter((Mixup(),), x)
    assert made.mixes and not augmenter((Mixup(probability=0.0),), x).mixes
    shares = made.prepare(np.arange(12)[None], 0).shares["y"]
    assert shares.shape == (12, 3) and shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)


def test_every_augmentation_says_when_it_is_not_for_use() -> None:
    from engine.schema import info_of

    for step in EVERY:
        assert isinstance(step, AugmentationStep)
        info = info_of(step)
        assert info.avoid and info.formula and info.synonyms and info.group, info.tag
        assert step.__struct_fields__.count("probability") == 1
