"""Brightness, contrast, noise, and what is erased."""

from __future__ import annotations

import numpy as np
import pytest

from engine.data.augmentation import Brightness, Contrast, Cutout, GaussianNoise, RandomErasing
from engine.data.augmentation.boxes import clipped_boxes
from engine.data.augmentation.draws import Draws
from tests.engine.data.augmentation.support import changed, images


def test_brightness_adds_one_number_to_an_image() -> None:
    x = images(400)
    added = changed(Brightness(strength=0.3), x) - x
    offset = added.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(added, np.broadcast_to(offset[:, None, None, None], x.shape), atol=1e-6)
    assert -0.3 < offset.min() < -0.29 and 0.29 < offset.max() < 0.3


def test_contrast_keeps_the_mean_and_scales_the_deviation() -> None:
    x = images(400)
    out = changed(Contrast(strength=0.5), x)
    np.testing.assert_allclose(out.mean(axis=(1, 2, 3)), x.mean(axis=(1, 2, 3)), atol=1e-6)
    factor = out.std(axis=(1, 2, 3)) / x.std(axis=(1, 2, 3))
    assert 0.5 < factor.min() < 0.51 and 1.49 < factor.max() < 1.5
    same = (changed(Contrast(probability=0.3), x) == x).all(axis=(1, 2, 3))
    assert same.mean() == pytest.approx(0.7, abs=0.07)


@pytest.mark.parametrize("shape", [(300, 6, 5, 2), (300, 7)], ids=["images", "table"])
def test_noise_has_its_deviation_on_images_and_tables(shape: tuple[int, ...]) -> None:
    x = np.zeros(shape, np.float32)
    noise = changed(GaussianNoise(deviation=0.3, probability=0.5), x).reshape(300, -1)
    quiet = (noise == 0).all(axis=1)
    assert quiet.mean() == pytest.approx(0.5, abs=0.08)
    assert noise[~quiet].std() == pytest.approx(0.3, rel=0.05)
    assert abs(noise[~quiet].mean()) < 0.03
    assert len(np.unique(noise[~quiet])) > 0.99 * noise[~quiet].size


def test_a_cutout_is_one_square_cut_off_at_the_border() -> None:
    x = np.ones((2000, 9, 9, 2), np.float32)
    out = changed(Cutout(size=3, fill=-2.0), x)
    assert set(np.unique(out)) == {-2.0, 1.0}
    for image in out[:50] == -2.0:
        assert (image[..., 0] == image[..., 1]).all()
        rows, columns = np.flatnonzero(image.any(axis=(1, 2))), np.flatnonzero(image.any(axis=(0, 2)))
        assert 2 <= len(rows) <= 3 and 2 <= len(columns) <= 3
        assert image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    # Centred anywhere: of 9 places the two at the border lose one of three rows.
    assert (out == -2.0).mean() == pytest.approx(((7 * 3 + 2 * 2) / 9 / 9) ** 2, rel=0.02)


def test_a_cutout_of_half_the_side_hides_less_than_a_quarter() -> None:
    """s - s^2 / 4 of a side on average: 0.4375 squared is 0.1914."""
    size = 2000
    side = np.full(40_000, size // 2)
    area = clipped_boxes(Draws(1, 0, 1, 40_000, 0), "box", (size, size), (side, side)).area
    assert area.mean() == pytest.approx(0.1914, abs=0.0005)


def test_erased_rectangles_lie_within_and_have_their_area() -> None:
    x = np.full((1000, 40, 40, 1), 7.0, np.float32)
    out = changed(RandomErasing(smallest=0.1, largest=0.3, elongation=2.0, probability=0.5), x)
    area = (out == 0).mean(axis=(1, 2, 3))
    assert (area > 0).mean() == pytest.approx(0.5, abs=0.04)
    erased = area[area > 0]
    assert erased.min() > 0.09 and erased.max() < 0.32 and erased.mean() == pytest.approx(0.2, abs=0.01)
    for image in out[area > 0][:80, ..., 0] == 0:
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert 0.45 < len(rows) / len(columns) < 2.2
    places = (out == 0).mean(axis=0)
    assert places[:, :5].mean() == pytest.approx(places[:, -5:].mean(), rel=0.3)


def test_the_erased_may_become_noise() -> None:
    x = np.full((400, 20, 20, 1), 7.0, np.float32)
    out = changed(RandomErasing(smallest=0.2, largest=0.2, content="noise", probability=1.0), x)
    noise = out[out != 7.0]
    assert noise.mean() == pytest.approx(0, abs=0.02) and noise.std() == pytest.approx(1, rel=0.02)


def test_the_largest_rectangle_is_the_whole_image() -> None:
    x = np.full((20, 6, 5, 1), 7.0, np.float32)
    assert (changed(RandomErasing(smallest=1, largest=1, elongation=1, probability=1), x) == 0).all()
    assert (changed(RandomErasing(smallest=0, largest=0, probability=1), x) == 7).all()


def test_contradictions_are_told() -> None:
    misfit = RandomErasing(smallest=0.4, largest=0.2).misfit()
    assert misfit is not None and misfit[0] == "largest" and "0.2" in misfit[1]
    assert RandomErasing().misfit() is None
