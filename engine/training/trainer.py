"""One run from beginning to end: check, load, compile, train, report, keep. Synchronous; it leaves no thread behind.

    result = Trainer(experiment, report=print).run()

A window runs it on a thread of its own and steers it through a `Control`; the command line simply calls it.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from engine import executors
from engine.device_errors import DeviceError, DeviceLost, bare, translated
from engine.text import after_colon
from engine.training import beginnings, events
from engine.training.checkpoint import CheckpointError
from engine.training.control import Control
from engine.training.database import StoreError
from engine.training.divergence import origin
from engine.training.endings import concluded, stopped_early
from engine.training.equipment import Equipment
from engine.training.evaluate import Divergence
from engine.training.following import Following
from engine.training.kernels import await_gpu_kernels, await_kernels
from engine.training.loading import Loading
from engine.training.loop import Loop
from engine.training.replay import DeviceLeft
from engine.training.result import Reason, Result, TrainingError, words
from engine.training.setup import check_targets, check_tokens, checked, load_arrays, new_state
from engine.training.snapshots import best_before, last_state, with_changes
from engine.training.unit_variance import scale_weights

if TYPE_CHECKING:
    from engine.backend import Backend, Device, MathMode
    from engine.data import Dataset
    from engine.diagnostics import Diagnostic, Report
    from engine.executors import Executor, ExecutorKind
    from engine.experiment import Experiment
    from engine.training.recovery import Counters
    from engine.training.replay import Replay
    from engine.training.store import RunStore, RunWriter
    from engine.training.unit_variance import LayerScale

__all__ = ["Trainer"]

log = logging.getLogger(__name__)


class Trainer:
    """Trains `experiment`; nothing happens before `run`.

    dataset     the data, where they are loaded already; else the experiment's data are loaded.
    device      "auto", "cpu", "cuda" or "cuda:N"; see `engine.backend.Device`. A run that is resumed with "auto" goes
                on with the kind of device of its checkpoint.
    executor    "array", "cpu" (the compiled one), "cuda", or "auto": the CUDA executor on a GPU; on the processor the
                compiled one where its kernels are ready. A run that cannot have that yet begins with arrays and changes
                over at the end of an epoch; one that is resumed goes on with the executor of its checkpoint. A run with
                a named executor never changes.
    math        how a GPU multiplies matrices; None: as in the run that is resumed, else in float32.
    store       where the run is kept; None keeps nothing.
    report      called with every event, on the thread that runs.
    control     the levers; see `Control`.
    resume      the id of a stored run to go on with: its own experiment and live changes count, not `experiment`.
    epochs      instead of the experiment's number of epochs.
    steps       stop after this many optimizer steps, counted from the run's first start; the schedule is not changed,
                and a run with more to come has "stopped".
    state       initial arrays, as a checkpoint or `engine.export.weights` gives them, in place of drawn ones; arrays
                that are not named are drawn.
    replay      what is done to the run at its steps, see `replay_of`: its experiment, executor and end count, not
                those that are given.

    A run whose GPU fails goes on on the processor from its last checkpoint, on disk or, without a store, in memory; the
    event `DeviceFailed` tells of it. With "auto" that holds for a GPU too that fails before the first step.
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        dataset: Dataset | None = None,
        device: Device = "auto",
        executor: ExecutorKind = "auto",
        math: MathMode | None = None,
        store: RunStore | None = None,
        report: Callable[[events.Event], None] = lambda event: None,
        control: Control | None = None,
        resume: str | None = None,
        epochs: int | None = None,
        steps: int | None = None,
        state: dict[str, np.ndarray] | None = None,
        replay: Replay | None = None,
    ) -> None:
        if resume is not None and store is None:
            raise ValueError("a run can only be resumed from a store")
        self.experiment, self.dataset = experiment, dataset
        self.control = control or Control()
        self.run_id = resume or ""
        self.loop: Loop | None = None
        self.problems: tuple[str, ...] = ()
        """What was passed over when the run to resume was read, in words."""
        self.warnings: tuple[Diagnostic, ...] = ()
        """What the check of the experiment warns of; filled before the first step."""
        self._store, self._report, self._resume = store, report, resume
        self._epochs, self._steps, self._initial = epochs, steps, state
        self._writer: RunWriter | None = None
        self._seen: tuple[int, int] | None = None
        self._replay = replay
        if replay is not None:
            self.experiment, self._steps = replay.experiment, replay.steps
        self._equipment = Equipment(device, executor, math, replay)
        self._changes: list[events.Changed] = []
        self._scaled: tuple[LayerScale, ...] = ()
        self._seconds = 0.0  # of training on a device that failed since
        self._executor: Executor | None = None
        self._loading = Loading()

    def run(self) -> Result:
        """Train until all steps are done, the control says stop, or the loss is no longer finite.

        Raises TrainingError, DataError or BackendError in words when the run cannot start or fails; `Failed` and
        `Finished` are reported before, so that a window needs no other channel.
        """
        try:
            loop = self._prepare()
            if loop is None:
                self._finish("stopped", 0.0)
                self._loading.join()
                return stopped_early(self.run_id, self._executor.label if self._executor is not None else "")
            result = self._complete(loop)
            while isinstance(result, DeviceError):
                try:
                    loop = self._go_on_without(result)
                except StoreError as error:
                    message = f"{result.message} The run cannot go on on the processor: {after_colon(str(error))}"
                    raise TrainingError(message) from error
                result = self._complete(loop)
            self._finish(result.reason, result.seconds)
        except Exception as error:
            failure = self._fail(error)
            if failure is error:
                raise
            raise failure from error
        except BaseException:
            # An interrupt: the run is left as a killed one, to be resumed from its last checkpoint.
            if self._writer is not None:
                self._writer.close()
            raise
        finally:
            self._close()
        return result

    def _close(self) -> None:
        """Let go of what computes. A GPU that is lost refuses that too: whatever led here has been told, and nothing of
        the run lies there any more."""
        held = self.loop or self._executor
        try:
            if held is not None:
                held.close()
        except Exception as error:
            if translated(error) is None:
                raise
            log.info("the GPU was lost when the run was over: %s", error)

    def _complete(self, loop: Loop) -> Result | DeviceError:
        """All that is left of the run, or how its GPU failed."""
        reason: Reason
        message = ""
        try:
            try:
                reason = loop.run()
            except Divergence as divergence:
                reason, message = "diverged", self._explain(loop, divergence)
            return concluded(loop, reason, message, self._seconds)
        except Exception as error:
            failure = translated(error) if executors.on_device(loop.programs.executor) else None
            if failure is None:
                raise
            return failure

    # -- the beginning -------------------------------------------------------------------------------------------------

    def _prepare(self) -> Loop | None:
        """Everything up to the first step; None when the run was stopped meanwhile."""
        arrays, counters = self._stored()
        self._prolong()
        if self.control.stopping:
            return None
        dataset = self.dataset = self.dataset or self._loading.load(self.experiment.data, self.control)
        if dataset is None or self.control.stopping:
            return None
        report = checked(self.experiment, dataset.signature)
        self.warnings = tuple(item for item in report.diagnostics if item.severity == "warning")
        check_targets(self.experiment, report, dataset)
        check_tokens(self.experiment, report, dataset)
        backend = self._equipment.backend(counters)
        try:
            loop = self._begin(report, backend, arrays, counters)
            if loop is not None:
                # Measured before anything is told: a GPU may fail of it.
                rounded = beginnings.rounded(loop) if loop.math != "float32" else None
                self._event(beginnings.started(loop, loaded=self._initial is not None))
                self._tell_scaled(loop)
                if rounded is not None:
                    self._event(rounded)
            return loop
        except Exception as error:
            found = translated(error) if backend.kind == "cuda" else None
            if found is None:
                raise
            failure = found
            if self._equipment.asked != "auto":
                raise TrainingError(failure.message) from error
        # Not in the clause above, whose error holds on to what lies on the device.
        self._let_go(backend, failure)
        loop = self._begin(report, self._equipment.backend(counters), arrays, counters)
        assert loop is not None, "nothing is waited for"
        self._event(beginnings.started(loop, loaded=self._initial is not None))
        self._event(beginnings.failed(loop, failure, loop.step))
        self._tell_scaled(loop)
        return loop

    def _prolong(self) -> None:
        if self._epochs is not None:
            self.experiment = replace(self.experiment, training=replace(self.experiment.training, epochs=self._epochs))

    def _begin(
        self, report: Report, backend: Backend, arrays: dict[str, np.ndarray] | None, counters: Counters | None
    ) -> Loop | None:
        """State, executor and loop on a device, from the first step or from a checkpoint; None when the run was stopped
        meanwhile."""
        experiment, dataset, equipment = self.experiment, self.dataset, self._equipment
        assert dataset is not None
        state = new_state(experiment, report, backend)
        if self._initial is not None:
            load_arrays(state, self._initial)
        best = self._best_before(counters)
        if arrays is not None:
            load_arrays(state, arrays)
        scaled = scale_weights(experiment, report, dataset, state, given=self._initial or ()) if arrays is None else ()
        kind, math = equipment.executor(counters, state), equipment.math(counters, state)
        if equipment.needs_kernels(kind, state) and not await_kernels(self.control, self._report):
            return None
        if equipment.needs_gpu_kernels(kind, state) and not await_gpu_kernels(backend, self.control, self._report):
            return None
        executor = self._executor = executors.choose(kind, state, math=math, ways=counters.ways if counters else None)
        equipment.compare(counters, executor, math)
        self.problems += equipment.problems
        if self._store is not None and self._writer is None:
            self._writer = (
                self._store.resume(
                    self._resume, counters.step if counters else 0, device=executor.label, seen=self._seen
                )
                if self._resume
                else self._store.create(experiment, executor.label)
            )
            self.run_id = self._writer.run
        self.run_id = self.run_id or f"run-{secrets.token_hex(6)}"
        self.loop = Loop(
            experiment,
            report,
            dataset,
            executor,
            run=self.run_id,
            control=self.control,
            emit=self._take,
            writer=self._writer,
            counters=counters,
            step_limit=self._steps,
            may_change=kind == "auto" and executor.kind == "array" and not executors.misfit(state),
            replay=self._replay,
            math=math,
        )
        self.loop.keeper.held = best
        if counters is not None and (self._epochs or 0) > counters.experiment.training.epochs:
            self.loop.following.go_on()
        self._scaled = scaled
        return self.loop

    def _tell_scaled(self, loop: Loop) -> None:
        if self._scaled:
            self._event(beginnings.weights_scaled(loop, self._scaled))

    def _stored(self) -> tuple[dict[str, np.ndarray] | None, Counters | None]:
        """The arrays and counters of the run to resume; its experiment, live changes included, becomes ours."""
        if self._resume is None:
            return None, None
        assert self._store is not None
        reader = self._store.open(self._resume)
        self._seen = reader.progress()
        found = last_state(reader)
        self.experiment, self.problems = found.experiment, tuple(reader.problems)
        return found.arrays, found.counters

    def _best_before(self, counters: Counters | None) -> tuple[int, dict[str, np.ndarray]] | None:
        """The step and the arrays of the best state of the run to resume, where it is to end with the best one."""
        if counters is None or counters.best is None or not Following(self.experiment.training).restores:
            return None
        if self._store is None:
            return None  # what is remembered has it
        assert self._resume is not None
        try:
            return best_before(self._store.open(self._resume), counters.step)
        except CheckpointError as error:
            self.problems += (f"{error} The run can only end with a better state than those so far, or its last one.",)
            return None

    # -- when a GPU fails ----------------------------------------------------------------------------------------------

    def _go_on_without(self, failure: DeviceError) -> Loop:
        """The run on the processor, from its last checkpoint, after its GPU has failed."""
        assert self.loop is not None
        failed_at, report, remembered = self.loop.step, self.loop.report, self.loop.keeper.remembered
        self._seconds += self.loop.session_seconds()
        backend = self.loop.state.backend
        self._let_go(backend, failure)
        arrays: dict[str, np.ndarray] | None = None
        counters: Counters | None = None
        if self._writer is not None:
            self._writer.close()
            self._writer, self._resume = None, self.run_id
            arrays, counters = self._stored()
        elif remembered is not None:
            arrays, counters = remembered.arrays, remembered.counters
            self.experiment = with_changes(counters, self._changes)
        step = -1 if counters is None else counters.step
        ordered, self._changes = self._changes, [item for item in self._changes if item.step <= step]
        self._prolong()
        loop = self._begin(report, self._equipment.backend(counters), arrays, counters)
        assert loop is not None, "nothing is waited for"
        if remembered is not None:
            loop.keeper.held = remembered.held
        self._event(beginnings.failed(loop, failure, failed_at))
        self._tell_scaled(loop)
        for item in ordered:
            if item.step > step:
                # It was done after the checkpoint, and the person who did it will not do it again.
                loop.steering.change(item.path, item.after)
        return loop

    def _let_go(self, backend: Backend, failure: DeviceError) -> None:
        """Leave a GPU that has failed, without asking it for anything, and see to it that it is not chosen again."""
        log.info("the GPU failed: %s", "".join(traceback.format_exception(failure)))
        bare(failure)
        # A lost device refuses what is asked of it for the last time.
        with contextlib.suppress(Exception):
            self._close()
        self.loop = self._executor = None
        if not isinstance(failure, DeviceLost):
            with contextlib.suppress(Exception):
                backend.release()
        self._equipment.fall_back(failure.executor if isinstance(failure, DeviceLeft) else "auto")

    # -- the end -------------------------------------------------------------------------------------------------------

    def _explain(self, loop: Loop, divergence: Divergence) -> str:
        """Find where the first value that is not finite arises, and say it; report `Diverged`."""
        node, message = origin(loop, divergence)
        self._event(events.Diverged(run=self.run_id, step=loop.step, node=node, message=message))
        return message

    def _fail(self, error: Exception) -> Exception:
        """Report the error and return what to raise: errors that are words already stay what they are."""
        node = getattr(error, "node", "")
        message = words(error)
        step = self.loop.step if self.loop else 0
        details = "".join(traceback.format_exception(error))
        self._event_safely(events.Failed(run=self.run_id, step=step, node=node, message=message, details=details))
        self._finish("failed", self.loop.session_seconds() if self.loop else 0.0, safely=True)
        return error if hasattr(error, "message") else TrainingError(message, node)

    def _finish(self, reason: Reason, seconds: float, *, safely: bool = False) -> None:
        step = self.loop.step if self.loop else 0
        event = events.Finished(run=self.run_id, step=step, reason=reason, seconds=seconds)
        if self._writer is not None:
            try:
                self._writer.event(event)
                self._writer.finish(reason)
            except Exception:
                if not safely:
                    raise
        self._report(event)

    def _event(self, event: events.Event) -> None:
        if self._writer is not None:
            self._writer.event(event)
        self._report(event)

    def _take(self, event: events.Event) -> None:
        """An event of the loop, on its way."""
        if isinstance(event, events.Changed):
            self._changes.append(event)
        self._report(event)

    def _event_safely(self, event: events.Event) -> None:
        """Report although the store may be what failed."""
        if self._writer is not None:
            with contextlib.suppress(Exception):
                self._writer.event(event)
        self._report(event)
