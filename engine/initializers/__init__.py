"""How the first values of weights and biases are drawn. Values are float64, drawn on the host.

`fan_in` is the number of inputs of one unit, `fan_out` the number of units that one input reaches; for a convolution
both count the kernel's area (He et al. 2015, section 2.2).
"""

# isort: off
# The order of declaration is the order of the menu.
from engine.initializers.constant import Constant, SmallPositive, Zeros
from engine.initializers.plain import Normal, Uniform
from engine.initializers.scaled import He, LeCun, Xavier
from engine.initializers.orthogonal import Orthogonal
from engine.initializers.lsuv import LSUV
from engine.initializers.gains import GAINS, gain_of
# isort: on

__all__ = [
    "GAINS",
    "LSUV",
    "Constant",
    "He",
    "LeCun",
    "Normal",
    "Orthogonal",
    "SmallPositive",
    "Uniform",
    "Xavier",
    "Zeros",
    "gain_of",
]
