"""One layer beside PyTorch: output, gradient by the input and by every parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.layers.base import Layer
from tests.support.layers import Lone

TOLERANCE = {"float64": 1e-10, "float32": 2e-4}


def check_against(reference: Callable[[Any, dict[str, Any]], Any], layer: Layer, x: np.ndarray, **options: Any) -> Lone:
    """Hold `layer` on a batch against `reference(x, parameters by name)`, in both precisions.

    Parameters are drawn, so that no gain of one and no shift of zero hides anything. Images keep their channels last.
    """
    import torch

    rng = np.random.default_rng(3)
    given = {spec.name: rng.normal(0.5, 1.0, spec.shape) for spec in layer.parameters((x.shape[1:],))}
    for precision, tolerance in reversed(TOLERANCE.items()):
        lone = Lone(layer, x, parameters=given, precision=precision, **options)
        tensors = {
            name: torch.tensor(a, dtype=getattr(torch, precision), requires_grad=True) for name, a in given.items()
        }
        source = torch.tensor(x, dtype=getattr(torch, precision), requires_grad=True)
        expected = reference(source, tensors)
        near(lone.output, expected.detach().numpy(), tolerance)
        weights = rng.standard_normal(lone.output.shape)
        gradients = lone.b.gradients({lone.value: weights})
        (expected * torch.tensor(weights, dtype=expected.dtype)).sum().backward()
        near(gradients(lone.inputs[0]), source.grad.numpy(), tolerance)
        for name, tensor in tensors.items():
            near(gradients(lone.b.parameter(name)), tensor.grad.numpy(), tolerance)
    return lone


def near(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Equal up to `tolerance` of the largest number."""
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * max(1.0, float(np.abs(expected).max())))
