"""Optimizers: the rules that turn gradients into updates, and the numbers that they read at each step.

A rule is declared here, one module a family, and computed by its operation in `engine.ops`. `update_scalars` gives the
whole control block of one step; its names and order are those of the operation's inputs.
"""

from engine.optimizers.adam import Adam
from engine.optimizers.scalars import update_scalars
from engine.optimizers.sgd import SGD

__all__ = ["SGD", "Adam", "update_scalars"]
