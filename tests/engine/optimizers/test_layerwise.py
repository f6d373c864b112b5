"""LAMB and Muon: against the papers' algorithms, PyTorch, and in programs of whole networks."""

import numpy as np
import pytest

from engine.data.signature import DataSignature, TargetSignature
from engine.graph import check
from engine.kinds import Optimizer
from engine.layers import Conv2D, Dense, Flatten, Input
from engine.losses import SoftmaxCrossEntropy
from engine.ops.array_rules import UpdateLAMB, UpdateMuon, matrix_shape
from engine.ops.base import Tensor
from engine.ops.update import UpdateAdam, UpdateRule
from engine.optimizers import LAMB, Adam, Muon
from engine.penalties import L2, WeightDecay
from engine.plan import compile
from tests.engine.ops.cases.rules import case
from tests.engine.training.experiments import sequential, spiral
from tests.support.stepping import Stepper


def weights(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


# -- LAMB --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(30, 40), (3, 3, 5, 300)])
def test_lamb_is_the_papers_algorithm(shape: tuple[int, ...]) -> None:
    rate, b1, b2, epsilon, decay = 0.02, 0.8, 0.95, 1e-4, 0.3
    stepper = Stepper(
        LAMB(learning_rate=rate, beta1=b1, beta2=b2, epsilon=epsilon, weight_decay=decay), weights(*shape)
    )
    x, m, v = weights(*shape), np.zeros(shape), np.zeros(shape)
    for t in range(1, 51):
        noise = weights(*shape, seed=t)
        g = x + noise
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        r = m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + epsilon)
        x = x - rate * np.linalg.norm(x) / np.linalg.norm(r + decay * x) * (r + decay * x)
        stepper.step(stepper.parameter + noise)
    assert stepper.parameter == pytest.approx(x, abs=1e-12)


def test_lambs_step_is_a_share_of_the_weights_norm() -> None:
    start = weights(20, 30)
    stepper = Stepper(LAMB(learning_rate=0.01), start)
    stepper.step(1e5 * weights(20, 30, seed=2))
    assert np.linalg.norm(stepper.parameter - start) == pytest.approx(0.01 * np.linalg.norm(start), rel=1e-9)


