"""One run from beginning to end: check, load, compile, train, report, keep. Synchronous; it leaves no thread behind.

    result = Trainer(experiment, report=print).run()

A window runs it on a thread of its own and steers it through a `Control`; the command line simply calls it.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from engine import executors
from engine.schema import SchemaError
from engine.training import events
from engine.training.checkpoint import CheckpointError
from engine.training.control import Control
from engine.training.evaluate import Divergence, expected_initial_loss
from engine.training.following import Following
from engine.training.kernels import await_kernels
from engine.training.live import change
from engine.training.loop import Loop
from engine.training.recovery import Counters, read_counters
from engine.training.result import Reason, Result, TrainingError, words
from engine.training.setup import check_targets, check_tokens, checked, load_arrays, named, new_state
from engine.training.snapshots import before_restoring, best_before
from engine.training.unit_variance import scale_weights

if TYPE_CHECKING:
    from engine.backend import Device
    from engine.data import Dataset
    from engine.diagnostics import Diagnostic
    from engine.executors import Executor, ExecutorKind
    from engine.experiment import Experiment
    from engine.state import State
    from engine.training.replay import Replay
    from engine.training.store import RunStore, RunWriter

__all__ = ["Trainer"]

OTHER_DIGITS = "With arrays, numbers differ in their last digits."
LISTEN = 0.05  # seconds between two looks at the control while data are loaded


class Trainer:
    """Trains `experiment`; nothing happens before `run`.

    dataset     the data, where they are loaded already; else the experiment's data are loaded.
    device      "auto", "cpu" or "cuda".
    executor    "array", "cpu" (the compiled one), or "auto": the compiled one where its kernels are ready. A run that
                cannot have it yet begins with arrays and changes over at the end of an epoch; one that is resumed goes
                on with the executor of its checkpoint. A run with a named executor never changes.
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
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        dataset: Dataset | None = None,
        device: Device = "auto",
        executor: ExecutorKind = "auto",
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
        self._device, self._store, self._report, self._resume = device, store, report, resume
        self._epochs, self._steps, self._initial = epochs, steps, state
        self._writer: RunWriter | None = None
        self._seen: tuple[int, int] | None = None
        self._kind: ExecutorKind = executor
        self._replay = replay
        if replay is not None:
            self.experiment, self._kind, self._steps = replay.experiment, replay.executor, replay.steps
        self._executor: Executor | None = None
        self._loading: threading.Thread | None = None

    def run(self) -> Result:
        """Train until all steps are done, the control says stop, or the loss is no longer finite.

        Raises TrainingError, DataError or BackendError in words when the run cannot start or fails; `Failed` and
        `Finished` are reported before, so that a window needs no other channel.
        """
        reason: Reason = "failed"
        message = ""
        try:
            loop = self._prepare()
            if loop is None:
                return self._stopped_early()
            try:
                reason = loop.run()
            except Divergence as divergence:
                reason, message = "diverged", self._explain(loop, divergence)
            result = self._conclude(loop, reason, message)
            self._finish(reason, result.seconds)
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
            if self.loop is not None:
                self.loop.close()
            elif self._executor is not None:
                self._executor.close()
        return result

    # -- the beginning -------------------------------------------------------------------------------------------------

    def _prepare(self) -> Loop | None:
        """Everything up to the first step; None when the run was stopped meanwhile."""
        from engine import backend

        arrays, counters = self._stored()
        prolonged = counters is not None and (self._epochs or 0) > self.experiment.training.epochs
        if self._epochs is not None:
            self.experiment = replace(self.experiment, training=replace(self.experiment.training, epochs=self._epochs))
        if self.control.stopping:
            return None
        dataset = self.dataset = self.dataset or self._load()
        if dataset is None or self.control.stopping:
            return None
        experiment = self.experiment
        report = checked(experiment, dataset.signature)
        self.warnings = tuple(item for item in report.diagnostics if item.severity == "warning")
        check_targets(experiment, report, dataset)
        check_tokens(experiment, report, dataset)
        state = new_state(experiment, report, backend.choose(self._device))
        if self._initial is not None:
            load_arrays(state, self._initial)
        best = self._best_before(counters)
        if arrays is not None:
            load_arrays(state, arrays)
        scaled = scale_weights(experiment, report, dataset, state, given=self._initial or ()) if arrays is None else ()
        kind = self._kind_of(counters, state)
        if self._replay is not None and executors.misfit(state):
            kind = "array"
            if self._compiled_replay():
                self.problems += (f"The run used the compiled executor. {executors.misfit(state)} {OTHER_DIGITS}",)
        compiles = kind == "cpu" or self._compiled_replay()
        if compiles and not executors.misfit(state) and not await_kernels(self.control, self._report):
            return None
        executor = self._executor = executors.choose(kind, state)
        if self._store is not None:
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
            emit=self._report,
            writer=self._writer,
            counters=counters,
            step_limit=self._steps,
            may_change=kind == "auto" and executor.kind == "array" and not executors.misfit(state),
            replay=self._replay,
        )
        self.loop.keeper.held = best
        if prolonged:
            self.loop.following.go_on()
        self._event(
            events.Started(
                run=self.run_id,
                step=self.loop.step,
                total_steps=self.loop.limit,
                steps_per_epoch=self.loop.steps_per_epoch,
                epochs=experiment.training.epochs,
                device=executor.label,
                expected_initial_loss=expected_initial_loss(experiment, report, self.loop.heads),
                parameter_count=report.parameter_count,
                executor=executor.kind,
                loaded=self._initial is not None,
            )
        )
        if scaled:
            self._event(
                events.WeightsScaled(
                    run=self.run_id,
                    step=self.loop.step,
                    before={item.node: item.before for item in scaled},
                    after={item.node: item.after for item in scaled},
                    tries={item.node: item.tries for item in scaled},
                )
            )
        return self.loop

    def _kind_of(self, counters: Counters | None, state: State) -> ExecutorKind:
        """The executor to choose: the one that was asked for, or that of the checkpoint."""
        if self._kind != "auto" or counters is None:
            return self._kind
        if counters.executor != "cpu":
            return "array"
        reason = executors.misfit(state)
        if not reason:
            return "cpu"
        self.problems += (
            f"The run was trained by the compiled executor, which cannot be used here: {reason} {OTHER_DIGITS}",
        )
        return "array"

    def _compiled_replay(self) -> bool:
        """Whether the run that is replayed was trained by the compiled executor, from some step on at least."""
        replay = self._replay
        if replay is None:
            return False
        return replay.executor == "cpu" or any(act.what == "executor" and act.value == "cpu" for act in replay.acts)

    def _load(self) -> Dataset | None:
        """The experiment's data; None when the run was stopped before they were there.

        Reading files cannot be interrupted, so that a thread does it and this one listens meanwhile; `run` joins it
        before it returns, after the stop has been reported.
        """
        from engine import data

        found: list[Dataset] = []
        errors: list[Exception] = []

        def load() -> None:
            try:
                found.append(data.load(self.experiment.data))
            except Exception as error:
                errors.append(error)

        self._loading = threading.Thread(target=load, name="data-loading", daemon=True)
        self._loading.start()
        while self._loading.is_alive() and not self.control.stopping:
            self._loading.join(LISTEN)
        if errors:
            raise errors[0]
        return found[0] if found else None

    def _stored(self) -> tuple[dict[str, np.ndarray] | None, Counters | None]:
        """The arrays and counters of the run to resume; its experiment, live changes included, becomes ours."""
        if self._resume is None:
            return None, None
        assert self._store is not None
        reader = self._store.open(self._resume)
        self.experiment = reader.experiment
        self._seen = reader.progress()
        checkpoint = reader.last_checkpoint()
        self.problems = tuple(reader.problems)
        if checkpoint is None:
            return None, None
        arrays, plain = checkpoint
        counters = read_counters(plain)
        if counters.restored is not None:
            arrays, counters = before_restoring(reader) or (arrays, counters)
        # A change ordered in a pause may be younger than the checkpoint that was written there.
        self.experiment = counters.experiment
        for event in reader.changes()[0]:
            if event.step <= counters.step:
                # The checkpoint knows the older ones; those of a part that another has replaced since have no place.
                with contextlib.suppress(SchemaError):
                    self.experiment = change(self.experiment, event.path, event.after)[0]
        return arrays, counters

    def _best_before(self, counters: Counters | None) -> tuple[int, dict[str, np.ndarray]] | None:
        """The step and the arrays of the best state of the run to resume, where it is to end with the best one."""
        if counters is None or counters.best is None or not Following(self.experiment.training).restores:
            return None
        assert self._store is not None and self._resume is not None
        try:
            return best_before(self._store.open(self._resume), counters.step)
        except CheckpointError as error:
            self.problems += (f"{error} The run can only end with a better state than those so far, or its last one.",)
            return None

    # -- the end -------------------------------------------------------------------------------------------------------

    def _explain(self, loop: Loop, divergence: Divergence) -> str:
        """Find where the first value that is not finite arises, and say it; report `Diverged`."""
        found = divergence.bound.first_nonfinite()
        loop.steps.restore_buffers()
        node, what = found or ("", "")
        name = named(loop.experiment, node) if node else ""
        match what:
            case "":
                place = "No single layer could be found at fault"
            case "input":
                place = "The data of that batch hold values that are not finite"
            case "parameter":
                place = f"The weights of {name} are not finite any more"
            case _:
                place = f"The first value that is not finite came from {name}"
        when = f"after step {loop.step}" if divergence.validation else f"at step {loop.step + 1}"
        message = (
            f"The {'validation ' if divergence.validation else ''}loss stopped being finite {when}. {place}. "
            "Usual remedies: a smaller learning rate, clipping of the gradient norm, or another initializer."
        )
        self._event(events.Diverged(run=self.run_id, step=loop.step, node=node, message=message))
        return message

    def _conclude(self, loop: Loop, reason: Reason, message: str) -> Result:
        loop.finish()
        evaluation = loop.last
        seconds = loop.session_seconds()
        train_loss = loop.train_loss if loop.evaluated else loop.sums.mean_loss()
        return Result(
            run=self.run_id,
            epochs=loop.evaluated,
            steps=loop.step,
            train_loss=train_loss,
            val_loss=evaluation.loss if evaluation else None,
            val_accuracy=evaluation.accuracy if evaluation else None,
            metrics=dict(evaluation.metrics) if evaluation else {},
            seconds=seconds,
            samples_per_second=(loop.samples - loop.samples_before) / seconds if seconds > 0 else 0.0,
            device=self._label(),
            reason=reason,
            waited=loop.steps.feed.waited,
            message=message or loop.following.met[1],
        )

    def _stopped_early(self) -> Result:
        self._finish("stopped", 0.0)
        if self._loading is not None:
            self._loading.join()
        return Result(
            run=self.run_id,
            epochs=0,
            steps=0,
            train_loss=None,
            val_loss=None,
            val_accuracy=None,
            metrics={},
            seconds=0.0,
            samples_per_second=0.0,
            device=self._label(),
            reason="stopped",
        )

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

    def _event_safely(self, event: events.Event) -> None:
        """Report although the store may be what failed."""
        if self._writer is not None:
            with contextlib.suppress(Exception):
                self._writer.event(event)
        self._report(event)

    def _label(self) -> str:
        executor = self.loop.programs.executor if self.loop is not None else self._executor
        return executor.label if executor is not None else ""
