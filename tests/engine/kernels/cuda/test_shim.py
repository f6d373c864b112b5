"""The machinery that the kernels' tests stand on: each mistake that it is there to find is made here, and found."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from engine.kernels.cuda import signatures as declarations
from engine.kernels.cuda.binding import pointer_to
from engine.kernels.cuda.launches import Launch
from engine.kernels.cuda.signatures import FOLDER, Argument, Packed, Pointer, SignatureError, signatures
from tests.support import shim
from tests.support.fake_cuda import FakeArray, FakeDevice, OutOfMemoryError
from tests.support.shim import ShimError
from tests.support.strict_cupy import StrictError

KERNEL = 'extern "C" __global__ void __launch_bounds__(64)'

TRIAL = f"""
#include "common.cuh"

{KERNEL} scale(float* x, int n, float factor) {{ EACH(i, n) x[i] *= factor; }}

{KERNEL} turned(float* x) {{
    __shared__ float room[64];
    room[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = room[blockDim.x - 1 - threadIdx.x];
}}

{KERNEL} neighbours(float* x) {{ x[threadIdx.x] = __shfl_xor_sync(FULL, x[threadIdx.x], 1); }}

{KERNEL} sums(float* x) {{
    __shared__ float room[2];
    const float whole = over_block<Sum>(x[threadIdx.x], room);
    x[threadIdx.x] = whole;
}}

{KERNEL} barrier_in_a_branch(float* x) {{
    if (threadIdx.x < 40) __syncthreads();
    x[threadIdx.x] = 1.0f;
}}

{KERNEL} exchange_in_a_branch(float* x) {{
    if (threadIdx.x < 40) x[threadIdx.x] = __shfl_xor_sync(FULL, x[threadIdx.x], 1);
}}

{KERNEL} barrier_against_exchange(float* x) {{
    if (threadIdx.x % 2) __syncthreads();
    else x[threadIdx.x] = __shfl_xor_sync(FULL, x[threadIdx.x], 2);
}}

{KERNEL} load_from(float* x, int at) {{
    float v[4];
    load4(x + at, v);
    x[0] = v[0];
}}

{KERNEL} store_to(float* x, int at) {{
    const float v[4] = {{1.0f, 2.0f, 3.0f, 4.0f}};
    store4(x + at, v);
}}

{KERNEL} unwritten(float* x) {{
    __shared__ float room[64];
    if (threadIdx.x < 32) room[threadIdx.x] = 1.0f;
    __syncthreads();
    x[threadIdx.x] = room[threadIdx.x];
}}

{KERNEL} without_a_barrier(float* x) {{
    __shared__ float room[64];
    room[threadIdx.x] = x[threadIdx.x];
    x[threadIdx.x] = room[blockDim.x - 1 - threadIdx.x];
}}

{KERNEL} last_one(float* x) {{ x[0] = (float)(blockIdx.x * blockDim.x + threadIdx.x); }}

{KERNEL} write_at(float* x, int at) {{ if (threadIdx.x == 0) x[at] = 1.0f; }}

{KERNEL} counted(unsigned* at) {{ atomicAdd(at, 1u); }}
"""


@contextmanager
def instead(folder: Path, **sources: str) -> Iterator[Path]:
    """Sources of our own in place of the package's, in a folder where they are compiled as well."""
    shutil.copy(FOLDER / "common.cuh", folder)
    for name, text in sources.items():
        (folder / f"{name}.cu").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESCENT_CACHE", str(folder))
        patch.setattr(declarations, "FOLDER", folder)
        patch.setattr(shim, "FOLDER", folder)
        try:
            forget()
            yield folder
        finally:
            patch.undo()
            forget()


def forget() -> None:
    signatures.cache_clear()
    shim._library.cache_clear()


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with instead(tmp_path_factory.mktemp("kernels"), trial=TRIAL) as folder:
        yield folder


@pytest.fixture(params=[0, 1, 2], ids=["forward", "backward", "scattered"])
def device(request: pytest.FixtureRequest, kernels: Path) -> FakeDevice:
    return FakeDevice(order=request.param)


@pytest.fixture
def plain(kernels: Path) -> FakeDevice:
    return FakeDevice()


def counting(device: FakeDevice, count: int = 64) -> FakeArray:
    return device.xp.asarray(np.arange(count, dtype=np.float32))


def launch(device: FakeDevice, kernel: str, *arguments: Argument, grid: int = 1, block: int = 64) -> None:
    """Without the checks of `Launch`: blocks here may be parts of warps."""
    device.launch(device.function(kernel), (grid, 1, 1), block, signatures()[kernel].pack(arguments))


# -- threads and blocks ------------------------------------------------------------------------------------------------


def test_what_is_right_is_done(device: FakeDevice) -> None:
    x = counting(device)
    launch(device, "turned", pointer_to(x))
    assert x.get().tolist() == list(range(63, -1, -1))
    launch(device, "neighbours", pointer_to(x))
    assert x.get()[:4].tolist() == [62.0, 63.0, 60.0, 61.0]
    launch(device, "sums", pointer_to(x))
    assert x.get().tolist() == [2016.0] * 64
    y = counting(device, 1000)
    launch(device, "scale", pointer_to(y), 1000, 2.0, grid=5)
    assert y.get().tolist() == list(range(0, 2000, 2))
    counter = device.xp.zeros(1, np.uint32)
    launch(device, "counted", pointer_to(counter), grid=7, block=33)
    assert counter.get().tolist() == [7 * 33]
    assert device.launches == 5
    device.xp.check_guards()


@pytest.mark.parametrize(
    ("kernel", "complaint"),
    [
        ("barrier_in_a_branch", "a barrier is not reached by all threads of the block"),
        ("exchange_in_a_branch", "an exchange is not reached by all lanes of a warp"),
        ("barrier_against_exchange", "a barrier is not reached by all threads of the block"),
    ],
)
def test_threads_that_part_are_found(device: FakeDevice, kernel: str, complaint: str) -> None:
    x = counting(device)
    with pytest.raises(ShimError, match=rf"{kernel}: {complaint} \(block 0, thread \d+\)"):
        launch(device, kernel, pointer_to(x))
    # It is the launch that failed: the next one is not disturbed.
    y = counting(device)
    launch(device, "turned", pointer_to(y))
    assert y.get().tolist() == list(range(63, -1, -1))


def test_a_warp_that_is_not_whole_exchanges_nothing(device: FakeDevice) -> None:
    x = counting(device)
    with pytest.raises(ShimError, match="an exchange is not reached by all lanes"):
        launch(device, "neighbours", pointer_to(x), block=40)


@pytest.mark.parametrize("kernel", ["load_from", "store_to"])
def test_four_at_a_time_need_their_place(plain: FakeDevice, kernel: str) -> None:
    x = counting(plain)
    launch(plain, kernel, pointer_to(x), 8, block=1)
    assert x.get()[0] == (8.0 if kernel == "load_from" else 0.0)
    for at in (1, 2, 3):
        with pytest.raises(ShimError, match=f"{kernel}: a load or store of four numbers is not aligned"):
            launch(plain, kernel, pointer_to(x), at, block=1)


def test_shared_memory_begins_with_nonsense(device: FakeDevice) -> None:
    x = counting(device)
    for _ in range(2):
        launch(device, "unwritten", pointer_to(x))
        found = x.get()
        assert found[:32].tolist() == [1.0] * 32 and np.isnan(found[32:]).all()
        # What one launch leaves there the next one does not find.
        y = counting(device)
        launch(device, "turned", pointer_to(y))


def test_a_barrier_that_is_missing_shows_in_some_order(kernels: Path) -> None:
    found = []
    for order in (0, 1, 2):
        device = FakeDevice(order=order)
        x = counting(device)
        launch(device, "without_a_barrier", pointer_to(x))
        found.append(x.get())
    assert all(np.isnan(one).any() for one in found)
    assert not np.array_equal(found[0], found[1], equal_nan=True)


def test_results_that_depend_on_the_order_differ(kernels: Path) -> None:
    found = set()
    for order in (0, 1, 2):
        device = FakeDevice(order=order)
        x = counting(device)
        launch(device, "last_one", pointer_to(x), grid=5)
        found.add(float(x.get()[0]))
    assert len(found) == 3


def test_floats_are_not_added_by_atomics(tmp_path: Path) -> None:
    device = FakeDevice()
    x = counting(device)
    with instead(tmp_path, floats=KERNEL + " added(float* x) { atomicAdd(x, 1.0f); }"):
        with pytest.raises(ShimError, match=r"(?s)floats\.cu cannot be compiled for the CPU:.*atomicAdd"):
            launch(device, "added", pointer_to(x))


def test_a_block_has_its_most(plain: FakeDevice) -> None:
    x = counting(plain)
    packed = Launch("turned", [pointer_to(x)], 1, 64).pack()
    for threads in (0, 1025):
        with pytest.raises(ShimError, match="a block has 1 to 1024 threads"):
            plain.launch("turned", (1, 1, 1), threads, packed)
    with pytest.raises(SignatureError, match="up to 64 threads"):
        Launch("turned", [pointer_to(x)], 1, 65).pack()


# -- memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "where"), [(64, "behind"), (127, "behind"), (-1, "before"), (-64, "before")])
def test_what_is_written_beside_an_array_is_found(plain: FakeDevice, at: int, where: str) -> None:
    x = counting(plain)
    launch(plain, "write_at", pointer_to(x), 63)
    plain.xp.check_guards()
    launch(plain, "write_at", pointer_to(x), at)
    with pytest.raises(StrictError, match=f"something was written {where} an array of 256 bytes"):
        plain.xp.check_guards()


def test_addresses_that_lead_nowhere_are_refused(plain: FakeDevice) -> None:
    x = counting(plain)
    gone = Pointer(x.data.ptr, x.dtype)
    launch(plain, "scale", gone + 63, 1, 2.0)
    for bad in (gone + 64, gone + -1):
        with pytest.raises(StrictError, match=r"scale: the address 0x[0-9a-f]+ leads to no memory"):
            launch(plain, "scale", bad, 1, 2.0)
    del x
    with pytest.raises(StrictError, match="scale: the address"):
        launch(plain, "scale", gone, 64, 2.0)
    host = np.zeros(4, np.float32)
    with pytest.raises(StrictError, match="scale: the address"):
        launch(plain, "scale", Pointer(host.ctypes.data, host.dtype), 4, 2.0)


def test_new_memory_holds_nonsense_and_is_aligned(plain: FakeDevice) -> None:
    for count in (1, 3, 1000):
        x = plain.xp.empty(count, np.float32)
        assert np.isnan(x.get()).all() and x.data.ptr % 256 == 0


def test_memory_has_an_end(kernels: Path) -> None:
    device = FakeDevice(limit=1000)
    first = device.xp.empty(200, np.float32)
    with pytest.raises(OutOfMemoryError, match="Out of memory allocating 400 bytes"):
        device.xp.empty(100, np.float32)
    assert device.xp.used == 800
    del first
    assert device.xp.used == 0 and device.xp.empty(100, np.float32).size == 100


def test_copies_stay_within_an_array(plain: FakeDevice) -> None:
    x = counting(plain, 8)
    plain.to_device(x.data.ptr, np.ones(8, np.float32))
    assert x.get().tolist() == [1.0] * 8
    with pytest.raises(StrictError, match="a copy: the address"):
        plain.to_device(x.data.ptr, np.ones(9, np.float32))
    with pytest.raises(StrictError, match="a copy: the address"):
        plain.to_host(np.ones(4, np.float32), x.data.ptr + 20)
    with pytest.raises(StrictError, match="only contiguous memory"):
        plain.to_host(np.ones((4, 2), np.float32)[:, 0], x.data.ptr)


# -- graphs ------------------------------------------------------------------------------------------------------------

FORBIDDEN: dict[str, Callable[[FakeDevice, FakeArray], object]] = {
    "empty allocates memory while a graph is captured": lambda device, x: device.xp.empty(3),
    "pinned memory allocates memory while a graph is captured": lambda device, x: device.pinned(3, np.float32),
    "get copies between host and device while a graph is captured": lambda device, x: x.get(),
    "set copies between host and device while a graph is captured": lambda device, x: x.set(np.zeros(64, np.float32)),
    "waiting for the device while a graph is captured": lambda device, x: device.synchronize(),
}


@pytest.mark.parametrize("complaint", FORBIDDEN)
def test_what_a_capture_forbids(plain: FakeDevice, complaint: str) -> None:
    x, act = counting(plain), FORBIDDEN[complaint]
    act(plain, x)
    with pytest.raises(StrictError, match=complaint), plain.capture():
        act(plain, x)
    act(plain, x)


def test_a_graph_does_what_was_captured_and_when_it_is_launched(plain: FakeDevice) -> None:
    x = counting(plain)
    factor = ctypes.c_float(3.0)
    with plain.capture() as graph:
        plain.launch("scale", (1, 1, 1), 64, Packed([ctypes.c_void_p(x.data.ptr), ctypes.c_int32(64), factor]))
    assert len(graph) == 1 and x.get()[1] == 1.0
    factor.value = 100.0  # arguments are those of the capture
    plain.replay(graph)
    plain.replay(graph)
    assert x.get()[1] == 9.0 and plain.launches == 2
    with pytest.raises(StrictError, match="a graph is launched while another is captured"), plain.capture():
        plain.replay(graph)


def test_a_graph_does_not_outlive_its_memory(plain: FakeDevice) -> None:
    x = counting(plain)
    with plain.capture():
        launch(plain, "scale", pointer_to(x), 64, 2.0)
    gone = pointer_to(x)
    del x
    with pytest.raises(StrictError, match="leads to no memory"), plain.capture():
        launch(plain, "scale", gone, 64, 2.0)


def test_failures_that_a_test_asks_for(plain: FakeDevice) -> None:
    def fail() -> None:
        raise RuntimeError("the device fell off the bus")

    plain.fail = fail
    x = counting(plain)
    acts: list[Callable[[], object]] = [
        lambda: launch(plain, "scale", pointer_to(x), 64, 2.0),
        plain.synchronize,
        lambda: plain.to_device(x.data.ptr, np.zeros(64, np.float32)),
    ]
    for act in acts:
        with pytest.raises(RuntimeError, match="fell off the bus"):
            act()
