"""Optimizers, penalties and clipping against PyTorch over 100 steps, in float32 and float64."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from engine.kinds import Optimizer, Penalty
from engine.ops.update import ClipScale, GradientNorm
from engine.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    Nadam,
    RAdam,
    RMSprop,
)
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
    ("adam and decay", Adam(learning_rate=0.01), DECAY, "AdamW", {"lr": 0.01, "weight_decay": 0.05}),
    ("adamw", AdamW(), (), "AdamW", {}),
    ("adamw decay", AdamW(learning_rate=0.01, weight_decay=0.3), (), "AdamW", {"lr": 0.01, "weight_decay": 0.3}),
    ("adamw twice", AdamW(learning_rate=0.01, weight_decay=0.2), DECAY, "AdamW", {"lr": 0.01, "weight_decay": 0.25}),
    ("amsgrad", AMSGrad(), (), "Adam", {"amsgrad": True}),
    ("amsgrad l2", AMSGrad(learning_rate=0.05, beta2=0.9), L2_HALF, "Adam",
     {"lr": 0.05, "betas": (0.9, 0.9), "weight_decay": 0.01, "amsgrad": True}),
    ("adagrad", Adagrad(), (), "Adagrad", {}),
    ("adagrad sum", Adagrad(learning_rate=0.1, initial=0.5, epsilon=1e-3), L2_HALF, "Adagrad",
     {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3, "weight_decay": 0.01}),
    ("adadelta", Adadelta(), (), "Adadelta", {}),
    ("adadelta rho", Adadelta(learning_rate=2.0, rho=0.5, epsilon=1e-3), L2_HALF, "Adadelta",
     {"lr": 2.0, "rho": 0.5, "eps": 1e-3, "weight_decay": 0.01}),
    ("rmsprop", RMSprop(), (), "RMSprop", {}),
    ("rmsprop momentum", RMSprop(learning_rate=0.003, alpha=0.9, momentum=0.8, epsilon=1e-3), L2_HALF, "RMSprop",
     {"lr": 0.003, "alpha": 0.9, "momentum": 0.8, "eps": 1e-3, "weight_decay": 0.01}),
    ("rmsprop centred", RMSprop(centered=True), (), "RMSprop", {"centered": True}),
    ("rmsprop all", RMSprop(learning_rate=0.003, alpha=0.9, momentum=0.8, centered=True), L2_HALF, "RMSprop",
     {"lr": 0.003, "alpha": 0.9, "momentum": 0.8, "centered": True, "weight_decay": 0.01}),
    ("nadam", Nadam(), (), "NAdam", {}),
    ("nadam psi", Nadam(learning_rate=0.01, beta1=0.5, beta2=0.9, momentum_decay=0.3), L2_HALF, "NAdam",
     {"lr": 0.01, "betas": (0.5, 0.9), "momentum_decay": 0.3, "weight_decay": 0.01}),
    ("nadam and decay", Nadam(), DECAY, "NAdam", {"weight_decay": 0.05, "decoupled_weight_decay": True}),
    ("radam", RAdam(), (), "RAdam", {}),
    ("radam betas", RAdam(learning_rate=0.01, beta1=0.5, beta2=0.9, epsilon=1e-3), L2_HALF, "RAdam",
     {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.01}),
    ("radam plain", RAdam(beta2=0.6), DECAY, "RAdam",
     {"betas": (0.9, 0.6), "weight_decay": 0.05, "decoupled_weight_decay": True}),
    ("adamax", Adamax(), (), "Adamax", {}),
    ("adamax betas", Adamax(learning_rate=0.01, beta1=0.5, beta2=0.9, epsilon=1e-3), L2_HALF, "Adamax",
     {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.01}),
]  # fmt: skip


def _gradient(dtype: type) -> Callable[[np.ndarray, int], np.ndarray]:
    """A smooth function's gradient with noise: depends on the weights, so that deviations would grow."""
    rng = np.random.default_rng(5)
    scale = np.exp(rng.uniform(-3, 1, 2000)).astype(dtype)
    noise = rng.standard_normal((100, 2000)).astype(dtype) * dtype(0.1)
    return lambda w, step: (scale * w + noise[step]).astype(dtype)


@pytest.fixture
def double() -> Iterator[None]:
    """PyTorch keeps Nadam's product of momenta in its default type."""
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.usefixtures("double")
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
    torch = pytest.importorskip("torch")
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
