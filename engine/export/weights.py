"""Trained weights as `.npz` or `.safetensors`, named by layer path, and back into a network.

An array is named after its node and its place there: "dense_1/weight", "batch_norm_1/running_mean". `LAYOUT` says what
the axes are; it is stored in every file. Loading never unpickles, and refuses in words what does not fit.
"""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from engine.diagnostics import Report
from engine.experiment import NetworkSpec
from engine.files import write_atomically
from engine.layout import layout_of
from engine.text import shape_text
from engine.training.database import os_error_in_words

__all__ = ["LAYOUT", "SUFFIXES", "WeightsError", "load_weights", "match", "read_metadata", "save_weights", "weights_of"]

FORMAT = "descent-lab-weights"
VERSION = 1
SUFFIXES = (".npz", ".safetensors")
METADATA_KEY = "__metadata__"
MAX_BYTES = 16 * 1024**3

LAYOUT = (
    "Arrays are named NODE/NAME. Dense weight: (inputs, units), y = x W + b; transpose it for PyTorch's Linear. "
    "Convolution weight: (kernel height, kernel width, input channels / groups, output channels), of a transposed one "
    "(kernel height, kernel width, output channels, input channels); PyTorch's is weight.transpose(3, 2, 0, 1). Images "
    "are (batch, height, width, channels); Flatten keeps the order height, width, channels. Batch normalization: "
    "gamma, beta, running_mean, running_var (unbiased), one value per channel. Layer normalization over the sample: "
    "gamma and beta of its shape. Embedding weight: (vocabulary, width). Self-attention: query_, key_, value_ and "
    "output_weight, (inputs, outputs), the features of a head side by side. Weights that a layer standardizes are "
    "stored as they are learned, before that."
)


class WeightsError(Exception):
    """A weights file cannot be written, read or used for this network; the message is for people."""


def weights_of(arrays: Mapping[str, np.ndarray], *, averaged: bool = False) -> dict[str, np.ndarray]:
    """The parameters and running statistics of a state's arrays (`State.to_host` or a checkpoint), by layer path; with
    `averaged`, the parameters' averages instead of them. Raises WeightsError when there are none."""
    found = {}
    for key, array in arrays.items():
        kind, _, name = key.partition("/")
        if kind in ("average" if averaged else "parameter", "buffer"):
            found[name] = array
    if averaged and not any(key.startswith("average/") for key in arrays):
        raise WeightsError("There are no averaged weights: the run keeps no average (training.averaging).")
    return found


