"""What the device asks of CuPy, word by word: with a CuPy that puts it down."""

from __future__ import annotations

import ctypes
import gc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.kernels.cuda import device as module
from engine.kernels.cuda import nvrtc
from engine.kernels.cuda.device import CudaDevice
from engine.kernels.cuda.libraries import MissingLibrary
from engine.kernels.cuda.signatures import Packed
from tests.support.recorded_cupy import RecordedCupy

MAIN, COPIES = 0x100, 0x200
"""The device's streams, in the order in which they are made."""


class FakeBlas:
    """In cuBLAS's place: remembers what it was made with."""

    def __init__(self, stream: int, workspace: int, workspace_bytes: int) -> None:
        self.given, self.closed = (stream, workspace, workspace_bytes), False

    def version(self) -> str:
        return "13.1.0"

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> RecordedCupy:
    monkeypatch.setattr(module, "Cublas", FakeBlas)
    monkeypatch.setattr(nvrtc, "architecture", lambda major, minor: f"sm_{major}{minor}")
    monkeypatch.setattr(nvrtc, "compile", lambda name, arch: SimpleNamespace(cubin=f"{name} {arch}".encode()))
    return RecordedCupy().install(monkeypatch)


@pytest.fixture
def device(cupy: RecordedCupy) -> CudaDevice:
    found = CudaDevice(cupy)
    cupy.taken()
    return found


def test_it_begins_when_everything_before_is_done(cupy: RecordedCupy) -> None:
    made = CudaDevice(cupy)
    assert cupy.taken() == [("synchronize device",)]
    assert cupy.current.ptr == MAIN
    assert (made.name, made.software) == ("GPU 1", "driver 13000, runtime 13020, cuBLAS 13.1.0")


def test_where_cublas_is_missing_the_stream_is_left_as_it_was(
    cupy: RecordedCupy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: int) -> FakeBlas:
        raise MissingLibrary("cuBLAS is not on this machine.")

    monkeypatch.setattr(module, "Cublas", refuse)
    with pytest.raises(MissingLibrary):
        CudaDevice(cupy)
    assert cupy.current.ptr == 0


@pytest.mark.parametrize(("major", "megabytes"), [(8, 4), (9, 32), (10, 32)])
def test_cublas_works_on_its_stream_in_memory_of_its_own(
    cupy: RecordedCupy, monkeypatch: pytest.MonkeyPatch, major: int, megabytes: int
) -> None:
    made = CudaDevice(RecordedCupy(major).install(monkeypatch))
    stream, workspace, size = made.blas.given
    assert (stream, size) == (MAIN, megabytes << 20)
    assert workspace % 256 == 0 and workspace


def test_a_kernels_source_is_loaded_once(cupy: RecordedCupy, device: CudaDevice) -> None:
    begin, watch, fill = (device.function(name) for name in ("begin_step", "watch_loss", "fill"))
    assert cupy.taken() == [("load", b"step sm_90"), ("load", b"elementwise sm_90")]
    assert device.function("begin_step") == begin
    assert cupy.taken() == []
    assert len({begin, watch, fill}) == 3


def test_launches_go_to_the_stream_with_their_packed_arguments(cupy: RecordedCupy, device: CudaDevice) -> None:
    packed = Packed([ctypes.c_int32(7), ctypes.c_void_p(0x1234)])
    device.launch(99, (5, 4, 3), 128, packed)
    assert cupy.taken() == [("launch", 99, (5, 4, 3), (128, 1, 1), 0, MAIN, packed.address, 0)]
    table = (ctypes.c_void_p * 2).from_address(packed.address)
    assert ctypes.c_int32.from_address(table[0] or 0).value == 7


def test_a_graph_is_captured_uploaded_and_replayed(cupy: RecordedCupy, device: CudaDevice) -> None:
    with device.capture() as graph:
        assert not gc.isenabled()
        device.launch(1, (1, 1, 1), 32, Packed([]))
    assert gc.isenabled()
    device.replay(graph)
    begin, _, *rest = cupy.taken()
    assert begin == ("begin capture", "stream 1", cupy.runtime.streamCaptureModeRelaxed)
    assert rest == [("end capture", "stream 1"), ("upload graph", "stream 1"), ("launch graph", "stream 1")]


