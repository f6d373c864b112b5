"""Gradient accumulation: a step whose batch goes through the network in parts, for the memory of one part.

The parts' gradients add up to the whole batch's before the one update, each weighed by its share of the samples. What
counts as a step stays the same: one update, on one batch, with one learning rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.executor import BoundProgram, Chunk

if TYPE_CHECKING:
    from engine.observations import Observations
    from engine.plan import Program
    from engine.timeline import Timeline

__all__ = ["AccumulatedProgram", "Step"]


class AccumulatedProgram:
    """A training step in parts. It is used like a `BoundProgram` of the whole batch.

    programs    one for each part, in order: all but the last add their gradient up, the last one updates.

    Each part draws its own random numbers: those of the first are the numbers of a step without accumulation. What the
    instruments tell of activations, and where the time went, is of the last part; gradients are those of the batch,
    unless a layer or a loss takes something of the batch as a whole (`engine.update_findings` says where).
    """

    def __init__(self, programs: Sequence[BoundProgram]) -> None:
        self._programs = tuple(programs)
        self._last = self._programs[-1]
        self._sizes = tuple(bound.program.batch_size for bound in programs)
        self._size = sum(self._sizes)
        self._current = self._last
        self._arrays: dict[str, np.ndarray] = {}
        self._indices = np.empty(0, np.int64)
        self._losses: dict[str, float] = {}
        self._outputs: dict[str, np.ndarray] = {}
        self._loss = 0.0

    @property
    def program(self) -> Program:
        """The last part's."""
        return self._last.program

    @property
    def programs(self) -> tuple[BoundProgram, ...]:
        """One for each part."""
        return self._programs

    @property
    def stamping(self) -> bool:
        """Whether the last part of each step is timed, operation by operation."""
        return self._last.stamping

    @stamping.setter
    def stamping(self, on: bool) -> None:
        self._last.stamping = on

    # -- a step --------------------------------------------------------------------------------------------------------

    def gather(self, arrays: dict[str, np.ndarray], indices: np.ndarray) -> None:
        """Take the samples at `indices` for the next step, from host arrays that hold all samples by name."""
        self._arrays, self._indices = arrays, indices

    def run(self, scalars: Mapping[str, float] | None = None, step: int = 0, seed: int = 0) -> bool:
        """Run one step; False when the loss of a part is not finite, in which case nothing was updated."""
        return self._go(_run, scalars, step, seed)

    def differentiate(self, scalars: dict[str, float] | None = None, step: int = 0, seed: int = 0) -> bool:
        """Losses and gradients of a step without its update; see `BoundProgram.differentiate`."""
        return self._go(_add_gradient, scalars, step, seed)

    def _go(self, act: Callable[..., bool], scalars: Mapping[str, float] | None, step: int, seed: int) -> bool:
        self._last.state.arenas["accumulated"].fill(0)
        self._losses = dict.fromkeys(self.program.losses, 0.0)
        self._loss, start = 0.0, 0
        for place, bound in enumerate(self._programs):
            stop = start + self._sizes[place]
            share = self._sizes[place] / self._size
            self._current = bound
            bound.gather(self._arrays, self._indices[start:stop])
            # A seed takes one word of two; the other one tells the parts' random numbers apart.
            finite = act(bound, {**(scalars or {}), "micro_share": share}, step, seed + (place << 32))
            self._loss += share * bound.loss()
            for node, value in bound.losses().items():
                self._losses[node] += share * value
            if not finite:
                return False
            for node, output in bound.outputs().items():
                if node not in self._outputs:
                    self._outputs[node] = np.empty((self._size, *output.shape[1:]), output.dtype)
                self._outputs[node][start:stop] = output
            start = stop
        return True

    def run_chunk(
        self,
        arrays: dict[str, np.ndarray],
        indices: np.ndarray,
        scalars: Mapping[str, float | np.ndarray],
        step: int,
        seed: int,
        outputs: bool = False,
    ) -> Chunk:
        """Run a step for each row of `indices` (steps, batch); see `BoundProgram.run_chunk`."""
        count = len(indices)
        losses, penalties = np.empty(count), np.empty(count)
        kept: dict[str, np.ndarray] = {}
        for k in range(count):
            here = {name: float(v[k]) if isinstance(v, np.ndarray) else v for name, v in scalars.items()}
            self.gather(arrays, indices[k])
            finite = self.run(here, step + k, seed)
            losses[k], penalties[k] = self.loss(), self.penalty()
            if not finite:
                return Chunk(k, losses[: k + 1], penalties[: k + 1], {node: array[:k] for node, array in kept.items()})
            if outputs:
                for node, output in self._outputs.items():
                    kept.setdefault(node, np.empty((count, *output.shape), output.dtype))[k] = output
        return Chunk(count, losses, penalties, kept)

    # -- what a step left behind ---------------------------------------------------------------------------------------

    def loss(self) -> float:
        """The weighted sum of all losses, means over the whole batch, without penalties."""
        return self._loss

    def losses(self) -> dict[str, float]:
        """Each loss node's own mean over the batch, unweighted."""
        return dict(self._losses)

    def penalty(self) -> float:
        """The penalties' part of the loss, at the weights before the update."""
        return self._last.penalty()

    def outputs(self) -> dict[str, np.ndarray]:
        """Host copies of the predictions of the whole batch, by loss node."""
        return {node: output.copy() for node, output in self._outputs.items()}

    def gradient(self, name: str) -> Any:
        """The whole batch's gradient of a parameter."""
        return self._last.gradient(name)

    def observations(self) -> Observations:
        """The statistics that the last part took."""
        return self._last.observations()

    def timeline(self) -> Timeline | None:
        """Where the time of the last part went."""
        return self._last.timeline()

    def rotate(self, period: int) -> None:
        """See `BoundProgram.rotate`."""
        self._last.rotate(period)

    def first_nonfinite(self) -> tuple[str, str] | None:
        """The first value that was not finite, in the part that was run last; see `BoundProgram.first_nonfinite`."""
        return self._current.first_nonfinite()


def _run(bound: BoundProgram, scalars: dict[str, float], step: int, seed: int) -> bool:
    return bound.run(scalars, step, seed)


def _add_gradient(bound: BoundProgram, scalars: dict[str, float], step: int, seed: int) -> bool:
    """Add a part's gradient up without what its program does with it; the gradients are then those up to this part."""
    finite = bound.differentiate(scalars, step, seed)
    xp, arenas = bound.backend.xp, bound.state.arenas
    xp.multiply(arenas["gradients"], scalars["micro_share"], out=arenas["gradients"])
    xp.add(arenas["accumulated"], arenas["gradients"], out=arenas["accumulated"])
    xp.copyto(arenas["gradients"], arenas["accumulated"])
    return finite


Step = BoundProgram | AccumulatedProgram
"""What runs a training step."""
