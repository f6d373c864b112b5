"""Convolutions by cuDNN, with a frontend that computes on the processor what it was told. Needs no GPU."""

from __future__ import annotations

import ctypes
import enum
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from engine import ops
from engine.kernels.cuda import cudnn
from engine.kernels.cuda.cudnn import Cudnn, CudnnError, Kind
from engine.kernels.cuda.windows import Filter
from engine.ops.base import Op
from engine.ops.grouped_convolution import GroupedConv2d
from tests.engine.ops.cases import Case, normal
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


class Note(enum.Enum):
    """cuDNN's numerical notes."""

    DOWN_CONVERT_INPUTS = 1
    NONDETERMINISTIC = 2
    REDUCED_PRECISION_REDUCTION = 3
    TENSOR_CORE = 4


class FakeTensor:
    def __init__(self, dim: list[int] | None = None, stride: list[int] | None = None) -> None:
        self.dim, self.stride, self.output, self.type = dim, stride, False, "FLOAT"

    def set_output(self, value: bool) -> FakeTensor:
        self.output = value
        return self

    def set_data_type(self, value: str) -> FakeTensor:
        self.type = value
        return self

    def set_dim(self, value: list[int]) -> FakeTensor:
        self.dim = value
        return self

    def set_stride(self, value: list[int]) -> FakeTensor:
        self.stride = value
        return self

    def at(self, address: int) -> np.ndarray:
        """The numbers there, as (N, C, H, W)."""
        assert self.dim is not None and self.stride is not None and self.type == "FLOAT"
        length = 1 + sum((extent - 1) * step for extent, step in zip(self.dim, self.stride, strict=True))
        flat = np.ctypeslib.as_array((ctypes.c_float * length).from_address(address))
        return np.lib.stride_tricks.as_strided(flat, self.dim, [4 * step for step in self.stride])


class FakeGraph:
    """A graph of one convolution, which is made ready in the only order that cuDNN takes."""

    ORDER = ("validate", "build_operation_graph", "create_execution_plans", "deselect_numeric_notes", "check_support",
             "build_plans")  # fmt: skip

    def __init__(self, log: list[Any], workspace: int, refusal: str, **types: Any) -> None:
        self.log, self.workspace, self.refusal, self.done = log, workspace, refusal, 0
        assert types.pop("handle") == "handle" and set(types.values()) == {"FLOAT"} and len(types) == 3

    def tensor(self, name: str, dim: list[int], stride: list[int], data_type: str) -> FakeTensor:
        assert name and data_type == "FLOAT"
        return FakeTensor(dim, stride)

    def conv_fprop(self, image: FakeTensor, weight: FakeTensor, **window: Any) -> FakeTensor:
        return self._made("forward", image, weight, window)

    def conv_dgrad(self, loss: FakeTensor, filter: FakeTensor, **window: Any) -> FakeTensor:
        return self._made("input_gradient", loss, filter, window)

    def conv_wgrad(self, image: FakeTensor, loss: FakeTensor, **window: Any) -> FakeTensor:
        return self._made("weight_gradient", image, loss, window)

    def _made(self, kind: str, a: FakeTensor, b: FakeTensor, window: dict[str, Any]) -> FakeTensor:
        assert window.keys() == {"pre_padding", "post_padding", "stride", "dilation"}
        self.kind, self.a, self.b, self.window, self.out = kind, a, b, window, FakeTensor()
        return self.out

    def __getattr__(self, name: str) -> Any:
        place = self.ORDER.index(name)

        def call(*arguments: Any) -> None:
            assert place == self.done and self.out.output
            self.done += 1
            self.log.append((name, *arguments))
            if name == "check_support" and self.refusal:
                raise RuntimeError(self.refusal)

        return call

    def get_workspace_size(self) -> int:
        assert self.done == len(self.ORDER)
        return self.workspace

    def execute(self, pointers: dict[FakeTensor, int], workspace: int, handle: str) -> None:
        assert self.done == len(self.ORDER) and handle == "handle" and pointers.keys() == {self.a, self.b, self.out}
        self.log.append(("execute", workspace))
        a, b, out = (tensor.at(pointers[tensor]) for tensor in (self.a, self.b, self.out))
        images, results, weights = {
            "forward": (a, out, b), "input_gradient": (out, a, b), "weight_gradient": (a, b, out),
        }[self.kind]  # fmt: skip
        out[...] = _convolved(self.kind, images, results, weights, **self.window)


def _convolved(
    kind: str, x: np.ndarray, y: np.ndarray, w: np.ndarray, pre_padding: list[int], post_padding: list[int],
    stride: list[int], dilation: list[int],
) -> np.ndarray:  # fmt: skip
    """By its definition, tap by tap and group by group, in float64."""
    margins = [(0, 0), (0, 0), *zip(pre_padding, post_padding, strict=True)]
    wide = np.pad(np.zeros_like(x) if kind == "input_gradient" else x, margins).astype(np.float64)
    extents = [
        (size + before + after - (tap - 1) * gap - 1) // step + 1
        for size, before, after, tap, gap, step in zip(
            x.shape[2:], pre_padding, post_padding, w.shape[2:], dilation, stride, strict=True
        )
    ]
    assert list(y.shape[2:]) == extents, "what cuDNN would infer"
    groups = x.shape[1] // w.shape[1]
    found = np.zeros({"forward": y, "input_gradient": wide, "weight_gradient": w}[kind].shape)
    for r, s in np.ndindex(*w.shape[2:]):
        place = tuple(
            slice(tap * gap, tap * gap + (count - 1) * step + 1, step)
            for tap, gap, count, step in zip((r, s), dilation, extents, stride, strict=True)
        )
        for g in range(groups):
            c = slice(g * w.shape[1], (g + 1) * w.shape[1])
            k = slice(g * (w.shape[0] // groups), (g + 1) * (w.shape[0] // groups))
            if kind == "forward":
                found[:, k] += np.einsum("nchw,kc->nkhw", wide[:, c, *place], w[k, :, r, s])
            elif kind == "input_gradient":
                found[:, c, *place] += np.einsum("nkhw,kc->nchw", y[:, k], w[k, :, r, s])
            else:
                found[k, :, r, s] = np.einsum("nchw,nkhw->kc", wide[:, c, *place], y[:, k])
    if kind == "input_gradient":
        (top, left), (height, width) = pre_padding, x.shape[2:]
        return found[:, :, top : top + height, left : left + width]
    return found


class FakeFrontend(types.ModuleType):
    """cuDNN's module."""

    def __init__(self) -> None:
        super().__init__("cudnn")
        self.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
        self.log: list[Any] = []
        self.workspace, self.refusal = 64, ""
        self.data_type = types.SimpleNamespace(FLOAT="FLOAT")
        self.heur_mode = types.SimpleNamespace(A="A", FALLBACK="FALLBACK")
        self.numerical_note = Note

    def create_handle(self) -> str:
        return "handle"

    def set_stream(self, handle: str, stream: int) -> None:
        self.log.append(("stream", handle, stream))

    def destroy_handle(self, handle: str) -> None:
        self.log.append(("destroyed", handle))

    def backend_version(self) -> int:
        return 92801

    def pygraph(self, **options: Any) -> FakeGraph:
        return FakeGraph(self.log, self.workspace, self.refusal, **options)


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
    assert (Note.TENSOR_CORE in barred) == (math == "float32")
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
