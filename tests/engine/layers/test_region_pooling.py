"""Adaptive, global and fractional pooling: parity with PyTorch, exact places of regions, and what they refuse."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
import pytest

from engine.layers import AdaptiveAveragePool2D, AdaptiveMaxPool2D, FractionalMaxPool2D, GlobalMaxPool2D, ShapeProblem
from engine.layers.region_pooling import fractional_size
from engine.ops.regions import FRACTION_BITS, FractionalMaxPool, Regions
from engine.random import bits, stream_of
from tests.support.interpreter import run_op
from tests.support.layers import Lone
from tests.support.torch_layers import check_against

ONE = 1 << FRACTION_BITS


def image(*shape: int, ties: bool = False) -> np.ndarray:
    x = np.random.default_rng(2).standard_normal(shape)
    # As behind a ReLU: many zeros, so that it matters who wins.
    return np.maximum(np.round(x), 0) if ties else x


def nchw(call: Any) -> Any:
    return lambda x, p: call(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


SIZES = [((2, 7, 9, 3), 3, 4), ((1, 6, 4, 2), 2, 2), ((2, 5, 5, 2), 5, 1), ((1, 3, 2, 2), 4, 3)]


@pytest.mark.parity
@pytest.mark.parametrize(("shape", "height", "width"), SIZES, ids=str)
@pytest.mark.parametrize("ties", [False, True])
def test_adaptive_pooling_is_pytorchs(shape: tuple[int, ...], height: int, width: int, ties: bool) -> None:
    f = pytest.importorskip("torch").nn.functional
    x = image(*shape, ties=ties)
    most = AdaptiveMaxPool2D(height=height, width=width)
    check_against(nchw(lambda v: f.adaptive_max_pool2d(v, (height, width))), most, x)
    mean = AdaptiveAveragePool2D(height=height, width=width)
    check_against(nchw(lambda v: f.adaptive_avg_pool2d(v, (height, width))), mean, x)


@pytest.mark.parity
@pytest.mark.parametrize("ties", [False, True])
def test_global_max_is_pytorchs(ties: bool) -> None:
    f = pytest.importorskip("torch").nn.functional
    check_against(lambda x, p: f.adaptive_max_pool2d(x.permute(0, 3, 1, 2), 1)[:, :, 0, 0], GlobalMaxPool2D(),
                  image(3, 5, 4, 6, ties=ties))  # fmt: skip


def bounds(regions: Regions, length: int, count: int, u: float) -> np.ndarray:
    op = FractionalMaxPool((count, count), regions, 0, round(u * ONE))
    return run_op(op, np.zeros((1, length, length, 1)), np.zeros(4, np.uint32))[1]


def test_regions_begin_where_pytorchs_do() -> None:
    begin, end = bounds("fixed", 25, 17, 0.5)
    assert begin.tolist() == [0, 2, 3, 5, 6, 7, 9, 10, 12, 13, 15, 16, 17, 19, 20, 22, 23]
    assert (end - begin == 2).all()


@pytest.mark.parametrize("u", [0.0, 0.3, 0.5, 0.99])
def test_regions_begin_where_the_papers_do(u: float) -> None:
    papers = [ceil(25 / 17 * (i + u) - 1e-9) for i in range(18)]
    if u == 0.3:
        assert papers == [1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 20, 22, 23, 24, 26]
    begin, end = bounds("disjoint", 25, 17, u)
    # The paper counts from 1, and begins a pixel later where α u is above 1: here every pixel belongs to a region.
    assert begin.tolist() == [a - papers[0] for a in papers[:-1]]
    assert end.tolist() == [*begin[1:], 25]
    assert set((end - begin).tolist()) == {1, 2}
    again, later = bounds("overlapping", 25, 17, u)
    assert again.tolist() == begin.tolist() and later.tolist() == [*(end[:-1] + 1), 25]


@pytest.mark.parametrize("regions", ["fixed", "disjoint", "overlapping"])
@pytest.mark.parametrize("length", [2, 3, 4, 7, 28, 61])
def test_regions_cover_all_pixels_by_steps_of_one_and_two(regions: Regions, length: int) -> None:
    for ratio in (1.001, 1.26, 1.414, 1.75, 1.999):
        count = fractional_size(length, ratio)
        for u in (0.0, 0.25, 0.7, 1 - 1 / ONE):
            begin, end = bounds(regions, length, count, u)
            assert begin[0] == 0 and end[-1] == length
            assert ((np.diff(begin) == 1) | (np.diff(begin) == 2)).all()
            assert (begin[1:] <= end[:-1]).all() and (end <= length).all()


@pytest.mark.parity
@pytest.mark.parametrize("shape", [(2, 25, 12, 3), (1, 6, 7, 2)], ids=str)
@pytest.mark.parametrize("ratio", [1.2, 1.414, 1.9])
@pytest.mark.parametrize("ties", [False, True])
def test_fractional_pooling_is_pytorchs(shape: tuple[int, ...], ratio: float, ties: bool) -> None:
    torch = pytest.importorskip("torch")
    layer = FractionalMaxPool2D(ratio=ratio)
    size = layer.infer((shape[1:],))[:2]
    drawn = bits(2, 3, 11, stream_of("node", "fractional pooling")) >> (32 - FRACTION_BITS)
    rows, columns = drawn.astype(float) / ONE

    def reference(x: Any, p: dict[str, Any]) -> Any:
        u = torch.tensor([columns, rows], dtype=x.dtype).expand(shape[0], shape[3], 2).contiguous()
        y = torch.nn.functional.fractional_max_pool2d(x.permute(0, 3, 1, 2), 2, output_size=size, _random_samples=u)
        return y.permute(0, 2, 3, 1)

    check_against(reference, layer, image(*shape, ties=ties), seed=3, step=11)


@pytest.mark.parametrize("regions", ["disjoint", "overlapping"])
def test_papers_regions_are_maxima_over_their_bounds(regions: Regions) -> None:
    x = image(2, 9, 9, 3)
    y, down, along = run_op(FractionalMaxPool((6, 7), regions, 5), x, np.array([1, 0, 2, 0], np.uint32))
    for i, (top, bottom) in enumerate(down.T):
        for j, (left, right) in enumerate(along.T):
            np.testing.assert_array_equal(y[:, i, j], x[:, top:bottom, left:right].max(axis=(1, 2)))


def test_places_change_with_every_step_of_training_and_stay_in_evaluation() -> None:
    x, layer = image(1, 25, 25, 1), FractionalMaxPool2D()
    trained = [Lone(layer, x, step=step).output for step in range(4)]
    assert all(np.any(trained[i] != trained[j]) for i in range(4) for j in range(i))
    np.testing.assert_array_equal(trained[2], Lone(layer, x, step=2).output)
    assert np.any(Lone(layer, x, step=2, seed=1).output != trained[2])
    first, second = (Lone(layer, x, step=step, training=False).output for step in (0, 1))
    np.testing.assert_array_equal(first, second)
    other = Lone(FractionalMaxPool2D(evaluation_offset=0.1), x, training=False).output
    assert np.any(other != first)


def test_every_place_is_drawn_alike() -> None:
    drawn = [bits(2, 0, step, stream_of("node", "fractional pooling")) >> (32 - FRACTION_BITS) for step in range(2000)]
    u = np.array(drawn) / ONE
    np.testing.assert_allclose(u.mean(axis=0), 0.5, atol=4 * (1 / 12 / 2000) ** 0.5)
    assert abs(np.corrcoef(u.T)[0, 1]) < 4 / 2000**0.5


def test_sizes() -> None:
    assert fractional_size(25, 25 / 17) == 17
    assert [fractional_size(n, 1.414) for n in (1, 2, 3, 4, 28)] == [0, 1, 2, 2, 19]
    assert FractionalMaxPool2D(ratio=1.25).infer(((20, 10, 3),)) == (16, 8, 3)
    assert AdaptiveMaxPool2D(height=2, width=3).infer(((20, 10, 5),)) == (2, 3, 5)
    assert GlobalMaxPool2D().infer(((20, 10, 5),)) == (5,)
    assert FractionalMaxPool2D().title() == "FracPool 1.41"


def test_refusals_name_the_remedy() -> None:
    with pytest.raises(ShapeProblem, match="it takes 2") as caught:
        FractionalMaxPool2D().infer(((1, 6, 3),))
    assert caught.value.fix == ("bypass",)
    for layer in (GlobalMaxPool2D(), AdaptiveMaxPool2D(), AdaptiveAveragePool2D(), FractionalMaxPool2D()):
        with pytest.raises(ShapeProblem, match="flattens or averages the image"):
            layer.infer(((128,),))
