"""The pretended device's matrix products: what they compute, and each mistake that they are there to find."""

from __future__ import annotations

import numpy as np
import pytest

from engine.kernels.cuda.binding import pointer_to
from engine.kernels.cuda.launches import Product
from tests.support.fake_cuda import FakeArray, FakeDevice, rounded
from tests.support.strict_cupy import StrictError


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


def product(device: FakeDevice, transposed: tuple[bool, bool]) -> tuple[Product, list[FakeArray], np.ndarray]:
    """y (3, 5) = a (3, 4) b (4, 5), the factors as they are said to lie, and what y must be."""
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((3, 4)).astype(np.float32), rng.standard_normal((4, 5)).astype(np.float32)
    arrays = [device.xp.asarray(np.ascontiguousarray(x.T if t else x)) for x, t in zip((a, b), transposed, strict=True)]
    y = device.xp.empty((3, 5), np.float32)
    return (
        Product(pointer_to(arrays[0]), pointer_to(arrays[1]), pointer_to(y), 3, 5, 4, *transposed),
        [*arrays, y],
        a @ b,
    )


@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True), (True, True)], ids=str)
def test_products(device: FakeDevice, transposed: tuple[bool, bool]) -> None:
    work, arrays, expected = product(device, transposed)
    work.issue(device.blas, "float32")
    np.testing.assert_allclose(arrays[2].get(), expected, rtol=1e-6, atol=1e-6)
    assert device.blas.calls == 1


def test_a_leading_dimension_that_is_too_small(device: FakeDevice) -> None:
    array = device.xp.asarray(np.zeros(64, np.float32))
    x = pointer_to(array)
    for strides, least in (((3, 5, 5), 4), ((4, 4, 5), 5), ((4, 5, 4), 5)):
        work = Product(x, x, x, 3, 5, 4, strides=strides)
        with pytest.raises(StrictError, match=f"a leading dimension of {least - 1} is less than {least} rows"):
            work.issue(device.blas, "float32")


def test_products_stay_within_memory(device: FakeDevice) -> None:
    work, arrays, _ = product(device, (False, False))
    eleven = device.xp.asarray(np.zeros(11, np.float32))
    short = pointer_to(eleven)
    for a, b, y in ((short, work.b, work.y), (work.a, short, work.y), (work.a, work.b, short)):
        with pytest.raises(StrictError, match="cuBLAS: the address"):
            Product(a, b, y, 3, 5, 4).issue(device.blas, "float32")
    gone = pointer_to(arrays[0])
    del arrays
    with pytest.raises(StrictError, match="cuBLAS: the address"):
        Product(gone, gone, gone, 1, 1, 1).issue(device.blas, "float32")


def test_a_product_in_a_capture_is_done_later(device: FakeDevice) -> None:
    work, arrays, expected = product(device, (False, False))
    with device.capture() as graph:
        work.issue(device.blas, "float32")
    assert np.isnan(arrays[2].get()).all()
    device.replay(graph)
    np.testing.assert_allclose(arrays[2].get(), expected, rtol=1e-6, atol=1e-6)


def test_factors_are_rounded_to_nearest() -> None:
    one = np.float32(1)
    x = np.array([one + 2**-10, one + 2**-11, one + 3 * 2**-11, one + 2**-12, np.inf], np.float32)
    assert rounded(x, "tf32").tolist() == [1 + 2**-10, 1.0, 1 + 2**-9, 1.0, np.inf]
    y = np.array([one + 2**-7, one + 2**-8, -one - 3 * 2**-8, np.nan], np.float32)
    found = rounded(y, "bf16")
    assert found[:3].tolist() == [1 + 2**-7, 1.0, -1 - 2**-6] and np.isnan(found[3])
    assert rounded(x, "float32") is x
