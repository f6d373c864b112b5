"""Operations and their gradients against PyTorch, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine import ops
from engine.ops.base import Op
from tests.engine.ops.cases.convolution import CONVOLUTIONS
from tests.engine.ops.cases.pooling import POOLS
from tests.support.interpreter import Interpreter

pytestmark = pytest.mark.parity

RNG_SEED = 3


def _draw(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(RNG_SEED)
    return [rng.standard_normal(shape) for shape in shapes]


def _compare(
    op: Op,
    arrays: list[np.ndarray],
    reference: Callable[..., Any],
    wanted: tuple[int, ...] = (0,),
    tolerance: float = 1e-12,
) -> None:
    """The first output and the gradients by the inputs `wanted`, with `reference` on PyTorch tensors."""
    import torch

    machine = Interpreter()
    values = [machine.value(array) for array in arrays]
    call = machine.call(op, *values)
    tensors = [torch.tensor(array, requires_grad=i in wanted) for i, array in enumerate(arrays)]
    expected = reference(*tensors)
    np.testing.assert_allclose(
        machine.host(call.outputs[0]), expected.detach().numpy().reshape(call.outputs[0].shape), rtol=0, atol=tolerance
    )
    weights = np.random.default_rng(9).standard_normal(call.outputs[0].shape)
    gradients = machine.gradients({call.outputs[0]: weights})
    (expected * torch.tensor(weights).reshape(expected.shape)).sum().backward()
    for i in wanted:
        np.testing.assert_allclose(gradients(values[i]), tensors[i].grad.numpy(), rtol=0, atol=10 * tolerance)


def _nchw(x: Any) -> Any:
    return x.permute(0, 3, 1, 2)


def _nhwc(x: Any) -> Any:
    return x.permute(0, 2, 3, 1)


@pytest.mark.parametrize("shape", CONVOLUTIONS, ids=str)
def test_convolution(shape: tuple[Any, ...]) -> None:
    import torch.nn.functional as f

    batch, height, width, c_in, c_out, kernel, stride, padding = shape
    _compare(
        ops.Conv2d(stride, padding),
        _draw((batch, height, width, c_in), (*kernel, c_in, c_out)),
        lambda x, w: _nhwc(f.conv2d(_nchw(x), w.permute(3, 2, 0, 1).contiguous(), stride=stride, padding=padding)),
        (0, 1),
    )


@pytest.mark.parametrize("shape", POOLS, ids=str)
@pytest.mark.parametrize("ties", [False, True])
def test_max_pooling(shape: tuple[int, ...], ties: bool) -> None:
    import torch.nn.functional as f

    *x_shape, size, stride, padding = shape
    (x,) = _draw(tuple(x_shape))
    if ties:  # as behind a ReLU: many zeros, so that it matters who wins
        x = np.maximum(np.round(x), 0)
    _compare(ops.MaxPool(size, stride, padding), [x], lambda x: _nhwc(f.max_pool2d(_nchw(x), size, stride, padding)))


@pytest.mark.parametrize("shape", POOLS, ids=str)
def test_average_pooling(shape: tuple[int, ...]) -> None:
    import torch.nn.functional as f

    *x_shape, size, stride, padding = shape
    _compare(
        ops.AveragePool(size, stride, padding),
        _draw(tuple(x_shape)),
        lambda x: _nhwc(f.avg_pool2d(_nchw(x), size, stride, padding)),
    )


def test_global_average_pooling() -> None:
    _compare(ops.GlobalAveragePool(), _draw((3, 5, 4, 7)), lambda x: x.mean(dim=(1, 2)))


def test_activations() -> None:
    import torch
    import torch.nn.functional as f

    x = _draw((4, 33))
    x[0][0, :5] = [0.0, -40.0, 40.0, -800.0, 800.0]
    for op, reference in (
        (ops.ReLU(), torch.relu),
        (ops.LeakyReLU(0.2), lambda x: f.leaky_relu(x, 0.2)),
        (ops.Sigmoid(), torch.sigmoid),
        (ops.Tanh(), torch.tanh),
    ):
        _compare(op, x, reference)


@pytest.mark.parametrize("shape", [(6, 3), (2, 4), (3, 5, 4, 2), (1, 6, 6, 1)], ids=str)
def test_batch_norm_in_training_with_running_statistics(shape: tuple[int, ...]) -> None:
    import torch
    import torch.nn.functional as f

    c = shape[-1]
    x, gamma, beta, mean = _draw(shape, (c,), (c,), (c,))
    x = 3 * x + 100.0  # a mean far from zero must not cost digits
    variance = np.abs(_draw((c,))[0]) + 0.5
    running = [torch.tensor(mean), torch.tensor(variance)]
    axes = (0, len(shape) - 1, *range(1, len(shape) - 1))
    back = (0, *range(2, len(shape)), 1)

    def reference(x: Any, gamma: Any, beta: Any, *_: Any) -> Any:
        y = f.batch_norm(x.permute(axes), *running, gamma, beta, True, 0.1, 1e-5)
        return y.permute(back)

    _compare(ops.BatchNorm(0.1, 1e-5), [x, gamma, beta, mean, variance], reference, (0, 1, 2), 1e-10)
    machine = Interpreter()
    values = [machine.value(array) for array in (x, gamma, beta, mean, variance)]
    machine.call(ops.BatchNorm(0.1, 1e-5), *values)
    for value, expected in zip(values[3:], running, strict=True):
        np.testing.assert_allclose(machine.host(value), expected.numpy(), rtol=1e-12)


def test_batch_norm_in_evaluation() -> None:
    import torch.nn.functional as f

    x, gamma, beta, mean = _draw((5, 4), (4,), (4,), (4,))
    variance = np.abs(_draw((4,))[0]) + 0.5

    def reference(x: Any, gamma: Any, beta: Any, mean: Any, variance: Any) -> Any:
        return f.batch_norm(x, mean, variance, gamma, beta, False, 0.1, 1e-3)

    _compare(ops.BatchNormInference(1e-3), [x, gamma, beta, mean, variance], reference, (0, 1, 2))


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_losses(scale: float) -> None:
    import torch.nn.functional as f

    z, t = _draw((9, 5), (9, 5))
    z *= scale
    labels = np.random.default_rng(0).integers(0, 5, 9)
    _compare(ops.SoftmaxCrossEntropy(), [z, labels], lambda z, t: f.cross_entropy(z, t), tolerance=1e-12 * scale)
    probabilities = 1 / (1 + np.exp(-t))
    _compare(
        ops.BinaryCrossEntropy(),
        [z, probabilities],
        lambda z, t: f.binary_cross_entropy_with_logits(z, t),
        tolerance=1e-12 * scale,
    )
    _compare(ops.MeanSquaredError(), [z, t], lambda z, t: f.mse_loss(z, t), tolerance=1e-12 * scale**2)
