"""The rows of a run as columns: packing into blobs, joining blobs back, and what a resume makes void.

A run is written in segments: the first from step 0, one more for each resume. A segment that starts at step s makes the
earlier segments' rows after step s void, because they were trained again; nothing is deleted.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Iterable, Sequence

import numpy as np

from engine.training.events import StepRow, StepRows

__all__ = ["COLUMNS", "ROW_BYTES", "HistoryError", "RowBuffer", "join", "last_step", "pack", "unpack", "valid_until"]

COLUMNS = StepRow._fields
"""The columns of step rows. All are float64, so that every value comes back with the same bits; `step` is exact up to
2^53."""

_ROW = struct.Struct(f"<{len(COLUMNS)}d")
_MAGIC = b"DLR1"

ROW_BYTES = _ROW.size
"""Bytes of a raw row."""


class HistoryError(Exception):
    """A blob of rows is damaged; the message says how."""


def pack(rows: bytes) -> bytes:
    """A blob for raw rows (little-endian float64, row by row): columns by bytes of equal weight, then deflated.

    Sorting the bytes by weight makes neighbours alike: steps, epochs and constant rates shrink to almost nothing.
    """
    values = np.frombuffer(rows, dtype=np.uint8).reshape(-1, len(COLUMNS), 8)
    planes = np.ascontiguousarray(values.transpose(1, 2, 0))
    return _MAGIC + struct.pack("<I", values.shape[0]) + zlib.compress(planes.tobytes(), 1)


def unpack(blob: bytes) -> np.ndarray:
    """The rows of a blob, shape (rows, columns), float64. Raises HistoryError."""
    if not isinstance(blob, bytes) or blob[:4] != _MAGIC or len(blob) < 8:
        raise HistoryError("rows of a run are in an unknown form")
    (count,) = struct.unpack("<I", blob[4:8])
    try:
        raw = zlib.decompress(blob[8:])
    except zlib.error as error:
        raise HistoryError(f"rows of a run are damaged ({error})") from None
    if len(raw) != count * ROW_BYTES:
        raise HistoryError("rows of a run are cut off")
    planes = np.frombuffer(raw, dtype=np.uint8).reshape(len(COLUMNS), 8, count)
    return np.ascontiguousarray(planes.transpose(2, 0, 1)).view("<f8")[:, :, 0].astype(np.float64, copy=False)


def last_step(rows: bytes, default: int) -> int:
    """The step of the last of raw rows; `default` without rows."""
    return int(_ROW.unpack_from(rows, len(rows) - ROW_BYTES)[0]) if rows else default


def valid_until(starts: Sequence[int]) -> list[float]:
    """For each segment, the last step that a later segment does not make void. `starts` are their first steps, in
    order."""
    limits = [float("inf")] * len(starts)
    lowest = float("inf")
    for i in range(len(starts) - 1, -1, -1):
        limits[i] = lowest
        lowest = min(lowest, starts[i])
    return limits


def join(pieces: Iterable[tuple[int, np.ndarray]], starts: Sequence[int]) -> dict[str, np.ndarray]:
    """Columns by name from (segment, rows) pairs in the order of writing. `step` is int64, the others float64."""
    limits = valid_until(starts)
    kept = [rows[rows[:, 0] <= limits[segment]] for segment, rows in pieces if 0 <= segment < len(limits)]
    table = np.concatenate(kept) if kept else np.empty((0, len(COLUMNS)))
    columns = {name: np.ascontiguousarray(table[:, i]) for i, name in enumerate(COLUMNS)}
    return columns | {"step": columns["step"].astype(np.int64)}


class RowBuffer:
    """Rows on their way from the training thread to the store: one takes, one gives, nothing is lost.

    `add` costs a microsecond, however many rows come. Rows gather in chunks of `chunk` rows; at most `chunks` of them
    wait.
    """

    def __init__(self, chunk: int = 16384, chunks: int = 64) -> None:
        self._lock = threading.Lock()
        self._bytes = bytearray(chunk * ROW_BYTES)
        self._used = 0
        self._full: list[bytes] = []
        self._limit = chunks

    def add(self, rows: StepRows, start: int = 0) -> int:
        """Append rows from number `start` on. Returns how many were taken: fewer than there are when the buffer is
        full."""
        raw = rows.table.astype("<f8", copy=False).data.cast("B")[start * ROW_BYTES :]
        taken = 0
        with self._lock:
            while taken < len(raw):
                if self._used == len(self._bytes):
                    if len(self._full) >= self._limit:
                        break
                    self._full.append(bytes(self._bytes))
                    self._used = 0
                size = min(len(raw) - taken, len(self._bytes) - self._used)
                self._bytes[self._used : self._used + size] = raw[taken : taken + size]
                self._used += size
                taken += size
        return taken // ROW_BYTES

    @property
    def waiting(self) -> int:
        """How many full chunks wait."""
        return len(self._full)

    def take(self) -> bytes:
        """All rows so far, raw, in order; the buffer is empty afterwards."""
        with self._lock:
            self._full.append(bytes(self._bytes[: self._used]))
            rows = b"".join(self._full)
            self._full.clear()
            self._used = 0
            return rows
