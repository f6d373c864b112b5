"""Convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from engine.initializers import Constant, He
from engine.layers.base import Layer, ParameterSpec, Shape, ShapeProblem
from engine.layers.core import BiasInit, WeightInit, affine_parameters
from engine.layers.words import require_image
from engine.ops.convolution import Conv2d, window_count
from engine.ops.linear import AddBias
from engine.schema import component, field
from engine.text import shape_text

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value


@component(
    "conv2d",
    label="Conv 2D",
    group="Convolution",
    formula="y[i, j, f] = b[f] + Σ x[s i + u − p, s j + v − p, c] W[u, v, c, f], over u, v, c",
    source="LeCun et al. 1998, Gradient-based learning applied to document recognition, section II",
    synonyms=("convolution", "cnn", "filter", "kernel"),
)
class Conv2D(Layer, frozen=True):
    """Slides small learned filters over the image; each filter makes one channel of the output.

    As everywhere in deep learning the filters are not mirrored: it is a cross-correlation. The weight W has the shape
    size × size × channels × filters. Padding “same” adds p = (size − 1) / 2 pixels of zeros, rounded down, on every
    side; “valid” adds none (p = 0). The output has (height + 2 p − size) / stride + 1 rows, rounded down, and as many
    columns by the same rule: with “same”, stride 1 and an odd size the image keeps its height and width; with an even
    size it loses one pixel; with stride 2 and an odd size it is halved, rounded up.
    """

    filters: Annotated[
        int,
        field(ge=1, le=4096, scale="log", help="Number of filters: channels of the output.", search=(4, 256)),
    ] = 16
    size: Annotated[
        int, field(ge=1, le=31, unit="pixels", help="Height and width of each filter. Odd sizes have a centre.")
    ] = 3
    stride: Annotated[
        int, field(ge=1, le=16, unit="pixels", symbol="s", help="Step from one position to the next, on both axes.")
    ] = 1
    padding: Annotated[
        Literal["same", "valid"],
        field(help="“same”: (size − 1) / 2 pixels of zeros on every side, rounded down; “valid”: none."),
    ] = "same"
    use_bias: Annotated[
        bool, field(label="Bias", help="Add a learned number to each channel. Superfluous before batch normalization.")
    ] = True
    weight_init: WeightInit = He()
    bias_init: BiasInit = Constant()

    @property
    def pixels(self) -> int:
        """The padding on every side, in pixels."""
        return (self.size - 1) // 2 if self.padding == "same" else 0

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_image("Conv 2D", shapes[0])
        height, width, _ = shapes[0]
        rows = window_count(height, self.size, self.stride, self.pixels)
        columns = window_count(width, self.size, self.stride, self.pixels)
        if rows < 1 or columns < 1:
            fitting = min(height, width)
            raise ShapeProblem(
                f"A filter of {self.size} × {self.size} pixels does not fit into images of {shape_text(shapes[0][:2])} "
                f"pixels. Make the size at most {fitting}, or leave out a pooling layer before it.",
                field="size",
                fix=("set", "size", fitting),
            )
        return rows, columns, self.filters

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        channels = shapes[0][2]
        area = self.size * self.size
        shape = (self.size, self.size, channels, self.filters)
        bias = self.bias_init if self.use_bias else None
        return affine_parameters(shape, area * channels, area * self.filters, self.weight_init, bias)

    def title(self) -> str:
        return f"Conv {self.size}×{self.size}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        y = b.op(Conv2d(self.stride, self.pixels), inputs[0], b.parameter("weight"))
        return b.op(AddBias(), y, b.parameter("bias")) if self.use_bias else y
