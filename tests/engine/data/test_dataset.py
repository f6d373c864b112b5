from pathlib import Path

import numpy as np
import pytest

from engine.data import DataError, load
from engine.data.dataset import assemble
from engine.data.preprocessing import Center, Normalize, Rescale, StandardizeTargets
from engine.data.raw import Raw
from engine.data.signature import TargetSignature
from engine.data.sources import Blobs, Digits, FashionMnist, Mnist, NpzFile, Regression
from engine.experiment import DataSpec, SplitSpec
from engine.schema import Unknown


def test_the_canonical_digits() -> None:
    # The data of the lessons: mean image of the training part, then one deviation for all pixels.
    datasets = pytest.importorskip("sklearn.datasets")
    bunch = datasets.load_digits()
    order = np.random.default_rng(1234).permutation(1797)
    x, train = bunch.data / 16, order[:1000]
    mean = x[train].mean(axis=0)
    expected = (x - mean) / (x[train] - mean).std()
    spec = DataSpec(
        source=Digits(),
        split=SplitSpec(validation=400, test=397, seed=1234),
        preprocessing=(Center(per="feature"), Normalize(per="global")),
    )
    dataset = load(spec)
    for part, indices in ((dataset.train, train), (dataset.validation, order[1000:1400]), (dataset.test, order[1400:])):
        np.testing.assert_array_equal(part.indices, indices)
        np.testing.assert_allclose(part.arrays["x"].reshape(-1, 64), expected[indices], rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(part.arrays["y"], bunch.target[indices])


def test_shapes_types_and_signature() -> None:
    dataset = load(DataSpec(source=Mnist(), split=SplitSpec(validation=0.1, test=0.1, train_limit=100)))
    assert dataset.signature.inputs == {"x": (28, 28, 1)}
    assert dataset.signature.targets["y"].classes == 10
    sizes = (dataset.signature.train_size, dataset.signature.validation_size, dataset.signature.test_size)
    assert sizes == (100, 500, 500) == (dataset.train.size, dataset.validation.size, dataset.test.size)
    x, y = dataset.train.arrays["x"], dataset.train.arrays["y"]
    assert (x.dtype, y.dtype, x.flags.c_contiguous) == (np.float32, np.int64, True)
    assert x.max() == 255  # Without preprocessing the network is fed what the file holds.


def test_shared_arrays_cannot_be_changed() -> None:
    dataset = load(DataSpec(source=Blobs(samples=30)))
    for array in (dataset.train.arrays["x"], dataset.train.arrays["y"], dataset.train.indices, dataset.raw.inputs["x"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_transform_is_the_training_parts() -> None:
    dataset = load(DataSpec(source=Blobs(samples=60), preprocessing=(Center(), Normalize(per="global"))))
    raw = dataset.raw.inputs["x"]
    np.testing.assert_array_equal(dataset.transform(raw[dataset.test.indices]), dataset.test.arrays["x"])
    np.testing.assert_array_equal(dataset.transform(raw[dataset.validation.indices]), dataset.validation.arrays["x"])
    low, high = dataset.bounds()
    np.testing.assert_array_equal((low, high), (raw.min(axis=0), raw.max(axis=0)))


def test_targets_come_back_in_their_own_units() -> None:
    dataset = load(DataSpec(source=Regression(samples=80), preprocessing=(Center(), StandardizeTargets())))
    standardized = dataset.train.arrays["y"]
    assert abs(standardized.mean()) < 1e-6
    original = dataset.raw.targets["y"][dataset.train.indices]
    np.testing.assert_allclose(dataset.target_numbers(standardized), original, rtol=1e-5, atol=1e-5)


def test_standardizing_targets_leaves_classes_alone() -> None:
    dataset = load(DataSpec(source=Blobs(samples=30), preprocessing=(StandardizeTargets(),)))
    np.testing.assert_array_equal(dataset.train.arrays["y"], dataset.raw.targets["y"][dataset.train.indices])


def test_preview_shows_the_same_samples_before_and_after() -> None:
    spec = DataSpec(source=FashionMnist(), split=SplitSpec(train_limit=50), preprocessing=(Rescale(),))
    dataset = load(spec)
    preview = dataset.preview("train", count=9, seed=4)
    assert preview.raw["x"].shape == preview.fed["x"].shape == (9, 28, 28, 1)
    np.testing.assert_allclose(preview.raw["x"] / 255, preview.fed["x"], atol=1e-6)
    names = dataset.signature.targets["y"].class_names
    assert preview.labels == tuple(names[label] for label in dataset.raw.targets["y"][preview.indices])
    np.testing.assert_array_equal(preview.indices, dataset.preview("train", count=9, seed=4).indices)
    assert preview.indices.tolist() != dataset.preview("train", count=9, seed=5).indices.tolist()
    assert len(dataset.preview("train", count=1000).indices) == 50
    assert len(dataset.preview("validation", count=0).indices) == 0


def test_preview_of_numbers() -> None:
    dataset = load(DataSpec(source=Regression(samples=30), preprocessing=(StandardizeTargets(),)))
    preview = dataset.preview(count=3)
    assert preview.labels == tuple(f"{value:.4g}" for value in preview.targets["y"][:, 0])
    np.testing.assert_array_equal(preview.targets["y"], dataset.raw.targets["y"][preview.indices])


def test_information_about_the_data() -> None:
    dataset = load(DataSpec(source=Mnist(), split=SplitSpec(validation=0, train_limit=30, shuffle=False)))
    info = dataset.info
    assert info.licence == "CC BY-SA 3.0"
    assert info.class_counts["train"] == (30,) + (0,) * 9
    assert "the training part has no sample of the classes “1”, “2”" in info.notes[0]
    assert "no validation part" in info.notes[1]
    assert load(DataSpec(source=Blobs(samples=90))).info.notes == ()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ([0], "column “a” is the same in all training samples and tells nothing"),
        ([0, 2], "column “a”, column “c” are the same in all training samples and tell nothing"),
        ([], ""),
    ],
)
def test_columns_that_tell_nothing_are_remarked_on(columns: list[int], words: str) -> None:
    table = np.random.default_rng(0).normal(size=(30, 3))
    table[:24, columns] = 4.0  # the validation part may differ
    raw = Raw(
        {"x": table}, {"y": np.arange(30) % 2}, {"y": TargetSignature(classes=2, class_names=("no", "yes"))},
        input_names=("a", "b", "c"),
    )  # fmt: skip
    spec = DataSpec(source=Blobs(), split=SplitSpec(validation=6, shuffle=False))
    notes = assemble(spec, Blobs(), raw).info.notes
    assert notes == ((words,) if words else ())


def test_several_inputs_are_preprocessed_each_by_itself(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    left, right = rng.normal(3, 2, (40, 4)), rng.normal(-5, 9, (40, 6, 6))
    np.savez(tmp_path / "d.npz", left=left, right=right, kind=np.arange(40) % 2, size=rng.normal(8, 3, 40))
    source = NpzFile(path=str(tmp_path / "d.npz"), inputs=("left", "right"), targets=("kind", "size"))
    dataset = load(DataSpec(source=source, preprocessing=(Center(), Normalize(per="global"), StandardizeTargets())))
    assert dataset.signature.inputs == {"left": (4,), "right": (6, 6, 1)}
    for name in ("left", "right", "size"):
        assert dataset.train.arrays[name].std() == pytest.approx(1, abs=1e-5)
    assert dataset.train.arrays["kind"].dtype == np.int64
    assert " · " in dataset.preview(count=1).labels[0]


def test_unknown_components_are_refused_in_words() -> None:
    unknown = Unknown(of_kind="preprocessing", tag="whiten", plain={"type": "whiten"})
    with pytest.raises(DataError, match="does not know the preprocessing “whiten”") as caught:
        load(DataSpec(source=Blobs(), preprocessing=(unknown,)))
    assert caught.value.field == "preprocessing[0]"
    with pytest.raises(DataError, match="does not know the source “ftp”"):
        load(DataSpec(source=Unknown(of_kind="source", tag="ftp", plain={"type": "ftp"})))


def test_errors_of_a_step_name_their_place() -> None:
    with pytest.raises(DataError) as caught:
        load(DataSpec(source=Blobs(), preprocessing=(Center(), Rescale(low=2, high=1))))
    assert caught.value.field == "preprocessing[1].high"


def test_what_does_not_fit_into_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = Raw({"x": np.zeros((100, 3))}, {"y": np.arange(100) % 2}, {"y": TargetSignature(classes=2)})
    monkeypatch.setattr("engine.data.errors.memory_limit", lambda: raw.bytes)
    with pytest.raises(DataError, match="the data set needs"):
        assemble(DataSpec(source=Blobs()), Blobs(), raw)
