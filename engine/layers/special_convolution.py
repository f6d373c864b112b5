"""Convolutions of other kinds: channel by channel, and the transposed one that makes images larger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from engine.initializers import Constant, He
from engine.layers.base import Layer, ParameterSpec, Shape, ShapeProblem
from engine.layers.convolution import Dilation, Padding, Size, Stride, UseBias, margin, places
from engine.layers.core import BiasInit, WeightInit, affine_parameters
from engine.layers.standardization import Standardize, require_spread, weight_of
from engine.layers.words import require_image
from engine.ops.convolution import Conv2d, Conv2dInputGradient
from engine.ops.grouped_convolution import GroupedConv2d
from engine.ops.linear import AddBias
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value


@component(
    "depthwise_conv2d",
    label="Depthwise Conv 2D",
    group="Convolution",
    formula="y[i, j, m c + k] = b[m c + k] + Σ x[s i + d u − p, s j + d v − p, c] W[u, v, 0, m c + k], over u, v",
    source="Howard et al.: MobileNets: efficient convolutional neural networks (2017), section 3.1",
    synonyms=("separable", "mobilenet", "xception", "channelwise", "grouped convolution"),
    avoid="Without a 1×1 convolution before or behind it: by itself it never mixes channels. On small channel counts "
    "it saves little and learns less.",
    differs="Its weight has the shape size × size × 1 × (channels m), the filters of one channel side by side, like "
    "that of a Conv 2D with as many groups as channels; Keras keeps it as size × size × channels × m.",
)
class DepthwiseConv2D(Layer, frozen=True):
    """Slides filters over each channel by itself; a 1×1 convolution behind it makes it a separable convolution.

    Each channel gets `multiplier` filters of its own, so that the output has channels × multiplier channels, those of
    one input channel side by side. It has 1 / filters of the work of a convolution of the same size; padding, stride
    and dilation mean the same as there.
    """

    multiplier: Annotated[
        int, field(ge=1, le=64, symbol="m", help="Filters for each channel of the input.", search=(1, 4))
    ] = 1
    size: Size = 3
    stride: Stride = 1
    padding: Padding = "same"
    use_bias: UseBias = True
    weight_init: WeightInit = He()
    bias_init: BiasInit = Constant()
    dilation: Dilation = 1
    standardize: Standardize = False

    @property
    def pixels(self) -> int:
        """The padding on every side, in pixels."""
        return margin(self.size, self.dilation, self.padding)

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_image("Depthwise Conv 2D", shapes[0])
        require_spread(self.standardize, self.size * self.size)
        rows, columns = places(shapes[0], self.size, self.stride, self.dilation, self.pixels)
        return rows, columns, shapes[0][2] * self.multiplier

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        area = self.size * self.size
        shape = (self.size, self.size, 1, shapes[0][2] * self.multiplier)
        bias = self.bias_init if self.use_bias else None
        return affine_parameters(shape, area, area * self.multiplier, self.weight_init, bias)

    def title(self) -> str:
        return f"Depthwise {self.size}×{self.size}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        (x,) = inputs
        channels = x.shape[3]
        grouped = GroupedConv2d(self.stride, self.pixels, channels, self.dilation)
        op = Conv2d(self.stride, self.pixels) if channels == self.dilation == 1 else grouped
        y = b.op(op, x, weight_of(b, self.standardize))
        return b.op(AddBias(), y, b.parameter("bias")) if self.use_bias else y


@component(
    "conv_transpose2d",
    label="Conv 2D transposed",
    group="Convolution",
    formula="y[k, l, f] = b[f] + Σ x[i, j, c] W[u, v, f, c], over s i + u − p = k, s j + v − p = l, and c",
    source="Zeiler, Krishnan, Taylor, Fergus: Deconvolutional networks (CVPR 2010); Dumoulin, Visin: A guide to "
    "convolution arithmetic for deep learning (2016), chapter 4",
    synonyms=("deconvolution", "upsampling", "fractionally strided", "decoder", "conv transpose"),
    avoid="With a size that the stride does not divide: neighbouring pixels then get unequal numbers of contributions, "
    "which shows as a checkerboard.",
    differs="It is the gradient of a convolution by its input, and does not undo one: “deconvolution” is a misnomer. "
    "The weight has the shape size × size × filters × channels, where PyTorch keeps channels × filters × size × size. "
    "The initializer's fan-in is how many inputs meet in an output on average, channels × size² / s²; PyTorch and "
    "Keras take filters × size² there.",
)
class ConvTranspose2D(Layer, frozen=True):
    """Makes images larger: each pixel of the input paints its filters, s pixels apart, onto the output.

    Where filters overlap they are added up. The output has (height − 1) s − 2 p + size + extra rows: size 2 and stride
    2 double the image. Padding p cuts so many pixels off every side; the output padding adds rows and columns at the
    bottom and right, for strides by which several sizes would lead to the same input.
    """

    filters: Annotated[
        int,
        field(ge=1, le=4096, scale="log", help="Number of filters: channels of the output.", search=(4, 256)),
    ] = 16
    size: Size = 2
    stride: Annotated[
        int, field(ge=1, le=16, unit="pixels", symbol="s", help="Step on the output from one filter to the next.")
    ] = 2
    padding: Annotated[
        int, field(ge=0, le=30, unit="pixels", symbol="p", help="Pixels that are cut off every side of the output.")
    ] = 0
    output_padding: Annotated[
        int,
        field(ge=0, le=15, unit="pixels", advanced=True, help="Extra rows and columns; fewer than the stride."),
    ] = 0
    use_bias: UseBias = True
    weight_init: WeightInit = He()
    bias_init: BiasInit = Constant()

    def _length(self, length: int) -> int:
        return (length - 1) * self.stride - 2 * self.padding + self.size + self.output_padding

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_image("Conv 2D transposed", shapes[0])
        if self.output_padding >= self.stride:
            raise ShapeProblem(
                f"An output padding of {self.output_padding} pixels is not less than the stride of {self.stride}, so "
                f"that the last rows would get nothing. Make it at most {self.stride - 1}.",
                field="output_padding",
                fix=("set", "output_padding", self.stride - 1),
            )
        height, width, _ = shapes[0]
        rows, columns = self._length(height), self._length(width)
        if min(rows, columns) < 1:
            most = (min(rows, columns) + 2 * self.padding - 1) // 2
            raise ShapeProblem(
                f"A padding of {self.padding} pixels cuts off the whole output. Make it at most {most}.",
                field="padding",
                fix=("set", "padding", most),
            )
        return rows, columns, self.filters

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        channels = shapes[0][2]
        area = self.size * self.size
        weight, *bias = affine_parameters(
            (self.size, self.size, self.filters, channels),
            max(1, round(area * channels / self.stride**2)),
            area * self.filters,
            self.weight_init,
            self.bias_init if self.use_bias else None,
        )
        return weight, *(
            ParameterSpec(
                name=item.name,
                shape=(self.filters,),
                initializer=item.initializer,
                fan_in=item.fan_in,
                fan_out=item.fan_out,
                decay=False,
            )
            for item in bias
        )

    def title(self) -> str:
        return f"ConvT {self.size}×{self.size}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        (x,) = inputs
        shape = (x.shape[0], self._length(x.shape[1]), self._length(x.shape[2]), self.filters)
        y = b.op(Conv2dInputGradient(shape, self.stride, self.padding), x, b.parameter("weight"))
        return b.op(AddBias(), y, b.parameter("bias")) if self.use_bias else y
