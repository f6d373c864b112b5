import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.errors import DataError
from engine.data.raw import Raw
from engine.data.sources import NpzFile

X = np.arange(24, dtype=np.float32).reshape(6, 4)
Y = np.array([0, 1, 0, 1, 1, 0])


def archive(path: Path, **arrays) -> NpzFile:
    np.savez(path / "d.npz", **arrays)
    return NpzFile(path=str(path / "d.npz"))


def refused(source: NpzFile) -> DataError:
    with pytest.raises(DataError) as caught:
        source.read()
    return caught.value


def test_an_archive_of_samples_and_classes(tmp_path: Path) -> None:
    raw = archive(tmp_path, x=X, y=Y, unused=np.array([object()], object)).read()
    np.testing.assert_array_equal(raw.inputs["x"], X)
    assert raw.targets["y"].tolist() == Y.tolist()
    assert raw.signatures["y"].class_names == ("0", "1")


def test_two_npy_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(X))
    np.save(tmp_path / "y.npy", Y.astype(">f8") / 3)
    raw = NpzFile(path=str(tmp_path / "x.npy"), targets_path=str(tmp_path / "y.npy")).read()
    np.testing.assert_array_equal(raw.inputs["x"], X)
    assert raw.inputs["x"].flags.c_contiguous
    np.testing.assert_array_equal(raw.targets["y"], (Y / 3).astype(np.float32)[:, None])


def test_images_get_a_channel_axis_and_channels_go_last(tmp_path: Path) -> None:
    images = np.arange(6 * 3 * 4 * 5, dtype=np.uint8).reshape(6, 3, 4, 5)
    assert archive(tmp_path, x=images[:, 0], y=Y).read().inputs["x"].shape == (6, 4, 5, 1)
    assert archive(tmp_path, x=images, y=Y).read().inputs["x"].shape == (6, 3, 4, 5)
    np.savez(tmp_path / "d.npz", x=images, y=Y)
    raw = NpzFile(path=str(tmp_path / "d.npz"), layout="channels first").read()
    np.testing.assert_array_equal(raw.inputs["x"], images.transpose(0, 2, 3, 1))


def test_several_inputs_and_targets(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", left=X, right=X[:, :2], kind=Y, size=X[:, :2])
    source = NpzFile(path=str(tmp_path / "d.npz"), inputs=("left", "right"), targets=("kind", "size"))
    raw = source.read()
    assert {name: array.shape for name, array in raw.inputs.items()} == {"left": (6, 4), "right": (6, 2)}
    assert raw.signatures["kind"].classes == 2
    assert raw.signatures["size"].shape == (2,)


def test_text_labels_and_one_hot(tmp_path: Path) -> None:
    raw = archive(tmp_path, x=X, y=np.array(["no", "yes"])[Y]).read()
    assert raw.signatures["y"].class_names == ("no", "yes")
    np.savez(tmp_path / "d.npz", x=X, y=np.eye(2)[Y])
    raw = NpzFile(path=str(tmp_path / "d.npz"), task="classification").read()
    assert raw.targets["y"].tolist() == Y.tolist()
    assert NpzFile(path=str(tmp_path / "d.npz")).read().signatures["y"].shape == (2,)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": X, "labels": Y}, "has no array “y”; it holds “x”, “labels”"),
        ({"x": X, "y": Y[:5]}, "differ in their number of samples: “x” 6, “y” 5"),
        ({"x": X, "y": np.zeros(6, int)}, "all 6 samples have the label “0”"),
        ({"x": np.where(X == 9, np.nan, X), "y": Y}, "holds NaN (not a number) in sample 3, at 2"),
        ({"x": np.where(X == 9, -np.inf, X), "y": Y}, "an infinite value in sample 3, at 2"),
        ({"x": X, "y": np.where(Y, np.nan, 0.0)}, "the array “y” holds NaN (not a number) in sample 2"),
        ({"x": X.astype(complex), "y": Y}, "complex numbers"),
        ({"x": X.astype("M8[s]"), "y": Y}, "dates"),
        ({"x": X.astype(str), "y": Y}, "holds text; expected numbers"),
        ({"x": X[:0], "y": Y[:0]}, "holds no values"),
        ({"x": np.float64(3), "y": Y}, "has 0 axes"),
        ({"x": X.reshape(6, 2, 2, 1, 1), "y": Y}, "has 5 axes"),
        ({"x": X, "y": np.full(6, 1e300)}, "too large for float32"),
        ({"x": X, "y": np.array([None] * 6, object)}, "pickled Python objects"),
    ],
)
def test_bad_arrays_get_words(tmp_path: Path, arrays: dict, words: str) -> None:
    assert words in refused(archive(tmp_path, **arrays)).message


