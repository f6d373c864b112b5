"""Activations and their gradients against PyTorch, in both precisions, all options, extreme inputs included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.ops import learned, pointwise, softmax
from engine.ops.base import Op
from tests.support.interpreter import Interpreter

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")
f = torch.nn.functional

SELU = pointwise.ELU(1.6732632423543772, 1.0507009873554805)


def _inputs(*shape: int) -> np.ndarray:
    x = np.random.default_rng(4).standard_normal(shape) * 3
    x.reshape(-1)[:9] = [0.0, -0.0, 1.0, -1.0, 40.0, -40.0, 1e4, -1e4, 7.5]
    return x


PLAIN: list[tuple[Op, Callable[[Any], Any]]] = [
    (pointwise.ELU(), f.elu),
    (pointwise.ELU(0.4), lambda x: f.elu(x, 0.4)),
    (SELU, f.selu),
    (pointwise.Swish(), f.silu),
    (pointwise.Swish(0.0), lambda x: x * torch.sigmoid(0.0 * x)),
    (pointwise.Swish(2.5), lambda x: x * torch.sigmoid(2.5 * x)),
    (pointwise.GELU(), f.gelu),
    (pointwise.TanhGELU(), lambda x: f.gelu(x, approximate="tanh")),
    (pointwise.Softplus(), lambda x: f.softplus(x, threshold=1e9)),
    (pointwise.Softplus(0.3), lambda x: f.softplus(x, 0.3, threshold=1e9)),
    (pointwise.Softplus(7.0), lambda x: f.softplus(x, 7.0, threshold=1e9)),
    (pointwise.Mish(), f.mish),
    (pointwise.HardTanh(), f.hardtanh),
    (softmax.Softmax(), lambda x: torch.softmax(x, -1)),
]
# PyTorch's softplus becomes x itself beyond its threshold: lifted out of reach, it overflows instead.
OVERFLOWS = "softplus"


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(("op", "reference"), PLAIN, ids=lambda item: repr(item) if isinstance(item, Op) else "")
def test_plain(op: Op, reference: Callable[[Any], Any], precision: str) -> None:
    x = _inputs(4, 3, 5)
    if op.name == OVERFLOWS:
        x = np.clip(x, -60, 10)
    tolerance = 2e-6 if precision == "float32" else 1e-13
    _compare(op, reference, [x], (0,), precision, tolerance)


LEARNED: list[tuple[Op, Callable[[Any, Any], Any]]] = [
    (learned.PReLU(), lambda x, p: f.prelu(x.movedim(-1, 1), p).movedim(1, -1)),
    (learned.LearnedSwish(), lambda x, p: x * torch.sigmoid(p * x)),
]


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 2, 5), (400, 7)], ids=str)
@pytest.mark.parametrize("each", [False, True], ids=["one number", "one for each channel"])
@pytest.mark.parametrize(("op", "reference"), LEARNED, ids=lambda item: repr(item) if isinstance(item, Op) else "")
def test_learned(op: Op, reference: Callable[[Any, Any], Any], each: bool, shape: tuple[int, ...]) -> None:
    numbers = np.random.default_rng(5).uniform(0.1, 0.9, shape[-1] if each else 1)
    arrays = [_inputs(*shape), numbers]
    _compare(op, reference, arrays, (0, 1), "float64", 1e-13)
    _compare(op, reference, arrays, (0, 1), "float32", 2e-6)


def _compare(
    op: Op,
    reference: Callable[..., Any],
    arrays: list[np.ndarray],
    wanted: tuple[int, ...],
    precision: str,
    close: float,
) -> None:
    """Values and gradients, relative to the largest."""
    machine = Interpreter(precision=precision)
    values = [machine.value(array) for array in arrays]
    call = machine.call(op, *values)
    tensors = [torch.tensor(array.astype(precision), requires_grad=True) for array in arrays]
    expected = reference(*tensors)
    weights = np.random.default_rng(9).standard_normal(call.outputs[0].shape)
    gradients = machine.gradients({call.outputs[0]: weights})
    (expected * torch.tensor(weights.astype(precision))).sum().backward()
    _near(machine.host(call.outputs[0]), expected.detach().numpy(), close)
    for i in wanted:
        _near(gradients(values[i]), tensors[i].grad.numpy(), 4 * close)


def _near(found: np.ndarray, expected: np.ndarray, close: float) -> None:
    np.testing.assert_allclose(found, expected, rtol=close, atol=close * np.maximum(1.0, np.median(np.abs(expected))))
