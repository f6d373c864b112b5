"""Run events as bytes and back: msgpack with arrays, a closed set of types, nothing that could name code."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec
import numpy as np

from engine.schema import Component, to_plain
from engine.training import events

__all__ = ["CodecError", "decode", "encode"]

_TYPES: dict[str, type[events.Event]] = {
    cls.__name__: cls
    for cls in (
        events.Changed,
        events.Checkpointed,
        events.ConditionMet,
        events.Confusion,
        events.DeviceFailed,
        events.Diverged,
        events.EpochEnd,
        events.ExecutorChanged,
        events.Failed,
        events.Finished,
        events.FirstLayer,
        events.Frame,
        events.Paused,
        events.Progress,
        events.RateDropped,
        events.Restored,
        events.Resumed,
        events.Started,
        events.Surface,
        events.Rounded,
        events.Unsaved,
        events.WeightsScaled,
    )
}
_DTYPES = ("float32", "float64", "int64", "int32", "uint32", "uint8", "bool")
_ARRAY = 1


class CodecError(Exception):
    """Stored bytes are not an event; the message says why."""


def _plain(value: Any) -> Any:
    if isinstance(value, Component):
        return to_plain(value)
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        value = np.ascontiguousarray(value)
        if value.dtype.name not in _DTYPES:
            raise TypeError(f"an event cannot hold an array of {value.dtype}")
        parts = [value.dtype.name, list(value.shape), value.astype(value.dtype.newbyteorder("<")).tobytes()]
        return msgspec.msgpack.Ext(_ARRAY, msgspec.msgpack.encode(parts))
    if isinstance(value, np.generic):
        return value.item()
    return value


def _extension(code: int, data: memoryview) -> Any:
    if code != _ARRAY:
        raise CodecError(f"unknown extension {code}")
    name, shape, raw = msgspec.msgpack.decode(data)
    if name not in _DTYPES:
        raise CodecError(f"unknown element type {name}")
    return np.frombuffer(raw, dtype=np.dtype(name).newbyteorder("<")).astype(name).reshape(shape)


def encode(event: events.Event) -> bytes:
    """Deflated msgpack of [type, fields]."""
    name = type(event).__name__
    if name not in _TYPES:
        raise TypeError(f"{name} is not a run event")
    return zlib.compress(msgspec.msgpack.encode([name, _plain(event)]), 1)


def decode(data: bytes) -> events.Event:
    """The event that bytes describe, equal to the encoded one (sequences inside `Changed` values come back as lists).

    Raises CodecError.
    """
    try:
        name, plain = msgspec.msgpack.decode(zlib.decompress(data), ext_hook=_extension)
        cls = _TYPES[name]
        if cls is events.Frame:
            plain["activations"] = {key: _tensor(item) for key, item in plain["activations"].items()}
            plain["adjoints"] = {key: _tensor(item) for key, item in plain["adjoints"].items()}
            plain["parameters"] = {key: _parameter(item) for key, item in plain["parameters"].items()}
            normalizations = plain.pop("normalizations", {})
            plain["normalizations"] = {k: events.NormalizationStats(**item) for k, item in normalizations.items()}
        elif cls is events.Surface:
            plain["extent"] = tuple(plain["extent"])
        elif cls is events.Confusion:
            plain["class_names"] = tuple(plain["class_names"])
        return cls(**plain)
    except (zlib.error, msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CodecError(f"an event of the run is damaged ({error})") from error


def _tensor(plain: dict[str, Any] | None) -> Any:
    if plain is None:
        return None
    # Runs of earlier versions have no statistics of channels.
    channels = plain.pop("channels", None)
    return events.TensorStats(**plain, channels=None if channels is None else events.ChannelStats(**channels))


def _parameter(plain: dict[str, Any]) -> events.ParameterStats:
    plain["shape"] = tuple(plain["shape"])
    plain["weights"], plain["gradient"] = _tensor(plain["weights"]), _tensor(plain["gradient"])
    return events.ParameterStats(**plain)
