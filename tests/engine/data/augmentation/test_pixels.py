"""Images are moved as they are in the source: preprocessing is taken back, and done again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.data.augmentation import Augmenter, Cutout, HorizontalFlip, RandomCrop, Rotate, Shift
from engine.data.augmentation.affine import resample
from engine.data.augmentation.draws import Draws
from engine.data.augmentation.pixels import Pixels
from engine.data.augmentation.shifts import padded, windows
from engine.data.preprocessing import Center, Normalize, Rescale, Whiten, fit_all, transformed
from engine.data.signature import DataSignature, TargetSignature
from tests.engine.data.augmentation.support import SEED

COUNT = 80
RAW = np.random.default_rng(2).integers(0, 256, (COUNT, 6, 5, 2)).astype(np.uint8)
STEPS: dict[str, tuple[Any, ...]] = {
    "nothing": (),
    "one number": (Center(per="global"), Normalize(per="global")),
    "channels": (Rescale(low=-1, high=1, per="channel"), Center(per="channel")),
    "mean image": (Center(per="feature"), Normalize(per="global")),
    "every pixel": (Center(per="feature"), Normalize(per="feature"), Rescale()),
    "whitened": (Center(per="feature"), Whiten(form="ZCA", epsilon=0.1)),
}


def prepared(name: str, *steps: Any) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """All samples after preprocessing and augmentation, and what preprocessing makes of raw images."""
    fitted = fit_all(RAW, np.arange(COUNT), STEPS[name])
    arrays = {"x": transformed(RAW, np.arange(COUNT), fitted), "y": np.zeros(COUNT, np.int64)}
    signature = DataSignature(inputs={"x": RAW.shape[1:]}, targets={"y": TargetSignature(classes=2)})
    augmenter = Augmenter(steps, arrays, signature, SEED, inputs=("x",), targets=("y",), fitted={"x": fitted, "y": ()})
    out = augmenter.prepare(np.arange(COUNT)[None], 0).inputs["x"]
    return out, lambda raw: transformed(raw, np.arange(len(raw)), fitted)


def shifted(value: float) -> np.ndarray:
    draws = Draws(SEED, 0, 1, COUNT, 0)
    down, right = draws.whole("down", -2, 2), draws.whole("right", -2, 2)
    return windows(padded(RAW.astype(np.float32), 2, 2, fill=value), 2 - down, 2 - right, 6, 5)


@pytest.mark.parametrize("name", STEPS)
def test_a_moved_image_is_what_preprocessing_makes_of_a_moved_image(name: str) -> None:
    found, preprocess = prepared(name, Shift(pixels=2, background=30.0))
    np.testing.assert_allclose(found, preprocess(shifted(30.0)), atol=2e-4)


@pytest.mark.parametrize("name", STEPS)
def test_interpolated_images_too(name: str) -> None:
    found, preprocess = prepared(name, Rotate(degrees=60), RandomCrop(padding=0), HorizontalFlip(probability=1.0))
    turned = resample(RAW.astype(np.float32), Rotate(degrees=60).matrices(Draws(SEED, 0, 1, COUNT, 0)))
    np.testing.assert_allclose(found, preprocess(turned[:, :, ::-1]), atol=2e-4)


def test_what_does_not_move_acts_on_preprocessed_values() -> None:
    """A hole is the mean of centred data, also between two moves."""
    found, preprocess = prepared("mean image", Shift(pixels=1), Cutout(size=2), HorizontalFlip(probability=1.0))
    plain, _ = prepared("mean image", Shift(pixels=1), Cutout(size=2, probability=0.0), HorizontalFlip(probability=1.0))
    fitted = fit_all(RAW, np.arange(COUNT), STEPS["mean image"])
    hole = np.abs(found - plain) > 1e-4
    assert 0.02 < hole.mean() < 0.2
    # Zero before the flip: the mean image there, which the flip carries to its mirror place.
    mirrored = transformed(np.broadcast_to(fitted[0].shift, RAW.shape)[:, :, ::-1], np.arange(COUNT), fitted)  # type: ignore[attr-defined]
    np.testing.assert_allclose(found[hole], mirrored[hole], atol=1e-4)
    assert preprocess is not None


def test_where_all_pixels_are_treated_alike_no_bit_is_lost() -> None:
    found, _ = prepared("one number", HorizontalFlip(probability=1.0))
    back, _ = prepared("one number", HorizontalFlip(probability=1.0), HorizontalFlip(probability=1.0))
    plain, _ = prepared("one number")
    np.testing.assert_array_equal(found, plain[:, :, ::-1])
    np.testing.assert_array_equal(back, plain)
    for name, even in {"nothing": True, "one number": True, "channels": True, "mean image": False}.items():
        assert Pixels(fit_all(RAW, np.arange(COUNT), STEPS[name]), RAW.shape[1:]).even == even


@pytest.mark.parametrize("name", ["one number", "channels"])
def test_levels_are_what_becomes_of_values(name: str) -> None:
    fitted = fit_all(RAW, np.arange(COUNT), STEPS[name])
    level = Pixels(fitted, RAW.shape[1:]).level(17.0)
    grey = transformed(np.full((1, 6, 5, 2), 17.0), np.arange(1), fitted)
    np.testing.assert_allclose(np.broadcast_to(level, grey.shape), grey, rtol=1e-5)
