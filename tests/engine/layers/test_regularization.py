"""Dropout and its relatives: shares, scaling, the same mask forwards and backwards, a new one each step, evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine import edits
from engine.backend import choose
from engine.data.signature import DataSignature, TargetSignature
from engine.executor import ArrayExecutor
from engine.graph import check
from engine.layers import Dropout, GaussianNoise, ShapeProblem, SpatialDropout, StochasticDepth
from engine.plan import compile
from engine.random import bits, stream_of
from engine.state import State
from tests.support.examples import blobs
from tests.support.layers import Lone

ONES = np.ones((50, 40))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.95])
def test_share_and_scale(rate: float) -> None:
    y = Lone(Dropout(rate=rate), ONES).output
    assert set(np.unique(y)) <= {0.0, 1 / (1 - rate)}
    assert abs(np.mean(y == 0) - rate) < 5 * np.sqrt(0.25 / y.size)
    assert rate > 0 or np.array_equal(y, ONES)


def test_the_mask_is_the_random_stream_of_the_node() -> None:
    y = Lone(Dropout(rate=0.3), ONES, seed=5, step=9).output
    keep = bits(ONES.size, 5, 9, stream_of("node", "dropout")) >= np.uint32(int(0.3 * 2**32))
    np.testing.assert_array_equal(y != 0, keep.reshape(ONES.shape))


def test_every_step_and_seed_draws_another_mask() -> None:
    masks = [Lone(Dropout(), ONES, seed=s, step=t).output for s, t in ((0, 0), (0, 1), (1, 0))]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert 0.4 < np.mean(masks[a] == masks[b]) < 0.6


@pytest.mark.parametrize("size", [7, 70_000, 200_000])
def test_both_precisions_drop_the_same_elements(size: int) -> None:
    x = np.ones((1, size))
    single, double = (Lone(Dropout(rate=0.25), x, precision=p).output for p in ("float32", "float64"))
    np.testing.assert_array_equal(single != 0, double != 0)
    assert size == 7 or not double.all()


def test_the_gradient_passes_through_the_same_mask() -> None:
    lone = Lone(Dropout(rate=0.4), np.random.default_rng(0).standard_normal((20, 30)))
    gradient = lone.b.gradients({lone.value: np.ones((20, 30))})(lone.inputs[0])
    np.testing.assert_allclose(gradient * lone.b.host(lone.inputs[0]), lone.output)


def test_evaluation_passes_values_on() -> None:
    lone = Lone(Dropout(rate=0.9), ONES, training=False)
    assert lone.value is lone.inputs[0]
    assert Dropout(rate=0.25).title() == "Dropout 0.25"


def test_the_rate_is_read_when_the_program_runs() -> None:
    lone = Lone(Dropout(rate=0.5), ONES)
    assert lone.b.host(lone.b.control("rate", 0.0)) == pytest.approx(0.5)


def test_the_vanilla_form_scales_in_evaluation_by_what_is_kept() -> None:
    layer = Dropout(rate=0.2, form="vanilla")
    inverted = Lone(Dropout(rate=0.2), ONES).output
    trained = Lone(layer, ONES).output
    np.testing.assert_array_equal(trained, (inverted != 0) * 1.0, "the same masks, unscaled")
    np.testing.assert_allclose(Lone(layer, ONES, training=False).output, 0.8 * ONES)


@pytest.mark.parametrize("form", ["inverted", "vanilla"])
@pytest.mark.parametrize("layer", [Dropout(rate=0.375), SpatialDropout(rate=0.375), StochasticDepth(survival=0.625)])
def test_evaluation_is_what_training_gives_on_average(layer: Any, form: str) -> None:
    x = np.random.default_rng(0).standard_normal((40, 4, 50)) + 2.0
    layer = replace(layer, form=form)
    expected = Lone(layer, x, training=False).output
    mean = np.mean([Lone(layer, x, step=step).output.mean() for step in range(60)])
    assert abs(mean / expected.mean() - 1) < 0.05


def test_spatial_dropout_drops_whole_channels_of_each_sample() -> None:
    x = np.ones((30, 5, 6, 8))
    y = Lone(SpatialDropout(rate=0.25), x, seed=3, step=4).output
    mask = y[:, 0, 0]
    np.testing.assert_array_equal(y, np.broadcast_to(mask[:, None, None], x.shape))
    keep = bits(240, 3, 4, stream_of("node", "channels")) >= np.uint32(2**30)
    np.testing.assert_allclose(mask, keep.reshape(30, 8) / 0.75)
    assert len(np.unique(mask, axis=0)) > 20, "each sample draws its own channels"


def test_spatial_dropout_of_a_vector_is_refused_with_a_remedy() -> None:
    with pytest.raises(ShapeProblem, match="vectors of 12") as caught:
        SpatialDropout(rate=0.3).infer(((12,),))
    assert caught.value.fix == ("replace", "dropout", {"rate": 0.3, "form": "inverted"})
    assert SpatialDropout().infer(((5, 7),)) == (5, 7)


@pytest.mark.parametrize("form", ["inverted", "vanilla"])
def test_stochastic_depth_keeps_or_drops_whole_samples(form: Any) -> None:
    x = np.random.default_rng(0).standard_normal((400, 3, 2))
    lone = Lone(StochasticDepth(survival=0.75, form=form), x, seed=8, step=1)
    keep = bits(400, 8, 1, stream_of("node", "depth")) >= np.uint32(2**30)
    factor = keep / (0.75 if form == "inverted" else 1.0)
    np.testing.assert_allclose(lone.output, x * factor[:, None, None])
    assert abs(keep.mean() - 0.75) < 0.07
    gradient = lone.b.gradients({lone.value: np.ones(x.shape)})(lone.inputs[0])
    np.testing.assert_allclose(gradient, np.broadcast_to(factor[:, None, None], x.shape))
    evaluated = Lone(StochasticDepth(survival=0.75, form=form), x, training=False).output
    np.testing.assert_allclose(evaluated, x * (1.0 if form == "inverted" else 0.75))


def test_stochastic_depth_can_draw_once_for_the_batch() -> None:
    x = np.ones((5, 3))
    kept = [Lone(StochasticDepth(survival=0.5, per="batch", form="vanilla"), x, step=t).output for t in range(60)]
    assert {float(y.mean()) for y in kept} == {0.0, 1.0}
    assert 15 < sum(y.mean() for y in kept) < 45
    assert set(np.unique(Lone(StochasticDepth(survival=1.0), x).output)) == {1.0}


def test_noise_is_normal_new_in_each_step_and_absent_in_evaluation() -> None:
    x = np.random.default_rng(0).standard_normal((300, 400))
    lone = Lone(GaussianNoise(deviation=0.5), x)
    noise = (lone.output - x).reshape(-1) / 0.5
    stats = pytest.importorskip("scipy.stats")
    assert stats.kstest(noise, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(noise[:-1], noise[1:])[0, 1]) < 0.01
    assert np.abs(noise).max() < 5.77
    other = Lone(GaussianNoise(deviation=0.5), x, step=1).output - x
    assert abs(np.corrcoef(noise, other.reshape(-1))[0, 1]) < 0.01
    gradient = lone.b.gradients({lone.value: np.ones(x.shape)})(lone.inputs[0])
    np.testing.assert_array_equal(gradient, np.ones(x.shape))
    still = Lone(GaussianNoise(), x, training=False)
    assert still.value is still.inputs[0]


@pytest.mark.parametrize("layer", [GaussianNoise(), SpatialDropout(rate=0.25), StochasticDepth(survival=0.75)])
def test_both_precisions_draw_the_same(layer: Any) -> None:
    x = np.ones((70, 30, 40))
    single, double = (Lone(layer, x, precision=p).output for p in ("float32", "float64"))
    np.testing.assert_allclose(single, double, rtol=0, atol=2e-6)


@pytest.mark.parity
@pytest.mark.parametrize("layer", [Dropout(rate=0.3), SpatialDropout(rate=0.3), StochasticDepth(survival=0.7)])
def test_scales_and_shapes_of_masks_are_pytorchs(layer: Any) -> None:
    """Random streams differ; which values go together and what they are scaled by does not."""
    torch = pytest.importorskip("torch")
    x = np.ones((40, 4, 5, 8))
    functional = torch.nn.functional
    images = torch.ones(40, 8, 4, 5)
    peer = {
        Dropout: lambda: functional.dropout(images, 0.3),
        SpatialDropout: lambda: functional.dropout2d(images, 0.3),
        # As torchvision.ops.stochastic_depth in mode "row".
        StochasticDepth: lambda: images * torch.empty(40, 1, 1, 1).bernoulli_(0.7).div_(0.7),
    }[type(layer)]
    torch.manual_seed(0)
    theirs = peer().permute(0, 2, 3, 1).numpy()
    ours = Lone(layer, x).output
    np.testing.assert_allclose(np.unique(ours), np.unique(theirs), rtol=1e-6)

    def together(y: np.ndarray) -> list[bool]:
        return [bool((y == y[:, :1, :1]).all()), bool((y == y[..., :1]).all())]

    assert together(ours) == together(theirs)


def test_in_evaluation_a_live_rate_is_obeyed() -> None:
    experiment = edits.insert_before(blobs(), Dropout(rate=0.25, form="vanilla"), "dense_2")
    signature = DataSignature(inputs={"x": (2,)}, targets={"y": TargetSignature(classes=3)}, train_size=48)
    report = check(experiment.network, signature)
    state = State(experiment.network, report, experiment.training.optimizer, choose("cpu"))
    program = ArrayExecutor(state).bind(
        compile(experiment, report, signature, batch_size=5, training=False, observe=True)
    )
    program.feed({"x": np.random.default_rng(0).standard_normal((5, 2))}, {"y": np.arange(5) % 3})
    program.run()
    before = np.array(program.value("dropout_1"))
    program.run({"dropout_1/rate": 0.7})
    np.testing.assert_allclose(np.array(program.value("dropout_1")), before * 0.3 / 0.75, rtol=1e-6)
