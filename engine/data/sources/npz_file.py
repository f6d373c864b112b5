"""NumPy files: .npz archives of named arrays, and single .npy arrays. Pickled objects are never read."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Annotated, Literal

import numpy as np

from engine.data.errors import DataError, check_file, decoding, require_memory
from engine.data.raw import Raw, samples_of, targets_of
from engine.data.sources.base import DataSource, user_path
from engine.schema import component, field
from engine.text import shape_text

__all__ = ["NpzFile"]

_NPY_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK"
_MAX_HEADER = 10_000


@component(
    "npz",
    label="NumPy file",
    group="Your files",
    source="NumPy Enhancement Proposal 1: A simple file format for NumPy arrays (2007)",
    synonyms=("npy", "numpy", "array"),
    avoid="Where rows need names: a table in a CSV file keeps the names of its columns.",
    differs="Unlike numpy.load with allow_pickle, objects are never read. PyTorch keeps images with channels first, "
    "which Layout has to say.",
)
class NpzFile(DataSource, frozen=True):
    """Arrays from a .npz archive, or from two .npy files (samples and targets). The first axis counts samples.

    Samples may be tables (samples × features) or images (samples × height × width, with or without channels). An
    archive may hold several inputs and targets, for networks with several inputs and losses.
    """

    path: Annotated[str, field(path=True, label="File", help="The .npz archive, or the .npy file of the samples.")] = ""
    targets_path: Annotated[
        str, field(path=True, label="Targets file", help="The .npy file of the targets. Not needed for an archive.")
    ] = ""
    inputs: Annotated[tuple[str, ...], field(help="Names of the archive's arrays that hold samples.")] = ("x",)
    targets: Annotated[tuple[str, ...], field(help="Names of the archive's arrays that hold targets.")] = ("y",)
    task: Annotated[
        Literal["auto", "classification", "regression"],
        field(help="auto: text and few different whole numbers are classes, everything else is numbers."),
    ] = "auto"
    missing: Annotated[
        Literal["refuse", "drop", "keep"],
        field(
            label="Missing values",
            help="refuse: say where there is a NaN. drop: leave out samples with one. keep: leave those of samples to "
            "the preprocessing step “Fill missing values”.",
        ),
    ] = "refuse"
    layout: Annotated[
        Literal["channels last", "channels first"],
        field(help="Order of the axes of images with channels: height × width × channels, or channels first."),
    ] = "channels last"

    def files(self) -> tuple[Path, ...]:
        return tuple(user_path(text) for text in (self.path, self.targets_path) if text)

    def read(self) -> Raw:
        path = check_file(self.path)
        with decoding(path, "a NumPy file"):
            with open(path, "rb") as stream:
                magic = stream.read(6)
        if magic[:2] == _ZIP_MAGIC:
            return self._assemble(self._archive(path), self.inputs, self.targets)
        if magic != _NPY_MAGIC:
            raise DataError(_not_numpy(path, magic), "source.path")
        if not self.targets_path.strip():
            raise DataError(
                f"“{path.name}” holds a single array, the samples: choose the file of the targets too",
                "source.targets_path",
            )
        arrays = {"x": _read_npy(path, "source.path")}
        arrays["y"] = _read_npy(check_file(self.targets_path, "source.targets_path"), "source.targets_path")
        return self._assemble(arrays, ("x",), ("y",))

    def _assemble(self, arrays: dict[str, np.ndarray], inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Raw:
        first = self.layout == "channels first"
        keep = self.missing != "refuse"
        found = {name: samples_of(arrays[name], f"the array “{name}”", first, missing=keep) for name in inputs}
        wanted = {name: arrays[name] for name in outputs}
        counts = {name: len(array) if array.ndim else 0 for name, array in (found | wanted).items()}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"“{name}” {count}" for name, count in counts.items())
            raise DataError(f"the arrays differ in their number of samples: {listed}", "source.path")
        notes: tuple[str, ...] = ()
        if self.missing == "drop":
            found, wanted, notes = _without_missing(found, wanted)
        targets, signatures = {}, {}
        for name, array in wanted.items():
            targets[name], signatures[name] = targets_of(array, self.task, f"the array “{name}”")
        missing = []
        for name, array in found.items():
            if keep and (absent := int(sum(_absent(array)))):
                missing.append(name)
                notes += (f"{absent:,} of {len(array):,} samples of “{name}” have missing values",)
        return Raw(found, targets, signatures, notes=notes, missing=tuple(missing))

    def _archive(self, path: Path) -> dict[str, np.ndarray]:
        for names, place in ((self.inputs, "source.inputs"), (self.targets, "source.targets")):
            if not names or len(set(names)) < len(names):
                raise DataError("name at least one array, and each only once", place)
        if both := set(self.inputs) & set(self.targets):
            raise DataError(f"“{min(both)}” cannot be both a sample and a target", "source.targets")
        arrays = {}
        with decoding(path, "a NumPy archive"):
            with zipfile.ZipFile(path) as archive:
                held = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
                for name in (*self.inputs, *self.targets):
                    if name not in held:
                        listed = ", ".join(f"“{item}”" for item in held[:12]) or "no arrays"
                        place = "source.inputs" if name in self.inputs else "source.targets"
                        raise DataError(f"“{path.name}” has no array “{name}”; it holds {listed}", place)
                    info = archive.getinfo(f"{name}.npy")
                    with archive.open(info) as stream:
                        arrays[name] = _read_array(stream, info.file_size, f"“{name}” in “{path.name}”", "source.path")
        return arrays


def _absent(array: np.ndarray) -> np.ndarray:
    """Of each sample, whether it has a NaN."""
    if array.dtype.kind != "f":
        return np.zeros(len(array), dtype=bool)
    return np.asarray(np.isnan(array.reshape(len(array), -1)).any(axis=1))


def _without_missing(
    samples: dict[str, np.ndarray], targets: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], tuple[str, ...]]:
    """The arrays without the samples that have a NaN in one of them, and a remark of how many these were."""
    absent = np.logical_or.reduce([_absent(array) for array in (*samples.values(), *targets.values())])
    dropped = int(absent.sum())
    if not dropped:
        return samples, targets, ()
    if dropped == len(absent):
        raise DataError("every sample has a missing value: nothing is left", "source.missing")
    note = f"{dropped:,} of {len(absent):,} samples have missing values and were left out"
    kept = ~absent
    return (
        {name: array[kept] for name, array in samples.items()},
        {name: array[kept] for name, array in targets.items()},
        (note,),
    )


def _read_npy(path: Path, place: str) -> np.ndarray:
    with decoding(path, "a NumPy array", place):
        with open(path, "rb") as stream:
            magic = stream.read(6)
            if magic != _NPY_MAGIC:
                raise DataError(_not_numpy(path, magic), place)
            stream.seek(0)
            return _read_array(stream, path.stat().st_size, f"“{path.name}”", place)


def _read_array(stream: IO[bytes], size: int, what: str, place: str) -> np.ndarray:
    """The array in a stream of `size` bytes in the .npy format, after a look at its header: no objects, no records,
    nothing larger than the stream or than memory. Raises DataError, or whatever NumPy raises on damaged bytes."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=_MAX_HEADER)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream, max_header_size=_MAX_HEADER)
    else:
        raise DataError(
            f"{what} has the version {version[0]}.{version[1]} of the format; 1.0 and 2.0 can be read", place
        )
    if dtype.hasobject:
        raise DataError(
            f"{what} holds pickled Python objects, which are never read because they can run programs: save plain "
            "numbers, for instance with “array.astype(float)”",
            place,
        )
    count = math.prod(shape)
    if any(axis < 0 for axis in shape) or dtype.itemsize == 0 or count == 0:
        raise DataError(f"{what} holds no values (shape {shape_text(shape)})", place)
    require_memory(count * dtype.itemsize, f"{what} of the shape {shape_text(shape)}", place)
    if count * dtype.itemsize > size:
        raise DataError(f"{what} is cut off: its header declares the shape {shape_text(shape)} of type {dtype}", place)
    data = stream.read(count * dtype.itemsize)
    if len(data) < count * dtype.itemsize:
        raise DataError(f"{what} is cut off: its header declares the shape {shape_text(shape)} of type {dtype}", place)
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    return np.asarray(array, dtype.newbyteorder("="), order="C")


def _not_numpy(path: Path, magic: bytes) -> str:
    if magic[:1] == b"\x80":
        return f"“{path.name}” holds pickled Python objects, which are never read because they can run programs"
    return f"“{path.name}” is neither a .npz archive nor a .npy array: it begins with {magic.hex(' ')}"
