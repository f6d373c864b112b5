"""What a run leaves behind to go on from: counters beside the state's arrays, and when checkpoints are written.

The counters and the arrays together determine everything that follows, bit for bit: randomness is a function of seed
and step, the order of the samples a function of seed and epoch, and live changes are in the experiment saved here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from msgspec import Struct

from engine import migrations
from engine.backend import MATH_MODES, MathMode
from engine.experiment import Experiment, experiment_from_plain, experiment_to_plain
from engine.training.database import StoreError
from engine.training.evaluate import Sums
from engine.training.result import TrainingError

if TYPE_CHECKING:
    from engine.state import State
    from engine.training.store import RunWriter

__all__ = ["Counters", "Keeper", "Remembered", "Written", "read_counters"]

SHARE = 0.02  # of the time that writing may take: disks differ a thousandfold in how soon they have something for sure
LONGEST = 300.0  # seconds between two checkpoints at most, however long one takes


class Counters(Struct, frozen=True, kw_only=True):
    """Where a run stands.

    step, epoch     finished optimizer steps, and the same in epochs.
    evaluated       the last epoch whose end was evaluated and reported.
    sums            loss and metrics of the current epoch's steps so far.
    seconds         training time since the run's first start, pauses left out.
    samples         samples trained on in that time.
    best            the best validation loss so far, or of what early stopping watches; None before there is one.
    train_loss      mean training loss of the last complete epoch, or None.
    experiment      the experiment with all live changes so far.
    executor        the kind of executor that trains: each computes other last digits.
    device          the kind of device that it trains on.
    math            how a GPU multiplies matrices; see `engine.backend.MathMode`.
    ways            which way operations went that can go several; see `engine.executors.Ways`.
    following       what has followed from the results so far; see `Following.to_plain`.
    restored        the step whose state was put back at the run's end, or None.
    """

    step: int
    epoch: float
    evaluated: int
    sums: Sums
    seconds: float
    samples: int
    best: float | None
    train_loss: float | None
    experiment: Experiment
    executor: str = "array"
    device: Literal["cpu", "cuda"] = "cpu"
    math: MathMode = "float32"
    ways: dict[str, dict[str, str]] = {}
    following: dict[str, Any] = {}
    restored: int | None = None

    def to_plain(self) -> dict[str, Any]:
        """JSON types. Floats keep their bits: JSON is written with as many digits as they need."""
        return {
            "step": self.step,
            "epoch": self.epoch,
            "evaluated": self.evaluated,
            "sums": self.sums.to_plain(),
            "seconds": self.seconds,
            "samples": self.samples,
            "best": self.best,
            "train_loss": self.train_loss,
            "experiment": experiment_to_plain(self.experiment),
            "executor": self.executor,
            "device": self.device,
            "math": self.math,
            "ways": self.ways,
            "following": self.following,
            "restored": self.restored,
        }


def read_counters(plain: dict[str, Any]) -> Counters:
    """The counters of a checkpoint. Raises TrainingError when something is missing or of another kind."""
    try:
        return Counters(
            step=int(plain["step"]),
            epoch=float(plain["epoch"]),
            evaluated=int(plain["evaluated"]),
            sums=Sums.from_plain(plain["sums"]),
            seconds=float(plain["seconds"]),
            samples=int(plain["samples"]),
            best=None if plain["best"] is None else float(plain["best"]),
            train_loss=None if plain["train_loss"] is None else float(plain["train_loss"]),
            experiment=experiment_from_plain(migrations.stored(plain["experiment"])),
            executor=str(plain.get("executor", "array")),  # older checkpoints know of no other
            device="cuda" if plain.get("device") == "cuda" else "cpu",
            math=next((mode for mode in MATH_MODES if mode == plain.get("math")), "float32"),
            ways=msgspec.convert(plain.get("ways", {}), dict[str, dict[str, str]]),
            following=dict(plain.get("following", {})),
            restored=plain.get("restored"),
        )
    except (KeyError, TypeError, ValueError) as error:  # msgspec's errors are ValueErrors
        raise TrainingError(f"The checkpoint cannot be read: its counters are damaged ({error}).") from error


class Written(Struct, frozen=True):
    """A checkpoint that was written; `best`: of the best result so far."""

    step: int
    epoch: float
    best: bool


class Remembered(Struct, frozen=True):
    """A checkpoint in memory: the arrays, the counters, and the best state until then if it is kept."""

    arrays: dict[str, np.ndarray]
    counters: Counters
    held: tuple[int, dict[str, np.ndarray]] | None


class Keeper:
    """Writes checkpoints: at the ends of epochs, at most one a second and for at most `SHARE` of the time, and whenever
    `save` is asked for.

    The best state so far is copied at once and written with the next checkpoint, so that nothing is lost when epochs
    are shorter than that second. What cannot be written is tried again with the next one: a disk that is full for a
    while ends no run. `problem` says why the last attempt failed, or is empty.

    A run without a `writer` that `remembers` has the last checkpoint in memory instead, taken at the same times and for
    the same share of the time.
    """

    def __init__(
        self,
        writer: RunWriter | None,
        state: State,
        *,
        remembers: bool = False,
        interval: float = 1.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._remembers = remembers and writer is None
        self.remembered: Remembered | None = None
        """The last checkpoint of a run that remembers."""
        self._writer, self._state, self._interval, self._clock = writer, state, interval, clock
        self.problem = ""
        self.holds = False
        """Whether the best state stays in memory, in `held`, for the run to end with."""
        self.held: tuple[int, dict[str, np.ndarray]] | None = None
        """The step and the arrays of the best state so far."""
        self._written, self._rest = -math.inf, interval
        self._saved: tuple[int, int, Experiment, int | None] | None = None
        self._best: Counters | None = None
        self._best_arrays: dict[str, np.ndarray] = {}

    def epoch_end(self, counters: Counters, improved: bool) -> tuple[Written, ...]:
        """An epoch is over; `improved`: its result is the best so far. Returns what was written."""
        if improved and (self.holds or self._writer is not None):
            arrays = self._state.to_host()
            self.held = (counters.step, arrays) if self.holds else None
            if self._writer is not None:
                self._best, self._best_arrays = counters, arrays
        if self._writer is None and not self._remembers:
            return ()
        return self.save(counters, sparing=True)

    def save(self, counters: Counters, *, sparing: bool = False, last: bool = False) -> tuple[Written, ...]:
        """Write the state as it is, and the best one that waits; returns what was written. Raises StoreError for the
        `last` one, after which there is no other attempt.

        Nothing is written when it already is; when `sparing` and the last checkpoint is young; or when the state is
        not finite: a checkpoint that a run can go on from is not given up for one that it cannot.
        """
        if self._writer is None and (last or not self._remembers):
            return ()  # what is remembered is for the run alone, which is over after the last one
        if sparing and self._is_fresh(counters):
            return ()
        self._written, self._rest = self._clock(), self._interval
        written: list[Written] = []
        try:
            self._write(counters, written)
            self._rest = max(self._interval, min(LONGEST, (self._clock() - self._written) / SHARE))
            self.problem = ""
        except StoreError as error:
            if last:
                raise
            self.problem = str(error)
        return tuple(written)

    def _is_fresh(self, counters: Counters) -> bool:
        """Whether the last checkpoint is young, and not of this very step from before its evaluation: an epoch whose
        end was told is not to be told again."""
        before = self._saved is not None and self._saved[:2] == (counters.step, counters.evaluated - 1)
        return not before and self._clock() - self._written < self._rest

    def _write(self, counters: Counters, written: list[Written]) -> None:
        best = self._best
        place = (counters.step, counters.evaluated, counters.experiment, counters.restored)
        if best is not None and self._writer is not None:
            self._writer.checkpoint(self._best_arrays, best.to_plain(), best=True)
            self._best, self._best_arrays = None, {}
            self._saved = (best.step, best.evaluated, best.experiment, best.restored)
            written.append(Written(best.step, best.epoch, True))
        if place == self._saved:
            return
        arrays = self._state.to_host()
        if not all(np.isfinite(array).all() for array in arrays.values()):
            return
        if self._writer is None:
            self.remembered, self._saved = Remembered(arrays, counters, self.held), place
            return
        self._writer.checkpoint(arrays, counters.to_plain(), best=False)
        self._saved = place
        written.append(Written(counters.step, counters.epoch, False))