def save_weights(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], *, experiment: str = "", **notes: str
) -> None:
    """Write arrays by layer path to a `.npz` or `.safetensors` file, atomically. Raises WeightsError.

    `experiment` is its name; further `notes` (run, epoch, ...) are kept as text in the file's metadata.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise WeightsError(f"Weights are saved as {' or '.join(SUFFIXES)}, not as “{path.suffix or path.name}”.")
    if not arrays:
        raise WeightsError("There are no weights to save: the network has no learned arrays.")
    contiguous = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    shapes = json.dumps({name: list(array.shape) for name, array in contiguous.items()})
    metadata = {"format": FORMAT, "version": str(VERSION), "experiment": experiment, "layout": LAYOUT}
    metadata |= {"shapes": shapes, **{key: str(value) for key, value in notes.items()}}
    if path.suffix.lower() == ".safetensors":
        data = safetensors.numpy.save(contiguous, metadata)
    else:
        buffer = io.BytesIO()
        np.savez(buffer, **{METADATA_KEY: np.array(json.dumps(metadata)), **contiguous})  # type: ignore[arg-type]
        data = buffer.getvalue()
    try:
        write_atomically(path, data)
    except OSError as error:
        raise WeightsError(os_error_in_words(error, f"The weights cannot be saved as {path}")) from error


def load_weights(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of a weights file by name, checked: numbers only, all finite, whole. Raises WeightsError.

    The format is told by the content, so a renamed file is read too.
    """
    arrays, _ = _read(Path(path))
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu":
            raise WeightsError(f"{path}: “{name}” holds {array.dtype}, not numbers.")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            count = int(array.size - np.count_nonzero(np.isfinite(array)))
            raise WeightsError(f"{path}: {count} of the {array.size} values of “{name}” are not finite (NaN or Inf).")
    if not arrays:
        raise WeightsError(f"{path}: there are no arrays in the file.")
    return arrays


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The texts stored beside the arrays; empty for a file of another program. Raises WeightsError."""
    return _read(Path(path))[1]


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise WeightsError(f"{path} is not a file.")
        if size == 0:
            raise WeightsError(f"{path} is empty.")
        if size > MAX_BYTES:
            raise WeightsError(f"{path} is larger than {MAX_BYTES // 1024**3} GiB.")
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(os_error_in_words(error, f"The weights in {path} cannot be read")) from error
    if data[:4] == b"PK\x03\x04":
        arrays, metadata = _read_npz(path, data)
    elif len(data) > 8 and data[8:9] == b"{":
        arrays, metadata = _read_safetensors(path, data)
    else:
        raise WeightsError(f"{path} is neither a .npz nor a .safetensors file.")
    if metadata.get("format") == FORMAT:
        _check_metadata(path, arrays, metadata)
    return arrays, metadata


def _check_metadata(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    version = metadata.get("version", "")
    if not version.isdecimal() or int(version) > VERSION:
        raise WeightsError(
            f"{path} was written by a newer Descent Lab (version {version}). Update it to read the file."
        )
    try:
        shapes = {str(name): tuple(shape) for name, shape in json.loads(metadata["shapes"]).items()}
    except (KeyError, ValueError, AttributeError, TypeError):
        raise WeightsError(f"{path} is damaged: its list of shapes cannot be read.") from None
    if shapes != {name: array.shape for name, array in arrays.items()}:
        raise WeightsError(f"{path} is damaged: its arrays are not those that it lists.")


def _read_safetensors(path: Path, data: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    try:
        arrays = safetensors.numpy.load(data)
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is damaged or cut off: {error}.") from error
    return arrays, metadata


def _read_npz(path: Path, data: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                # Reading the member through zipfile checks its CRC; the limit stops archives that inflate for ever.
                if info.file_size > MAX_BYTES or info.file_size > 1100 * max(info.compress_size, 1):
                    raise WeightsError(f"{path}: “{info.filename}” is too large.")
                with archive.open(info) as member:
                    name = info.filename.removesuffix(".npy")
                    arrays[name] = _read_npy(path, name, member.read())
    except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError, NotImplementedError) as error:
        raise WeightsError(f"{path} is damaged or cut off: {error}.") from error
    except RuntimeError as error:  # zipfile's word for an encrypted member
        raise WeightsError(f"{path} cannot be read: {error}.") from error
    described = arrays.pop(METADATA_KEY, None)
    if described is None:
        return arrays, {}
    try:
        metadata = json.loads(str(described[()]))
        return arrays, {str(key): str(value) for key, value in metadata.items()}
    except (ValueError, AttributeError):
        raise WeightsError(f"{path} is damaged: its description cannot be read.") from None


def _read_npy(path: Path, name: str, data: bytes) -> np.ndarray:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if reader is not None:
        shape, _, dtype = reader(stream)
        if dtype.hasobject:
            raise WeightsError(f"{path}: “{name}” holds pickled objects; they are not loaded, for they could run code.")
        # The header is believed only as far as there are bytes for it.
        if math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
            raise ValueError(f"“{name}” is cut off")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def match(arrays: Mapping[str, np.ndarray], network: NetworkSpec, report: Report) -> dict[str, np.ndarray]:
    """Check that loaded arrays are exactly those of a network, and key them for `State.load(..., partial=True)`.

    Raises WeightsError that lists everything that does not fit: missing arrays, arrays without a place, wrong shapes.
    """
    layout = layout_of(network, report)
    expected = {segment.name: ("parameter", segment.shape) for segment in layout.parameters}
    expected |= {segment.name: ("buffer", segment.shape) for segment in layout.buffers}
    problems = [_mismatch(name, arrays.get(name), shape) for name, (_, shape) in expected.items()]
    extra = sorted(set(arrays) - set(expected))
    problems += [f"“{name}” has no place in the network" for name in extra]
    found = [text for text in problems if text]
    if found:
        shown = found[:8] + ([f"and {len(found) - 8} more"] if len(found) > 8 else [])
        raise WeightsError(f"The weights do not fit the network: {'; '.join(shown)}.")
    return {f"{kind}/{name}": arrays[name] for name, (kind, _) in expected.items()}


def _mismatch(name: str, array: Any, shape: tuple[int, ...]) -> str:
    if array is None:
        return f"“{name}” is missing"
    if array.shape == shape:
        return ""
    text = f"“{name}” has the shape {shape_text(array.shape)}, the network needs {shape_text(shape)}"
    if len(shape) > 1 and sorted(array.shape) == sorted(shape):
        return f"{text} (the same axes in another order; PyTorch keeps weights transposed)"
    return text
