"""Optimizers: the rules that turn gradients into updates, and the numbers that they read at each step.

A rule is declared here, one module a family, and computed by its operation in `engine.ops`. `update_scalars` gives the
whole control block of one step; its names and order are those of the operation's inputs.
"""

# isort: off
# The order of declaration is the order of the palette.
from engine.optimizers.sgd import SGD
from engine.optimizers.adam import Adam, AdamW, AMSGrad
from engine.optimizers.accumulating import Adadelta, Adagrad, RMSprop
from engine.optimizers.adam_relatives import Adamax, Nadam, RAdam
from engine.optimizers.lion import Lion
from engine.optimizers.layerwise import LAMB, Muon
from engine.optimizers.scalars import update_scalars
# isort: on

__all__ = [
    "LAMB",
    "SGD",
    "AMSGrad",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "Muon",
    "Nadam",
    "RAdam",
    "RMSprop",
    "update_scalars",
]
