"""Layer, group and instance normalization: statistics, parity with PyTorch, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.layers import BatchNorm, GroupNorm, InstanceNorm, Layer, LayerNorm, ShapeProblem
from engine.layers.words import nearest_divisor
from tests.support.layers import Lone
from tests.support.torch_layers import check_against

VECTOR, IMAGE = (4, 6), (8, 6, 5, 5)


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.7, 2.0, shape)


def whole(x: np.ndarray, layer: Layer) -> np.ndarray:
    return Lone(layer, x).output


def test_each_sample_gets_mean_zero_and_variance_one() -> None:
    for axes, layer in (
        ((1, 2, 3), LayerNorm(over="sample", affine=False)),
        ((3,), LayerNorm(affine=False)),
        ((1, 2), InstanceNorm()),
    ):
        y = whole(draw(8, 5, 5, 6), layer)
        np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-12)
        np.testing.assert_allclose(y.var(axis=axes), 1, rtol=1e-4)


def test_one_group_is_layer_norm_and_a_group_for_each_channel_instance_norm() -> None:
    x = draw(8, 5, 5, 6)
    np.testing.assert_allclose(whole(x, GroupNorm(groups=1)), whole(x, LayerNorm(over="sample")), atol=1e-14)
    np.testing.assert_allclose(whole(x, GroupNorm(groups=6)), whole(x, InstanceNorm()), atol=1e-14)


def test_a_sample_does_not_depend_on_its_companions() -> None:
    x = draw(8, 5, 5, 6)
    for layer in (LayerNorm(), LayerNorm(over="sample"), GroupNorm(groups=3), InstanceNorm()):
        np.testing.assert_allclose(whole(x[:1], layer), whole(x, layer)[:1], atol=1e-14)
    assert np.abs(whole(x[:2], BatchNorm()) - whole(x, BatchNorm())[:2]).max() > 0.1


@pytest.mark.parity
@pytest.mark.parametrize("shape", [VECTOR, (3, 4, 5, 6), (2, 1, 1, 6)], ids=str)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("epsilon", [1e-5, 1e-2])
def test_layer_norm_is_pytorchs(shape: tuple[int, ...], affine: bool, epsilon: float) -> None:
    torch = pytest.importorskip("torch")

    def reference(x: Any, p: dict[str, Any]) -> Any:
        return torch.nn.functional.layer_norm(x, x.shape[1:], p.get("gamma"), p.get("beta"), epsilon)

    check_against(reference, LayerNorm(over="sample", affine=affine, epsilon=epsilon), draw(*shape))

    def by_pixel(x: Any, p: dict[str, Any]) -> Any:
        return torch.nn.functional.layer_norm(x, x.shape[-1:], p.get("gamma"), p.get("beta"), epsilon)

    check_against(by_pixel, LayerNorm(affine=affine, epsilon=epsilon), draw(*shape))


@pytest.mark.parity
@pytest.mark.parametrize("shape", [VECTOR, (3, 4, 5, 6), (1, 2, 7, 6)], ids=str)
@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize("affine", [True, False])
def test_group_norm_is_pytorchs(shape: tuple[int, ...], groups: int, affine: bool) -> None:
    torch = pytest.importorskip("torch")

    def reference(x: Any, p: dict[str, Any]) -> Any:
        y = torch.nn.functional.group_norm(x.movedim(-1, 1), groups, p.get("gamma"), p.get("beta"), 1e-3)
        return y.movedim(1, -1)

    check_against(reference, GroupNorm(groups=groups, affine=affine, epsilon=1e-3), draw(*shape))


@pytest.mark.parity
@pytest.mark.parametrize("affine", [True, False])
def test_instance_norm_is_pytorchs(affine: bool) -> None:
    torch = pytest.importorskip("torch")

    def reference(x: Any, p: dict[str, Any]) -> Any:
        y = torch.nn.functional.instance_norm(x.movedim(-1, 1), weight=p.get("gamma"), bias=p.get("beta"), eps=1e-4)
        return y.movedim(1, -1)

    check_against(reference, InstanceNorm(affine=affine, epsilon=1e-4), draw(3, 4, 5, 2))


def test_parameters_have_the_shape_of_what_they_scale() -> None:
    shape = (5, 4, 6)
    assert [spec.shape for spec in LayerNorm(over="sample").parameters((shape,))] == [shape, shape]
    assert [spec.shape for spec in LayerNorm().parameters((shape,))] == [(6,), (6,)]
    assert [spec.shape for spec in GroupNorm(groups=2).parameters((shape,))] == [(6,), (6,)]
    assert InstanceNorm().parameters((shape,)) == ()
    assert not any(spec.decay for spec in LayerNorm().parameters((shape,)))
    assert GroupNorm(groups=4).title() == "GroupNorm 4"


@pytest.mark.parametrize(
    ("layer", "shape", "words", "field", "fix"),
    [
        (GroupNorm(groups=5), (4, 4, 12), "12 channels cannot be cut into 5 groups", "groups", ("set", "groups", 4)),
        (GroupNorm(groups=32), (16,), "divides them is 16", "groups", ("set", "groups", 16)),
        (GroupNorm(groups=6), (1, 1, 6), "Each group of images", "", ("set", "groups", 1)),
        (GroupNorm(groups=1), (1,), "A sample of vectors of 1", "", ("bypass",)),
        (LayerNorm(), (1, 1, 1), "A sample of images", "", ("bypass",)),
        (LayerNorm(), (7, 1), "Each position of", "", ("set", "over", "sample")),
        (LayerNorm(), (4, 4, 1), "Each pixel", "", ("set", "over", "sample")),
        (InstanceNorm(), (1, 1, 5), "Each channel of images", "", ("bypass",)),
        (InstanceNorm(), (64,), "needs images", "", ("to_images",)),
    ],
)  # fmt: skip
def test_refusals_name_the_remedy(
    layer: Layer, shape: tuple[int, ...], words: str, field: str, fix: tuple[Any, ...] | None
) -> None:
    with pytest.raises(ShapeProblem, match=words) as caught:
        layer.infer((shape,))
    assert (caught.value.field, caught.value.fix) == (field, fix)


def test_the_nearest_divisor() -> None:
    assert [nearest_divisor(12, n) for n in (1, 5, 7, 8, 9, 40)] == [1, 4, 6, 6, 6, 12]
    assert nearest_divisor(7, 4) == 1
