"""Steps that shift and divide: centring, scaling, both at once, and mapping to a range."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np

from engine.data.errors import DataError
from engine.data.preprocessing.base import PreprocessingStep
from engine.data.preprocessing.statistics import Per, Statistics
from engine.data.preprocessing.transformation import Affine
from engine.schema import component, field

__all__ = ["Center", "Normalize", "Rescale", "Standardize", "StandardizeTargets"]

_PER_HELP = (
    "feature: each value of a sample by itself (each pixel, each column). channel: each channel of an image, or each "
    "column of a table. global: all values together."
)
_EFFICIENT = "LeCun, Bottou, Orr, Müller: Efficient BackProp (1998), section 4.3"


@component(
    "center",
    label="Centre",
    group="Shift and scale",
    formula="x − mean",
    source=_EFFICIENT,
    synonyms=("center", "mean", "subtract", "zero mean", "mean image", "mean subtraction"),
    avoid="Where zero means something, as in counts that are mostly 0 or one-hot columns: centring makes every one of "
    "their values different from 0.",
    differs="Both forms for images are in use: subtracting the mean image (per feature: one number for each pixel) and "
    "one mean for each channel. They hardly differ on photographs; on images that are aligned, such as digits, the "
    "mean image takes out more.",
)
class Center(PreprocessingStep, frozen=True):
    """Subtract the mean of the training part. Inputs that are all positive force the gradients of a unit's weights to
    one sign; centred inputs do not."""

    per: Annotated[Per, field(help=_PER_HELP)] = "feature"

    def fit(self, training: Statistics) -> Affine:
        return Affine(training.mean(self.per), np.asarray(1.0))


@component(
    "normalize",
    label="Normalize",
    group="Shift and scale",
    formula="x / standard deviation",
    source=_EFFICIENT,
    synonyms=("scale", "std", "unit variance", "divide by deviation"),
    avoid="Per feature on images: pixels have the same unit already, and those at the border, which hardly vary, are "
    "blown up to the size of the others. Per global is harmless there.",
    differs="Libraries often call this and centring together normalization or standardization; here it divides only. "
    "Elsewhere normalizing means giving each sample unit length, which this does not do.",
)
class Normalize(PreprocessingStep, frozen=True):
    """Divide by the standard deviation of the training part. Does not centre: put Centre before it, or use Standardize.
    Values that are constant in the training part stay as they are."""

    per: Annotated[Per, field(help=_PER_HELP)] = "feature"

    def fit(self, training: Statistics) -> Affine:
        return Affine(np.asarray(0.0), training.deviation(self.per))


@component(
    "standardize",
    label="Standardize",
    group="Shift and scale",
    formula="(x − mean) / standard deviation",
    source=_EFFICIENT,
    synonyms=("z-score", "zscore", "StandardScaler", "standard scaler", "zero mean unit variance", "normalization"),
    avoid="Per feature on images (centre them, and divide all pixels by one number), and on one-hot columns, whose "
    "rare values it makes large.",
    differs="Notes say that it makes data standard normal. It gives mean 0 and variance 1 and leaves the shape of the "
    "distribution as it is: what was skewed or had two peaks still does. Deviations divide by N, as in scikit-learn's "
    "StandardScaler; pandas divides by N − 1.",
)
class Standardize(PreprocessingStep, frozen=True):
    """Subtract the mean of the training part and divide by its standard deviation. The usual choice for tables whose
    columns have different units. Values that are constant in the training part become 0."""

    per: Annotated[Per, field(help=_PER_HELP)] = "feature"

    def fit(self, training: Statistics) -> Affine:
        return Affine(training.mean(self.per), training.deviation(self.per))


@component(
    "rescale",
    label="Rescale to a range",
    group="Shift and scale",
    formula="low + (high − low) (x − min) / (max − min)",
    source="Han, Kamber, Pei: Data mining: concepts and techniques, 3rd edition (2011), section 3.5.2",
    synonyms=("min-max", "MinMaxScaler", "0 to 1", "divide by 255", "range"),
    avoid="With outliers: a single very large value squeezes all others together. And 0 to 1 is not centred; −1 to 1 "
    "is nearer to it.",
    differs="Images are often divided by 255 whatever values they have; here the range is that of the training part. "
    "scikit-learn's MinMaxScaler works per feature; the default here is global, which suits images.",
)
class Rescale(PreprocessingStep, frozen=True):
    """Map the smallest value of the training part to `low` and the largest to `high`. Values that are constant in the
    training part become `low`. Samples of the other parts can lie outside of the range."""

    low: Annotated[float, field(ge=-1e6, le=1e6, help="What the smallest value becomes.")] = 0.0
    high: Annotated[float, field(ge=-1e6, le=1e6, help="What the largest value becomes; more than low.")] = 1.0
    per: Annotated[Per, field(help=_PER_HELP)] = "global"

    def fit(self, training: Statistics) -> Affine:
        if not self.low < self.high:
            raise DataError(f"high ({self.high:g}) must be more than low ({self.low:g})", "high")
        low, high = training.range(self.per)
        divisor = np.where(high > low, high - low, 1.0) / (self.high - self.low)
        return Affine(low - self.low * divisor, divisor)


@component(
    "standardize_targets",
    label="Standardize targets",
    group="Targets",
    formula="(y − mean) / standard deviation",
    source="Bishop: Pattern recognition and machine learning (2006), section 9.1 (standardizing)",
    synonyms=("scale target", "normalize target", "regression"),
    avoid="When errors must be read in the target's own units as training goes on: the loss then counts standard "
    "deviations.",
    differs="Notes rarely mention it, because classes need none. scikit-learn has it apart from the other scalers, as "
    "TransformedTargetRegressor.",
)
class StandardizeTargets(PreprocessingStep, frozen=True):
    """Give the numbers to be predicted mean 0 and deviation 1 on the training part. Loss and errors are then counted in
    standard deviations: a mean squared error of 1 is what predicting the mean achieves. Classes are left alone."""

    applies_to: ClassVar[Literal["inputs", "targets"]] = "targets"

    def fit(self, training: Statistics) -> Affine:
        return Affine(training.mean("feature"), training.deviation("feature"))
