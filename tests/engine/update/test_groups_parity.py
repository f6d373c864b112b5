"""Parameter groups against PyTorch's over 100 steps, in float64."""

from __future__ import annotations

import numpy as np
import pytest

from engine.clipping import ClipByGlobalNorm
from engine.groups import ParameterGroup
from engine.kinds import Optimizer, Penalty
from engine.optimizers import SGD, Adam
from engine.penalties import L2, WeightDecay
from tests.engine.update.bench import Ours, Theirs, small

pytestmark = pytest.mark.parity

BIASES = ParameterGroup(parameters="biases", rate=2.0)


def groups_of(penalty: Penalty) -> tuple[ParameterGroup, ...]:
    return (
        ParameterGroup(nodes=("conv2d_1",), parameters="weights", rate=0.1, own_penalties=True, penalties=(penalty,)),
        ParameterGroup(nodes=("conv2d_1",), frozen=True),
        ParameterGroup(nodes=("dense_2",), parameters="biases", own_penalties=True, penalties=(penalty,)),
        ParameterGroup(nodes=("dense_2",), own_penalties=True),
        BIASES,
    )


@pytest.mark.parametrize("clip", [False, True], ids=["free", "clipped"])
@pytest.mark.parametrize(
    ("optimizer", "penalties", "own"),
    [
        (SGD(learning_rate=0.2, momentum=0.9), (L2(strength=0.01),), L2(strength=0.1)),
        (Adam(learning_rate=0.02), (L2(strength=0.01),), L2(strength=0.1)),
        (Adam(learning_rate=0.02), (WeightDecay(strength=0.1),), WeightDecay(strength=1.0)),
    ],
    ids=["momentum, L2", "Adam, L2", "AdamW"],
)
def test_hundred_steps(optimizer: Optimizer, penalties: tuple[Penalty, ...], own: Penalty, clip: bool) -> None:
    clipping = {"clipping": ClipByGlobalNorm(max_norm=0.2)} if clip else {}
    ours = Ours(small(optimizer=optimizer, penalties=penalties, groups=groups_of(own), **clipping))
    theirs = Theirs(ours)
    for _ in range(100):
        theirs.backward()
        if clip:
            moving = [p for p in theirs.parameters.values() if p.requires_grad]
            theirs.torch.nn.utils.clip_grad_norm_(moving, 0.2)
        theirs.rule.step()
        ours.step()
    for name, expected in theirs.arrays().items():
        np.testing.assert_allclose(ours.state.parameters[name], expected, rtol=1e-9, atol=1e-12, err_msg=name)


def test_frozen_parameters_keep_their_bits_and_pay_nothing() -> None:
    case = small(
        optimizer=Adam(learning_rate=0.02),
        penalties=(L2(strength=0.5),),
        groups=(ParameterGroup(nodes=("conv2d_1", "dense_1"), frozen=True),),
    )
    ours = Ours(case)
    before = {name: array.copy() for name, array in ours.state.parameters.items()}
    loss = ours.step()
    assert loss - ours.program.loss() == pytest.approx(0.5 * np.sum(before["dense_2/weight"] ** 2))
    ours.step(4)
    for name, array in ours.state.parameters.items():
        assert (array == before[name]).all() == (not name.startswith("dense_2")), name


def test_nothing_is_computed_for_gradients_that_nobody_reads() -> None:
    """With all but the last layer frozen, its weight and bias are all that the backward pass computes."""
    frozen = (ParameterGroup(nodes=("conv2d_1", "dense_1"), frozen=True),)
    free, held, seen = Ours(small()), Ours(small(groups=frozen)), Ours(small(groups=frozen), observe=True)

    def backward(ours: Ours) -> list[str]:
        return [call.op.name for call in ours.program.program.calls if call.phase == "backward"]

    assert "conv2d_weight_gradient" in backward(free) and "conv2d_weight_gradient" in backward(seen)
    assert backward(held).count("matmul") == 1 < backward(free).count("matmul")
    assert not any(name.startswith(("conv2d", "tanh", "relu")) for name in backward(held))
    held.step(5), seen.step(5)
    for name, array in seen.state.parameters.items():
        np.testing.assert_array_equal(held.state.parameters[name], array, err_msg=name)
    assert not held.state.gradients["dense_1/weight"].any() and seen.state.gradients["dense_1/weight"].any()


def test_the_penalties_of_all_groups_are_part_of_the_loss() -> None:
    groups = (ParameterGroup(nodes=("dense_1",), own_penalties=True, penalties=(L2(strength=0.3),)),)
    ours = Ours(small(penalties=(L2(strength=0.5),), groups=groups))
    squares = {name: float(np.sum(array**2)) for name, array in ours.state.parameters.items()}
    ours.step()
    expected = 0.5 * (squares["conv2d_1/weight"] + squares["dense_2/weight"]) + 0.3 * squares["dense_1/weight"]
    assert ours.program.penalty() == pytest.approx(expected, rel=1e-12)
