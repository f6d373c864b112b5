import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.errors import DataError
from engine.data.raw import Raw
from engine.data.sources import IdxFile
from engine.data.sources.idx_file import read_idx

IMAGES = np.arange(4 * 3 * 2, dtype=np.uint8).reshape(4, 3, 2)
LABELS = np.array([7, 3, 7, 3], np.uint8)


def idx(array: np.ndarray, code: int = 8) -> bytes:
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def pair(folder: Path, images: bytes = idx(IMAGES), labels: bytes = idx(LABELS), **fields) -> IdxFile:
    (folder / "images").write_bytes(images)
    (folder / "labels").write_bytes(labels)
    return IdxFile(images=str(folder / "images"), labels=str(folder / "labels"), **fields)


def refused(source: IdxFile) -> DataError:
    with pytest.raises(DataError) as caught:
        source.read()
    return caught.value


@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
def test_images_and_labels(tmp_path: Path, wrap) -> None:
    raw = pair(tmp_path, wrap(idx(IMAGES)), wrap(idx(LABELS))).read()
    np.testing.assert_array_equal(raw.inputs["x"], IMAGES[..., None])
    assert raw.targets["y"].tolist() == [1, 0, 1, 0]
    assert raw.signatures["y"].class_names == ("3", "7")
    assert raw.own_test == 0


@pytest.mark.parametrize(("code", "dtype"), [(9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")])
def test_every_type_of_value(tmp_path: Path, code: int, dtype: str) -> None:
    values = np.array([[-1, 2], [3, 4]], dtype)
    (tmp_path / "f").write_bytes(idx(values, code))
    read = read_idx(str(tmp_path / "f"), "source.images")
    np.testing.assert_array_equal(read, values)
    assert read.dtype.isnative


def test_a_second_pair_is_the_test_part(tmp_path: Path) -> None:
    path = {name: str(tmp_path / name) for name in ("images", "labels")}
    raw = pair(tmp_path, test_images=path["images"], test_labels=path["labels"]).read()
    assert (raw.samples, raw.own_test) == (8, 4)
    (tmp_path / "other").write_bytes(idx(IMAGES.reshape(4, 2, 3)))
    error = refused(pair(tmp_path, test_images=str(tmp_path / "other"), test_labels=path["labels"]))
    assert "the test images have the shape 2 × 3 × 1, the others 3 × 2 × 1" in error.message


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (idx(IMAGES), idx(LABELS[:3]), "there are 4 images but 3 labels"),
        (idx(LABELS), idx(IMAGES), "Are the two files swapped?"),
        (idx(IMAGES), idx(LABELS * 0), "all 4 samples have the label “0”"),
        (idx(IMAGES)[:-1], idx(LABELS), "declares 4 × 3 × 2 values (24 bytes), but only 23 bytes follow"),
        (idx(IMAGES) + b"!", idx(LABELS), "holds more bytes than its header declares"),
        (idx(IMAGES)[:7], idx(LABELS), "cut off within its header"),
        (b"\x89PNG" + bytes(40), idx(LABELS), "is not an IDX file: it begins with 89 50 4e 47"),
        (bytes([0, 0, 8, 9]) + bytes(60), idx(LABELS), "is not an IDX file"),
        (bytes([0, 0, 8, 3]) + bytes(12), idx(LABELS), "it holds no samples"),
        (gzip.compress(idx(IMAGES), mtime=0)[:-9], idx(LABELS), "damaged or not an IDX file"),
        (b"", idx(LABELS), "is empty (0 bytes)"),
        (bytes([0, 0, 8, 4]) + b"\xff" * 16, idx(LABELS), "this machine can give"),
    ],
)
def test_bad_files_get_words(tmp_path: Path, images: bytes, labels: bytes, words: str) -> None:
    assert words in refused(pair(tmp_path, images, labels)).message


def test_missing_files_name_their_field(tmp_path: Path) -> None:
    error = refused(IdxFile(images=str(tmp_path / "nothing")))
    assert error.field == "source.images"
    assert "there is no file" in error.message
    source = pair(tmp_path)
    assert refused(IdxFile(images=source.images)).field == "source.labels"
    assert "is a folder" in refused(IdxFile(images=str(tmp_path))).message


def outcome(source: IdxFile) -> Raw | DataError:
    try:
        return source.read()
    except DataError as error:
        return error


@given(content=st.one_of(st.binary(min_size=1, max_size=60), st.binary(max_size=30).map(lambda b: b"\0\0\x08\2" + b)))
def test_any_bytes_are_read_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("idx")
    for images in (content, gzip.compress(content), b"\x1f\x8b" + content):
        result = outcome(pair(folder, images))
        assert result.samples > 0 if isinstance(result, Raw) else result.message
