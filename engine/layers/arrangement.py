"""Layers that arrange values anew and compute nothing: other shapes, orders of axes, margins."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from engine.layers.base import Layer, Shape, ShapeProblem
from engine.layers.words import describe, require_image
from engine.ops import arrange
from engine.ops.shape import Reshape as View
from engine.schema import component, field
from engine.text import shape_text

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value

MOST_AXES = 3
"""Of a sample: an image has three."""


@component(
    "reshape",
    label="Reshape",
    group="Shape",
    formula="y[…] = x[…], the same values in the same order",
    source="Harris et al.: Array programming with NumPy (Nature 2020)",
    synonyms=("view", "unflatten", "shape", "sequence", "patches"),
    avoid="It never moves a value: to exchange axes use Permute. Reshaping 3 × 4 to 4 × 3 is not a transposition.",
    differs="In libraries with channels first the same numbers in another order belong to a shape; here the channels "
    "of a pixel lie side by side.",
)
class Reshape(Layer, frozen=True):
    """Reads the same values, in the same order, under another shape. It costs no time.

    The shape is that of one sample, without the batch: 28, 28, 1 is an image, 16, 8 a sequence of 16 positions with 8
    features each, 128 a vector. A single −1 stands for whatever number fits.
    """

    shape: Annotated[
        tuple[int, ...], field(help="The new shape of a sample; one of the numbers may be −1, for what fits.")
    ] = (-1,)

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        (old,) = shapes
        total, wanted = math.prod(old), self.shape
        if not 1 <= len(wanted) <= MOST_AXES or any(n != -1 and n < 1 for n in wanted) or wanted.count(-1) > 1:
            raise ShapeProblem(
                f"A shape is one to {MOST_AXES} whole numbers from 1 on, of which one may be −1; "
                f"{_listed(wanted)} is none.",
                field="shape",
                fix=("set", "shape", (-1,)),
            )
        known = math.prod(n for n in wanted if n != -1)
        if total % known or (-1 not in wanted and known != total):
            raise ShapeProblem(
                f"The {total} values of its input ({shape_text(old)}) do not fit into {_listed(wanted)}.",
                field="shape",
                fix=("set", "shape", (-1, old[-1]) if len(wanted) == 2 else (-1,)),
            )
        return tuple(total // known if n == -1 else n for n in wanted)

    def title(self) -> str:
        return f"Reshape {_listed(self.shape)}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        (x,) = inputs
        return b.op(View((x.shape[0], *self.infer((x.shape[1:],)))), x)


def _listed(shape: tuple[int, ...]) -> str:
    return " × ".join("−1" if n == -1 else str(n) for n in shape[:6]) + (" × …" if len(shape) > 6 else "") or "nothing"


@component(
    "permute",
    label="Permute",
    group="Shape",
    formula="axis i of y = axis axes[i] of x",
    source="Harris et al.: Array programming with NumPy (Nature 2020)",
    synonyms=("transpose", "swap axes", "axes", "channels first", "channels last"),
    avoid="Not to change a shape alone: Reshape does that for nothing, whereas here every value is moved.",
    differs="Axes of a sample are counted from 1, as in Keras; in PyTorch's permute they have the same numbers, with "
    "the batch as axis 0 named as well.",
)
class Permute(Layer, frozen=True):
    """Puts the axes of a sample into another order: 2, 1 exchanges positions and features of a sequence.

    Axes are counted from 1: of an image 1 is the height, 2 the width, 3 the channels.
    """

    axes: Annotated[
        tuple[int, ...], field(help="The axes of the input in the order in which the output has them; from 1 on.")
    ] = (2, 1, 3)

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        (old,) = shapes
        rank = len(old)
        if sorted(self.axes) != list(range(1, rank + 1)):
            names = ", ".join(map(str, range(1, rank + 1)))
            raise ShapeProblem(
                f"Its input holds {describe(old)}, with the axes {names}: each of them must stand in the order once.",
                field="axes",
                fix=("set", "axes", (2, 1, 3)[:rank] if rank > 1 else (1,)),
            )
        return tuple(old[axis - 1] for axis in self.axes)

    def title(self) -> str:
        return f"Permute {' '.join(map(str, self.axes[:MOST_AXES]))}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(arrange.Permute((0, *self.axes)), inputs[0])


Margin = Annotated[int, field(ge=0, le=256, unit="pixels", help="Pixels at this side of the image.")]


class _Margins(Layer, frozen=True):
    """What cropping and padding share: a number of pixels at each side."""

    top: Margin = 1
    bottom: Margin = 1
    left: Margin = 1
    right: Margin = 1

    def words(self) -> str:
        """The four margins: one number where they are equal."""
        sides = (self.top, self.bottom, self.left, self.right)
        return str(self.top) if len(set(sides)) == 1 else " ".join(map(str, sides))


@component(
    "crop2d",
    label="Crop",
    group="Shape",
    formula="y[i, j, c] = x[i + top, j + left, c]",
    source="Ronneberger, Fischer, Brox: U-Net: convolutional networks for biomedical image segmentation (MICCAI "
    "2015), section 2",
    synonyms=("cropping", "cut", "trim", "border", "u-net"),
    avoid="What is cut off is lost, and gets no gradient. To shrink an image as a whole use pooling.",
)
class Crop2D(_Margins, frozen=True):
    """Cuts pixels off the sides of images, such as those of a branch that is larger than the one it is joined to."""

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_image("Crop", shapes[0])
        height, width, channels = shapes[0]
        rows, columns = height - self.top - self.bottom, width - self.left - self.right
        if rows < 1 or columns < 1:
            sides = ("top", "bottom") if rows < 1 else ("left", "right")
            length = height if rows < 1 else width
            first, second = (getattr(self, side) for side in sides)
            larger, other = (sides[0], second) if first >= second else (sides[1], first)
            raise ShapeProblem(
                f"Of {length} pixels, {first} at the {sides[0]} and {second} at the {sides[1]} leave none.",
                field=larger,
                fix=("set", larger, max(0, length - 1 - other)),
            )
        return rows, columns, channels

    def title(self) -> str:
        return f"Crop {self.words()}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        (x,) = inputs
        return b.op(arrange.Crop((0, self.top, self.left, 0), (x.shape[0], *self.infer((x.shape[1:],)))), x)


@component(
    "zero_pad2d",
    label="Zero padding",
    group="Shape",
    formula="y[i + top, j + left, c] = x[i, j, c], 0 elsewhere",
    source="Dumoulin, Visin: A guide to convolution arithmetic for deep learning (2016), section 2.2",
    synonyms=("pad", "padding", "border", "margin"),
    avoid="Convolution and pooling pad by themselves, which is faster: it is for margins that differ by their sides.",
)
class ZeroPad2D(_Margins, frozen=True):
    """Puts zeros around images."""

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_image("Zero padding", shapes[0])
        height, width, channels = shapes[0]
        return height + self.top + self.bottom, width + self.left + self.right, channels

    def title(self) -> str:
        return f"Pad {self.words()}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        (x,) = inputs
        return b.op(arrange.Pad((0, self.top, self.left, 0), (x.shape[0], *self.infer((x.shape[1:],)))), x)