@pytest.mark.parametrize("invalidated", [False, True])
def test_a_capture_that_fails_is_ended(cupy: RecordedCupy, device: CudaDevice, invalidated: bool) -> None:
    cupy.invalidated = invalidated
    with pytest.raises(ZeroDivisionError), device.capture():
        raise ZeroDivisionError
    assert cupy.taken()[1:] == [("end capture", "stream 1")]
    assert gc.isenabled()


def test_a_capture_that_something_broke_off_is_told(cupy: RecordedCupy, device: CudaDevice) -> None:
    cupy.invalidated = True
    with pytest.raises(RuntimeError, match="cudaErrorStreamCaptureInvalidated"), device.capture():
        pass
    assert gc.isenabled()


def test_pinned_memory_is_as_long_as_asked_for_and_can_be_written(device: CudaDevice) -> None:
    for count, kind in ((3, np.float64), (0, np.int32), (1000, np.uint8)):
        array = device.pinned(count, kind)
        array[:] = 1
        assert (array.shape, array.dtype) == ((count,), kind)


def test_copies_go_to_the_stream(cupy: RecordedCupy, device: CudaDevice) -> None:
    host = device.pinned(6, np.float32)
    device.to_device(0x5000, host[2:])
    device.to_host(host[:3], 0x6000)
    device.to_device(0x5000, host[:0])
    at = host.ctypes.data
    runtime = cupy.runtime
    assert cupy.taken() == [
        ("copy", 0x5000, at + 8, 16, runtime.memcpyHostToDevice, MAIN),
        ("copy", at, 0x6000, 12, runtime.memcpyDeviceToHost, MAIN),
    ]


def test_copies_ahead_wait_for_their_turn_beside_the_stream(cupy: RecordedCupy, device: CudaDevice) -> None:
    host, after, mark = device.pinned(2, np.int64), device.mark(), device.mark()
    device.record(after)
    device.copy_ahead(0x5000, host, after, mark)
    device.wait(mark)
    device.wait_for(mark)
    assert cupy.taken() == [
        ("record", 1, "stream 1"),
        ("wait", "stream 2", 1),
        ("copy", 0x5000, host.ctypes.data, 16, cupy.runtime.memcpyHostToDevice, COPIES),
        ("record", 2, "stream 2"),
        ("wait", "stream 1", 2),
        ("wait for", 2),
    ]


def test_time_is_in_seconds(device: CudaDevice) -> None:
    begin, end = device.mark(), device.mark()
    assert device.seconds(begin, end) == pytest.approx(1.5e-3)


def test_memory_that_the_pool_holds_counts_as_free(device: CudaDevice) -> None:
    assert device.free_memory() == 1234


def test_closing_waits_and_gives_the_stream_before_back(cupy: RecordedCupy, device: CudaDevice) -> None:
    device.close()
    waits = [act for act in cupy.taken() if act[0] == "synchronize"]
    assert sorted(waits) == [("synchronize", "stream 1"), ("synchronize", "stream 2")]
    assert device.blas.closed
    assert cupy.current.ptr == 0


def test_cudnn_is_looked_for_once_and_closed(
    cupy: RecordedCupy, device: CudaDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, closed = [], []

    def find(stream: int) -> Any:
        asked.append(stream)
        return SimpleNamespace(close=lambda: closed.append(stream))

    monkeypatch.setattr(module.cudnn, "find", find)
    assert asked == []
    assert device.convolutions is device.convolutions is not None
    device.close()
    assert asked == closed == [MAIN]


def test_closing_leaves_the_stream_of_another_device_alone(cupy: RecordedCupy, device: CudaDevice) -> None:
    other: Any = CudaDevice(cupy)
    mine = cupy.current
    device.close()
    assert cupy.current == mine
    other.close()
    assert cupy.current != mine


def test_a_lost_device_gives_the_stream_back_all_the_same(cupy: RecordedCupy, device: CudaDevice) -> None:
    cupy.lost = True
    with pytest.raises(RuntimeError, match="cudaErrorLaunchFailure"):
        device.close()
    assert cupy.current.ptr == 0
