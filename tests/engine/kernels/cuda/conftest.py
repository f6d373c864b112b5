"""The devices that kernels are checked on."""

from __future__ import annotations

import pytest

from tests.support.cuda_bench import ORDERS, CudaBench
from tests.support.gpu import real_device


@pytest.fixture(scope="module", params=["pretended", pytest.param("real", marks=pytest.mark.gpu)])
def benches(request: pytest.FixtureRequest) -> tuple[CudaBench, ...]:
    """The pretended device in several orders, and a GPU, several times over, where there is one."""
    if request.param == "real":
        return (CudaBench(device=real_device()),) * len(ORDERS)
    return tuple(CudaBench(order) for order in ORDERS)
