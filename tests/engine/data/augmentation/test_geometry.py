"""Flips, shifts, crops and linear maps against closed forms, SciPy and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.data.augmentation import (
    AugmentationStep,
    Augmenter,
    HorizontalFlip,
    RandomCrop,
    Rotate,
    Scale,
    Shear,
    Shift,
    VerticalFlip,
)  # fmt: skip
from engine.data.augmentation.affine import AffineStep, product, resample
from engine.data.augmentation.draws import Draws
from engine.data.signature import DataSignature, TargetSignature
from tests.engine.data.augmentation.support import SEED, changed, images


def rotation(degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


# -- flips -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "axis"), [(HorizontalFlip, 2), (VerticalFlip, 1)])
def test_a_flip_is_numpys_and_its_own_inverse(step: Any, axis: int) -> None:
    x = images(40)
    once = changed(step(probability=1.0), x)
    np.testing.assert_array_equal(once, np.flip(x, axis))
    np.testing.assert_array_equal(changed(step(probability=1.0), once), x)


def test_a_flip_touches_its_share_of_the_samples() -> None:
    x = images(1000)
    flipped = changed(HorizontalFlip(probability=0.25), x)
    same = (flipped == x).all(axis=(1, 2, 3))
    assert same.mean() == pytest.approx(0.75, abs=0.04)
    np.testing.assert_array_equal(flipped[~same], x[~same, :, ::-1])


# -- shifts ------------------------------------------------------------------------------------------------------------


def shifted(image: np.ndarray, down: int, right: int, fill: float) -> np.ndarray:
    """One image moved, pixel by pixel."""
    out = np.full_like(image, fill)
    height, width = image.shape[:2]
    for i in range(height):
        for j in range(width):
            if 0 <= i - down < height and 0 <= j - right < width:
                out[i, j] = image[i - down, j - right]
    return out


@pytest.mark.parametrize("pixels", [0, 1, 3, 9])
def test_a_shift_moves_every_pixel(pixels: int) -> None:
    x = images(30)
    draws = Draws(SEED, 0, 1, 30, 0)
    down, right = draws.whole("down", -pixels, pixels), draws.whole("right", -pixels, pixels)
    expected = [shifted(image, *by, 0.5) for image, *by in zip(x, down, right, strict=True)]
    np.testing.assert_array_equal(changed(Shift(pixels=pixels, background=0.5), x), expected)
    assert abs(down).max() == abs(right).max() == pixels


def test_unchosen_samples_stay() -> None:
    x = images(500)
    for step in (Shift(pixels=2, probability=0.2), RandomCrop(padding=3, probability=0.2)):
        same = (changed(step, x) == x).all(axis=(1, 2, 3))
        assert 0.75 < same.mean() < 0.9


@pytest.mark.parametrize("border", ["constant", "edge", "reflect"])
def test_a_crop_is_a_window_of_numpys_padding(border: Any) -> None:
    x = images(30)
    top, left = (Draws(SEED, 0, 1, 30, 0).whole(name, 0, 6) for name in ("top", "left"))
    more: dict[str, Any] = {"constant_values": -1.5} if border == "constant" else {}
    wide = np.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)), mode=border, **more)
    expected = [wide[k, top[k] : top[k] + 6, left[k] : left[k] + 5] for k in range(30)]
    np.testing.assert_array_equal(changed(RandomCrop(padding=3, border=border, background=-1.5), x), expected)
    assert len(set(zip(top.tolist(), left.tolist(), strict=True))) > 20


# -- linear maps -------------------------------------------------------------------------------------------------------


def test_the_identity_changes_no_bit() -> None:
    x = images(3, 7, 4)
    for interpolation in ("bilinear", "nearest"):
        np.testing.assert_array_equal(resample(x, np.tile(np.eye(2), (3, 1, 1)), 9.0, interpolation), x)  # type: ignore[arg-type]


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_a_quarter_turn_is_numpys_and_four_of_them_are_none(interpolation: Any) -> None:
    x = images(4, 6, 6)
    quarter = np.tile(np.round(rotation(90)), (4, 1, 1))
    once = resample(x, quarter, 9.0, interpolation)
    np.testing.assert_array_equal(once, np.rot90(x, axes=(1, 2)))
    turned = x
    for _ in range(4):
        turned = resample(turned, quarter, 9.0, interpolation)
    np.testing.assert_array_equal(turned, x)


MAPS = {
    "rotate": rotation(23),
    "shrink": np.eye(2) * 1.4,
    "grow": np.eye(2) / 1.7,
    "shear": np.array([[1.0, 0.0], [0.35, 1.0]]),
    "all": rotation(-71) @ np.array([[1.0, 0.0], [0.2, 1.0]]) * 0.8,
}


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("shape", [(9, 9, 1), (7, 12, 3), (1, 5, 2)], ids=str)
def test_bilinear_resampling_agrees_with_scipy(name: str, shape: tuple[int, int, int]) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    matrix, x = MAPS[name], images(2, *shape)
    centre = (np.array(shape[:2]) - 1) / 2
    found = resample(x, np.stack([matrix, matrix]), 0.7)
    for k, channel in np.ndindex(2, shape[2]):
        expected = ndimage.affine_transform(
            x[k, :, :, channel].astype(float), matrix, centre - matrix @ centre, order=1, mode="grid-constant", cval=0.7
        )
        np.testing.assert_allclose(found[k, :, :, channel], expected, atol=2e-5)


@pytest.mark.parity
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_resampling_agrees_with_pytorch(mode: Any) -> None:
    torch = pytest.importorskip("torch")
    x, matrix = images(5, 8, 11, 3), np.stack(list(MAPS.values()))
    # PyTorch counts (column, row), and from -1 at the centre of the first pixel to 1 at that of the last.
    scale = np.array([(8 - 1) / 2, (11 - 1) / 2])
    relative = (matrix * scale[None, None, :] / scale[None, :, None])[:, ::-1, ::-1]
    theta = np.concatenate((relative, np.zeros((5, 2, 1))), axis=2)
    images_first = torch.tensor(x.transpose(0, 3, 1, 2).astype(np.float64))
    grid = torch.nn.functional.affine_grid(torch.tensor(theta), list(images_first.shape), align_corners=True)
    expected = torch.nn.functional.grid_sample(images_first, grid, mode=mode, align_corners=True)
    found = resample(x, matrix, 0.0, mode)
    np.testing.assert_allclose(found, expected.numpy().transpose(0, 2, 3, 1), atol=2e-5)


def test_what_lies_far_outside_is_the_fill() -> None:
    x = images(1)
    for interpolation in ("bilinear", "nearest"):
        out = resample(x, np.array([np.eye(2) * 1e9]), 4.0, interpolation)  # type: ignore[arg-type]
        assert (out == 4.0).all()


@pytest.mark.parametrize("step", [Rotate(degrees=30), Scale(smallest=0.5, largest=2.0), Shear(degrees=40)])
def test_maps_are_inverted_about_the_centre(step: AffineStep) -> None:
    m = step.inverse(Draws(SEED, 0, 1, 2000, 0))
    if isinstance(step, Rotate):
        angle = np.rad2deg(np.arctan2(m[:, 0, 1], m[:, 0, 0]))
        assert -30 < angle.min() < -29 and 29 < angle.max() < 30
        np.testing.assert_allclose(product(m, m.transpose(0, 2, 1)), np.tile(np.eye(2), (2000, 1, 1)), atol=1e-12)
    elif isinstance(step, Scale):
        factor = 1 / m[:, 0, 0]
        assert 0.5 < factor.min() < 0.51 and 1.99 < factor.max() < 2.0
        np.testing.assert_array_equal(m, m[:, :1, :1] * np.eye(2))
    else:
        assert np.abs(np.rad2deg(np.arctan(m[:, 1, 0]))).max() == pytest.approx(40, abs=0.1)
        np.testing.assert_array_equal(m[:, [0, 0, 1], [0, 1, 1]], np.tile([1.0, 0.0, 1.0], (2000, 1)))


def test_a_right_turn_and_a_left_turn_look_like_it() -> None:
    """A bar through the centre that points up leans to the left under a positive angle (counter-clockwise)."""
    x = np.zeros((1, 21, 21, 1), np.float32)
    x[0, :11, 10] = 1
    out = resample(x, rotation(30)[None])
    rows, columns = np.nonzero(out[0, :8, :, 0] > 0.3)
    slope = np.polyfit(10 - rows, 10 - columns, 1)[0]
    assert slope == pytest.approx(np.tan(np.deg2rad(30)), abs=0.08)


# -- in the list -------------------------------------------------------------------------------------------------------


def prepared(x: np.ndarray, *steps: AugmentationStep) -> np.ndarray:
    signature = DataSignature(inputs={"x": x.shape[1:]}, targets={"y": TargetSignature(classes=2)})
    arrays = {"x": x, "y": np.zeros(len(x), np.int64)}
    augmenter = Augmenter(steps, arrays, signature, SEED, inputs=("x",), targets=("y",))
    return augmenter.prepare(np.arange(len(x))[None], 0).inputs["x"]


def test_neighbouring_maps_are_interpolated_once() -> None:
    x = images(6, 9, 9)
    steps = (Rotate(degrees=40), Scale(smallest=0.6, largest=1.5), Shear(degrees=20))
    first, second, third = (step.matrices(Draws(SEED, 0, 1, 6, k)) for k, step in enumerate(steps))
    whole = first @ second @ third
    np.testing.assert_allclose(prepared(x, *steps), resample(x, whole), atol=2e-5)


def test_the_maps_of_a_list_come_one_after_the_other() -> None:
    """Smooth images, on which interpolating thrice hardly differs from interpolating once."""
    i, j = np.mgrid[:41, :41] - 20.0
    x = np.exp(-((i - 4) ** 2 + (j + 2) ** 2 / 2) / 30)[None, :, :, None].astype(np.float32).repeat(4, axis=0)
    steps = (Rotate(degrees=40), Shear(degrees=30), Scale(smallest=0.8, largest=1.2))
    expected = x
    for k, step in enumerate(steps):
        expected = changed(step, expected, index=k)
    np.testing.assert_allclose(prepared(x, *steps), expected, atol=0.03)
    backwards = x
    for k, step in reversed(list(enumerate(steps))):
        backwards = changed(step, backwards, index=k)
    assert abs(expected - backwards).max() > 0.1


def test_maps_with_other_backgrounds_are_not_joined() -> None:
    x = images(6, 9, 9)
    steps = (Rotate(degrees=40, background=3.0), Shear(degrees=40))
    np.testing.assert_array_equal(prepared(x, *steps), changed(steps[1], changed(steps[0], x), index=1))
