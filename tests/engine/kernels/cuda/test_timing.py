"""What is fastest is measured once, without touching anything of a program, and remembered."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engine import ops
from engine.fuse import Group
from engine.kernels.cuda import timing
from engine.kernels.cuda.binding import Binding, pointer_to
from engine.kernels.cuda.choice import Chooser
from engine.kernels.cuda.launches import cover_group
from engine.kernels.cuda.timing import PLACES, Memory, TimingChooser
from tests.engine.ops.cases import Case, normal
from tests.support.clock import Clock
from tests.support.cuda_bench import CudaBench
from tests.support.fake_cuda import FakeDevice
from tests.support.gpu import real_device
from tests.support.interpreter import Interpreter
from tests.support.records import Record, records_of


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    monkeypatch.setattr(timing, "cache_folder", lambda: tmp_path / "cache")
    if not request.node.get_closest_marker("gpu"):
        monkeypatch.setattr(timing, "AWAKE", 0.0)  # a pretended device needs no waking
    return tmp_path / "cache" / "cuda-choices.json"


@pytest.fixture
def record() -> Record:
    (record,) = records_of(Case(ops.MatMul(), (normal(9, 300), normal(300, 6)), ()))
    return record


def taken(record: Record, chooser: Chooser, device: FakeDevice) -> str:
    """The way that a call goes, whose result is as it should be."""
    bench = CudaBench(device=device)
    bench.chooser = lambda: chooser
    found = bench.run([record.call], record.inputs)
    for value_id, exact in record.reference("float64").items():
        np.testing.assert_allclose(found[value_id], exact, rtol=0, atol=1e-4)
    (name,) = chooser.taken.values()
    return name


def test_the_fastest_is_taken(file: Path, record: Record) -> None:
    assert taken(record, TimingChooser(device := Clock({"gemm_64x64": 0.5})), device) == "tiles 64x64"
    (known,) = json.loads(file.read_text()).values()
    assert list(known.values()) == ["tiles 64x64"]
    # Once known, nothing is measured.
    again = Clock({"cublas": 0.1})
    assert taken(record, TimingChooser(again), again) == "tiles 64x64"
    assert again.done == ["gemm_64x64"]


def test_what_is_slow_is_not_measured_for_long(file: Path, record: Record) -> None:
    device = Clock({"cublas": 0.1, "gemm_128x128": 100.0})
    assert taken(record, TimingChooser(device), device) == "cublas"
    # Once by itself and twice in a graph, and only where it was expected to be among the fast ones.
    assert device.done.count("gemm_128x128") in (0, 3)
    assert device.done.count("cublas") > 3


def test_a_device_is_woken_before_it_is_measured(file: Path, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    for awake in (0.0, 0.01):
        monkeypatch.setattr(timing, "AWAKE", awake)
        device = Clock({"cublas": 0.1})
        assert taken(record, TimingChooser(device), device) == "cublas"
        done.append(device.done)
        file.unlink()
    rested, woken = done
    begin = rested.index("cublas")
    more = len(woken) - len(rested)
    assert more > 0 and woken == [*rested[:begin], *["cublas"] * more, *rested[begin:]]


def test_the_pass_that_follows_counts(file: Path) -> None:
    results = []
    for cost in (0.1, 3.0):
        machine = Interpreter(precision="float32")
        a, b, bias = (machine.value(np.ones(shape, np.float32)) for shape in ((5, 30), (30, 6), (6,)))
        machine.op(ops.AddBias(), machine.op(ops.MatMul(), a, b), bias)
        device = Clock({"cublas": 0.5, "elementwise": cost, "gemm_32x32": 1.0})
        bench, chooser = CudaBench(device=device), TimingChooser(device)
        bench.chooser = lambda chooser=chooser: chooser  # type: ignore[misc]
        bench.run(machine.calls, {value.id: machine.host(value) for value in (a, b, bias)})
        results += chooser.taken.items()
        file.unlink()
    (key, first), (_, second) = results
    assert first == "cublas" and second == "tiles 32x32" and key.endswith(" +")


def test_where_products_are_rounded_ours_are_no_candidates(file: Path, record: Record) -> None:
    for chooser, math in ((Chooser(), "tf32"), (TimingChooser(Clock({"cublas": 100.0})), "bf16")):
        bench = CudaBench()
        bench.chooser, bench.math = lambda chooser=chooser: chooser, math  # type: ignore[misc]
        bench.run([record.call], record.inputs)
        assert list(chooser.taken.values()) == ["cublas"]
    assert not file.exists()


def test_what_a_run_took_before_is_taken_again(file: Path, record: Record) -> None:
    plain = Chooser()
    taken(record, plain, FakeDevice())
    (key,) = plain.taken
    for given, expected in (({key: "tiles 128x32"}, "tiles 128x32"), ({key: "what is no more"}, "cublas")):
        device = Clock({"cublas": 0.1})
        assert taken(record, TimingChooser(device, given=given), device) == expected


def test_without_memory_it_is_decided_by_sizes(file: Path, record: Record) -> None:
    device = Clock({"gemm_128x128": 0.01})
    device.xp.limit = 40_000
    expected = Chooser()
    taken(record, expected, FakeDevice())
    assert taken(record, TimingChooser(device), device) == next(iter(expected.taken.values()))
    assert not file.exists()


def test_the_program_is_not_touched(file: Path, record: Record) -> None:
    device = FakeDevice()
    arrays = {
        value.id: device.xp.asarray(array) for value, array in zip(record.call.inputs, record.before, strict=True)
    }
    (y,) = record.call.outputs
    arrays[y.id] = device.xp.zeros(y.shape, np.float32)
    halt = device.xp.zeros(1, np.int32)
    program = SimpleNamespace(calls=(record.call,), predictions={}, losses={}, observe=False, outputs={})
    binding = Binding(program, arrays, device.xp, pointer_to(halt))  # type: ignore[arg-type]
    binding.chooser = TimingChooser(device)
    cover_group(Group((record.call,)), binding)
    assert device.launches > 0 and device.blas.calls > 0
    assert not arrays[y.id].get().any()
    for value, before in zip(record.call.inputs, record.before, strict=True):
        np.testing.assert_array_equal(arrays[value.id].get(), before)
    device.xp.check_guards()


@pytest.mark.gpu
def test_a_real_gpu_is_measured(file: Path) -> None:
    device, chooser = real_device(), TimingChooser(real_device())
    bench = CudaBench(device=device)
    bench.chooser = lambda: chooser
    for record in records_of(Case(ops.Conv2d(1, 1), (normal(8, 16, 16, 8), normal(3, 3, 8, 16)), (0, 1))):
        found = bench.run([record.call], record.inputs)
        for value_id, exact in record.reference("float64").items():
            np.testing.assert_allclose(found[value_id], exact, rtol=0, atol=1e-5 * np.max(np.abs(exact)))
    (known,) = json.loads(file.read_text()).values()
    assert known == chooser.taken and len(known) == 3


# -- what is remembered ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    ["", "{", "[1]", "null", '{"here": 3}', '{"here": {"a": 5}}', "\x00", "[" * 9999, r'{"\ud800": {"c": "\udfff"}}'],
)
def test_a_damaged_file_counts_as_none(content: str, file: Path) -> None:
    file.parent.mkdir()
    file.write_text(content)
    memory = Memory("here")
    assert memory.get("a") is None
    memory.put("a", "b")
    assert Memory("here").get("a") == "b"
    assert [item.name for item in file.parent.iterdir()] == [file.name]


def test_a_folder_that_cannot_be_written_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(timing, "cache_folder", lambda: tmp_path / "file")
    memory = Memory("here")
    memory.put("a", "b")
    assert memory.get("a") == "b" and Memory("here").get("a") is None


def test_places_are_kept_apart_and_the_oldest_go(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Memory("first"), Memory("second")
    first.put("a", "1")
    second.put("a", "2")
    first.put("b", "3")
    assert [Memory("first").get("a"), Memory("second").get("a"), Memory("first").get("b")] == ["1", "2", "3"]
    assert Memory("second").get("b") is None
    for index in range(PLACES):
        Memory(str(index)).put("a", "x")
    assert len(json.loads(file.read_text())) == PLACES and Memory("first").get("a") is None
    monkeypatch.setattr(timing, "KEYS", 2)
    for key in "abc":
        Memory("0").put(key, "y")
    assert [Memory("0").get(key) for key in "abc"] == [None, "y", "y"]


def test_another_device_or_other_software_is_another_place(file: Path, record: Record) -> None:
    for change in ("name", "software"):
        device = Clock({"gemm_64x64": 0.5})
        taken(record, TimingChooser(device), device)
        other = Clock({"cublas": 0.5})
        setattr(other, change, "another")
        assert taken(record, TimingChooser(other), other) == "cublas"
