"""Clipping against PyTorch over 100 steps, in float64, and which norms it means."""

from __future__ import annotations

import numpy as np
import pytest

from engine.clipping import ClipByGlobalNorm, ClipByLayerNorm, ClipByValue, NoClipping
from engine.groups import ParameterGroup
from engine.kinds import Clipping
from engine.optimizers import SGD, Adam
from tests.engine.update.bench import Ours, Theirs, small

LAYERS = ("conv2d_1", "dense_1", "dense_2")


@pytest.mark.parity
@pytest.mark.parametrize("optimizer", [SGD(learning_rate=0.2, momentum=0.9), Adam(learning_rate=0.02)])
@pytest.mark.parametrize(
    "clipping", [ClipByValue(max_value=0.01), ClipByGlobalNorm(max_norm=0.1), ClipByLayerNorm(max_norm=0.05)]
)
def test_hundred_steps(clipping: Clipping, optimizer: SGD | Adam) -> None:
    ours = Ours(small(optimizer=optimizer, clipping=clipping))
    theirs = Theirs(ours)
    tools, acted = theirs.torch.nn.utils, 0
    for _ in range(100):
        theirs.backward()
        before = [parameter.grad.clone() for parameter in theirs.parameters.values()]
        match clipping:
            case ClipByValue():
                tools.clip_grad_value_(theirs.parameters.values(), clipping.max_value)
            case ClipByGlobalNorm():
                tools.clip_grad_norm_(theirs.parameters.values(), clipping.max_norm)
            case ClipByLayerNorm():
                for layer in LAYERS:
                    own = [value for name, value in theirs.parameters.items() if name.startswith(layer)]
                    tools.clip_grad_norm_(own, clipping.max_norm)
        after = [parameter.grad for parameter in theirs.parameters.values()]
        acted += any(bool((old != new).any()) for old, new in zip(before, after, strict=True))
        theirs.rule.step()
        ours.step()
    assert acted > 10, "a bound that is never reached shows nothing"
    for name, expected in theirs.arrays().items():
        np.testing.assert_allclose(ours.state.parameters[name], expected, rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_wide_bound_changes_nothing() -> None:
    free = Ours(small(optimizer=SGD(learning_rate=0.1)))
    free.step(3)
    for clipping in (ClipByValue(max_value=1e6), ClipByGlobalNorm(max_norm=1e6), ClipByLayerNorm(max_norm=1e6)):
        bound = Ours(small(optimizer=SGD(learning_rate=0.1), clipping=clipping))
        bound.step(3)
        for name, array in free.state.parameters.items():
            np.testing.assert_array_equal(bound.state.parameters[name], array, err_msg=name)


def test_the_norms_that_are_told_are_those_before_clipping() -> None:
    norms = []
    for clipping in (NoClipping(), ClipByValue(max_value=1e-4), ClipByGlobalNorm(max_norm=1e-4)):
        ours = Ours(small(optimizer=SGD(learning_rate=0.0001), clipping=clipping), observe=True)
        ours.step()
        told = ours.program.observations().parameters
        norms.append([told[name].gradient_norm for name in sorted(told)])
        assert told["dense_1/weight"].gradient is not None
        assert told["dense_1/weight"].gradient.norm == pytest.approx(told["dense_1/weight"].gradient_norm, rel=1e-9)
    np.testing.assert_allclose(norms[1:], [norms[0]] * 2, rtol=1e-9)


def test_a_layer_is_bounded_by_itself_and_frozen_ones_do_not_count() -> None:
    frozen = (ParameterGroup(nodes=("conv2d_1",), frozen=True),)
    rate, bound = 0.5, 1e-3
    for clipping in (ClipByLayerNorm(max_norm=bound), ClipByGlobalNorm(max_norm=bound)):
        ours = Ours(small(optimizer=SGD(learning_rate=rate), clipping=clipping, groups=frozen))
        before = {name: array.copy() for name, array in ours.state.parameters.items()}
        ours.step()
        moved = {
            layer: sum(
                float(np.sum((array - before[name]) ** 2))
                for name, array in ours.state.parameters.items()
                if name.startswith(layer)
            )
            for layer in LAYERS
        }
        assert moved["conv2d_1"] == 0
        lengths = [moved["dense_1"], moved["dense_2"]]
        lengths = lengths if isinstance(clipping, ClipByLayerNorm) else [sum(lengths)]
        # PyTorch's 1e-6 beside the norm keeps the step a little below the bound.
        np.testing.assert_allclose(np.sqrt(lengths), rate * bound, rtol=1e-4)
