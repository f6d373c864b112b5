"""Convolutions by cuDNN, with a frontend that computes on the processor what it was told. Needs no GPU."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from engine import ops
from engine.device_errors import translated
from engine.kernels.cuda import cudnn
from engine.kernels.cuda.cudnn import Cudnn, CudnnError, Kind
from engine.kernels.cuda.windows import Filter
from engine.ops.base import Op
from engine.ops.grouped_convolution import GroupedConv2d
from tests.engine.ops.cases import Case, normal
from tests.support.fake_cudnn import FakeFrontend, Note
from tests.support.records import records_of

STREAM, WORKSPACE = 0x1234, 0x7000
IMAGE = (2, 9, 7, 8)
OPERATIONS: dict[str, tuple[Op, tuple[int, ...]]] = {
    "plain": (ops.Conv2d(1, 1), (3, 3, 8, 12)),
    "strided": (ops.Conv2d(2, 1), (3, 2, 8, 5)),
    "pixels left over": (ops.Conv2d(3, 0), (2, 3, 8, 5)),
    "pointwise": (ops.Conv2d(1, 0), (1, 1, 8, 12)),
    "groups with gaps": (GroupedConv2d(1, 2, 2, 2), (3, 3, 4, 6)),
}
KINDS: tuple[Kind, ...] = ("forward", "input_gradient", "weight_gradient")


@pytest.fixture
def frontend(monkeypatch: pytest.MonkeyPatch) -> FakeFrontend:
    made = FakeFrontend()
    monkeypatch.setitem(sys.modules, "cudnn", made)
    return made


@pytest.fixture
def library(frontend: FakeFrontend) -> Iterator[Cudnn]:
    made = Cudnn(STREAM)
    yield made
    made.close()


def turned(weights: np.ndarray) -> np.ndarray:
    """The engine's weights (height, width, channels, filters) as cuDNN has them."""
    return np.ascontiguousarray(weights.transpose(3, 0, 1, 2), np.float32)


@pytest.mark.parametrize("name", OPERATIONS)
def test_convolutions_and_their_gradients(name: str, library: Cudnn) -> None:
    op, size = OPERATIONS[name]
    records = records_of(Case(op, (normal(*IMAGE), normal(*size)), (0, 1)))
    assert len(records) == 3
    for kind, record in zip(KINDS, _in_order(records), strict=True):
        result = record.call.outputs[0]
        arrays = {value.id: np.asarray(record.inputs[value.id], np.float32) for value in record.call.inputs}
        exact = record.reference("float64")[result.id]
        shapes = [value.shape for value in (*record.call.inputs, result)]
        image, out, weights = {
            "forward": (0, 2, 1), "input_gradient": (2, 0, 1), "weight_gradient": (0, 1, 2),
        }[kind]  # fmt: skip
        f = Filter.of(record.call, shapes[image], shapes[out], shapes[weights])
        a, b = (arrays[value.id] for value in record.call.inputs)
        b = turned(b) if kind != "weight_gradient" else b
        found = np.full(exact.shape if kind != "weight_gradient" else turned(exact).shape, np.nan, np.float32)
        plan = library.convolution(kind, f)
        plan.execute(a.ctypes.data, b.ctypes.data, found.ctypes.data, WORKSPACE)
        wanted = exact if kind != "weight_gradient" else turned(exact)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def _in_order(records: list[Any]) -> list[Any]:
    """Forward, the images' gradient, the weights'."""
    names = ("", "_input_gradient", "_weight_gradient")
    base = min((record.call.op.name for record in records), key=len)
    by_name = {record.call.op.name: record for record in records}
    return [by_name[base + name] for name in names]


FILTER = Filter(2, 8, 8, 4, 8, 8, 6, (3, 3), top=1, left=1)


@pytest.mark.parametrize("math", ["float32", "tf32", "bf16"])
def test_only_plans_of_the_same_bits_every_time(math: Any, library: Cudnn, frontend: FakeFrontend) -> None:
    assert frontend.log == [("stream", "handle", STREAM)] and library.version == "9.28.1"
    plan = library.convolution("forward", FILTER, math)
    calls = {name: arguments for name, *arguments in frontend.log[1:]}
    assert calls["create_execution_plans"] == [["A", "FALLBACK"]]
    (barred,) = calls["deselect_numeric_notes"]
    assert Note.NONDETERMINISTIC in barred and Note.DOWN_CONVERT_INPUTS in barred
    assert Note.FFT in barred and {note for note in Note if "WINOGRAD" in note.name} <= set(barred)
    assert (Note.TENSOR_CORE in barred) == (math == "float32")
    assert calls["deselect_workspace_greater_than"] == [cudnn.WORKSPACE]
    assert library.convolution("forward", FILTER, math) is plan
    assert plan.workspace_bytes == 64


def test_a_plan_that_needs_a_workspace_gets_one(library: Cudnn, frontend: FakeFrontend) -> None:
    with pytest.raises(CudnnError, match="works in 64 bytes, and got none"):
        library.convolution("forward", FILTER).execute(4, 4, 4, 0)


def test_what_cudnn_refuses_is_said_in_words(library: Cudnn, frontend: FakeFrontend) -> None:
    frontend.refusal = "no engine"
    with pytest.raises(
        CudnnError, match=r"no way for this convolution .weight gradient; 2 images of 8 x 8 x 4, 6 filters.: no engine"
    ):
        library.convolution("weight_gradient", FILTER)


def test_the_handle_is_given_back_once(frontend: FakeFrontend) -> None:
    made = Cudnn(STREAM)
    made.close()
    made.close()
    assert frontend.log.count(("destroyed", "handle")) == 1


def test_without_cudnn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not cudnn.installed()
    with pytest.raises(CudnnError, match=r"install the extra “gpu-cudnn”: .* -m pip install nvidia-cudnn-frontend"):
        Cudnn(STREAM)


def test_without_a_gpu_it_says_why(frontend: FakeFrontend, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> str:
        raise RuntimeError("no device")

    monkeypatch.setattr(frontend, "create_handle", refused)
    with pytest.raises(CudnnError, match="cuDNN cannot be used: no device"):
        Cudnn(STREAM)


def test_a_device_finds_it(frontend: FakeFrontend, monkeypatch: pytest.MonkeyPatch) -> None:
    found = cudnn.find(STREAM)
    assert found is not None and frontend.log == [("stream", "handle", STREAM)]
    found.close()


@pytest.mark.parametrize("why", ["missing", "broken"])
def test_where_it_cannot_be_had_there_is_none(
    why: str, frontend: FakeFrontend, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "missing":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    else:
        monkeypatch.setattr(frontend, "create_handle", lambda: 1 / 0)
    assert cudnn.find(STREAM) is None
    assert frontend.log == []


def test_plans_are_let_go_before_the_handle(frontend: FakeFrontend) -> None:
    made = Cudnn(STREAM)
    plan = made.convolution("forward", FILTER)
    made.close()
    with pytest.raises(CudnnError, match="failed") as raised:
        plan.execute(4, 4, 4, WORKSPACE)
    # A run goes on on the processor then.
    assert translated(raised.value) is raised.value
