"""The update kernels: blocks, norms, clipping, penalties, no allocation."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from engine.kernels.reference import KERNELS
from engine.kinds import Optimizer
from engine.ops.base import Tensor
from engine.ops.tiling import BLOCK
from engine.ops.update import ClipScale, GradientNorm, PenaltyValue
from engine.optimizers import SGD, Adagrad, Adam, RMSprop
from engine.penalties import L1, L2, WeightDecay
from engine.schema import components_of
from tests.support.stepping import Stepper, call

RULES = [
    SGD(learning_rate=0.1, momentum=0.9, nesterov=True),
    SGD(learning_rate=0.1, momentum=0.9, nesterov=True, rate_place="inside v"),
    Adagrad(epsilon_place="inside the root"),
    RMSprop(momentum=0.9, centered=True, epsilon_place="inside the root"),
    *(cls() for cls in components_of("optimizer").values() if issubclass(cls, Optimizer) and not cls.per_array),
]
EVERYTHING = (L1(strength=0.01), L2(strength=0.02), WeightDecay(strength=0.1))
SIZES = [1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5]


@pytest.mark.parametrize("optimizer", RULES)
@pytest.mark.parametrize("size", SIZES)
def test_blocks_give_the_bits_of_single_elements(optimizer: Optimizer, size: int) -> None:
    # Elements do not depend on their neighbours: a step of the whole equals steps of its parts.
    rng = np.random.default_rng(size)
    start, gradient = rng.standard_normal((2, size)).astype(np.float32)
    whole = Stepper(optimizer, start, dtype=np.float32, penalties=EVERYTHING)
    cut = max(1, size // 3)
    parts = [Stepper(optimizer, p, dtype=np.float32, penalties=EVERYTHING) for p in (start[:cut], start[cut:])]
    for _ in range(2):
        whole.step(gradient, clip_scale=0.5)
        parts[0].step(gradient[:cut], clip_scale=0.5)
        if size > 1:
            parts[1].step(gradient[cut:], clip_scale=0.5)
    assert np.array_equal(whole.parameter, np.concatenate([part.parameter for part in parts]))
    for slot, *pieces in zip(whole.slots, *(part.slots for part in parts), strict=True):
        assert np.array_equal(slot, np.concatenate(pieces))


@pytest.mark.parametrize("optimizer", RULES)
@pytest.mark.parametrize("shape", [(3, 5), (BLOCK + 3,), (2, 2, 3, 4)])
def test_norms_are_exact_and_change_nothing(optimizer: Optimizer, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    start = rng.standard_normal(shape)
    plain = Stepper(optimizer, start, penalties=EVERYTHING)
    watched = Stepper(optimizer, start, penalties=EVERYTHING, norms=True)
    for _ in range(3):
        gradient, before = rng.standard_normal(shape), watched.parameter.copy()
        plain.step(gradient, clip_scale=0.25)
        watched.step(gradient, clip_scale=0.25)
        assert np.array_equal(plain.parameter, watched.parameter)
        update = watched.parameter - before
        expected = [np.sum(gradient**2), np.sum(before**2), np.sum(update**2)]
        assert watched.norms == pytest.approx(np.array(expected), rel=1e-12)
    assert plain.norms is None


@pytest.mark.parametrize("optimizer", RULES)
def test_float32_follows_the_float64_oracle(optimizer: Optimizer) -> None:
    rng = np.random.default_rng(3)
    start, gradients = rng.standard_normal(500), rng.standard_normal((50, 500))
    single = Stepper(optimizer, start, dtype=np.float32, penalties=EVERYTHING)
    double = Stepper(optimizer, start, penalties=EVERYTHING)
    for gradient in gradients:
        single.step(gradient)
        double.step(gradient)
    assert np.abs(single.parameter - double.parameter).max() < 2e-5


def test_gradient_norm_sums_over_all_arrays() -> None:
    arrays = [np.random.default_rng(i).standard_normal(shape) for i, shape in enumerate([(3,), (4, 5), (BLOCK + 9,)])]
    (squared,) = call(GradientNorm(), *arrays)
    assert squared[0] == pytest.approx(sum(np.sum(a**2) for a in arrays), rel=1e-12)


def test_gradient_norm_passes_nan_on() -> None:
    (squared,) = call(GradientNorm(), np.array([1.0, np.nan]))
    assert np.isnan(squared[0])


@pytest.mark.parametrize(
    ("norm", "bound", "expected"), [(2.0, 1.0, 0.5), (2.0, 4.0, 1.0), (0.0, 1.0, 1.0), (2.0, np.inf, 1.0)]
)
def test_clip_scale(norm: float, bound: float, expected: float) -> None:
    (scale,) = call(ClipScale(), np.array([norm**2]), np.array([bound]))
    assert scale[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("has_l1", "has_l2"), [(True, False), (False, True), (True, True)])
def test_penalty_value(has_l1: bool, has_l2: bool) -> None:
    arrays = [np.random.default_rng(1).standard_normal((4, 5)), np.random.default_rng(2).standard_normal(BLOCK + 2)]
    l1, l2 = np.array([0.3]), np.array([0.7])
    (value,) = call(PenaltyValue(has_l1=has_l1, has_l2=has_l2), l1, l2, *arrays)
    expected = sum(0.3 * has_l1 * np.abs(a).sum() + 0.7 * has_l2 * np.sum(a**2) for a in arrays)
    assert value[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("penalty", [L1(strength=0.3), L2(strength=0.7)])
def test_penalty_gradient_is_the_derivative_of_its_value(penalty: L1 | L2) -> None:
    # A step of rate 1 on no data is minus the gradient.
    w = np.random.default_rng(4).standard_normal(6)
    gradient = w - Stepper(SGD(learning_rate=1.0), w, penalties=(penalty,)).step(np.zeros(6))
    strengths = {"l1": 0.0, "l2": 0.0} | penalty.scalars()

    def value(at: np.ndarray) -> float:
        (found,) = call(PenaltyValue(), np.array([strengths["l1"]]), np.array([strengths["l2"]]), at)
        return float(found[0])

    for i, slope in enumerate(gradient):
        h = np.eye(6)[i] * 1e-6
        assert slope == pytest.approx((value(w + h) - value(w - h)) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("optimizer", RULES)
def test_a_step_allocates_no_arrays(optimizer: Optimizer) -> None:
    op = optimizer.update_op(norms=True, l2=True, clip=True)
    size = 4 * BLOCK
    scalars = [np.full(1, 0.5, np.float32) for _ in range(5 + len(op.RULE_SCALARS))]
    inputs = [np.ones(size, np.float32) for _ in range(2)] + scalars + [np.ones(size, np.float32) for _ in op.SLOTS]
    tensors = [Tensor(a.shape) for a in inputs]
    rest = [np.zeros(t.shape, np.float32) for t in (*op.infer(*tensors), *op.scratch(*tensors))]
    run = KERNELS[op.name]
    run(np, *inputs, *rest, **op.attributes())
    tracemalloc.start()
    try:
        run(np, *inputs, *rest, **op.attributes())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 1024


def test_same_inputs_same_bits() -> None:
    results = []
    for _ in range(3):
        rng = np.random.default_rng(9)
        stepper = Stepper(Adam(), rng.standard_normal(BLOCK + 77), dtype=np.float32, norms=True)
        for _ in range(3):
            stepper.step(rng.standard_normal(BLOCK + 77))
        assert stepper.norms is not None
        results.append((stepper.parameter.tobytes(), stepper.norms.tobytes()))
    assert all(a == b for a, b in pairwise(results))
