"""The closed set of array operations that every network is lowered to, and what an operation has to declare.

An operation is a frozen dataclass; its fields are its attributes. It declares its outputs' shapes, its vector-Jacobian
product (made of operations again), its cost, and which outputs may overwrite which inputs. Its kernel lives with each
executor (`engine.kernels.reference`), under the operation's `name`.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from engine.builder import Builder

__all__ = ["Call", "Cost", "DType", "Fusion", "Op", "Role", "Tensor", "Value"]


Fusion = Literal["", "head", "epilogue", "epilogue_gradient"]
"""A place in a group of operations that run at once; see `Op`."""


class DType(enum.StrEnum):
    """`FLOAT` is the program's precision (float32 or float64), decided when it is compiled."""

    FLOAT = "float"
    UINT32 = "uint32"
    INT64 = "int64"
    BOOL = "bool"


class Role(enum.StrEnum):
    """What a value is for; it decides where the value lives and who may see or overwrite it."""

    INPUT = "input"  # a batch of data, written before the step
    TARGET = "target"  # a batch of targets, written before the step
    PARAMETER = "parameter"  # lives in the parameter arena
    GRADIENT = "gradient"  # of a parameter; lives in the gradient arena, laid out like the parameters
    SLOT = "slot"  # optimizer state; one arena per slot, laid out like the parameters
    BUFFER = "buffer"  # running statistics; updated by the forward pass in training
    CONTROL = "control"  # learning rate, step, seed, ...: written by the host before each step
    ACTIVATION = "activation"  # produced by the forward pass; a probe can see it
    ADJOINT = "adjoint"  # gradient of the loss by an activation; reused
    SCRATCH = "scratch"  # work space of one call; reused
    RESULT = "result"  # losses and statistics; read by the host after the step


@dataclass(frozen=True, slots=True)
class Tensor:
    """A shape (batch included) and an element type: what `infer` speaks of."""

    shape: tuple[int, ...]
    dtype: DType = DType.FLOAT

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One array of a program. Compared by identity; `name` is for people: "dense_1/weight", "relu_1.out"."""

    id: int
    shape: tuple[int, ...]
    dtype: DType
    role: Role
    name: str

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def tensor(self) -> Tensor:
        return Tensor(self.shape, self.dtype)


@dataclass(frozen=True, slots=True)
class Cost:
    """Floating-point operations of one call, and the fewest bytes it must move (4 bytes an element)."""

    flops: int
    bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One operation applied to values. `node` is the network node it came from; `phase` is forward, backward, update
    or observe."""

    op: Op
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    scratch: tuple[Value, ...]
    node: str
    phase: str


@dataclass(frozen=True)
class Op:
    """Base of all operations. Subclasses are frozen dataclasses named after what they compute.

    name        the kernel's name in every executor.
    view        the output is the input's memory under another shape; no kernel runs.
    in_place    pairs (output index, input index) that may share memory when nobody else needs the input.
    mutates     indices of inputs that the kernel updates (running statistics, optimizer state).
    fusion      its place in a group (`engine.fuse`): "head" can begin a forward one; "epilogue" can follow in the same
                pass (elementwise, or with one value per channel); "epilogue_gradient" can follow any backward operation
                that wrote the adjoint it reads; "" is none of these.
    """

    name: ClassVar[str] = ""
    view: ClassVar[bool] = False
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ()
    mutates: ClassVar[tuple[int, ...]] = ()
    fusion: ClassVar[Fusion] = ""

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs' shapes and types."""
        raise NotImplementedError

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Work space that the kernel needs, so that it allocates nothing."""
        return ()

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        """Append the operations that compute the inputs' adjoints from the outputs' adjoints (None: not needed or
        zero), and return one per input (None: not differentiable). `call` holds the forward inputs and outputs; what
        is read of them here is what the forward pass must keep. Use `b.needs(value)` to skip what nobody asks for."""
        raise NotImplementedError(f"{self.name} has no derivative")

    def flops(self, *inputs: Tensor) -> int:
        """Multiplications and additions, counted separately (a multiply-add is 2)."""
        return sum(out.size for out in self.infer(*inputs))

    def cost(self, *inputs: Tensor) -> Cost:
        """See `Cost`: what is read once and written once."""
        moved = sum(t.size for t in inputs) + sum(t.size for t in self.infer(*inputs))
        return Cost(self.flops(*inputs), 4 * moved)

    def attributes(self) -> dict[str, Any]:
        """The fields, as the kernel's keyword arguments."""
        return {item.name: getattr(self, item.name) for item in fields(self)}
