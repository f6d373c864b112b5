"""The numbers that the host hands to each step of a run: the learning rate and the control block, many at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from engine.optimizers import update_scalars
from engine.schedules import learning_rates, opposed_momenta
from engine.training.setup import layer_scalars

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.experiment import Experiment
    from engine.schedules import Drop

__all__ = ["BLOCK", "Course"]

BLOCK = 1024
"""Steps whose numbers are computed at once."""


class Course:
    """Learning rates and control blocks of `experiment` after `drops`, a pure function of the step (counted from 0).

    They are computed for whole blocks of steps, so that a step's numbers have the same bits however many are asked
    for, on a machine too whose vector instructions round powers and cosines in another way than single ones.
    """

    def __init__(
        self, experiment: Experiment, total_steps: int, steps_per_epoch: int, drops: Sequence[Drop] = ()
    ) -> None:
        self._training, self._drops = experiment.training, tuple(drops)
        self._total, self._per_epoch = total_steps, steps_per_epoch
        self.fixed = layer_scalars(experiment)
        """What is the same in every step, and all that an evaluation reads."""
        self._block = -1
        self._rates = np.empty(0)
        self._varying: dict[str, np.ndarray] = {}
        self._constant: dict[str, float] = {}

    def room(self, step: int) -> int:
        """How many steps from `step` on can be asked for at once."""
        return BLOCK - step % BLOCK

    def steps(self, step: int, count: int) -> tuple[np.ndarray, dict[str, float | np.ndarray]]:
        """The learning rates (count,) of `count` steps from `step` on, and all that the host hands to them: a number,
        or as many as there are steps."""
        start = self._load(step)
        stop = start + count
        assert stop <= BLOCK
        varying = {name: values[start:stop] for name, values in self._varying.items()}
        return self._rates[start:stop], {**self._constant, **varying}

    def step(self, step: int) -> tuple[float, dict[str, float]]:
        """The same of one step, as plain numbers."""
        place = self._load(step)
        varying = {name: float(values[place]) for name, values in self._varying.items()}
        return float(self._rates[place]), self._constant | varying

    def _load(self, step: int) -> int:
        """Compute the block that holds `step`, unless it is there; returns the place in it."""
        block, place = divmod(step, BLOCK)
        if block != self._block:
            steps = np.arange(block * BLOCK, (block + 1) * BLOCK)
            training = self._training
            self._rates = learning_rates(training, steps, self._total, self._per_epoch, self._drops)
            momenta = opposed_momenta(training, steps, self._total, self._per_epoch)
            if momenta is not None:
                optimizer = training.optimizer
                training = replace(training, optimizer=replace(optimizer, **{optimizer.opposed: momenta}))
            values = update_scalars(training, self._rates, steps + 1)
            self._varying, self._constant = {}, dict(self.fixed)
            for name, value in values.items():
                if isinstance(value, np.ndarray) and (value != value[0]).any():
                    self._varying[name] = value
                else:
                    self._constant[name] = float(value[0] if isinstance(value, np.ndarray) else value)
            self._block = block
        return place
