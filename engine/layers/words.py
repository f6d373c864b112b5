"""Shapes and nodes in words, and the refusals that several layers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.layers.base import NodeComponent, Shape, ShapeProblem
from engine.schema import info_of
from engine.text import shape_text, shortened

if TYPE_CHECKING:
    from engine.experiment import Node


def title_of(node: Node) -> str:
    """What people call a node: its own title, or its component's."""
    component = node.component
    own = component.title() if isinstance(component, NodeComponent) else info_of(component).label
    return shortened(node.title) or shortened(own)


def describe(shape: Shape) -> str:
    """What a value of this shape is: "images of 28 × 28 × 1", "sequences of 16 × 8" (positions × features), "vectors of
    128"."""
    if len(shape) == 3:
        return f"images of {shape_text(shape)}"
    if len(shape) == 2:
        return f"sequences of {shape_text(shape)}"
    if len(shape) == 1:
        return f"vectors of {shape[0]}"
    return f"arrays of {shape_text(shape)}"


def nearest_divisor(count: int, wanted: int) -> int:
    """The divisor of `count` that lies nearest to `wanted`; the smaller one of two that are equally near."""
    divisors = [n for n in range(1, count + 1) if count % n == 0]
    return min(divisors, key=lambda n: (abs(n - wanted), n))


def require_image(name: str, shape: Shape) -> None:
    """Refuse what is not (height, width, channels)."""
    if len(shape) == 3:
        return
    message = f"{name} needs images (height × width × channels), but its input holds {describe(shape)}."
    if len(shape) == 1:
        message += " Put it before the layer that flattens or averages the image."
    raise ShapeProblem(message, fix=("to_images",))


def require_sequence(name: str, shape: Shape) -> None:
    """Refuse what is not (positions, features)."""
    if len(shape) != 2:
        each = shape[-1] if len(shape) == 3 else 1
        what = "pixels as positions" if len(shape) == 3 else "numbers as positions of one feature each"
        raise ShapeProblem(
            f"{name} needs sequences (positions × features), but its input holds {describe(shape)}. Token numbers go "
            f"through an Embedding layer first; a Reshape layer takes {what}.",
            fix=("insert", "reshape", {"shape": (-1, each)}),
        )


def require_vector(name: str, shape: Shape) -> None:
    """Refuse what is not (features,)."""
    if len(shape) == 2:
        raise ShapeProblem(
            f"{name} needs vectors, but its input holds {describe(shape)}. Put a Mean over positions before it, or a "
            "Flatten layer, which keeps them apart.",
            fix=("insert", "global_average_pool1d", {}),
        )
    if len(shape) != 1:
        raise ShapeProblem(
            f"{name} needs vectors, but its input holds {describe(shape)}. Put a Flatten layer before it.",
            fix=("insert", "flatten", {}),
        )