@pytest.mark.parametrize(("start", "gradient"), [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_lambs_ratio_is_one_where_a_norm_is_nothing(start: float, gradient: float) -> None:
    lamb = Stepper(LAMB(learning_rate=0.01, weight_decay=0.0), np.full((3, 4), start))
    adam = Stepper(Adam(learning_rate=0.01, epsilon=1e-6), np.full((3, 4), start))
    lamb.step(np.full((3, 4), gradient))
    adam.step(np.full((3, 4), gradient))
    assert lamb.parameter == pytest.approx(adam.parameter, abs=1e-15)


def test_lamb_leaves_biases_to_adam() -> None:
    op = LAMB().update_op(decay=False)
    assert op == UpdateLAMB()
    drawn = case(op, 6).draw()
    found = Stepper(LAMB(learning_rate=0.01), drawn[0])
    found.optimizer = type("Bias", (LAMB,), {"decays": False}, frozen=True)(learning_rate=0.01)
    adam = Stepper(Adam(learning_rate=0.01, epsilon=1e-6), drawn[0])
    for seed in range(5):
        found.step(weights(6, seed=seed))
        adam.step(weights(6, seed=seed))
    assert found.parameter == pytest.approx(adam.parameter, abs=1e-15)


# -- Muon --------------------------------------------------------------------------------------------------------------

MUONS = [
    ("like adam", Muon(), {"adjust_lr_fn": "match_rms_adamw"}),
    ("original", Muon(learning_rate=0.02, scale="original", weight_decay=0.0), {"lr": 0.02, "weight_decay": 0.0}),
    (
        "plain momentum",
        Muon(learning_rate=0.01, momentum=0.8, nesterov=False, iterations=3),
        {"lr": 0.01, "momentum": 0.8, "nesterov": False, "ns_steps": 3, "adjust_lr_fn": "match_rms_adamw"},
    ),
]


@pytest.mark.parity
@pytest.mark.parametrize(("optimizer", "options"), [m[1:] for m in MUONS], ids=[m[0] for m in MUONS])
@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize("shape", [(40, 24), (24, 40), (16, 16)], ids=str)
def test_muon_is_pytorchs_but_for_its_short_numbers(
    shape: tuple[int, int],
    dtype: type,
    bound: float,
    optimizer: Muon,
    options: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch = pytest.importorskip("torch")
    # PyTorch rounds the direction to bfloat16, three digits, before the iteration: compare without that.
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda tensor: tensor.clone())
    start, scale = weights(*shape).astype(dtype), np.exp(weights(*shape, seed=5)).astype(dtype)
    ours = Stepper(optimizer, start, dtype=dtype)
    theirs = torch.nn.Parameter(torch.from_numpy(start.T.copy()))  # rows are outputs there
    rule = torch.optim.Muon([theirs], **options)
    for step in range(100):
        noise = weights(*shape, seed=step).astype(dtype)
        gradient = (scale * theirs.detach().numpy().T + noise).astype(dtype)
        theirs.grad = torch.from_numpy(gradient.T.copy())
        rule.step()
        ours.step((scale * ours.parameter + noise).astype(dtype))
    expected = theirs.detach().numpy().T
    assert np.abs(ours.parameter - expected).max() <= bound * np.abs(expected).max()


@pytest.mark.parity
def test_muon_is_near_pytorchs_with_its_short_numbers() -> None:
    torch = pytest.importorskip("torch")
    start, gradient = weights(30, 50), weights(30, 50, seed=2)
    theirs = torch.nn.Parameter(torch.from_numpy(start.T.copy()))
    theirs.grad = torch.from_numpy(gradient.T.copy())
    torch.optim.Muon([theirs], lr=0.1, weight_decay=0.0).step()
    ours = Stepper(Muon(learning_rate=0.1, weight_decay=0.0, scale="original"), start).step(gradient)
    step, expected = ours - start, theirs.detach().numpy().T - start
    assert np.linalg.norm(step - expected) < 0.02 * np.linalg.norm(expected)


@pytest.mark.parametrize("shape", [(40, 24), (24, 40), (3, 3, 4, 16), (7, 1), (1, 7)], ids=str)
def test_muons_step_is_nearly_orthogonal(shape: tuple[int, ...]) -> None:
    optimizer = Muon(learning_rate=1.0, weight_decay=0.0, momentum=0.0)
    gradient = weights(*shape)
    step = -Stepper(optimizer, np.zeros(shape)).step(gradient).reshape(matrix_shape(shape))
    factor = 0.2 * max(step.shape) ** 0.5
    found = np.linalg.svd(step, compute_uv=False)
    assert (found > 0.65 * factor).all() and (found < 1.25 * factor).all()
    u, _, v = np.linalg.svd(gradient.reshape(step.shape), full_matrices=False)
    # The same singular vectors: U Vᵀ is the nearest orthogonal matrix.
    assert np.sum(step * (u @ v)) == pytest.approx(found.sum(), rel=1e-9)


def test_muon_without_a_gradient_only_decays() -> None:
    stepper = Stepper(Muon(learning_rate=0.1, weight_decay=0.5), np.ones((3, 4)))
    assert stepper.step(np.zeros((3, 4))) == pytest.approx(0.95 * np.ones((3, 4)))


def test_muon_gives_vectors_to_adam() -> None:
    muon = Muon(learning_rate=0.01, others_rate=0.5, beta1=0.7, beta2=0.9, epsilon=1e-4)
    assert muon.update_op(shape=(12,)) == UpdateAdam()
    assert muon.update_op(shape=(3, 4)) == UpdateMuon()
    found, step = muon.scalars(0.01, 3), Adam(beta1=0.7, beta2=0.9, epsilon=1e-4).scalars(0.005, 3)
    assert {name: found[name] for name in UpdateAdam.RULE_SCALARS} == step


def test_muon_refuses_a_vector() -> None:
    with pytest.raises(ValueError, match="no matrix"):
        UpdateMuon().scratch(Tensor((12,)))


def test_muon_counts_its_products() -> None:
    op = UpdateMuon(iterations=2)
    inputs = [Tensor((3, 4)), Tensor((3, 4)), *[Tensor((1,))] * 7, Tensor((3, 4))]
    products = 2 * (2 * 3 * 3 * 4) + 2 * 3**3
    assert op.flops(*inputs) == 10 * 12 + 2 * (products + 3 * 9 + 2 * 12)


# -- both --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [LAMB(learning_rate=0.1), Muon()])
@pytest.mark.parametrize("shape", [(3, 5), (2, 2, 3, 700), (90, 100)])
def test_norms_are_exact_and_change_nothing(optimizer: Optimizer, shape: tuple[int, ...]) -> None:
    penalties = (L2(strength=0.02), WeightDecay(strength=0.1))
    plain = Stepper(optimizer, weights(*shape), penalties=penalties)
    watched = Stepper(optimizer, weights(*shape), penalties=penalties, norms=True)
    for seed in range(3):
        gradient, before = weights(*shape, seed=seed), watched.parameter.copy()
        plain.step(gradient, clip_scale=0.25)
        watched.step(gradient, clip_scale=0.25)
        assert np.array_equal(plain.parameter, watched.parameter)
        expected = [np.sum(gradient**2), np.sum(before**2), np.sum((watched.parameter - before) ** 2)]
        assert watched.norms == pytest.approx(np.array(expected), rel=1e-12)


@pytest.mark.parametrize("optimizer", [LAMB(), Muon(), Adam()])
@pytest.mark.parametrize("observe", [False, True])
def test_weights_come_in_their_shape_and_one_by_one(optimizer: Optimizer, observe: bool) -> None:
    network = sequential([Input(), Conv2D(filters=3), Flatten(), Dense(units=4), SoftmaxCrossEntropy()])
    data = DataSignature(inputs={"x": (6, 6, 2)}, targets={"y": TargetSignature(classes=4)})
    experiment = spiral(network, optimizer=optimizer)
    program = compile(experiment, check(network, data), data, batch_size=5, training=True, observe=observe)
    updates = [call for call in program.calls if isinstance(call.op, UpdateRule)]
    shapes = sorted(call.inputs[0].shape for call in updates)
    if optimizer.per_array:
        assert shapes == [(3,), (3, 3, 2, 3), (4,), (108, 4)]
        assert all(call.inputs[1].shape == call.inputs[0].shape == call.inputs[-1].shape for call in updates)
        assert {call.inputs[0].shape for call in updates if call.op.has_decay} == {(3, 3, 2, 3), (108, 4)}  # type: ignore[attr-defined]
    else:
        assert len(shapes) == (4 if observe else 2) and all(len(shape) == 1 for shape in shapes)
    if isinstance(optimizer, Muon):
        assert {len(call.inputs[0].shape) for call in updates if isinstance(call.op, UpdateMuon)} == {2, 4}
