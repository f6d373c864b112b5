"""The steps of a run, several in a call: which ones, on which batches, and what they leave in sums and rows.

Numbers depend on the experiment, the state and the step alone, never on how steps fall into chunks: sums add up step
by step, and a chunk that diverges leaves what single steps would have left.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.training import events
from engine.training.chunks import ChunkPolicy, output_bytes
from engine.training.course import Course
from engine.training.evaluate import Divergence
from engine.training.feed import Fed, feed_of
from engine.training.setup import losses_of

if TYPE_CHECKING:
    from engine.accumulation import Step
    from engine.executor import Chunk
    from engine.experiment import Experiment
    from engine.training.loop import Loop

__all__ = ["Steps"]

PASSING = ("gradients", "accumulated")
"""Arenas of the state that each step fills anew."""


class Steps:
    """Runs the next steps of one `Loop`.

    rate        the learning rate of the last step, or None before the first.
    milestone   a step that no chunk goes past, or None.
    """

    def __init__(self, loop: Loop) -> None:
        from engine.data import Batches

        experiment = loop.experiment
        training, train = experiment.training, loop.dataset.train
        self._loop = loop
        batches = Batches(train.size, training.batch_size, training.shuffle, training.drop_last, experiment.seed)
        self.batch_size = min(training.batch_size, train.size)
        self.tail = 0 if training.drop_last else train.size % self.batch_size
        self.per_epoch = batches.steps_per_epoch
        self.total = training.epochs * self.per_epoch
        self.full = self.per_epoch - (1 if self.tail else 0)
        """Steps of an epoch whose batch is full: they come first."""
        self.course = Course(experiment, self.total, self.per_epoch, loop.following.drops)
        self.feed = feed_of(
            experiment,
            loop.dataset,
            batches,
            inputs=loop.inputs,
            losses=losses_of(experiment, loop.report),
            total=self.total,
        )
        self.rate: float | None = None
        self.milestone: int | None = None
        self.first = True
        self._policy: ChunkPolicy | None = None
        # The forward pass updates running statistics before it is known whether the loss is finite. A chunk can be
        # taken back to its failing step only from its beginning.
        arenas = loop.state.arenas if loop.state.buffers else {}
        self._kept = {name: loop.state.backend.copy(arenas[name]) for name in arenas if name not in PASSING}

    def adopt(self, experiment: Experiment) -> None:
        """Go on with another experiment, the same but for a live field, or after another drop of the rate."""
        self.course = Course(experiment, self.total, self.per_epoch, self._loop.following.drops)

    def restart(self) -> None:
        """Another executor trains from now on."""
        self._policy = None

    def advance(self) -> None:
        """Run the next chunk of steps: sums, rows and a frame when one is due. Raises Divergence, with the state as
        after the last good step but for the running statistics; see `restore_buffers`."""
        loop = self._loop
        step, seed = loop.step, loop.experiment.seed
        count, size, observe = self._plan(step)
        bound = loop.programs.train(size, observe=observe)
        # An observed step is not what most of the time is spent on, but by hand there may be no other.
        usual = size == self.batch_size and (not observe or loop.steering.by_hand)
        bound.stamping = usual and loop.policy.wants_timeline(loop.control.topics)
        fed = self.feed.take(step, count)
        count = len(fed.indices)
        rates, scalars = self.course.steps(step, count)
        begun = time.perf_counter()
        self._keep(count)
        chunk = bound.run_chunk(fed.arrays, fed.indices, scalars, step, seed, outputs=loop.has_metrics)
        if chunk.done:
            self._account(chunk, rates, fed)
        if chunk.done < count:
            self._rewind(bound, fed, scalars, step, chunk.done)
            raise Divergence(bound)
        if observe:
            loop.show_frame(bound.observations())
            loop.policy.observed(time.perf_counter() - begun)
        elif size == self.batch_size:
            seconds = time.perf_counter() - begun
            loop.policy.plain_steps.append(seconds / count)
            self._chunks(bound).took(count, seconds)
        if bound.stamping:
            self._show_timeline(bound, size)
        self.first = False

    # -- which steps ---------------------------------------------------------------------------------------------------

    def _plan(self, step: int) -> tuple[int, int, bool]:
        """How many steps to run from `step` on, the size of their batches, and whether to observe (then it is one)."""
        loop = self._loop
        left = self.full - step % self.per_epoch  # full batches until the epoch's end
        if left <= 0:
            return 1, self.tail, False
        by_hand = loop.steering.by_hand
        # The last step is observed in any case, so that what a finished run shows depends on no clock.
        if step + 1 == loop.limit or loop.wants_frame(self.first, epoch_end=left == 1, by_hand=by_hand):
            return 1, self.batch_size, True
        if by_hand:
            return 1, self.batch_size, False
        most = self._chunks(loop.programs.train(self.batch_size)).steps
        count = min(most, left, loop.limit - 1 - step, self.course.room(step))
        if self.milestone is not None and step < self.milestone:
            count = min(count, self.milestone - step)
        if count == left > 1 and loop.wants_frame(False, epoch_end=True, by_hand=False):
            count -= 1
        return count, self.batch_size, False

    def _chunks(self, bound: Step) -> ChunkPolicy:
        if self._policy is None:
            outputs = output_bytes(bound.program) if self._loop.has_metrics else 0
            outputs *= -(-self.batch_size // bound.program.batch_size)
            self._policy = ChunkPolicy(self._loop.programs.executor, outputs)
        return self._policy

    # -- what they leave -----------------------------------------------------------------------------------------------

    def _account(self, chunk: Chunk, rates: np.ndarray, fed: Fed) -> None:
        """Count completed steps, and report them."""
        loop, done = self._loop, chunk.done
        indices = fed.indices[:done]
        size = indices.shape[1]
        losses = chunk.losses[:done]
        loop.sums.add_losses(losses, size)
        if loop.has_metrics:
            targets = {head.target: fed.compared[head.target][indices] for head in loop.heads if head.metrics}
            loop.sums.add_metrics(loop.heads, {node: out[:done] for node, out in chunk.outputs.items()}, targets)
        table = np.empty((done, len(events.StepRow._fields)))
        table[:, 0] = np.arange(loop.step + 1, loop.step + done + 1)
        np.divide(table[:, 0], self.per_epoch, out=table[:, 1])
        table[:, 2], table[:, 3], table[:, 4] = losses, chunk.penalties[:done], rates[:done]
        loop.step += done
        loop.samples += done * size
        self.rate = float(rates[done - 1])
        rows = events.StepRows(run=loop.run_id, step=loop.step, table=table)
        if loop.writer is not None:
            loop.writer.rows(rows)
        loop.emit(rows)

    def _show_timeline(self, bound: Step, size: int) -> None:
        """Report where the time of the last step went."""
        loop, begun = self._loop, time.perf_counter()
        found = bound.timeline()
        if found is not None:
            loop.tell(events.Timeline(run=loop.run_id, step=loop.step, batch=size, timeline=found))
        loop.policy.spent(loop.policy.timeline, time.perf_counter() - begun)

    # -- when the loss is not finite -----------------------------------------------------------------------------------

    def _keep(self, count: int) -> None:
        """Remember the state before a chunk, as far as it is needed to take back the chunk's failing step."""
        state = self._loop.state
        for name, kept in self._kept.items():
            if count > 1 or name == "buffers":
                state.backend.xp.copyto(kept, state.arenas[name])

    def _rewind(self, bound: Step, fed: Fed, scalars: dict[str, Any], step: int, done: int) -> None:
        """Make the kept running statistics those before the failing step, which `done` good ones came before: these
        are run once more, then the failing one, so that its batch is in place."""
        if not self._kept or not done:
            return
        loop = self._loop
        for name, kept in self._kept.items():
            loop.state.backend.xp.copyto(loop.state.arenas[name], kept)
        arrays, indices, seed = fed.arrays, fed.indices, loop.experiment.seed
        bound.run_chunk(arrays, indices[:done], _part(scalars, 0, done), step, seed)
        self._keep(1)
        bound.run_chunk(arrays, indices[done : done + 1], _part(scalars, done, done + 1), step + done, seed)

    def restore_buffers(self) -> None:
        """Take back what a step that diverged has done to the running statistics."""
        if self._kept:
            state = self._loop.state
            state.backend.xp.copyto(state.arenas["buffers"], self._kept["buffers"])


def _part(scalars: dict[str, Any], start: int, stop: int) -> dict[str, Any]:
    return {n: value[start:stop] if isinstance(value, np.ndarray) else value for n, value in scalars.items()}
