"""What a node of the network is: it infers a shape, names its parameters, and lowers itself to operations.

Shapes here are per sample, without the batch: `(28, 28, 1)` is an image (height, width, channels), `(128,)` a vector.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from engine.kinds import Initializer, Prediction
from engine.schema import Component
from engine.text import shape_text

if TYPE_CHECKING:
    import numpy as np

    from engine.builder import Builder
    from engine.data.signature import TargetSignature
    from engine.ops.base import Value

Shape = tuple[int, ...]


class ShapeProblem(Exception):
    """A layer refuses its input shapes. `field` names the field at fault ("" for the wiring); `fix` names a remedy:

    ("insert", tag, values)  put a node of that tag before this one
    ("set", field, value)    change a field of this node
    ("outputs", n)           give the nearest layer before this one that has `units` or `filters` n of them, or put a
                             dense layer of n units before this one
    ("loss", tag)            put another loss in this one's place
    ("replace", tag, values) put a node of that tag in this one's place
    ("bypass",)              take this node out without deleting it
    ("to_images",)           move this node up to where there are images, or take it out where there are none
    """

    def __init__(self, message: str, field: str = "", fix: tuple[Any, ...] | None = None) -> None:
        super().__init__(message)
        self.message, self.field, self.fix = message, field, fix


class ParameterSpec(Struct, frozen=True, kw_only=True):
    """A learned array of a node. `decay`: whether penalties and weight decay apply to it (weights yes, biases no)."""

    name: str
    shape: Shape
    initializer: Initializer
    fan_in: int
    fan_out: int
    decay: bool = True

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class BufferSpec(Struct, frozen=True, kw_only=True):
    """An array that a node keeps but gradient descent does not touch (running statistics)."""

    name: str
    shape: Shape
    initial: float


class NodeComponent(Component, frozen=True):
    """What layers and losses share. `min_inputs` and `max_inputs` (None: any number) bound the wires that arrive."""

    min_inputs: ClassVar[int] = 1
    max_inputs: ClassVar[int | None] = 1
    needs_batch: ClassVar[bool] = False
    """Whether in training it reads how the samples of a batch differ: of a single value it can make nothing."""
    reads_tokens: ClassVar[bool] = False
    """Whether its input holds token numbers, whole numbers below its `vocabulary`, straight from the data."""

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        """The output shape. Raises ShapeProblem in words."""
        raise NotImplementedError

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        """The learned arrays, given valid input shapes."""
        return ()

    def buffers(self, shapes: tuple[Shape, ...]) -> tuple[BufferSpec, ...]:
        """The kept arrays, given valid input shapes."""
        return ()

    def title(self) -> str:
        """The short name on the canvas, with the field that matters most: "Dense 128"."""
        raise NotImplementedError


class Layer(NodeComponent, frozen=True):
    """A node whose output other nodes read."""

    kind: ClassVar[str] = "layer"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        """Append this layer's operations to the program being built and return its output."""
        raise NotImplementedError


def _flattening(shape: Shape) -> str:
    """The layer that makes a vector of what has this shape."""
    return "global_average_pool1d" if len(shape) == 2 else "flatten"


class Loss(NodeComponent, frozen=True):
    """A node where the network ends: it compares its input with a target and yields the number to be made small.

    Every loss has the fields `target` (which array of the data set holds the targets) and `weight`.
    """

    kind: ClassVar[str] = "loss"
    predicts: ClassVar[Prediction]
    """What the output stands for: it decides which metrics can be taken."""
    needs_classes: ClassVar[bool] = False
    """Whether targets are class indices (True) or numbers of the output's shape (False)."""
    target_range: ClassVar[tuple[float, float] | None] = None
    """The smallest and the largest number that a target may be; None: any."""
    takes_shares: ClassVar[bool] = False
    """Whether it takes shares in place of a class, as samples have that an augmentation mixed: float (B, C) with the
    sum 1, or (B,) for the share of class 1 where it answers yes or no."""

    target: str
    weight: float

    def check_target(self, shape: Shape, target: TargetSignature) -> None:
        """Refuse a prediction of `shape` (per sample) that does not match the target. Raises ShapeProblem; the fix
        ("outputs", n) means: give the last layer n outputs."""
        if self.needs_classes:
            if not target.classes:
                raise ShapeProblem(
                    "it needs classes, but the targets are numbers: use mean squared error",
                    fix=("loss", "mean_squared_error"),
                )
            if shape != (target.classes,):
                raise ShapeProblem(
                    f"the data have {target.classes} classes, so it needs as many inputs; it gets {shape_text(shape)}",
                    fix=("outputs", target.classes) if len(shape) == 1 else ("insert", _flattening(shape), {}),
                )
            return
        if target.classes:
            raise ShapeProblem(
                "it needs numbers, but the targets are classes: use softmax cross-entropy",
                fix=("loss", "softmax_cross_entropy"),
            )
        if shape != target.shape:
            raise ShapeProblem(
                f"the targets have the shape {shape_text(target.shape)}, the predictions {shape_text(shape)}",
                fix=self._shape_fix(shape, target.shape),
            )

    @staticmethod
    def _shape_fix(shape: Shape, wanted: Shape) -> tuple[Any, ...] | None:
        if math.prod(shape) == math.prod(wanted) and wanted:
            return ("insert", "reshape", {"shape": wanted}) if len(wanted) > 1 else ("insert", "flatten", {})
        return ("outputs", wanted[0]) if len(shape) == len(wanted) == 1 else None

    def lower(self, b: Builder, prediction: Value, target: Value) -> tuple[Value, Value]:
        """Append the loss; return (loss, output): the batch mean as a value of shape (1,), and what metrics and
        panels read as the prediction (probabilities for a classifier)."""
        raise NotImplementedError

    def expected_initial(self, outputs: int) -> float | None:
        """The loss of a network that knows nothing (ln C for C classes), or None where it depends on the data."""
        return None

    def constant_loss(self, targets: np.ndarray, classes: int) -> float | None:
        """The loss of the best answer that does not depend on the input, for class numbers (N,) of `classes` classes
        or numbers (N, ...): the entropy of the classes' shares, the variance of numbers. None where it is not known."""
        return None
