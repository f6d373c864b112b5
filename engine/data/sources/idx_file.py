"""IDX files, the format of MNIST: a magic number, the sizes, then the values, often gzipped."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import numpy as np

from engine.data.errors import DataError, check_file, decoding, require_memory
from engine.data.raw import Raw, samples_of, targets_of
from engine.data.sources.base import DataSource, user_path
from engine.schema import component, field
from engine.text import shape_text

__all__ = ["IdxFile", "read_idx"]

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"
_CHUNK = 2**24


@component(
    "idx",
    label="IDX files",
    group="Your files",
    source="LeCun, Cortes, Burges: The MNIST database of handwritten digits (1998), for the file format",
    synonyms=("mnist", "ubyte", "gz"),
    avoid="For data of your own: a NumPy file or a folder of images is easier to make.",
)
class IdxFile(DataSource, frozen=True):
    """Images and labels in two IDX files (`...-images-idx3-ubyte`, `...-labels-idx1-ubyte`), gzipped or not.

    A second pair of files, when given, is the test part; the split's own test share then has no effect.
    """

    images: Annotated[str, field(path=True, label="Images file", help="The file of images.")] = ""
    labels: Annotated[str, field(path=True, label="Labels file", help="The file of labels, one for each image.")] = ""
    test_images: Annotated[
        str, field(path=True, label="Test images file", help="Images of the test part, or empty.", advanced=True)
    ] = ""
    test_labels: Annotated[
        str, field(path=True, label="Test labels file", help="Labels of the test part, or empty.", advanced=True)
    ] = ""

    def files(self) -> tuple[Path, ...]:
        return tuple(user_path(text) for text in (self.images, self.labels, self.test_images, self.test_labels) if text)

    def read(self) -> Raw:
        images, labels = self._pair("images", "labels")
        own_test = 0
        if self.test_images or self.test_labels:
            test_images, test_labels = self._pair("test_images", "test_labels")
            if test_images.shape[1:] != images.shape[1:]:
                raise DataError(
                    f"the test images have the shape {shape_text(test_images.shape[1:])}, the others "
                    f"{shape_text(images.shape[1:])}",
                    "source.test_images",
                )
            own_test = len(test_images)
            images, labels = np.concatenate([images, test_images]), np.concatenate([labels, test_labels])
        targets, signature = targets_of(labels, "classification", "the labels file", "source.labels")
        return Raw({"x": images}, {"y": targets}, {"y": signature}, own_test)

    def _pair(self, images_field: str, labels_field: str) -> tuple[np.ndarray, np.ndarray]:
        place = f"source.{images_field}"
        images = samples_of(read_idx(getattr(self, images_field), place), "the images file", field=place)
        labels = read_idx(getattr(self, labels_field), f"source.{labels_field}")
        if labels.ndim != 1:
            raise DataError(
                f"the labels file holds values of the shape {shape_text(labels.shape)}; expected one label for each "
                "image. Are the two files swapped?",
                f"source.{labels_field}",
            )
        if len(labels) != len(images):
            raise DataError(f"there are {len(images)} images but {len(labels)} labels", f"source.{labels_field}")
        return images, labels


def read_idx(text: str, place: str) -> np.ndarray:
    """The array of an IDX file, gzipped or not. Raises DataError."""
    path = check_file(text, place)
    with decoding(path, "an IDX file", place):
        with open(path, "rb") as plain:
            zipped = plain.read(2) == _GZIP
            plain.seek(0)
            if not zipped:
                return _decode(plain, path, place)
            with gzip.open(plain) as stream:
                return _decode(cast(BinaryIO, stream), path, place)


def _decode(stream: BinaryIO, path: Path, place: str) -> np.ndarray:
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not 1 <= head[3] <= 4:
        raise DataError(
            f"“{path.name}” is not an IDX file: it begins with {head.hex(' ') or 'nothing'}, where an IDX file has two "
            "zero bytes, the type of the values and the number of axes (1 to 4)",
            place,
        )
    dtype = np.dtype(_TYPES[head[2]])
    sizes = stream.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise DataError(f"“{path.name}” is cut off within its header", place)
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    needed = math.prod(shape) * dtype.itemsize
    if needed == 0:
        raise DataError(f"“{path.name}” declares {shape_text(shape)} values: it holds no samples", place)
    require_memory(needed, f"“{path.name}” declares {shape_text(shape)} values, which", place)
    # Read in pieces: what a header declares is believed only as far as bytes really follow.
    data = bytearray()
    while len(data) < needed and (piece := stream.read(min(_CHUNK, needed - len(data)))):
        data += piece
    if len(data) < needed:
        raise DataError(
            f"“{path.name}” is cut off: it declares {shape_text(shape)} values ({needed} bytes), but only {len(data)} "
            "bytes follow",
            place,
        )
    if stream.read(1):
        raise DataError(f"“{path.name}” holds more bytes than its header declares ({shape_text(shape)} values)", place)
    array = np.frombuffer(data, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)
