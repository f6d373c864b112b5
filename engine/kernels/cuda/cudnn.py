"""Convolutions by cuDNN, where it is installed (the extra `gpu-cudnn`): plans that run on a stream and can be captured.

Images lie as everywhere in the engine, (batch, height, width, channels). Weights lie as cuDNN wants them beside such
images, (filters, filter height, filter width, channels of a group), which is not how the engine keeps them.
Source of the calls: NVIDIA, "cuDNN Frontend" 1.32, Python API (`pygraph`, conv_fprop, conv_dgrad, conv_wgrad).
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from engine.backend import MathMode
from engine.device_errors import DeviceError
from engine.kernels.cuda.choice import Unusable

if TYPE_CHECKING:
    from engine.kernels.cuda.windows import Filter

__all__ = ["Convolution", "Cudnn", "CudnnError", "Kind", "find", "installed"]

log = logging.getLogger(__name__)

Kind = Literal["forward", "input_gradient", "weight_gradient"]
"""What is computed from what: results from images and weights, the images' gradient from the results' and the weights,
the weights' gradient from images and the results' gradient."""

WORKSPACE = 1 << 26
"""Bytes that a plan may work in: as many as patches of our own take."""

INSTALL = f"install the extra “gpu-cudnn”: {sys.executable} -m pip install nvidia-cudnn-frontend nvidia-cudnn-cu13"


class CudnnError(Unusable, DeviceError):
    """cuDNN is not to be had, has no way to compute what was asked for, or failed; the message says which. In the midst
    of a run that is a failure of the device."""


def installed() -> bool:
    """Whether cuDNN's frontend is there."""
    return importlib.util.find_spec("cudnn") is not None


def find(stream: int) -> Cudnn | None:
    """cuDNN on a stream; None where it is missing or refuses."""
    if not installed():
        return None
    try:
        return Cudnn(stream)
    except CudnnError as error:
        log.info("%s", error)
        return None