def test_classes_must_be_whole(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=X, y=Y + 0.5)
    error = refused(NpzFile(path=str(tmp_path / "d.npz"), task="classification"))
    assert "fractions such as 0.5" in error.message
    assert error.field == "source.task"


def test_pickles_are_never_read(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    np.save(tmp_path / "x.npy", np.array([Trap()], object), allow_pickle=True)
    np.save(tmp_path / "y.npy", Y)
    error = refused(NpzFile(path=str(tmp_path / "x.npy"), targets_path=str(tmp_path / "y.npy")))
    assert "pickled Python objects, which are never read" in error.message
    import pickle

    (tmp_path / "p.npy").write_bytes(pickle.dumps(Trap()))
    assert "pickled Python objects, which are never read" in refused(NpzFile(path=str(tmp_path / "p.npy"))).message
    assert not (tmp_path / "sprung").exists()


def test_other_files_get_words(tmp_path: Path) -> None:
    (tmp_path / "t.npz").write_bytes(b"hello, world")
    assert (
        "neither a .npz archive nor a .npy array: it begins with 68 65"
        in refused(NpzFile(path=str(tmp_path / "t.npz"))).message
    )
    (tmp_path / "z.npz").write_bytes(b"PK\3\4" + bytes(50))
    assert "damaged or not a NumPy archive" in refused(NpzFile(path=str(tmp_path / "z.npz"))).message
    np.save(tmp_path / "x.npy", X)
    error = refused(NpzFile(path=str(tmp_path / "x.npy")))
    assert error.field == "source.targets_path"


def test_cut_off_and_boastful_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    data = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(data[:-5])
    source = NpzFile(path=str(tmp_path / "x.npy"), targets_path=str(tmp_path / "y.npy"))
    assert "is cut off" in refused(source).message
    (tmp_path / "x.npy").write_bytes(data.replace(b"(6, 4)", b"(9999999999999, 9)"))
    assert "more than" in refused(source).message or "damaged" in refused(source).message


def test_names_must_be_sensible(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=X, y=Y)
    path = str(tmp_path / "d.npz")
    assert "at least one" in refused(NpzFile(path=path, inputs=())).message
    assert "only once" in refused(NpzFile(path=path, inputs=("x", "x"))).message
    assert "both a sample and a target" in refused(NpzFile(path=path, targets=("x",))).message


def test_an_archive_member_is_not_believed_about_its_size(tmp_path: Path) -> None:
    header = b"\x93NUMPY\1\0v\0{'descr': '<f8', 'fortran_order': False, 'shape': (1000000,), }".ljust(127) + b"\n"
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as stream:
        stream.writestr("x.npy", header)
        stream.writestr("y.npy", header)
    assert "is cut off: its header declares the shape 1000000" in refused(NpzFile(path=str(tmp_path / "d.npz"))).message


def valid_archive() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, x=X, y=Y)
    return stream.getvalue()


def valid_array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, X)
    return stream.getvalue()


def outcome(source: NpzFile) -> Raw | DataError:
    try:
        return source.read()
    except DataError as error:
        return error


@given(data=st.data(), base=st.sampled_from([valid_archive(), valid_array(), b"\x93NUMPY\1\0"]))
def test_any_bytes_are_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, base: bytes
) -> None:
    content = bytearray(base)
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(1, len(content)))] + data.draw(st.binary(max_size=20))
    path = tmp_path_factory.mktemp("npz") / "f.npz"
    path.write_bytes(content)
    result = outcome(NpzFile(path=str(path), targets_path=str(path)))
    assert result.samples > 0 if isinstance(result, Raw) else result.message
