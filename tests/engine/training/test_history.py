"""Rows as columns: nothing lost, not a bit, whatever the values and however blobs are cut."""

import struct
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.training.events import StepRow
from engine.training.history import (
    COLUMNS,
    ROW_BYTES,
    HistoryError,
    RowBuffer,
    join,
    last_step,
    pack,
    unpack,
    valid_until,
)
from tests.support.runs import row, step_rows

values = st.lists(st.tuples(*[st.floats(width=64)] * len(COLUMNS)), max_size=40)


def test_the_columns_are_the_numbers_of_a_step() -> None:
    last = row(12, loss=0.5).last
    assert last == StepRow(step=12, epoch=1.2, loss=0.5, penalty=0.0, learning_rate=0.1)
    buffer = RowBuffer()
    buffer.add(row(12, loss=0.5))
    assert dict(zip(COLUMNS, unpack(pack(buffer.take()))[0].tolist(), strict=True)) == last._asdict()


@settings(deadline=None, derandomize=True)
@given(values)
def test_pack_keeps_every_bit(rows: list[tuple[float, ...]]) -> None:
    raw = b"".join(struct.pack("<5d", *values) for values in rows)
    assert unpack(pack(raw)).tobytes() == raw


def test_rows_of_a_steady_run_take_little_room() -> None:
    rng = np.random.default_rng(0)
    buffer = RowBuffer()
    for step in range(1, 5001):
        buffer.add(row(step, loss=float(np.float32(rng.random()))))
    assert len(pack(buffer.take())) < 5000 * 10  # of 40 bytes a row


@settings(deadline=None, derandomize=True)
@given(st.data())
def test_a_damaged_blob_is_noticed(data: st.DataObject) -> None:
    good = pack(struct.pack("<10d", *range(10)))
    at = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[at] ^= data.draw(st.integers(1, 255))
    try:
        found = unpack(bytes(bad))
    except HistoryError:
        return
    # Deflate has bits that do not matter, such as the level of compression.
    assert found.tobytes() == unpack(good).tobytes()


@pytest.mark.parametrize("blob", [b"", b"DLR1", b"XXXX\0\0\0\0", pack(bytes(80))[:-3]])
def test_what_is_not_a_blob_is_refused(blob: bytes) -> None:
    with pytest.raises(HistoryError):
        unpack(blob)


def test_a_resume_makes_later_steps_of_earlier_segments_void() -> None:
    assert valid_until([0]) == [float("inf")]
    assert valid_until([0, 50, 20]) == [20, 20, float("inf")]


def test_join_drops_void_rows() -> None:
    def rows(first: int, last: int, loss: float) -> np.ndarray:
        return np.array([[step, step / 10, loss, 0, 0.1] for step in range(first, last + 1)])

    pieces = [(0, rows(1, 5, 1.0)), (0, rows(6, 9, 1.0)), (1, rows(7, 8, 2.0)), (2, rows(8, 10, 3.0))]
    found = join(pieces, [0, 6, 7])
    assert found["step"].tolist() == list(range(1, 11)) and found["step"].dtype == np.int64
    assert found["loss"].tolist() == [1.0] * 6 + [2.0] + [3.0] * 3


def test_join_of_nothing_has_all_columns() -> None:
    found = join([], [0])
    assert tuple(found) == COLUMNS and all(len(column) == 0 for column in found.values())


def test_buffer_refuses_what_does_not_fit_and_loses_nothing() -> None:
    buffer = RowBuffer(chunk=4, chunks=2)
    taken = [buffer.add(row(step)) for step in range(1, 14)]
    assert taken == [1] * 12 + [0]
    assert unpack(pack(buffer.take()))[:, 0].tolist() == list(range(1, 13))
    assert buffer.take() == b"" and buffer.add(row(13))


def test_many_rows_at_once_are_taken_in_pieces() -> None:
    buffer = RowBuffer(chunk=4, chunks=2)
    many = step_rows(*(row(step).last for step in range(1, 24)))
    assert buffer.add(many) == 12
    assert unpack(pack(buffer.take()))[:, 0].tolist() == list(range(1, 13))
    assert buffer.add(many, 12) == 11
    assert unpack(pack(buffer.take())).tolist() == many.table[12:].tolist()


def test_last_step() -> None:
    buffer = RowBuffer()
    buffer.add(row(3))
    buffer.add(row(4))
    raw = buffer.take()
    assert len(raw) == 2 * ROW_BYTES and last_step(raw, 1) == 4 and last_step(b"", 1) == 1


def test_one_thread_gives_while_another_takes() -> None:
    buffer, taken, done = RowBuffer(chunk=64), [], threading.Event()

    def take() -> None:
        while not done.is_set():
            taken.append(buffer.take())
        taken.append(buffer.take())

    thread = threading.Thread(target=take)
    thread.start()
    for step in range(1, 20_001):
        while not buffer.add(row(step)):
            pass
    done.set()
    thread.join()
    steps = unpack(pack(b"".join(taken)))[:, 0]
    assert np.array_equal(steps, np.arange(1, 20_001))
