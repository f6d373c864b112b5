"""What a layer's weights must make good for: how much of the signal the activation behind it takes away.

A gain multiplies the standard deviation 1 / sqrt(fan). For rectifiers it is He's (He et al. 2015, eq. 10 and 14), which
is 1 / sqrt(E f(z)²) for a standard normal z, and so it is for ELU, Swish and GELU here. For tanh and SELU it is the one
that PyTorch recommends (`torch.nn.init.calculate_gain`), chosen by trial: 5/3 and 3/4.
"""

from __future__ import annotations

import math
from typing import Literal

Rectified = Literal["relu", "leaky_relu", "elu", "gelu", "swish", "selu", "tanh", "linear"]

GAINS: dict[str, float] = {
    "relu": math.sqrt(2.0),
    "elu": 1.2451983,
    "gelu": 1.5335304,
    "swish": 1.6765324,
    "selu": 0.75,
    "tanh": 5.0 / 3.0,
    "linear": 1.0,
}
"""By activation; a leaky ReLU's depends on its slope."""


def gain_of(activation: str, slope: float = 0.0) -> float:
    """The gain for an activation, `slope` being that of a leaky ReLU or PReLU. Raises KeyError for others."""
    if activation == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + slope * slope))
    return GAINS[activation]
