"""The compiled programs of one run, made when first needed, by batch size and mode."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine import device_memory
from engine.accumulation import AccumulatedProgram, Step
from engine.data.errors import memory_limit
from engine.device_errors import translated
from engine.micro_batches import micro_batches
from engine.plan import Piece, compile
from engine.text import bytes_text
from engine.training.result import TrainingError

if TYPE_CHECKING:
    from engine.data.signature import DataSignature
    from engine.diagnostics import Report
    from engine.executor import BoundProgram
    from engine.executors import Executor
    from engine.experiment import Experiment
    from engine.plan import Program

__all__ = ["Programs"]

EVALUATION_BYTES = 8 << 20  # activations of an evaluation batch: what stays near a core's caches

_Key = tuple[int, bool, bool, Piece]
"""Batch size, whether it trains, whether it observes, which piece of a step it is."""


def _structure(experiment: Experiment) -> tuple[object, ...]:
    """What a training program depends on, of all that may change while a run goes on."""
    training = experiment.training
    return type(training.clipping), *(group.frozen for group in training.groups)


class Programs:
    """Compiles programs for `experiment`, binds them with `executor` on its state, and keeps them.

    Live changes arrive as scalars and recompile nothing, but for another kind of clipping and for parameters that are
    frozen or let go.
    """

    def __init__(self, experiment: Experiment, report: Report, signature: DataSignature, executor: Executor) -> None:
        self.experiment, self.report, self.signature = experiment, report, signature
        self.executor, self.state = executor, executor.state
        shapes = (report.nodes[node].shape for node in report.order)
        self._floats = sum(math.prod(shape) for shape in shapes if shape is not None)  # that a sample's activations are
        self._bound: dict[_Key, BoundProgram] = {}
        self._joined: dict[tuple[int, bool], AccumulatedProgram] = {}

    def adopt(self, experiment: Experiment) -> None:
        """Take over the live changes of `experiment`."""
        if _structure(experiment) != _structure(self.experiment):
            self._bound = {key: bound for key, bound in self._bound.items() if not key[1]}
            self._joined.clear()
        self.experiment = experiment

    def change(self, executor: Executor) -> None:
        """Go on with another executor on the same state; the one before is closed. Raises TrainingError when the memory
        is not enough, and nothing is changed then."""
        programs = {key: bound.program for key, bound in self._bound.items()}
        before = self.executor
        self._bound = self._bind_all(programs, executor)
        self._joined.clear()
        self.executor = executor
        before.close()

    def close(self) -> None:
        """Let the executor's threads go; nothing may be run afterwards. Closing twice is harmless."""
        self.executor.close()

    def train(self, batch_size: int, *, observe: bool = False) -> Step:
        """One optimizer step on a batch of that size."""
        joined = self._joined.get((batch_size, observe))
        if joined is None:
            keys = self._pieces(batch_size, observe)
            if len(keys) == 1:
                return self._get(keys[0])
            joined = self._joined[batch_size, observe] = AccumulatedProgram([self._get(key) for key in keys])
        return joined

    def _pieces(self, batch_size: int, observe: bool) -> list[_Key]:
        """The programs that make up a training step: one, or one for each micro-batch."""
        *parts, last = micro_batches(self.experiment.training, batch_size)
        return [*((size, True, False, "part") for size in parts), (last, True, observe, "last" if parts else "whole")]

    def evaluate(self, batch_size: int) -> BoundProgram:
        """Losses and predictions with dropout off and kept statistics; changes nothing."""
        return self._get((batch_size, False, False, "whole"))

    def evaluation_batches(self, size: int) -> tuple[int, ...]:
        """The batch sizes, one or two, that an evaluation of `size` samples runs."""
        if size < 1:
            return ()
        batch = self.evaluation_batch(size)
        return tuple(dict.fromkeys((batch, size % batch or batch)))

    def evaluation_batch(self, size: int) -> int:
        """How many of `size` samples to evaluate at a time: a function of the network alone, so that every device and
        every resume adds up the same batches."""
        fitting = EVALUATION_BYTES // (4 * max(1, self._floats))
        return max(1, min(size, max(self.experiment.training.batch_size, min(fitting, 1024))))

    def prepare(self, train: tuple[int, ...], evaluate: tuple[int, ...]) -> None:
        """Compile for these batch sizes (the first of `train` also observed) and bind, the largest program first, so
        that all work in one piece of memory. The data need no room of their own on a GPU: they stay on the host where
        they do not fit.

        Raises OutOfDeviceMemory, before anything is bound, when a GPU has not enough left, and TrainingError when the
        machine has not.
        """
        keys = self._pieces(train[0], True)
        keys += [key for size in train for key in self._pieces(size, False)]
        keys += [(size, False, False, "whole") for size in evaluate]
        programs = {key: self._compile(key) for key in dict.fromkeys(keys)}
        largest = max(program.batch_size for program in programs.values())
        taken = sum(arena.nbytes for arena in self.state.arenas.values())
        device_memory.require(
            self.state.backend,
            {
                f"batches of up to {largest} samples": device_memory.program_bytes(programs.values()),
                "a copy of the state while it is looked at": taken,  # see `present.look`
            },
            taken,
        )
        self._bound |= self._bind_all(programs, self.executor)

    def _get(self, key: _Key) -> BoundProgram:
        bound = self._bound.get(key)
        if bound is None:
            bound = self._bound[key] = self._bind(self._compile(key), self.executor)
        return bound

    def _bind_all(self, programs: dict[_Key, Program], executor: Executor) -> dict[_Key, BoundProgram]:
        largest_first = sorted(programs.items(), key=lambda item: -item[1].arena_bytes)
        return {key: self._bind(program, executor) for key, program in largest_first}

    def _bind(self, program: Program, executor: Executor) -> BoundProgram:
        # The system may hand out more memory than there is and kill the process later: ask before. A GPU says no.
        limit = memory_limit() if self.state.backend.name == "numpy" else math.inf
        try:
            if program.arena_bytes > limit:
                raise MemoryError
            return executor.bind(program)
        except MemoryError as error:
            failure = translated(error)
            if failure is not None:
                raise failure from error
            raise TrainingError(
                f"A batch of {program.batch_size} samples needs {bytes_text(program.arena_bytes)} of work memory, more "
                f"than there is. Choose a smaller batch size, more micro-batches, or fewer or smaller layers."
            ) from None

    def _compile(self, key: _Key) -> Program:
        batch_size, training, observe, piece = key
        return compile(
            self.experiment,
            self.report,
            self.signature,
            batch_size=batch_size,
            training=training,
            observe=observe,
            piece=piece,
            alignment=self.state.backend.alignment,
        )
