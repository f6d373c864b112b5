"""A frontend of cuDNN that computes on the processor what it was told, tap by tap."""

from __future__ import annotations

import ctypes
import enum
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.kernels.cuda.cudnn import Cudnn
from tests.support.fake_cuda import FakeDevice

__all__ = ["STREAM", "FakeFrontend", "Note", "equip"]

STREAM = 0x1234
"""What a pretended device says its stream is."""

Act = Callable[[Callable[[], None]], None]


class Note(enum.Enum):
    """cuDNN's numerical notes."""

    DOWN_CONVERT_INPUTS = 1
    NONDETERMINISTIC = 2
    REDUCED_PRECISION_REDUCTION = 3
    TENSOR_CORE = 4
    FFT = 5
    WINOGRAD = 6
    WINOGRAD_TILE_4x4 = 7
    WINOGRAD_TILE_6x6 = 8
    WINOGRAD_TILE_13x13 = 9


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

    ORDER = ("validate", "build_operation_graph", "create_execution_plans", "deselect_numeric_notes",
             "deselect_workspace_greater_than", "check_support", "build_plans")  # fmt: skip

    def __init__(self, frontend: FakeFrontend, **types: Any) -> None:
        self.frontend, self.log, self.done = frontend, frontend.log, 0
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
            if name == "check_support" and self.frontend.refusal:
                raise RuntimeError(self.frontend.refusal)

        return call

    def get_workspace_size(self) -> int:
        assert self.done == len(self.ORDER)
        return self.frontend.workspace

    def execute(self, pointers: dict[FakeTensor, int], workspace: int, handle: str) -> None:
        assert self.done == len(self.ORDER) and handle == "handle" and pointers.keys() == {self.a, self.b, self.out}
        self.log.append(("execute", workspace))
        if self.frontend.failure:
            raise RuntimeError(self.frontend.failure)
        for address in (*pointers.values(), workspace, workspace + self.frontend.workspace - 1):
            self.frontend.require(address, "cuDNN")
        kept = dict(pointers)
        self.frontend.act(lambda: self._compute(kept))

    def _compute(self, pointers: dict[FakeTensor, int]) -> None:
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
    """cuDNN's module. `refusal` is why no plan is found, `failure` why none can be executed; `act` does what is asked
    for, or keeps it; `require` refuses addresses that lead nowhere."""

    def __init__(self, act: Act = lambda act: act(), require: Callable[[int, str], None] = lambda *given: None) -> None:
        super().__init__("cudnn")
        self.act, self.require = act, require
        self.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
        self.log: list[Any] = []
        self.workspace, self.refusal, self.failure = 64, "", ""
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
        return FakeGraph(self, **options)


def equip(device: FakeDevice, monkeypatch: pytest.MonkeyPatch, act: Act | None = None) -> FakeFrontend:
    """Let a pretended device have cuDNN. `act`, where it is given, does what the device does else."""
    made = FakeFrontend(act or device._act, device.xp.require)
    monkeypatch.setitem(sys.modules, "cudnn", made)
    device.convolutions = Cudnn(STREAM)
    return made
