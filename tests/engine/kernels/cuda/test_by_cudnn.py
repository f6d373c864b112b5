"""Convolutions by cuDNN as one of their ways, with a frontend that computes on the processor. Needs no GPU."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine import ops
from engine.cuda_works import prepare
from engine.fuse import Group
from engine.kernels.cuda import by_cudnn, timing
from engine.kernels.cuda.binding import Binding, pointer_to
from engine.kernels.cuda.choice import Chooser
from engine.kernels.cuda.launches import Launch, Library, cover_group
from engine.kernels.cuda.timing import TimingChooser
from engine.ops.base import Op
from engine.ops.grouped_convolution import GroupedConv2d
from tests.engine.ops.cases import Case, normal
from tests.support.choosers import Told, ways
from tests.support.clock import Clock
from tests.support.cuda_bench import CudaBench
from tests.support.fake_cuda import FakeDevice
from tests.support.fake_cudnn import STREAM, equip
from tests.support.interpreter import Interpreter
from tests.support.records import Record, records_of

IMAGE = (2, 9, 7, 8)
OPERATIONS: dict[str, tuple[Op, tuple[int, ...]]] = {
    "plain": (ops.Conv2d(1, 1), (3, 3, 8, 12)),
    "strided": (ops.Conv2d(2, 1), (3, 2, 8, 5)),
    "pixels left over": (ops.Conv2d(3, 0), (2, 3, 8, 5)),
    "pointwise, strided": (ops.Conv2d(2, 0), (1, 1, 8, 12)),
    "more margin than filter": (ops.Conv2d(1, 2), (2, 2, 8, 4)),
    "gaps": (GroupedConv2d(1, 2, 1, 2), (3, 3, 8, 5)),
}


class Equipped(Clock):
    """A device that has cuDNN, and on which time is what a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float] | None = None) -> None:
        super().__init__(seconds or {})
        self.frontend = equip(self, monkeypatch, lambda act: self.take("cudnn", act))

    def close(self) -> None:
        assert self.convolutions is not None
        self.convolutions.close()


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Equipped]:
    made = Equipped(monkeypatch)
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(timing, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(timing, "AWAKE", 0.0)
    return tmp_path / "cache" / "cuda-choices.json"


def records(name: str = "plain") -> list[Record]:
    op, weights = OPERATIONS[name]
    return records_of(Case(op, (normal(*IMAGE), normal(*weights)), (0, 1)))


def bench_of(device: FakeDevice, chooser: Chooser, math: str = "float32") -> CudaBench:
    bench = CudaBench(device=device)
    bench.chooser, bench.math = lambda: chooser, math
    return bench


def agrees(record: Record, found: Mapping[int, np.ndarray]) -> None:
    """With the reference in float64."""
    for value_id, exact in record.reference("float64").items():
        np.testing.assert_allclose(found[value_id], exact, rtol=0, atol=4e-6 * np.max(np.abs(exact)))


def by_library(bench: CudaBench) -> bool:
    """Whether cuDNN is among what ran last."""
    return any(isinstance(work, Library) for work in bench.works)


@pytest.mark.parametrize("math", ["float32", "tf32"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_convolution_and_its_gradients(name: str, math: str, device: Equipped) -> None:
    made = records(name)
    assert len(made) == 3
    for record in made:
        bench = bench_of(device, Told("cudnn"), math)
        agrees(record, bench.run([record.call], record.inputs, times=2))
        kinds = [work.kernel if isinstance(work, Launch) else work.library for work in bench.works]
        assert kinds == (["cuDNN", "transpose"] if "weight" in record.call.op.name else ["transpose", "cuDNN"])


def test_what_follows_is_a_pass_of_its_own(device: Equipped) -> None:
    results = []
    for precision in ("float32", "float64"):
        machine, rng = Interpreter(precision=precision), np.random.default_rng(3)
        x, w, bias = (
            machine.value(rng.standard_normal(shape).astype(np.float32)) for shape in (IMAGE, (3, 3, 8, 12), (12,))
        )
        machine.op(ops.ReLU(), machine.op(ops.AddBias(), machine.op(ops.Conv2d(1, 1), x, w), bias))
        results.append((machine, (x, w, bias)))
    (machine, inputs), (exact, _) = results
    bench = bench_of(device, Told("cudnn"))
    found = bench.run(machine.calls, {value.id: machine.host(value) for value in inputs}, times=2)
    assert bench.names == ["conv2d", "add_bias+relu"] and by_library(bench)
    wanted = exact.host(exact.calls[-1].outputs[0])
    np.testing.assert_allclose(found[machine.calls[-1].outputs[0].id], wanted, rtol=0, atol=4e-6 * wanted.max())


def test_it_is_captured_and_replayed(device: Equipped) -> None:
    for record in records():
        xp = device.xp
        values = (*record.call.inputs, *record.call.outputs)
        arrays = {value.id: xp.zeros(value.shape, np.float32) for value in values}
        halt = xp.zeros(1, np.int32)
        program: Any = SimpleNamespace(calls=(record.call,), predictions={}, losses={}, observe=False, outputs={})
        binding = Binding(program, arrays, xp, pointer_to(halt))
        binding.chooser, binding.convolutions = Told("cudnn"), device.convolutions
        covered = binding.settled(lambda binding=binding, call=record.call: cover_group(Group((call,)), binding))
        acts = prepare([work for item in covered for work in item.works], device, "float32")
        for act in acts:
            act()
        with device.capture() as graph:
            for act in acts:
                act()
        assert len(graph) >= 2
        for value, before in zip(record.call.inputs, record.before, strict=True):
            arrays[value.id].set(np.ascontiguousarray(before))
        assert not arrays[record.call.outputs[0].id].get().any()
        device.replay(graph)
        agrees(record, {id_: array.get() for id_, array in arrays.items()})
        xp.check_guards()


def test_where_it_is_no_way(device: Equipped) -> None:
    (record, *_) = records()
    inputs = [record.call], record.inputs
    assert "cudnn" in ways(bench_of(device, Chooser()), *inputs)
    assert "cudnn" not in ways(bench_of(FakeDevice(), Chooser()), *inputs)
    bench = bench_of(device, Chooser())
    bench.math = "bf16"
    assert "cudnn" not in ways(bench, *inputs)
    for op, weights in ((GroupedConv2d(1, 1, 2, 1), (3, 3, 4, 12)), (ops.Conv2d(1, 0), (1, 1, 8, 12))):
        for item in records_of(Case(op, (normal(*IMAGE), normal(*weights)), (0, 1))):
            assert "cudnn" not in ways(bench_of(device, Chooser()), [item.call], item.inputs)


@pytest.mark.parametrize("name", ["plain", "strided"])
def test_without_measuring_it_is_never_taken(name: str, device: Equipped) -> None:
    for record in records(name):
        bench = bench_of(device, Chooser())
        agrees(record, bench.run([record.call], record.inputs))
        assert not by_library(bench)
    assert device.frontend.log == [("stream", "handle", STREAM)]


@pytest.mark.parametrize(("seconds", "taken"), [({"cudnn": 1e-3, "transpose": 1e-3}, True), ({"cudnn": 100.0}, False)])
def test_it_is_taken_where_it_is_fastest(
    seconds: dict[str, float], taken: bool, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("plain", "strided"):
        for record in records(name):
            device = Equipped(monkeypatch, seconds)
            chooser = TimingChooser(device)
            bench = bench_of(device, chooser)
            agrees(record, bench.run([record.call], record.inputs))
            assert by_library(bench) == taken == ("cudnn" in chooser.taken.values())
            (key,) = chooser.taken
            assert json.loads(file.read_text())[
                f"Pretended GPU · of the test's own, cuDNN 9.28.1 · kernels {timing._digest()}"
            ][key]
            device.close()


def test_another_cudnn_is_measured_anew(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (record, *_) = records()
    for device, taken in (
        (Equipped(monkeypatch, {"cudnn": 1e-3, "transpose": 1e-3}), "cudnn"),
        (Clock({}), ""),
        (Equipped(monkeypatch, {"cudnn": 100.0}), "cudnn"),
    ):
        chooser = TimingChooser(device)
        agrees(record, bench_of(device, chooser).run([record.call], record.inputs))
        (name,) = chooser.taken.values()
        assert (name == "cudnn") == (taken == "cudnn")
    assert len(json.loads(file.read_text())) == 2


@pytest.mark.parametrize("where", ["refusal", "failure"])
@pytest.mark.parametrize("given", [False, True])
def test_what_fails_is_dropped_and_another_way_is_gone(
    where: str, given: bool, device: Equipped, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    setattr(device.frontend, where, "not on this card")
    caplog.set_level(logging.INFO, "engine.kernels.cuda.choice")
    for record in records():
        caplog.clear()
        chooser = TimingChooser(device)
        bench = bench_of(device, chooser)
        bench.run([record.call], record.inputs)
        (key,) = chooser.taken
        if given:
            caplog.clear()
            file.unlink()
            chooser = TimingChooser(device, {key: "cudnn"})
            bench = bench_of(device, chooser)
        for _ in range(2):
            agrees(record, bench.run([record.call], record.inputs))
        assert not by_library(bench) and chooser.taken[key] != "cudnn"
        (told,) = [entry.getMessage() for entry in caplog.records]
        assert record.call.op.name in told and "not on this card" in told


def test_a_refused_plan_is_dropped_without_measuring_too(device: Equipped) -> None:
    device.frontend.refusal = "no engine"
    for record in records():
        chooser = Told("cudnn")
        bench = bench_of(device, chooser)
        agrees(record, bench.run([record.call], record.inputs))
        assert not by_library(bench) and "cudnn" not in chooser.taken.values()


def test_a_run_that_took_it_goes_on(device: Equipped, file: Path) -> None:
    for record in records():
        told = Told("cudnn")
        agrees(record, bench_of(device, told).run([record.call], record.inputs))
        assert list(told.taken.values()) == ["cudnn"]
        with_it, without = TimingChooser(device, told.taken), TimingChooser(other := FakeDevice(), told.taken)
        bench = bench_of(device, with_it)
        agrees(record, bench.run([record.call], record.inputs))
        assert by_library(bench) and with_it.taken == told.taken
        bench = bench_of(other, without)
        agrees(record, bench.run([record.call], record.inputs))
        assert not by_library(bench) and without.taken.keys() == told.taken.keys()


def test_what_was_measured_before_is_tried_before_it_is_taken(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (record, *_) = records()
    for failure in ("", "out of order"):
        device = Equipped(monkeypatch, {"cudnn": 1e-3, "transpose": 1e-3})
        device.frontend.failure = failure
        chooser = TimingChooser(device)
        bench = bench_of(device, chooser)
        agrees(record, bench.run([record.call], record.inputs))
        assert by_library(bench) == (not failure)


def test_arrays_that_begin_anywhere_go_another_way(device: Equipped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_cudnn, "ALIGNMENT", 1 << 40)
    (record, *_) = records()
    bench = bench_of(device, Told("cudnn"))
    agrees(record, bench.run([record.call], record.inputs))
    assert not by_library(bench)
