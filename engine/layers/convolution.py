"""Convolutions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from engine.initializers import Constant, He
from engine.layers.base import Layer, ParameterSpec, Shape, ShapeProblem
from engine.layers.core import BiasInit, WeightInit, affine_parameters
from engine.layers.standardization import Standardize, require_spread, weight_of
from engine.layers.words import nearest_divisor, require_image
from engine.ops.convolution import Conv2d, window_count
from engine.ops.grouped_convolution import GroupedConv2d, reach
from engine.ops.linear import AddBias
from engine.schema import component, field
from engine.text import shape_text

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value

Size = Annotated[
    int, field(ge=1, le=31, unit="pixels", help="Height and width of each filter. Odd sizes have a centre.")
]
Stride = Annotated[
    int, field(ge=1, le=16, unit="pixels", symbol="s", help="Step from one position to the next, on both axes.")
]
Padding = Annotated[
    Literal["same", "valid"],
    field(help="“same”: d (size − 1) / 2 pixels of zeros on every side, rounded down; “valid”: none."),
]
Dilation = Annotated[
    int,
    field(
        ge=1,
        le=16,
        unit="pixels",
        symbol="d",
        advanced=True,
        help="Distance between the pixels that a filter sees; above 1 it has gaps and reaches d (size − 1) + 1 pixels.",
    ),
]
UseBias = Annotated[
    bool, field(label="Bias", help="Add a learned number to each channel. Superfluous before batch normalization.")
]


def margin(size: int, dilation: int, padding: str) -> int:
    """The padding on every side, in pixels."""
    return dilation * (size - 1) // 2 if padding == "same" else 0


def places(shape: Shape, size: int, stride: int, dilation: int, pixels: int) -> tuple[int, int]:
    """How many rows and columns of positions a filter has on images of `shape`. Raises ShapeProblem."""
    span = reach(size, dilation)
    rows, columns = (window_count(length, span, stride, pixels) for length in shape[:2])
    if rows >= 1 and columns >= 1:
        return rows, columns
    fitting = (min(shape[:2]) - 1) // dilation + 1
    filters = f"A filter of {size} × {size} pixels"
    if dilation > 1:
        filters += f", {dilation} pixels apart, reaches over {span} × {span} and"
    raise ShapeProblem(
        f"{filters} does not fit into images of {shape_text(shape[:2])} pixels. Make the size at most {fitting}, or "
        "leave out a pooling layer before it.",
        field="size",
        fix=("set", "size", fitting),
    )


def _require_groups(groups: int, channels: int, filters: int) -> None:
    """Refuse groups that do not divide channels and filters."""
    if channels % groups == 0 and filters % groups == 0:
        return
    nearest = nearest_divisor(math.gcd(channels, filters), groups)
    raise ShapeProblem(
        f"{channels} input channels and {filters} filters cannot both be cut into {groups} groups of equal size. The "
        f"nearest number of groups that divides both is {nearest}.",
        field="groups",
        fix=("set", "groups", nearest),
    )


@component(
    "conv2d",
    label="Conv 2D",
    group="Convolution",
    formula="y[i, j, f] = b[f] + Σ x[s i + d u − p, s j + d v − p, c] W[u, v, c, f], over u, v, c",
    source="LeCun et al.: Gradient-based learning applied to document recognition (1998), section II",
    synonyms=("convolution", "cnn", "filter", "kernel", "dilated", "atrous", "grouped", "pointwise", "1×1"),
    avoid="On tables and other data whose columns have no neighbours: what lies side by side there means nothing.",
    differs="The filters are not mirrored: strictly it is a cross-correlation, as in every library. “same” adds equal "
    "margins on all sides, as PyTorch's padding = (size − 1) / 2 does; TensorFlow's “same” adds more at the bottom and "
    "right where the stride is above 1 or the size is even. The fan-out of grouped filters counts one group's, which "
    "PyTorch's initializers do not divide by the groups.",
)
class Conv2D(Layer, frozen=True):
    """Slides small learned filters over the image; each filter makes one channel of the output.

    The weight W has the shape size × size × channels × filters. Padding “same” adds p = d (size − 1) / 2 pixels of
    zeros, rounded down, on every side; “valid” adds none (p = 0). The output has (height + 2 p − d (size − 1) − 1) /
    stride + 1 rows, rounded down, and as many columns by the same rule: with “same”, stride 1 and an odd size the image
    keeps its height and width; with an even size it loses a pixel; with stride 2 and an odd size it is halved,
    rounded up. In groups, filters see the channels of their group alone, and W has channels / groups in place of
    channels. With dilation d the pixels under a filter lie d apart.
    """

    filters: Annotated[
        int,
        field(ge=1, le=4096, scale="log", help="Number of filters: channels of the output.", search=(4, 256)),
    ] = 16
    size: Size = 3
    stride: Stride = 1
    padding: Padding = "same"
    use_bias: UseBias = True
    weight_init: WeightInit = He()
    bias_init: BiasInit = Constant()
    groups: Annotated[
        int,
        field(
            ge=1,
            le=4096,
            scale="log",
            advanced=True,
            help="Cut channels and filters into so many groups that do not see one another; it must divide both.",
        ),
    ] = 1
    dilation: Dilation = 1
    standardize: Standardize = False

    @property
    def pixels(self) -> int:
        """The padding on every side, in pixels."""
        return margin(self.size, self.dilation, self.padding)

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_image("Conv 2D", shapes[0])
        _require_groups(self.groups, shapes[0][2], self.filters)
        require_spread(self.standardize, self.size * self.size * shapes[0][2] // self.groups)
        rows, columns = places(shapes[0], self.size, self.stride, self.dilation, self.pixels)
        return rows, columns, self.filters

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        channels, filters = shapes[0][2] // self.groups, self.filters // self.groups
        area = self.size * self.size
        shape = (self.size, self.size, channels, self.filters)
        bias = self.bias_init if self.use_bias else None
        return affine_parameters(shape, area * channels, area * filters, self.weight_init, bias)

    def title(self) -> str:
        return f"Conv {self.size}×{self.size}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        plain = self.groups == 1 and self.dilation == 1
        grouped = GroupedConv2d(self.stride, self.pixels, self.groups, self.dilation)
        op = Conv2d(self.stride, self.pixels) if plain else grouped
        y = b.op(op, inputs[0], weight_of(b, self.standardize))
        return b.op(AddBias(), y, b.parameter("bias")) if self.use_bias else y
