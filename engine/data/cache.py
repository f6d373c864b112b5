"""Loading data once: what was read and divided is kept while the files do not change, and shared between threads."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec.structs import replace

from engine.data.dataset import Dataset, assemble, changed
from engine.data.errors import DataError
from engine.data.preprocessing.applying import outline_of
from engine.data.preprocessing.base import PreprocessingStep
from engine.data.raw import Outline, Raw
from engine.data.signature import DataSignature
from engine.data.sources.base import DataSource, stamp
from engine.data.split import part_sizes
from engine.schema import info_of, to_plain

if TYPE_CHECKING:
    from engine.experiment import DataSpec

__all__ = ["forget", "load", "peek"]

T = TypeVar("T")


class _Kept(Generic[T]):
    """The few values that were made last, by key. Two threads that ask for the same one make it once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._values: OrderedDict[str, T] = OrderedDict()
        self._making: dict[str, Lock] = {}

    def peek(self, key: str) -> T | None:
        with self._lock:
            return self._values.get(key)

    def get(self, key: str, make: Callable[[], T]) -> T:
        with self._lock:
            making = self._making.setdefault(key, Lock())
        with making:
            with self._lock:
                if key in self._values:
                    self._values.move_to_end(key)
                    return self._values[key]
            try:
                value = make()
            except BaseException:
                with self._lock:
                    self._making.pop(key, None)
                raise
            with self._lock:
                self._making.pop(key, None)
                self._values[key] = value
                while len(self._values) > self._limit:
                    self._values.popitem(last=False)
            return value

    def clear(self) -> None:
        with self._lock:
            self._values.clear()


_raws: _Kept[Raw] = _Kept(2)
_datasets: _Kept[Dataset] = _Kept(3)


def load(spec: DataSpec) -> Dataset:
    """The data set that `spec` describes. May take long: call it on a worker. Safe to call from several threads.

    Raises DataError, in words, for whatever is wrong with the data.
    """
    source = _known(spec)
    source_key = _key(source)
    raw = _raws.get(source_key, lambda: _frozen(source.read()))
    return _datasets.get(source_key + _dataset_key(spec), lambda: assemble(spec, source, raw))


def peek(spec: DataSpec) -> DataSignature | None:
    """Names, shapes and sizes, at once; None when the data must be loaded to know them, or cannot be divided so."""
    try:
        source = _known(spec)
        source_key = _key(source)
        dataset = _datasets.peek(source_key + _dataset_key(spec))
        if dataset is not None:
            return dataset.signature
        raw = _raws.peek(source_key)
        if raw is not None and raw.missing:
            return None  # whether they are filled, and what comes of it, is for `load` to say
        outline = raw.outline() if raw is not None else source.outline()
        return None if outline is None else _signature(outline, spec)
    except DataError:
        return None


def forget() -> None:
    """Drop what is kept, so that the next `load` reads the files again."""
    _raws.clear()
    _datasets.clear()


def _signature(outline: Outline, spec: DataSpec) -> DataSignature | None:
    """The signature, or None where the shapes after preprocessing depend on the samples."""
    train, validation, test = part_sizes(outline.samples, outline.own_test, spec.split)
    steps = [step for step in spec.preprocessing if isinstance(step, PreprocessingStep) and step.applies_to == "inputs"]
    inputs, names = {}, outline.input_names
    for name, shape in outline.inputs.items():
        after = outline_of(steps, shape, outline.input_names)
        if after is None:
            return None
        inputs[name], names = after
    return DataSignature(
        inputs=inputs,
        targets=outline.targets,
        train_size=train,
        validation_size=validation,
        test_size=test,
        input_names=names if len(inputs) == 1 else (),
        source_inputs=changed(outline.inputs, inputs),
    )


def _known(spec: DataSpec) -> DataSource:
    if not isinstance(spec.source, DataSource):
        raise DataError(info_of(spec.source).help, "source")
    return spec.source


def _frozen(raw: Raw) -> Raw:
    for array in (*raw.inputs.values(), *raw.targets.values()):
        array.flags.writeable = False
    return raw


def _key(source: DataSource) -> str:
    return _plain(source) + repr(stamp(source.files()))


def _dataset_key(spec: DataSpec) -> str:
    """What the arrays that are kept depend on: augmentation changes copies of them."""
    return _plain(replace(spec, augmentation=()))


def _plain(value: Any) -> str:
    return json.dumps(to_plain(value))
