"""What follows the rule: the soft threshold and the bound of each unit's norm."""

from __future__ import annotations

import numpy as np
import pytest

from engine.groups import ParameterGroup
from engine.ops.beside import MaxNorm as MaxNormOp
from engine.ops.beside import SoftThreshold
from engine.optimizers import SGD, Adam
from engine.penalties import L1, MaxNorm
from tests.engine.update.bench import Ours, small
from tests.support.stepping import call


def unit_norms(weight: np.ndarray) -> np.ndarray:
    """The norm of the weights into each unit: over all axes but the last."""
    return np.linalg.norm(weight.reshape(-1, weight.shape[-1]), axis=0)


def test_a_soft_threshold_is_the_step_and_zero_is_exact() -> None:
    p = np.array([-2.0, -0.3, -0.1, -0.0, 0.1, 0.3, 0.30000001, 5.0])
    call(SoftThreshold(), p, np.array([0.3]))
    np.testing.assert_allclose(p, [-1.7, 0, 0, 0, 0, 0, 1e-8, 4.7], rtol=1e-6)
    assert np.count_nonzero(p) == 3


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_the_threshold_follows_the_rate_of_the_group(rate: float) -> None:
    groups = (ParameterGroup(nodes=("dense_1",), rate=rate),)
    options = {"optimizer": SGD(learning_rate=0.1), "groups": groups}
    plain = Ours(small(**options))
    shrunk = Ours(small(penalties=(L1(strength=0.5, method="proximal"),), **options))
    plain.step(), shrunk.step()
    for name, array in plain.state.parameters.items():
        threshold = 0.1 * 0.5 * (rate if name.startswith("dense_1") else 1.0) if name.endswith("weight") else 0.0
        expected = np.sign(array) * np.maximum(np.abs(array) - threshold, 0)
        np.testing.assert_allclose(shrunk.state.parameters[name], expected, rtol=1e-9, atol=1e-15, err_msg=name)


@pytest.mark.parity
@pytest.mark.parametrize("shape", [(7, 5), (3, 3, 2, 5)], ids=["dense", "convolution"])
def test_max_norm_is_pytorchs_renorm(shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    weight = np.random.default_rng(0).normal(size=shape)
    bound = float(np.median(unit_norms(weight)))
    expected = torch.renorm(torch.tensor(weight), 2, len(shape) - 1, bound).numpy()
    found = weight.copy()
    call(MaxNormOp(), found, np.array([bound]))
    np.testing.assert_allclose(found, expected, rtol=1e-6)  # PyTorch adds 1e-7 to the norm
    inside = unit_norms(weight) <= bound
    assert 0 < inside.sum() < 5
    np.testing.assert_array_equal(found[..., inside], weight[..., inside])
    np.testing.assert_allclose(unit_norms(found)[~inside], bound, rtol=1e-14)


def test_norms_stay_within_the_bound_and_biases_are_free() -> None:
    free = Ours(small(optimizer=Adam(learning_rate=0.05)))
    held = Ours(small(optimizer=Adam(learning_rate=0.05), penalties=(MaxNorm(bound=0.7),)))
    free.step(30), held.step(30)
    for name, array in held.state.parameters.items():
        if name.endswith("weight"):
            assert unit_norms(array).max() <= 0.7 * (1 + 1e-12) < unit_norms(free.state.parameters[name]).max()
    assert held.program.penalty() == 0.0, "a bound adds nothing to the loss"
    assert max(np.abs(a).max() for n, a in held.state.parameters.items() if n.endswith("bias")) > 0.05
