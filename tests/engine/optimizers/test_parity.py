"""Optimizers, penalties and clipping against PyTorch over 100 steps, in float32 and float64."""

from collections.abc import Callable

import numpy as np
import pytest

from engine.kinds import Optimizer, Penalty
from engine.ops.update import ClipScale, GradientNorm
from engine.optimizers import SGD, Adam
from engine.penalties import L2, WeightDecay
from tests.support.stepping import Stepper, call

pytestmark = pytest.mark.parity

L2_HALF = (L2(strength=0.005),)
DECAY = (WeightDecay(strength=0.05),)
CASES: list[tuple[str, Optimizer, tuple[Penalty, ...], str, dict[str, object]]] = [
    ("sgd", SGD(learning_rate=0.05), (), "SGD", {"lr": 0.05}),
    ("sgd l2", SGD(learning_rate=0.05), L2_HALF, "SGD", {"lr": 0.05, "weight_decay": 0.01}),
    ("momentum", SGD(learning_rate=0.02, momentum=0.9), (), "SGD", {"lr": 0.02, "momentum": 0.9}),
    (
        "nesterov",
        SGD(learning_rate=0.02, momentum=0.95, nesterov=True),
        L2_HALF,
        "SGD",
        {"lr": 0.02, "momentum": 0.95, "nesterov": True, "weight_decay": 0.01},
    ),
    ("adam", Adam(learning_rate=0.01), (), "Adam", {"lr": 0.01}),
    ("adam l2", Adam(learning_rate=0.01), L2_HALF, "Adam", {"lr": 0.01, "weight_decay": 0.01}),
    ("adam betas", Adam(learning_rate=0.01, beta1=0.5, beta2=0.9, epsilon=1e-3), (), "Adam",
     {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3}),
    ("adamw", Adam(learning_rate=0.01), DECAY, "AdamW", {"lr": 0.01, "weight_decay": 0.05}),
]  # fmt: skip


def _gradient(dtype: type) -> Callable[[np.ndarray, int], np.ndarray]:
    """A smooth function's gradient with noise: depends on the weights, so that deviations would grow."""
    rng = np.random.default_rng(5)
    scale = np.exp(rng.uniform(-3, 1, 2000)).astype(dtype)
    noise = rng.standard_normal((100, 2000)).astype(dtype) * dtype(0.1)
    return lambda w, step: (scale * w + noise[step]).astype(dtype)


@pytest.mark.parametrize("clip", [False, True], ids=["free", "clipped"])
@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize(
    ("optimizer", "penalties", "name", "options"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_hundred_steps(
    optimizer: Optimizer,
    penalties: tuple[Penalty, ...],
    name: str,
    options: dict[str, object],
    dtype: type,
    bound: float,
    clip: bool,
) -> None:
    import torch

    gradient = _gradient(dtype)
    start = np.random.default_rng(1).standard_normal(2000).astype(dtype)
    ours = Stepper(optimizer, start, dtype=dtype, penalties=penalties)
    theirs = torch.nn.Parameter(torch.from_numpy(start.copy()))
    rule = getattr(torch.optim, name)([theirs], **options)
    for step in range(100):
        g = gradient(theirs.detach().numpy(), step)
        theirs.grad = torch.from_numpy(g.copy())
        scale = None
        mine = gradient(ours.parameter, step)
        if clip:
            torch.nn.utils.clip_grad_norm_([theirs], 2.0)
            (squared,) = call(GradientNorm(), mine)
            (found,) = call(ClipScale(), squared, np.array([2.0], dtype))
            scale = float(found[0])
        rule.step()
        ours.step(mine, clip_scale=scale)
    expected = theirs.detach().numpy()
    assert np.abs(ours.parameter - expected).max() <= bound * np.abs(expected).max()