class Cudnn:
    """cuDNN on a stream (a `cudaStream_t` as a number) of the current device. One thread uses it. Raises CudnnError."""

    def __init__(self, stream: int) -> None:
        if not installed():
            raise CudnnError(f"cuDNN is not installed: {INSTALL}.")
        try:
            self._api = importlib.import_module("cudnn")
            self._handle = self._api.create_handle()
            self._api.set_stream(handle=self._handle, stream=stream)
        except Exception as error:  # of the loader, of the driver, of cuDNN: it has types of its own for none of them
            raise CudnnError(f"cuDNN cannot be used: {error}") from error
        self._plans: dict[tuple[Kind, Filter, MathMode], Convolution] = {}

    @property
    def version(self) -> str:
        """ "9.28.0"."""
        number = int(self._api.backend_version())
        return f"{number // 10000}.{number // 100 % 100}.{number % 100}"

    def convolution(self, kind: Kind, f: Filter, math: MathMode = "float32") -> Convolution:
        """A plan for a convolution of these sizes, the same one whenever it is asked for: the one that cuDNN's
        heuristics choose among those whose results are the same every time. No plan goes by transforms (Winograd, FFT):
        they round more, and spread what is not finite. "float32" leaves the tensor cores out, "tf32" does not; bfloat16
        is not to be had for arrays of float32. Raises CudnnError where there is no such plan."""
        key = kind, f, math
        if key not in self._plans:
            self._plans[key] = self._planned(*key)
        return self._plans[key]

    def _planned(self, kind: Kind, f: Filter, math: MathMode) -> Convolution:
        api = self._api
        graph = api.pygraph(
            io_data_type=api.data_type.FLOAT,
            intermediate_data_type=api.data_type.FLOAT,
            compute_data_type=api.data_type.FLOAT,
            handle=self._handle,
        )
        notes = api.numerical_note
        barred = [notes.NONDETERMINISTIC, notes.DOWN_CONVERT_INPUTS, notes.REDUCED_PRECISION_REDUCTION, notes.FFT]
        barred += [notes.WINOGRAD, notes.WINOGRAD_TILE_4x4, notes.WINOGRAD_TILE_6x6, notes.WINOGRAD_TILE_13x13]
        if math == "float32":
            barred.append(notes.TENSOR_CORE)
        try:
            tensors = self._describe(graph, kind, f)
            graph.validate()
            graph.build_operation_graph()
            graph.create_execution_plans([api.heur_mode.A, api.heur_mode.FALLBACK])
            graph.deselect_numeric_notes(barred)
            graph.deselect_workspace_greater_than(WORKSPACE)
            graph.check_support()
            graph.build_plans()
            size = int(graph.get_workspace_size())
        except Exception as error:
            images = f"{f.batch} images of {f.height} x {f.width} x {f.channels}, {f.filters} filters"
            what = kind.replace("_", " ")
            raise CudnnError(f"cuDNN has no way for this convolution ({what}; {images}): {error}") from error
        return Convolution(graph, tensors, self._handle, size)

    def close(self) -> None:
        """Let the library's memory go; closing twice is harmless. Plans and graphs that hold them must not be run
        afterwards."""
        if self._handle is not None:
            for plan in self._plans.values():
                plan.close()
            self._plans.clear()
            handle, self._handle = self._handle, None
            self._api.destroy_handle(handle)

    def _describe(self, graph: Any, kind: Kind, f: Filter) -> tuple[Any, Any, Any]:
        """The two operands and the result, of a convolution with as many zeros around the image on all sides."""
        images = (f.batch, f.channels, f.height, f.width)
        results = (f.batch, f.filters, f.rows, f.columns)
        weights = (f.filters, f.channels // f.groups, *f.size)

        def tensor(name: str, extents: tuple[int, ...]) -> Any:
            return graph.tensor(
                name=name, dim=list(extents), stride=_strides(extents), data_type=self._api.data_type.FLOAT
            )

        window = {
            "pre_padding": [f.top, f.left],
            "post_padding": [f.top, f.left],
            "stride": [f.stride] * 2,
            "dilation": [f.dilation] * 2,
        }
        if kind == "forward":
            a, b, extents = tensor("images", images), tensor("weights", weights), results
            out = graph.conv_fprop(image=a, weight=b, **window)
        elif kind == "input_gradient":
            a, b, extents = tensor("results_gradient", results), tensor("weights", weights), images
            out = graph.conv_dgrad(loss=a, filter=b, **window)
        else:
            a, b, extents = tensor("images", images), tensor("results_gradient", results), weights
            out = graph.conv_wgrad(image=a, loss=b, **window)
        out.set_output(True).set_data_type(self._api.data_type.FLOAT)
        # Of a gradient, a stride leaves the extents open.
        out.set_dim(list(extents)).set_stride(_strides(extents))
        return a, b, out


class Convolution:
    """A plan. `workspace_bytes` is what it works in: the caller's, as long as it may run."""

    def __init__(self, graph: Any, tensors: tuple[Any, Any, Any], handle: Any, workspace_bytes: int) -> None:
        self._graph: Any = graph
        self._handle, self.workspace_bytes = handle, workspace_bytes
        self._tensors: Any = tensors

    def close(self) -> None:
        """Let go of it: it must not be run any more."""
        self._graph = self._tensors = None

    def execute(self, a: int, b: int, out: int, workspace: int) -> None:
        """Ask for it on the stream: `a` and `b` are the addresses of the operands in the order in which `Kind` names
        them, `out` is that of the result. Raises CudnnError."""
        if self.workspace_bytes and not workspace:
            raise CudnnError(f"This convolution of cuDNN works in {self.workspace_bytes} bytes, and got none.")
        try:
            pointers = dict(zip(self._tensors, (a, b, out), strict=True))
            self._graph.execute(pointers, workspace, handle=self._handle)
        except Exception as error:
            raise CudnnError(f"A convolution of cuDNN failed: {error}") from error


def _strides(extents: Sequence[int]) -> list[int]:
    """Of an array that cuDNN calls (N, C, H, W) and that lies as (N, H, W, C)."""
    _, channels, height, width = extents
    return [height * width * channels, 1, width * channels, channels]
