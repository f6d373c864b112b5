import numpy as np
import pytest

from engine.data import preprocessing
from engine.data.errors import DataError
from engine.data.preprocessing import (
    Center,
    Normalize,
    PreprocessingStep,
    Rescale,
    Standardize,
    StandardizeTargets,
    applying,
)

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (50, 4, 3, 2)).astype(np.uint8)
TRAINING = np.arange(30)
REST = np.arange(30, 50)


def apply(array: np.ndarray, *steps: PreprocessingStep) -> tuple[np.ndarray, np.ndarray]:
    """The training part and the rest, transformed."""
    fitted = preprocessing.fit_all(array, TRAINING, steps)
    return preprocessing.transformed(array, TRAINING, fitted), preprocessing.transformed(array, REST, fitted)


AXES = {"feature": 0, "channel": (0, 1, 2), "global": None}


@pytest.mark.parametrize("per", ["feature", "channel", "global"])
@pytest.mark.parametrize("block", [1, 100, 2**18])
def test_centre_and_normalize(per: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "_BLOCK", block)
    train = IMAGES[TRAINING].astype(np.float64)
    mean, std = train.mean(axis=AXES[per]), train.std(axis=AXES[per])
    for part, got in zip((TRAINING, REST), apply(IMAGES, Center(per=per), Normalize(per=per)), strict=True):
        assert got.dtype == np.float32
        assert got.flags.c_contiguous
        np.testing.assert_allclose(got, (IMAGES[part] - mean) / std, rtol=2e-7, atol=1e-7)


def test_a_step_is_fitted_on_what_the_steps_before_leave() -> None:
    # Normalizing all values together after centring each pixel: the deviation is that of the centred values.
    train = IMAGES[TRAINING].astype(np.float64)
    centred = train - train.mean(axis=0)
    got, _ = apply(IMAGES, Center(per="feature"), Normalize(per="global"))
    np.testing.assert_allclose(got, centred / centred.std(), rtol=2e-7, atol=1e-7)


def test_normalizing_alone_does_not_centre() -> None:
    got, _ = apply(IMAGES, Normalize(per="global"))
    train = IMAGES[TRAINING].astype(np.float64)
    np.testing.assert_allclose(got, train / train.std(), rtol=2e-7)


def test_the_rest_has_no_say() -> None:
    other = IMAGES.copy()
    other[REST] = 0
    np.testing.assert_array_equal(apply(IMAGES, Center(), Normalize())[0], apply(other, Center(), Normalize())[0])


@pytest.mark.parametrize("value", [0.0, 0.1, 1e-300, 1e30])
def test_constant_features_stay_finite(value: float) -> None:
    table = RNG.standard_normal((50, 3))
    table[:, 1] = value
    for steps in ((Center(), Normalize()), (Normalize(), Center()), (Rescale(per="feature"),)):
        for got in apply(table, *steps):
            assert np.isfinite(got).all()
            assert (got[:, 1] == got[0, 1]).all()
    assert apply(table, Center(), Normalize())[0][0, 1] == 0


def test_a_feature_that_varies_only_outside_the_training_part() -> None:
    table = np.zeros((50, 2))
    table[:, 0] = np.arange(50)
    table[REST, 1] = 5.0
    _, rest = apply(table, Center(), Normalize())
    assert (rest[:, 1] == 5.0).all()


@pytest.mark.parametrize("per", ["feature", "channel", "global"])
def test_rescale(per: str) -> None:
    got, rest = apply(IMAGES, Rescale(low=-1, high=1, per=per))
    axes = AXES[per]
    np.testing.assert_allclose(got.min(axis=axes), -1, atol=1e-6)
    np.testing.assert_allclose(got.max(axis=axes), 1, atol=1e-6)
    low, high = IMAGES[TRAINING].min(axis=axes).astype(float), IMAGES[TRAINING].max(axis=axes).astype(float)
    np.testing.assert_allclose(rest, -1 + 2 * (IMAGES[REST] - low) / (high - low), atol=1e-6)


def test_rescale_needs_a_range() -> None:
    with pytest.raises(DataError, match="must be more than"):
        apply(IMAGES, Rescale(low=1, high=1))


def test_targets_are_standardized_column_by_column() -> None:
    targets = RNG.normal(150, 80, (50, 2))
    got, _ = apply(targets, StandardizeTargets())
    np.testing.assert_allclose(got.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(got.std(axis=0), 1, rtol=1e-6)


def test_equals_scikit_learns_scaler() -> None:
    scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler()
    table = RNG.normal(5, 3, (50, 4))
    table[:, 2] = 7
    scaler.fit(table[TRAINING])
    for steps in ((Center(), Normalize()), (Standardize(),)):
        got = apply(table, *steps)
        np.testing.assert_allclose(got[0], scaler.transform(table[TRAINING]), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(got[1], scaler.transform(table[REST]), rtol=1e-6, atol=1e-6)


def test_equals_scikit_learns_range() -> None:
    scaler = pytest.importorskip("sklearn.preprocessing").MinMaxScaler((-1, 2))
    table = RNG.normal(5, 3, (50, 4))
    table[:, 2] = 7
    scaler.fit(table[TRAINING])
    got = apply(table, Rescale(low=-1, high=2, per="feature"))
    np.testing.assert_allclose(got[0], scaler.transform(table[TRAINING]), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(got[1], scaler.transform(table[REST]), rtol=1e-6, atol=1e-6)


def test_standardizing_leaves_the_shape_of_a_distribution() -> None:
    # "Standard normal", as notes have it, would be a skewness of 0; that of an exponential distribution is 2.
    table = np.random.default_rng(1).exponential(3.0, (4000, 1))
    got = preprocessing.transformed(
        table, np.arange(4000), preprocessing.fit_all(table, np.arange(4000), [Standardize()])
    )
    wide = got.astype(np.float64)
    assert abs(wide.mean()) < 1e-6 and wide.std() == pytest.approx(1, abs=1e-6)
    assert (wide**3).mean() == pytest.approx(2, abs=0.3)


def test_values_beyond_float32_get_words() -> None:
    with pytest.raises(DataError, match="too large for float32"):
        apply(np.full((50, 2), 1e200))
    assert np.isfinite(apply(np.full((50, 2), 1e200), Center())[0]).all()


def test_inverse() -> None:
    (affine,) = preprocessing.fit_all(IMAGES, TRAINING, (Rescale(low=-1, high=1),))
    np.testing.assert_allclose(affine.invert(affine.apply(IMAGES.astype(np.float64))), IMAGES, atol=1e-9)


@pytest.mark.parametrize(
    ("low", "high", "step"),
    [
        (1e200, 2e200, Normalize()),  # the squares overflow
        (-1.7e308, 1.7e308, Center()),  # the differences do
        (-1.7e308, 1.7e308, Rescale()),  # the range does
    ],
)
def test_statistics_that_overflow_get_words(low: float, high: float, step: PreprocessingStep) -> None:
    array = np.full((50, 1), low)
    array[::2] = high
    with pytest.raises(DataError, match="too large") as caught:
        preprocessing.fit_all(array, TRAINING, (step,), ("here",))
    assert caught.value.field == "here"
