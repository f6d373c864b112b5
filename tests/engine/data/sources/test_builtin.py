import sys
from pathlib import Path

import numpy as np
import pytest

from engine.data.errors import DataError
from engine.data.sources import Diabetes, Digits, FashionMnist, Mnist, builtin
from engine.data.sources.base import RESOURCES
from tests.engine.data.sources.test_idx_file import idx


@pytest.mark.parametrize("source", [Mnist(), FashionMnist(), FashionMnist(own_test=False)])
def test_shipped_images_are_whole_and_balanced(source) -> None:
    raw = source.read()
    assert raw.outline() == source.outline()
    assert raw.inputs["x"].dtype == np.uint8
    assert (raw.inputs["x"].min(), raw.inputs["x"].max()) == (0, 255)
    count = raw.samples // 10
    assert np.bincount(raw.targets["y"]).tolist() == [count] * 10


def test_shipped_fashion_keeps_its_test_images_last() -> None:
    raw = FashionMnist().read()
    assert raw.own_test == 1000
    assert np.bincount(raw.targets["y"][-1000:]).tolist() == [100] * 10


def test_shipped_files_have_their_licences() -> None:
    assert "ShareAlike 3.0" in (RESOURCES / "LICENSE-MNIST.txt").read_text(encoding="utf-8")
    assert "Zalando" in (RESOURCES / "LICENSE-FASHION-MNIST.txt").read_text(encoding="utf-8")
    assert {path.stem for path in RESOURCES.glob("*.npz")} == {"mnist_5k", "fashion_mnist_5k"}


def test_images_look_like_their_class() -> None:
    # The nearest mean image says which digit it is for four out of five images, if labels and images belong together.
    raw = Mnist().read()
    images, labels = raw.inputs["x"].reshape(5000, -1).astype(float), raw.targets["y"]
    means = np.stack([images[labels == digit].mean(axis=0) for digit in range(10)])
    nearest = ((images[::10, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == labels[::10]).mean() > 0.75


def test_digits_and_diabetes_equal_scikit_learns() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    digits, raw = datasets.load_digits(), Digits().read()
    np.testing.assert_array_equal(raw.inputs["x"][..., 0], digits.images)
    np.testing.assert_array_equal(raw.targets["y"], digits.target)
    assert raw.outline() == Digits().outline()
    table, raw = datasets.load_diabetes(scaled=False), Diabetes().read()
    np.testing.assert_array_equal(raw.inputs["x"], table.data)
    np.testing.assert_array_equal(raw.targets["y"][:, 0], table.target)
    assert raw.input_names == tuple(table.feature_names)
    assert raw.outline() == Diabetes().outline()


@pytest.mark.parametrize("source", [Digits(), Diabetes()])
def test_without_scikit_learn_the_remedy_is_named(source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r"pip install 'descent-lab\[data\]'"):
        source.read()


def test_full_fashion_from_debians_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin, "FULL_FASHION", tmp_path / "fashion-mnist")
    source = FashionMnist(size="full")
    with pytest.raises(DataError, match="apt install dataset-fashion-mnist") as caught:
        source.read()
    assert caught.value.field == "source.size"
    (tmp_path / "fashion-mnist").mkdir()
    images = np.arange(20 * 28 * 28).astype(np.uint8).reshape(20, 28, 28)
    for name, part in (("train", slice(0, 12)), ("t10k", slice(12, 20))):
        labels = np.arange(20, dtype=np.uint8)[part] % 10
        (tmp_path / "fashion-mnist" / f"{name}-images-idx3-ubyte.gz").write_bytes(idx(images[part]))
        (tmp_path / "fashion-mnist" / f"{name}-labels-idx1-ubyte.gz").write_bytes(idx(labels))
    raw = source.read()
    np.testing.assert_array_equal(raw.inputs["x"][..., 0], images)
    assert raw.targets["y"].tolist() == [i % 10 for i in range(20)]
    assert source.outline().own_test == 10_000


@pytest.mark.slow
@pytest.mark.skipif(not builtin.FULL_FASHION.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_the_shipped_fashion_images_are_the_first_of_each_class() -> None:
    full, small = FashionMnist(size="full").read(), FashionMnist().read()
    assert full.outline() == FashionMnist(size="full").outline()
    labels = full.targets["y"][:60_000]
    picked = np.sort(np.concatenate([np.flatnonzero(labels == name)[:500] for name in range(10)]))
    np.testing.assert_array_equal(small.inputs["x"][:5000], full.inputs["x"][picked])
