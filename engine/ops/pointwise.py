"""Elementwise functions without learned numbers. Each is declared once, here; its gradient's operation follows from it.

What a function and its derivative are is written in `engine.kernels.reference.pointwise`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, make_dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from engine.ops.base import Call, Fusion, Op, Tensor, Value
from engine.ops.tiling import block

if TYPE_CHECKING:
    from engine.builder import Builder


@dataclass(frozen=True)
class Pointwise(Op):
    """x -> y = f(x), elementwise.

    reads         whether f' is computed from the "output" y, so that the input need not be kept, or from the "input" x.
    work          how many blocks of work space f needs; `slope_work`, how many f' needs beside its own.
    per_element   multiplications, additions and elementary functions for each element of f, and of f'.
    """

    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)
    fusion: ClassVar[Fusion] = "epilogue"
    reads: ClassVar[Literal["input", "output"]] = "input"
    work: ClassVar[int] = 1
    slope_work: ClassVar[int] = 1
    per_element: ClassVar[tuple[int, int]] = (4, 4)

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor(block(inputs[0].shape)),) * self.work

    def gradient(self) -> Op:
        """The operation (x, dy) -> dx, or (y, dy) -> dx."""
        return GRADIENTS[self.name](**self.attributes())

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None or not b.needs(call.inputs[0]):
            return (None,)
        return (b.op(self.gradient(), call.outputs[0] if self.reads == "output" else call.inputs[0], dy),)

    def flops(self, *inputs: Tensor) -> int:
        return self.per_element[0] * inputs[0].size


@dataclass(frozen=True)
class PointwiseGradient(Op):
    """(x, dy) -> dx = f'(x) dy, elementwise; of functions that read their output, (y, dy) -> dx."""

    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 1),)
    fusion: ClassVar[Fusion] = "epilogue_gradient"
    forward: ClassVar[type[Pointwise]]

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[1],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor(block(inputs[0].shape)),) * (1 + self.forward.slope_work)

    def flops(self, *inputs: Tensor) -> int:
        return (1 + self.forward.per_element[1]) * inputs[0].size


GRADIENTS: dict[str, type[PointwiseGradient]] = {}
"""The gradient's operation by the name of the function's."""


def _gradient_of(forward: type[Pointwise]) -> type[PointwiseGradient]:
    """Declare the gradient of a function: an operation with the same attributes, named "<name>_gradient"."""
    made = make_dataclass(
        f"{forward.__name__}Gradient",
        [(item.name, item.type, item.default) for item in fields(forward)],
        bases=(PointwiseGradient,),
        frozen=True,
        namespace={
            "name": f"{forward.name}_gradient",
            "forward": forward,
            "__doc__": f"({'y' if forward.reads == 'output' else 'x'}, dy) -> dx; see `{forward.__name__}`.",
            "__module__": __name__,
        },
    )
    GRADIENTS[forward.name] = made
    return made


@dataclass(frozen=True)
class ELU(Pointwise):
    """y = scale x where x > 0, else scale alpha (exp(x) - 1); alpha and scale at least 0.

    Source: Clevert, Unterthiner and Hochreiter 2016, eq. 15; with a scale: Klambauer et al. 2017, eq. 2.
    """

    name: ClassVar[str] = "elu"
    reads: ClassVar[Literal["input", "output"]] = "output"
    per_element: ClassVar[tuple[int, int]] = (6, 4)
    alpha: float = 1.0
    scale: float = 1.0


@dataclass(frozen=True)
class Swish(Pointwise):
    """y = x / (1 + exp(-beta x)). Source: Ramachandran, Zoph and Le 2017."""

    name: ClassVar[str] = "swish"
    per_element: ClassVar[tuple[int, int]] = (6, 10)
    beta: float = 1.0


@dataclass(frozen=True)
class GELU(Pointwise):
    """y = x Phi(x), Phi being the standard normal distribution. Source: Hendrycks and Gimpel 2016, section 2."""

    name: ClassVar[str] = "gelu"
    work: ClassVar[int] = 4
    slope_work: ClassVar[int] = 3
    per_element: ClassVar[tuple[int, int]] = (70, 76)


@dataclass(frozen=True)
class TanhGELU(Pointwise):
    """y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2. Source: Hendrycks and Gimpel 2016, section 2."""

    name: ClassVar[str] = "gelu_tanh"
    slope_work: ClassVar[int] = 2
    per_element: ClassVar[tuple[int, int]] = (12, 22)


@dataclass(frozen=True)
class Softplus(Pointwise):
    """y = ln(1 + exp(beta x)) / beta, beta > 0. Source: Dugas et al. 2001."""

    name: ClassVar[str] = "softplus"
    reads: ClassVar[Literal["input", "output"]] = "output"
    work: ClassVar[int] = 0
    slope_work: ClassVar[int] = 0
    per_element: ClassVar[tuple[int, int]] = (6, 4)
    beta: float = 1.0


@dataclass(frozen=True)
class Mish(Pointwise):
    """y = x tanh(ln(1 + exp(x))). Source: Misra 2020."""

    name: ClassVar[str] = "mish"
    work: ClassVar[int] = 2
    slope_work: ClassVar[int] = 3
    per_element: ClassVar[tuple[int, int]] = (10, 18)


@dataclass(frozen=True)
class HardTanh(Pointwise):
    """y = min(max(x, -1), 1). Its derivative counts as 0 at -1 and 1. Source: Collobert 2004."""

    name: ClassVar[str] = "hard_tanh"
    reads: ClassVar[Literal["input", "output"]] = "output"
    work: ClassVar[int] = 0
    slope_work: ClassVar[int] = 0
    per_element: ClassVar[tuple[int, int]] = (2, 2)


ELUGradient = _gradient_of(ELU)
SwishGradient = _gradient_of(Swish)
GELUGradient = _gradient_of(GELU)
TanhGELUGradient = _gradient_of(TanhGELU)
SoftplusGradient = _gradient_of(Softplus)
MishGradient = _gradient_of(Mish)
HardTanhGradient = _gradient_of(HardTanh)
