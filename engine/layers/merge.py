"""Layers that join several branches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import engine.ops.elementwise as ops
from engine.layers.base import Layer, Shape, ShapeProblem
from engine.layers.words import describe
from engine.ops.arrange import Concatenate as Join
from engine.schema import component
from engine.text import shape_text

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value


def _require_one_shape(name: str, shapes: tuple[Shape, ...]) -> Shape:
    for shape in shapes[1:]:
        if shape != shapes[0]:
            raise ShapeProblem(
                f"{name} needs inputs of one shape, but gets {' and '.join(shape_text(item) for item in shapes)}. "
                "Make the branches equal: the same number of filters or units, and the same strides and padding."
            )
    return shapes[0]


@component(
    "add",
    label="Add",
    group="Merge",
    formula="y = a + b + …",
    source="He, Zhang, Ren, Sun: Deep residual learning for image recognition (2016), section 3.2",
    synonyms=("sum", "residual", "skip", "shortcut", "plus"),
    avoid="Not to join branches that hold different things, which cannot be told apart any more once they are added: "
    "concatenate those.",
)
class Add(Layer, frozen=True):
    """Adds its inputs element by element; they must have one shape. With a shortcut it makes a residual block.

    The gradient reaches every input unchanged: that is what lets very deep residual networks learn.
    """

    min_inputs: ClassVar[int] = 2
    max_inputs: ClassVar[int | None] = None

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return _require_one_shape("Add", shapes)

    def title(self) -> str:
        return "Add"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(ops.Add(), *inputs)


@component(
    "concatenate",
    label="Concatenate",
    group="Merge",
    formula="y = [a, b, …], along the last axis",
    source="Huang, Liu, van der Maaten, Weinberger: Densely connected convolutional networks (2017), section 3",
    synonyms=("concat", "join", "stack", "dense block", "densenet", "inception", "u-net", "skip"),
    avoid="In a residual block use Add: joined channels make every later layer larger.",
    differs="Libraries with channels first join images along axis 1. Here channels are last, and it is the last axis.",
)
class Concatenate(Layer, frozen=True):
    """Puts its inputs side by side: the channels of images, the features of vectors or of positions in sequences.

    All else must agree: the height and width of images, the number of positions. Nothing is lost, and the layer behind
    it decides what to make of each part.
    """

    min_inputs: ClassVar[int] = 2
    max_inputs: ClassVar[int | None] = None

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        first = shapes[0]
        if len({len(shape) for shape in shapes}) > 1:
            raise ShapeProblem(
                f"Concatenate needs inputs of one kind, but gets {' and '.join(describe(shape) for shape in shapes)}. "
                "Flatten or average the images before it."
            )
        if any(shape[:-1] != first[:-1] for shape in shapes):
            what = "one height and width" if len(first) == 3 else "as many positions"
            raise ShapeProblem(
                f"Concatenate joins channels, and needs inputs of {what}, but gets "
                f"{' and '.join(shape_text(shape) for shape in shapes)}. Crop the larger or pad the smaller ones.",
                fix=_fitted(first, shapes[1:]) if len(first) == 3 else None,
            )
        return (*first[:-1], sum(shape[-1] for shape in shapes))

    def title(self) -> str:
        return "Concatenate"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(Join(), *inputs)


def _fitted(first: Shape, others: tuple[Shape, ...]) -> tuple[Any, ...] | None:
    """A layer on the first wire that makes its images as large as the others, which must be equal among themselves."""
    if len({shape[:2] for shape in others}) > 1:
        return None
    height, width = (own - other for own, other in zip(first[:2], others[0][:2], strict=True))
    if height >= 0 and width >= 0:
        return ("insert", "crop2d", _margins(height, width))
    if height <= 0 and width <= 0:
        return ("insert", "zero_pad2d", _margins(-height, -width))
    return None


def _margins(height: int, width: int) -> dict[str, int]:
    return {"top": height // 2, "bottom": height - height // 2, "left": width // 2, "right": width - width // 2}


@component(
    "multiply",
    label="Multiply",
    group="Merge",
    formula="y = a b …, element by element",
    source="Hochreiter, Schmidhuber: Long short-term memory (Neural Computation, 1997), section 4 (multiplicative "
    "gates)",
    synonyms=("product", "hadamard", "gate", "gating", "mask", "elementwise"),
    avoid="Not as a shortcut in place of Add: each input's gradient is multiplied by the other input, and fades or "
    "explodes with it.",
)
class Multiply(Layer, frozen=True):
    """Multiplies its inputs element by element; they must have one shape. It makes a gate.

    With a sigmoid on one branch, that branch says how much of the other one passes.
    """

    min_inputs: ClassVar[int] = 2
    max_inputs: ClassVar[int | None] = None

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return _require_one_shape("Multiply", shapes)

    def title(self) -> str:
        return "Multiply"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        y, *others = inputs
        for other in others:
            y = b.op(ops.Multiply(), y, other)
        return y
