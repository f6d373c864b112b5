"""Non-linearities, one module a family. Importing this package declares them."""

# isort: off
# The order of declaration is the order of the palette.
from engine.layers.activation.base import Activation
from engine.layers.activation.rectifiers import ELU, SELU, LeakyReLU, PReLU, ReLU
from engine.layers.activation.sigmoids import HardTanh, Identity, Sigmoid, Softmax, Tanh
from engine.layers.activation.smooth import GELU, Mish, Softplus, Swish
from engine.layers.activation.maxout import Maxout, MaxoutConv2D
# isort: on

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "HardTanh",
    "Identity",
    "LeakyReLU",
    "Maxout",
    "MaxoutConv2D",
    "Mish",
    "PReLU",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Swish",
    "Tanh",
]
