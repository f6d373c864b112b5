"""One list of operations with inputs, for gradient checks, namespaces, precisions and allocation.

It holds every operation that is not the optimizer's, in many shapes: odd sizes, a batch of one, strides, padding, one
channel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine import ops
from engine.ops.base import Op

Draw = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Case:
    """An operation, how to draw its inputs, and which of them are differentiated."""

    op: Op
    inputs: tuple[Draw, ...]
    wanted: tuple[int, ...] = (0,)
    label: str = ""

    @property
    def id(self) -> str:
        text = ",".join(f"{k}={v}" for k, v in self.op.attributes().items())
        return f"{self.op.name}[{text}]{self.label}"

    def draw(self, seed: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        return [draw(rng) for draw in self.inputs]


def normal(*shape: int, scale: float = 1.0, shift: float = 0.0) -> Draw:
    return lambda rng: rng.standard_normal(shape) * scale + shift


def away_from_zero(*shape: int) -> Draw:
    """No element near a kink at zero."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        x = rng.standard_normal(shape)
        return x + np.sign(x) * 0.1

    return draw


def distinct(*shape: int) -> Draw:
    """No two elements nearly equal."""
    return lambda rng: rng.permutation(int(np.prod(shape))).reshape(shape) * 0.05 - 1.0


def labels(batch: int, classes: int) -> Draw:
    return lambda rng: rng.integers(0, classes, batch)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Draw:
    return lambda rng: rng.uniform(low, high, shape)


def constant(value: float) -> Draw:
    return lambda rng: np.array([value])


def key(*words: int) -> Draw:
    return lambda rng: np.array(words, np.uint32)


def _linear() -> list[Case]:
    cases = []
    for ta in (False, True):
        for tb in (False, True):
            for rows, inner, columns in ((5, 3, 4), (1, 7, 1), (1, 1, 6)):
                a = (inner, rows) if ta else (rows, inner)
                b = (columns, inner) if tb else (inner, columns)
                op = ops.MatMul(ta, tb)
                cases.append(Case(op, (normal(*a), normal(*b)), (0, 1), label=f"{rows}x{inner}x{columns}"))
    for shape in ((4, 3), (1, 1), (7, 5), (2, 3, 5, 2), (3, 4, 4, 1), (1, 1, 1, 9), (64, 12, 12, 3)):
        cases.append(Case(ops.AddBias(), (normal(*shape), normal(shape[-1])), (0, 1), label=str(shape)))
        cases.append(Case(ops.SumRows(), (normal(*shape),), (), label=str(shape)))
    return cases


CONVOLUTIONS = (
    # batch, height, width, channels in, channels out, kernel, stride, padding
    (2, 5, 5, 1, 2, (3, 3), 1, 1),
    (1, 7, 6, 2, 3, (3, 3), 1, 0),
    (3, 6, 7, 3, 1, (3, 3), 2, 1),
    (2, 8, 8, 2, 2, (2, 2), 2, 0),
    (1, 9, 5, 1, 1, (5, 5), 3, 2),
    (2, 4, 4, 3, 4, (1, 1), 1, 0),
    (2, 5, 5, 2, 3, (1, 1), 2, 0),
    (1, 4, 4, 2, 2, (1, 1), 1, 1),
    (2, 4, 5, 2, 2, (4, 4), 1, 1),
    (1, 3, 3, 2, 2, (3, 3), 1, 3),
    (2, 6, 6, 2, 2, (3, 2), 1, 1),
    (2, 7, 7, 1, 2, (2, 2), 3, 0),
    (1, 5, 5, 4, 5, (5, 5), 1, 2),
)


def _convolution() -> list[Case]:
    cases = []
    for batch, height, width, c_in, c_out, kernel, stride, padding in CONVOLUTIONS:
        x, w = (batch, height, width, c_in), (*kernel, c_in, c_out)
        cases.append(Case(ops.Conv2d(stride, padding), (normal(*x), normal(*w)), (0, 1), label=f"{x}{w}"))
    return cases


POOLS = (
    # batch, height, width, channels, size, stride, padding
    (2, 4, 4, 1, 2, 2, 0),
    (1, 5, 7, 3, 2, 2, 0),
    (2, 7, 6, 2, 3, 2, 1),
    (1, 6, 6, 1, 3, 1, 1),
    (3, 5, 5, 2, 3, 3, 0),
    (1, 4, 4, 2, 4, 4, 2),
    (2, 3, 3, 1, 1, 2, 0),
    (1, 8, 5, 2, 2, 3, 1),
    (1, 2, 2, 1, 5, 3, 2),
)


