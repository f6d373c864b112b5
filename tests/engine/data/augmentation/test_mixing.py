"""Mixup and CutMix: the samples, the targets, and the areas that notes get wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.data.augmentation import CutMix, Mixup, Samples
from engine.data.augmentation.boxes import clipped_boxes
from engine.data.augmentation.draws import Draws
from tests.engine.data.augmentation.support import SEED, images, mixed


@pytest.mark.parametrize("each", ["batch", "sample"])
@pytest.mark.parametrize("tables", [False, True])
def test_mixup_mixes_samples_and_targets_alike(each: Any, tables: bool) -> None:
    x = images(60) if not tables else images(60).reshape(60, -1)
    out, shares = mixed(Mixup(alpha=1.0, each=each), x, steps=3)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(out.reshape(60, -1), shares @ x.reshape(60, -1), atol=1e-5)
    own = np.diag(shares)
    for k in range(3):
        rows = slice(20 * k, 20 * k + 20)
        assert not shares[rows, : 20 * k].any() and not shares[rows, 20 * k + 20 :].any(), "batches are not mixed"
        kinds = len(np.unique(np.round(own[rows], 6)))
        # Who is its own partner keeps all of itself.
        assert kinds <= 2 if each == "batch" else kinds > 10


def test_targets_that_are_numbers_are_mixed() -> None:
    x, y = np.arange(8, dtype=np.float32)[:, None], 10 * np.arange(8, dtype=np.float32)[:, None]
    samples = Samples(8, {"x": x}, {"y": y})
    Mixup(alpha=1.0, each="sample").apply(samples, Draws(SEED, 0, 1, 8, 0))
    np.testing.assert_allclose(samples.numbers["y"], 10 * samples.inputs["x"], rtol=1e-6)
    assert not np.allclose(samples.inputs["x"], x)


@pytest.mark.parametrize("step", [Mixup(alpha=1.0, probability=0.4), CutMix(probability=0.4)])
def test_whole_batches_are_chosen(step: Any) -> None:
    x = images(1600)
    _, shares = mixed(step, x, steps=200)
    same = (np.diag(shares) == 1).reshape(200, 8)
    assert same.all(axis=1).mean() == pytest.approx(0.6, abs=0.12)


@pytest.mark.parametrize("each", ["batch", "sample"])
def test_cutmix_pastes_a_box_and_counts_its_pixels(each: Any) -> None:
    x = np.arange(64, dtype=np.float32)[:, None, None, None] * np.ones((1, 16, 16, 1), np.float32)
    out, shares = mixed(CutMix(each=each), x, steps=2)
    for k in range(64):
        values, counts = np.unique(out[k], return_counts=True)
        assert len(values) <= 2 and k in values
        for value, count in zip(values.astype(int), counts, strict=True):
            assert shares[k, value] == pytest.approx(count / 256, abs=1e-6)
        pasted = out[k, ..., 0] != k
        if pasted.any():
            rows, columns = np.flatnonzero(pasted.any(axis=1)), np.flatnonzero(pasted.any(axis=0))
            assert pasted[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all(), "one box"
    assert ((np.diag(shares) < 1) & (np.diag(shares) > 0)).mean() > 0.6


def areas(size: int, count: int = 60_000, share: float | None = None) -> np.ndarray:
    """The areas that CutMix pastes into images of `size` x `size` pixels, for shares that are uniform or one number."""
    draws = Draws(3, 0, 1, count, 0)
    side = np.sqrt(1 - (draws.beta("share", 1.0) if share is None else np.full(count, share)))
    pixels = 2 * (side * size / 2).astype(np.int64)
    return clipped_boxes(draws, "box", (size, size), (pixels, pixels)).area


def test_the_pasted_area_is_not_what_lambda_says() -> None:
    """For a uniform share, 1 - share is 0.5 on average; cut off at the border, boxes cover 0.32083 of the image, and
    less on images of few pixels."""
    assert areas(10_000).mean() == pytest.approx(0.32083, abs=0.002)
    assert areas(32).mean() == pytest.approx(0.2988, abs=0.003)
    small = areas(8)
    assert small.mean() == pytest.approx(0.2314, abs=0.003)
    assert (small == 0).mean() == pytest.approx(1 / 16, abs=0.003)


def test_the_sides_of_a_box() -> None:
    """A box for the share 0.6 of 32 pixels has sides of 32 sqrt(0.4) = 20.24, so 20 where nothing is cut off."""
    assert np.sqrt(areas(32, share=0.6).max()) * 32 == pytest.approx(20)
    assert 32 * np.sqrt(0.4) == pytest.approx(20.24, abs=0.005)


def test_the_areas_of_the_component_are_these() -> None:
    x = np.zeros((4000, 8, 8, 1), np.float32)
    samples = Samples(4000, {"x": x}, {"y": np.zeros((4000, 1), np.float32)}, {})
    samples.inputs["x"][:2000] = 1
    samples.numbers["y"][:2000] = 1
    CutMix(each="sample").apply(samples, Draws(SEED, 0, 1, 4000, 0))
    np.testing.assert_allclose(samples.numbers["y"][:, 0], samples.inputs["x"].mean(axis=(1, 2, 3)), atol=1e-6)
    # Half of the partners are of the same kind.
    assert 1 - samples.numbers["y"][:2000].mean() == pytest.approx(0.2314 / 2, abs=0.01)


def test_cutmix_leaves_tables_as_they_are() -> None:
    """The check refuses it there; a preview may be asked for before."""
    x = images(20).reshape(20, -1)
    out, shares = mixed(CutMix(), x)
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(shares, np.eye(20))
