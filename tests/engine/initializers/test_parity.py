"""Initializers against PyTorch's: deviations, gains, shapes of the distributions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.initializers import GAINS, He, LeCun, Normal, Orthogonal, Uniform, Xavier, gain_of
from engine.kinds import Initializer

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")
init = torch.nn.init

# PyTorch's weights are (out, in, window): here (window, in, out).
SHAPES = [((400, 200), (200, 400)), ((3, 3, 40, 60), (60, 40, 3, 3))]
CASES: list[tuple[Initializer, Callable[[Any], Any]]] = [
    (Normal(std=0.3), lambda t: init.normal_(t, std=0.3)),
    (Uniform(range=0.2), lambda t: init.uniform_(t, -0.2, 0.2)),
    (Xavier(), init.xavier_normal_),
    (Xavier(distribution="uniform"), init.xavier_uniform_),
    (Xavier(gain=5 / 3), lambda t: init.xavier_normal_(t, gain=init.calculate_gain("tanh"))),
    (He(), lambda t: init.kaiming_normal_(t, nonlinearity="relu")),
    (He(distribution="uniform"), lambda t: init.kaiming_uniform_(t, nonlinearity="relu")),
    (He(mode="fan_out"), lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu")),
    (He(activation="leaky_relu", slope=0.25), lambda t: init.kaiming_normal_(t, a=0.25)),
    (He(activation="tanh"), lambda t: init.kaiming_normal_(t, nonlinearity="tanh")),
    (He(activation="selu"), lambda t: init.kaiming_normal_(t, nonlinearity="selu")),
    (LeCun(), lambda t: init.kaiming_normal_(t, nonlinearity="linear")),
    (Orthogonal(gain=1.4), lambda t: init.orthogonal_(t, gain=1.4)),
]


@pytest.mark.parametrize(("ours", "theirs"), SHAPES, ids=str)
@pytest.mark.parametrize(
    ("initializer", "reference"), CASES, ids=lambda item: repr(item) if isinstance(item, Initializer) else ""
)
def test_moments(
    initializer: Initializer, reference: Callable[[Any], Any], ours: tuple[int, ...], theirs: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    area = int(np.prod(ours[:-2]))
    fans = area * ours[-2], area * ours[-1]
    found = initializer.sample(np.random.default_rng(0), ours, *fans)
    expected = reference(torch.empty(theirs, dtype=torch.float64)).numpy()
    assert found.std() == pytest.approx(expected.std(), rel=0.02)
    assert initializer.deviation(*fans, ours) == pytest.approx(expected.std(), rel=0.02)
    assert abs(found.mean()) < 0.02 * expected.std()
    # The fourth moment tells a uniform draw (1.8) from a normal one (3).
    if not isinstance(initializer, Orthogonal):
        assert _kurtosis(found) == pytest.approx(_kurtosis(expected), rel=0.06)


def _kurtosis(values: np.ndarray) -> float:
    return float(np.mean((values - values.mean()) ** 4) / values.var() ** 2)


def test_gains() -> None:
    for name in ("relu", "tanh", "selu", "linear"):
        assert GAINS[name] == pytest.approx(init.calculate_gain(name), rel=1e-15)
    for slope in (0.0, 0.01, 0.25, 1.0):
        assert gain_of("leaky_relu", slope) == pytest.approx(init.calculate_gain("leaky_relu", slope), rel=1e-15)