def _pooling() -> list[Case]:
    cases = []
    for *x, size, stride, padding in POOLS:
        cases.append(Case(ops.MaxPool(size, stride, padding), (distinct(*x),), label=str(tuple(x))))
        cases.append(Case(ops.AveragePool(size, stride, padding), (normal(*x),), label=str(tuple(x))))
    for x in ([2, 3, 4, 5], [1, 1, 1, 1], [3, 7, 7, 1]):
        cases.append(Case(ops.GlobalAveragePool(), (normal(*x),), label=str(tuple(x))))
    return cases


def _elementwise() -> list[Case]:
    cases = []
    for shape in ((3, 5), (1, 1), (2, 3, 3, 2)):
        for op in (ops.ReLU(), ops.LeakyReLU(0.01), ops.LeakyReLU(0.3), ops.LeakyReLU(0.0)):
            cases.append(Case(op, (away_from_zero(*shape),), label=str(shape)))
        for op in (ops.Sigmoid(), ops.Tanh()):
            cases.append(Case(op, (normal(*shape, scale=2.0),), label=str(shape)))
        cases.append(Case(ops.Scale(-0.7), (normal(*shape),), label=str(shape)))
        cases.append(Case(ops.Add(), (normal(*shape), normal(*shape)), (0, 1), label=str(shape)))
        cases.append(Case(ops.Add(), (normal(*shape),) * 3, (0, 1, 2), label=f"3 x {shape}"))
        cases.append(Case(ops.Reshape((int(np.prod(shape)),)), (normal(*shape),), label=str(shape)))
        cases.append(
            Case(
                ops.Dropout(stream=77),
                (normal(*shape), constant(0.3), key(5, 0, 2, 0)),
                label=str(shape),
            )
        )
    return cases


def _normalization() -> list[Case]:
    cases = []
    for shape in ((6, 3), (2, 1), (5, 7), (2, 3, 4, 2), (1, 5, 5, 1), (4, 6, 6, 5)):
        c = shape[-1]
        inputs = (normal(*shape, scale=1.5, shift=0.5), normal(c, shift=1.0), normal(c), normal(c), uniform(c, low=0.5))
        cases.append(Case(ops.BatchNorm(0.1, 1e-3), inputs, (0, 1, 2), label=str(shape)))
        cases.append(Case(ops.BatchNormInference(1e-3), inputs, (0, 1, 2), label=str(shape)))
    return cases


def _losses() -> list[Case]:
    cases = []
    for batch, outputs in ((5, 4), (1, 2), (7, 10)):
        size = f"{batch}x{outputs}"
        cases.append(
            Case(ops.SoftmaxCrossEntropy(), (normal(batch, outputs, scale=3.0), labels(batch, outputs)), label=size)
        )
        cases.append(
            Case(ops.BinaryCrossEntropy(), (normal(batch, outputs, scale=3.0), uniform(batch, outputs)), label=size)
        )
        cases.append(Case(ops.MeanSquaredError(), (normal(batch, outputs), normal(batch, outputs)), label=size))
    cases.append(Case(ops.BinaryCrossEntropy(), (normal(6, 1, scale=3.0), labels(6, 2)), label="classes"))
    cases.append(Case(ops.MeanSquaredError(), (normal(6, 1), normal(6)), label="flat targets"))
    return cases


def _others() -> list[Case]:
    return [
        Case(ops.Fill((2, 3), 1.5), (), (), label="float"),
        Case(ops.Observe(8), (normal(6, 5),), (), label="normal"),
        Case(ops.Observe(16, -0.97, 0.97), (uniform(3, 4, 4, 2, low=-1.0),), (), label="saturated"),
        Case(ops.Observe(4, None, 0.5), (constant(2.0),), (), label="one"),
        Case(ops.Observe(0), (normal(6, 5),), (), label="no histogram"),
        Case(
            ops.ObserveMany(8, (None, -0.5, None), (None, 0.5, 2.0)),
            (normal(6, 5), uniform(3, 4, 4, 2, low=-1.0), constant(2.0)),
            (),
        ),
        Case(ops.ObserveMany(0, (None,), (None,)), (normal(4),), (), label="no histogram"),
        Case(ops.ObserveUnits(), (normal(3, 5, 4, 6),), (), label="images"),
        Case(ops.ObserveUnits(), (normal(7),), (), label="one row"),
    ]


