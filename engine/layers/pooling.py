"""Layers that shrink images by taking maxima or means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from engine.layers.base import Layer, Shape, ShapeProblem
from engine.layers.words import require_image
from engine.ops.convolution import window_count
from engine.ops.pooling import AveragePool, GlobalAveragePool, MaxPool
from engine.schema import component, field
from engine.text import shape_text

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value


def _pooled(name: str, shape: Shape, size: int, stride: int, padding: int) -> Shape:
    """The output shape of a window of `size` pixels. Raises ShapeProblem."""
    require_image(name, shape)
    height, width, channels = shape
    if 2 * padding > size:
        raise ShapeProblem(
            f"Padding of {padding} pixels is more than half the window of {size} pixels, so that some windows would "
            f"hold padding only. Make it at most {size // 2}.",
            field="padding",
            fix=("set", "padding", size // 2),
        )
    rows, columns = window_count(height, size, stride, padding), window_count(width, size, stride, padding)
    if rows < 1 or columns < 1:
        fitting = min(height, width) + 2 * padding
        raise ShapeProblem(
            f"A window of {size} × {size} pixels does not fit into images of {shape_text(shape[:2])} pixels. Make the "
            f"size at most {fitting}, or leave out a pooling layer before it.",
            field="size",
            fix=("set", "size", fitting),
        )
    return rows, columns, channels


class _Windowed(Layer, frozen=True):
    """What the pools over windows share: the window's size, its step, and the margin around the image."""

    size: Annotated[int, field(ge=1, le=64, unit="pixels", help="Height and width of the window.")] = 2
    stride: Annotated[
        int, field(ge=1, le=64, unit="pixels", symbol="s", help="Step from one window to the next, on both axes.")
    ] = 2
    padding: Annotated[
        int,
        field(
            ge=0, le=32, unit="pixels", symbol="p", advanced=True, help="Margin on each side; at most half the size."
        ),
    ] = 0


@component(
    "max_pool2d",
    label="Max pooling",
    group="Pooling",
    formula="y[i, j, c] = max x[s i + u − p, s j + v − p, c], over u, v",
    source="Ranzato et al.: Unsupervised learning of invariant feature hierarchies (2007), section 3",
    synonyms=("maxpool", "downsample", "subsample"),
    avoid="Where the exact place of things matters, as in segmentation, or where images have only a few pixels left.",
    differs="Keras's padding “same” adds margins as needed, at the bottom and right first; here, as in PyTorch, the "
    "padding is a number of pixels, the same on all sides.",
)
class MaxPool2D(_Windowed, frozen=True):
    """Keeps the largest value of each window, channel by channel.

    The output has (height + 2 p − size) / stride + 1 rows, rounded down; pixels that no window covers are left out.
    The gradient goes to the first pixel of the window that holds the maximum. Padding never wins.
    """

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return _pooled("Max pooling", shapes[0], self.size, self.stride, self.padding)

    def title(self) -> str:
        return f"MaxPool {self.size}×{self.size}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(MaxPool(self.size, self.stride, self.padding), inputs[0])


@component(
    "average_pool2d",
    label="Average pooling",
    group="Pooling",
    formula="y[i, j, c] = 1/size² Σ x[s i + u − p, s j + v − p, c], over u, v",
    source="LeCun et al.: Gradient-based learning applied to document recognition (1998), section II",
    synonyms=("avgpool", "mean", "downsample", "subsample"),
    avoid="Where a pattern is rare within its window: the mean dilutes what the maximum keeps.",
    differs="Padding counts as zeros, PyTorch's default (count_include_pad); Keras and TensorFlow divide by the pixels "
    "inside the image.",
)
class AveragePool2D(_Windowed, frozen=True):
    """Takes the mean of each window, channel by channel.

    The output has (height + 2 p − size) / stride + 1 rows, rounded down; pixels that no window covers are left out.
    Padding counts as zeros: the sum is always divided by size², as PyTorch does by default.
    """

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return _pooled("Average pooling", shapes[0], self.size, self.stride, self.padding)

    def title(self) -> str:
        return f"AvgPool {self.size}×{self.size}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(AveragePool(self.size, self.stride, self.padding), inputs[0])


@component(
    "global_average_pool2d",
    label="Global average",
    group="Pooling",
    formula="y[c] = 1/(h w) Σ x[i, j, c], over i, j",
    source="Lin, Chen, Yan: Network in Network (2014), section 3.2",
    synonyms=("gap", "avgpool", "mean", "global pooling"),
    avoid="Where it matters where in the image something is: all places are mixed.",
)
class GlobalAveragePool2D(Layer, frozen=True):
    """Takes the mean of each channel over the whole image: one number per channel.

    It makes a vector of an image without a Flatten layer and with far fewer weights in the dense layer behind it.
    """

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_image("Global average", shapes[0])
        return (shapes[0][2],)

    def title(self) -> str:
        return "Global avg"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(GlobalAveragePool(), inputs[0])
