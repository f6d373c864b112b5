"""Pooling over regions: the whole image, a given number of them, or drawn ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from engine.layers.base import Layer, Shape, ShapeProblem
from engine.layers.words import require_image
from engine.ops.regions import FRACTION_BITS, AdaptiveAveragePool, AdaptiveMaxPool, FractionalMaxPool, Regions
from engine.ops.shape import Reshape
from engine.schema import component, field
from engine.text import shape_text

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value


@component(
    "global_max_pool2d",
    label="Global max",
    group="Pooling",
    formula="y[c] = max x[i, j, c], over i, j",
    source="Oquab, Bottou, Laptev, Sivic: Is object localization for free? (2015), section 3",
    synonyms=("gmp", "maxpool", "global pooling"),
    avoid="Where how often a pattern occurs matters, or where a single odd pixel should not decide: the global average "
    "sees all of them.",
)
class GlobalMaxPool2D(Layer, frozen=True):
    """Takes the largest value of each channel over the whole image: one number per channel.

    It asks whether a pattern occurs anywhere. The gradient goes to the one pixel that holds the maximum; of several,
    to the first.
    """

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_image("Global max", shapes[0])
        return (shapes[0][2],)

    def title(self) -> str:
        return "Global max"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        (x,) = inputs
        y = b.op(AdaptiveMaxPool((1, 1)), x)
        result: Value = b.op(Reshape((x.shape[0], x.shape[3])), y)
        return result


class _Adaptive(Layer, frozen=True):
    """What adaptive pools share: the size of the output."""

    height: Annotated[int, field(ge=1, le=64, unit="pixels", help="Rows of the output, whatever the input has.")] = 4
    width: Annotated[int, field(ge=1, le=64, unit="pixels", help="Columns of the output, whatever the input has.")] = 4

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_image("Adaptive pooling", shapes[0])
        return self.height, self.width, shapes[0][2]


@component(
    "adaptive_average_pool2d",
    label="Adaptive average",
    group="Pooling",
    formula="y[i, j, c] = mean of x[k, l, c] over ⌊i h / H⌋ ≤ k < ⌈(i + 1) h / H⌉, l likewise",
    source="He, Zhang, Ren, Sun: Spatial pyramid pooling in deep convolutional networks (2014), section 2.2",
    synonyms=("adaptive pooling", "avgpool", "resize", "spatial pyramid"),
    avoid="Where the output is to be larger than the input: regions then repeat pixels. Where the sizes divide evenly "
    "it is the same as average pooling of that size.",
)
class AdaptiveAveragePool2D(_Adaptive, frozen=True):
    """Takes means over as many regions as the output is to have pixels, whatever the image's size.

    Region i of H reaches from i h / H, rounded down, to (i + 1) h / H, rounded up, as PyTorch's do; where H does not
    divide the height h, neighbouring regions share a row. The layer behind it can count on its size.
    """

    def title(self) -> str:
        return f"AdaptAvg {self.height}×{self.width}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        result: Value = b.op(AdaptiveAveragePool((self.height, self.width)), inputs[0])
        return result


@component(
    "adaptive_max_pool2d",
    label="Adaptive max",
    group="Pooling",
    formula="y[i, j, c] = max x[k, l, c] over ⌊i h / H⌋ ≤ k < ⌈(i + 1) h / H⌉, l likewise",
    source="He, Zhang, Ren, Sun: Spatial pyramid pooling in deep convolutional networks (2014), section 2.2",
    synonyms=("adaptive pooling", "maxpool", "resize", "spatial pyramid"),
    avoid="Where the output is to be larger than the input: regions then repeat pixels. Where the sizes divide evenly "
    "it is the same as max pooling of that size.",
)
class AdaptiveMaxPool2D(_Adaptive, frozen=True):
    """Takes maxima over as many regions as the output is to have pixels, whatever the image's size.

    The regions are those of the adaptive average, and PyTorch's. The gradient goes to the first pixel of a region that
    holds its maximum.
    """

    def title(self) -> str:
        return f"AdaptMax {self.height}×{self.width}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        result: Value = b.op(AdaptiveMaxPool((self.height, self.width)), inputs[0])
        return result


def fractional_size(length: int, ratio: float) -> int:
    """How many pixels fractional pooling makes of `length`: length / ratio, rounded down, but at least half of them,
    rounded up, and fewer than there are; 0 where that cannot be."""
    return min(length - 1, max((length + 1) // 2, math.floor(length / ratio + 1e-9)))


@component(
    "fractional_max_pool2d",
    label="Fractional max",
    group="Pooling",
    formula="y[i, j, c] = max x[k, l, c] over aᵢ ≤ k < aᵢ₊₁, bⱼ ≤ l < bⱼ₊₁, with random steps of 1 and 2",
    source="Graham: Fractional max-pooling (2014), section 2",
    synonyms=("fmp", "stochastic pooling", "maxpool", "random regions"),
    avoid="Where a run must be fast: the regions are gathered pixel by pixel, and networks need more layers to become "
    "small. Together with strong augmentation it adds little.",
    differs="The paper begins its regions at ⌈α (i + u)⌉ and lets them end where the next begins (“disjoint”) or one "
    "pixel later (“overlapping”). PyTorch, the default here, takes regions of 2 × 2 that begin at ⌊a (i + u)⌋ − ⌊a u⌋ "
    "with a = (n − 2) / (m − 1), the last at the edge (“fixed”). One u for rows and one for columns serve the whole "
    "batch, as in the paper; PyTorch draws them for every sample and channel.",
)
class FractionalMaxPool2D(Layer, frozen=True):
    """Takes maxima over regions of random places, and so shrinks an image by a factor between 1 and 2.

    Regions begin 1 or 2 pixels apart; where the steps of 2 fall follows from a number u between 0 and 1 for the rows
    and one for the columns. In training both are drawn anew at every step, which acts as a mild distortion of the
    image; in evaluation they are fixed. The output has height / α rows, rounded down, and at least half of the height.
    """

    ratio: Annotated[
        float,
        field(gt=1, lt=2, symbol="α", help="Input size over output size, on each axis.", search=(1.2, 1.8)),
    ] = 1.414
    regions: Annotated[
        Regions,
        field(
            help="“fixed”: 2 × 2 pixels, as in PyTorch; “disjoint”: up to the next region; “overlapping”: a pixel more."
        ),
    ] = "fixed"
    evaluation_offset: Annotated[
        float, field(ge=0, lt=1, symbol="u", advanced=True, help="Where the regions lie in evaluation, on both axes.")
    ] = 0.5

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_image("Fractional max", shapes[0])
        rows, columns = (fractional_size(length, self.ratio) for length in shapes[0][:2])
        if min(rows, columns) < 1:
            raise ShapeProblem(
                f"Images of {shape_text(shapes[0][:2])} pixels cannot be made smaller by part of a pixel: it takes 2 "
                "on each axis. Leave out a pooling layer before it.",
                fix=("bypass",),
            )
        return rows, columns, shapes[0][2]

    def title(self) -> str:
        return f"FracPool {self.ratio:.3g}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        (x,) = inputs
        rows, columns = (fractional_size(length, self.ratio) for length in x.shape[1:3])
        offset = -1 if b.training else math.floor(self.evaluation_offset * (1 << FRACTION_BITS))
        op = FractionalMaxPool((rows, columns), self.regions, b.stream("fractional pooling"), offset)
        result: Value = b.op(op, x, b.counters())[0]
        return result