DIFFERENTIABLE: list[Case] = [
    *_linear(),
    *_convolution(),
    *_pooling(),
    *_elementwise(),
    *_normalization(),
    *_losses(),
]
DIFFERENTIABLE = [case for case in DIFFERENTIABLE if case.wanted]
ALL: list[Case] = [*_linear(), *_convolution(), *_pooling(), *_elementwise(), *_normalization(), *_losses(), *_others()]


def _updates() -> list[Case]:
    """The optimizers' operations: parameter, gradient, five common scalars, the rule's scalars, slots."""
    cases = []
    scalars = tuple(constant(value) for value in (0.1, 0.01, 0.02, 0.99, 0.5))
    for flags in ((False,) * 5, (True,) * 5):
        momentum = (constant(0.9),)
        for nesterov in (False, True):
            arrays = (normal(7, 5), normal(7, 5), *scalars, *momentum, normal(7, 5))
            cases.append(Case(ops.update.UpdateSGD(*flags, nesterov), arrays, ()))
        rule = tuple(constant(value) for value in (0.1, 0.999, 0.001, 0.05, 0.5, 1e-3))
        slots = (normal(7, 5), uniform(7, 5))
        cases.append(Case(ops.update.UpdateAdam(*flags), (normal(7, 5), normal(7, 5), *scalars, *rule, *slots), ()))
    cases.append(Case(ops.update.GradientNorm(), (normal(3, 4), normal(5)), ()))
    cases.append(Case(ops.update.ClipScale(), (constant(2.0), constant(1.0)), ()))
    cases.append(Case(ops.update.PenaltyValue(), (constant(0.1), constant(0.2), normal(3, 4), normal(5)), ()))
    return cases


UPDATES: list[Case] = _updates()


def _large() -> list[Case]:
    """Arrays of at least 1.5 MB in float32, beside which a temporary array cannot hide."""
    image = (32, 28, 28, 16)
    c = image[-1]
    statistics = (normal(c), normal(c), normal(c), uniform(c, low=0.5))
    matrix = (640, 640)
    return [
        Case(ops.MatMul(), (normal(*matrix), normal(*matrix)), (0, 1)),
        Case(ops.AddBias(), (normal(*image), normal(c)), (0, 1)),
        Case(ops.Conv2d(1, 1), (normal(*image), normal(3, 3, c, c)), (0, 1)),
        Case(ops.Conv2d(2, 1), (normal(*image), normal(3, 3, c, c)), (0, 1), label="strided"),
        Case(ops.Conv2d(1, 2), (normal(512, 28, 28, 1), normal(5, 5, 1, 2)), (0, 1), label="one channel"),
        Case(ops.Conv2d(1, 0), (normal(*image), normal(1, 1, c, c)), (0, 1), label="pointwise"),
        Case(ops.MaxPool(2, 2, 0), (normal(*image),)),
        Case(ops.MaxPool(3, 2, 1), (normal(*image),), label="overlapping"),
        Case(ops.AveragePool(3, 2, 1), (normal(*image),)),
        Case(ops.GlobalAveragePool(), (normal(*image),)),
        *(
            Case(op, (normal(*image),))
            for op in (ops.ReLU(), ops.LeakyReLU(), ops.Sigmoid(), ops.Tanh(), ops.Scale(2.0))
        ),
        Case(ops.Add(), (normal(*image),) * 3, (0, 1, 2)),
        Case(ops.BatchNorm(), (normal(*image), *statistics), (0, 1, 2)),
        Case(ops.BatchNormInference(), (normal(*image), *statistics), (0, 1, 2)),
        Case(ops.Dropout(3), (normal(*image), constant(0.3), key(1, 0, 2, 0))),
        Case(ops.SoftmaxCrossEntropy(), (normal(2000, 200), labels(2000, 200))),
        Case(ops.BinaryCrossEntropy(), (normal(2000, 200), uniform(2000, 200))),
        Case(ops.MeanSquaredError(), (normal(2000, 200), normal(2000, 200))),
        Case(ops.Observe(64, -0.9, 0.9), (normal(*image),), ()),
        Case(ops.ObserveUnits(), (normal(*image),), ()),
    ]


LARGE: list[Case] = _large()
