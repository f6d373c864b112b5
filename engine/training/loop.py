"""The loop over chunks of steps; evaluation at each epoch's end; the levers; a look inside when it is due.

Numbers depend on the experiment, the state and the step alone. The clock decides only when something is looked at,
reported or saved.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine.executors import on_device
from engine.training import events
from engine.training.changeover import ChangeOver
from engine.training.evaluate import YIELD, Evaluation, Sums, evaluate, heads_of, input_names
from engine.training.following import Following, results_of
from engine.training.pace import Pace
from engine.training.present import first_look, frame, refresh
from engine.training.probes import ProbePolicy
from engine.training.programs import Programs
from engine.training.recovery import Counters, Keeper, Written
from engine.training.replay import Replaying
from engine.training.result import Reason
from engine.training.setup import load_arrays
from engine.training.steering import Steering
from engine.training.steps import Steps
from engine.training.views import Views

if TYPE_CHECKING:
    from engine.backend import MathMode
    from engine.data import Dataset
    from engine.diagnostics import Report
    from engine.executors import Executor
    from engine.experiment import Experiment
    from engine.observations import Observations
    from engine.training.control import Control
    from engine.training.replay import Replay
    from engine.training.store import RunWriter

__all__ = ["Loop"]

PROGRESS = 0.1  # seconds between two reports of progress


class Loop:
    """One run's steps on one state. Made and driven by `Trainer`, who closes it.

    executor        runs the programs, on its state.
    may_change      whether the run goes over to the compiled executor when that becomes ready meanwhile.
    replay          what is done to the run at its steps.
    math            how the executor multiplies matrices, for the checkpoints.
    """

    def __init__(
        self,
        experiment: Experiment,
        report: Report,
        dataset: Dataset,
        executor: Executor,
        *,
        run: str,
        control: Control,
        emit: Callable[[events.Event], None],
        writer: RunWriter | None,
        counters: Counters | None = None,
        step_limit: int | None = None,
        may_change: bool = False,
        replay: Replay | None = None,
        math: MathMode = "float32",
    ) -> None:
        self.math = math
        self.experiment, self.report, self.dataset, self.state = experiment, report, dataset, executor.state
        self.run_id, self.control, self.emit, self.writer = run, control, emit, writer
        self.following = Following(experiment.training, counters.following if counters else None)
        self.heads = heads_of(experiment, report, dataset.signature)
        self.inputs = input_names(experiment, report)
        self.has_metrics = any(head.metrics for head in self.heads)
        self.steps = Steps(self)
        self.steps_per_epoch, self.total_steps = self.steps.per_epoch, self.steps.total
        self._step_limit = step_limit
        self.limit = self._limit()

        self.programs = Programs(experiment, report, dataset.signature, executor)
        try:
            self.programs.prepare(
                tuple(size for size in (self.steps.batch_size, self.steps.tail) if size),
                self.programs.evaluation_batches(dataset.validation.size),
            )
        except BaseException:
            self.steps.feed.close()
            raise
        self.policy = ProbePolicy()
        self.views = Views(self.programs, dataset, self.heads, self.inputs, self.policy, run, self.tell)
        # A GPU may fail: then the run goes on from what is kept, on disk or else in memory.
        self.keeper = Keeper(writer, self.state, remembers=on_device(executor))
        self.keeper.holds = self.following.restores
        self.change_over = ChangeOver(self) if may_change else None

        self.step = counters.step if counters else 0
        self.evaluated = counters.evaluated if counters else 0
        self.sums = counters.sums if counters else Sums()
        self.best = counters.best if counters else None
        self.train_loss = counters.train_loss if counters else None
        self.restored: int | None = None
        self.samples = counters.samples if counters else 0
        self.samples_before, self.seconds_before = self.samples, counters.seconds if counters else 0.0
        self.last: Evaluation | None = None
        self.last_step = self.framed = self.confused = -1  # the steps at which these were taken last
        self.evaluating = False

        self.steering = Steering(self)
        self._replaying = None if replay is None else Replaying(self, replay)
        self._begun = self._yielded = self._progressed = time.perf_counter()
        self._unsaved = ""  # why no checkpoint could be written, as far as it was told
        self._epoch_begun = 0.0
        self._pace = Pace()

    def _limit(self) -> int:
        """The step that this run does not go past."""
        limits = (self.total_steps, self._step_limit, self.following.limit)
        return min(limit for limit in limits if limit is not None)

    # -- the loop ------------------------------------------------------------------------------------------------------

    def run(self) -> Reason:
        """All steps up to the limit. Returns "done" when the experiment has come to its end, by a stop condition too,
        "stopped" when the limit or an order came before; raises Divergence."""
        reason = self._run()
        if reason == "done":
            self._restore()
        # Orders may have come during the last evaluation: whoever goes on with this run has them.
        self.steering.apply_changes()
        if self._replaying is not None:
            self._replaying.act()
        return reason

    def _run(self) -> Reason:
        self.progress()
        self.steering.paused_for += first_look(self)
        if self.step and self.step % self.steps_per_epoch == 0 and self.evaluated < self.step // self.steps_per_epoch:
            # The run was stopped inside this epoch's evaluation.
            if not self._end_epoch():
                return "stopped"
        while self.step < self.limit and not self.following.over:
            if self.control.attention and not self.steering.obey():
                return "stopped"
            self.steps.advance()
            self._look_at_conditions()
            if self.step == self.limit or self.following.over:
                frame(self)  # of a full batch where the last one was short: a few samples say little about a layer
            if self.step % self.steps_per_epoch == 0:
                if not self._end_epoch():
                    return "stopped"
                self.control.epoch_ended()
            if self._replaying is not None:
                self._replaying.act()
            now = time.perf_counter()
            if now - self._yielded > YIELD:
                self._tick(now)
        self.evaluation()
        return "done" if self.step == self.total_steps or self.following.over else "stopped"

    def _look_at_conditions(self) -> None:
        """After some steps: whether a stop condition that needs no results ends the run."""
        if self.step == self.total_steps or not self.experiment.training.stopping:
            return
        self.following.at_step(self.step)
        if self._replaying is None:
            self.following.at_time(self.seconds())
        if self.following.over:
            self._tell_met()

    def _tell_met(self) -> None:
        tag, words = self.following.met
        self.tell(events.ConditionMet(run=self.run_id, step=self.step, condition=tag, message=words))

    def _restore(self) -> None:
        """End with the best state where that is wanted, and evaluate it."""
        if self.keeper.held is None or not self.following.restores or self.keeper.held[0] == self.step:
            return
        self.save()  # whoever prolongs the run goes on from here
        self.restored, arrays = self.keeper.held
        load_arrays(self.state, arrays)
        self.tell(events.Restored(run=self.run_id, step=self.step, best_step=self.restored))
        self.last_step = self.framed = self.confused = -1
        self.show_confusion(self.evaluation(lambda: True))
        frame(self)

    def _follow(self, end: events.EpochEnd) -> bool:
        """What an epoch's results lead to; whether they are the best so far."""
        results = results_of(end, self.heads)
        was_over = self.following.over
        drop = self.following.at_epoch_end(results, self.steps_per_epoch)
        if drop is not None:
            before = self.steps.course.step(min(self.step, self.total_steps - 1))[0]
            self.steps.adopt(self.experiment)
            after = self.steps.course.step(min(self.step, self.total_steps - 1))[0]
            self.tell(events.RateDropped(run=self.run_id, step=self.step, scale=drop.scale, before=before, after=after))
        if self.following.over and not was_over:
            self._tell_met()
        best = self.following.judge(results, self.best)
        if best is None:
            return False
        self.best = best
        return True

    def wants_frame(self, first: bool, *, epoch_end: bool, by_hand: bool) -> bool:
        """Whether the coming step is to be observed; see `ProbePolicy.observe`."""
        return self.policy.observe(self.control.topics, first=first, epoch_end=epoch_end, by_hand=by_hand)

    def show_frame(self, seen: Observations) -> None:
        """Report what the instruments saw."""
        self.framed = self.step
        shown = events.Frame(
            run=self.run_id,
            step=self.step,
            epoch=self.step / self.steps_per_epoch,
            activations=seen.activations,
            adjoints=seen.adjoints,
            parameters=seen.parameters,
            normalizations=seen.normalizations,
        )
        self.tell(shown)

    def _end_epoch(self) -> bool:
        """Evaluate, report and save; False when the run was stopped meanwhile (nothing is then reported)."""
        epoch = self.step // self.steps_per_epoch
        evaluation = self.evaluation()
        if evaluation is None and self.dataset.validation.size:
            return False
        train_loss = self.sums.mean_loss()
        assert train_loss is not None
        self.train_loss = train_loss
        end = events.EpochEnd(
            run=self.run_id,
            step=self.step,
            epoch=epoch,
            train_loss=train_loss,
            validation_loss=evaluation.loss if evaluation else None,
            train_metrics=self.sums.values(self.heads),
            validation_metrics=evaluation.metrics if evaluation else {},
            learning_rate=self.steps.rate if self.steps.rate is not None else self.steps.course.step(self.step - 1)[0],
            seconds=self.session_seconds() - self._epoch_begun,
        )
        self.evaluated = epoch
        self.sums = Sums()
        # Before the epoch's end: who keeps moments takes the views seen so far as that epoch's.
        if self.step == self.limit or self.policy.wants_confusion():
            self.show_confusion(evaluation)
        self.views.draw_due(self.step, self.control.topics, self.scalars, self.experiment, epoch_end=True)
        self.tell(end)
        if self.change_over is not None and self.step < self.limit:
            # Before the checkpoint: a run that goes on from it has changed over as well.
            self.change_over.look()
        improved = self._follow(end)
        if self.following.over:
            self.show_confusion(evaluation)
        self._tell_written(self.keeper.epoch_end(self.counters(), improved))
        self._epoch_begun = self.session_seconds()
        return True

    def evaluation(self, proceed: Callable[[], bool] | None = None) -> Evaluation | None:
        """The validation part under the present parameters; None without one, or when `proceed` (whether the run was
        not stopped) said no."""
        if self.last_step == self.step:
            return self.last
        part = self.dataset.validation
        self.evaluating = True
        found = evaluate(self.programs, part.arrays, part.size, self.heads, self.scalars(), proceed or self._proceed)
        self.evaluating = False
        if found is not None:
            self.last, self.last_step = found, self.step
        return found

    def show_confusion(self, seen: Evaluation | None) -> None:
        """Report the confusion matrix of an evaluation, unless this step's is known."""
        begun = time.perf_counter()
        if seen is None or self.confused == self.step or seen.confusion is None:
            return
        self.confused = self.step
        self.tell(
            events.Confusion(run=self.run_id, step=self.step, matrix=seen.confusion, class_names=seen.class_names)
        )
        self.policy.spent(self.policy.confusion, time.perf_counter() - begun)

    def scalars(self) -> dict[str, float]:
        """The control block for evaluations: no update reads it."""
        return dict(self.steps.course.fixed)

    # -- the levers ----------------------------------------------------------------------------------------------------

    def adopt(self, experiment: Experiment) -> None:
        """Go on with another experiment: the same but for a live field."""
        self.experiment = experiment
        self.following.adopt(experiment.training)
        self.keeper.holds = self.following.restores
        self.programs.adopt(experiment)
        self.steps.adopt(experiment)

    def prolong(self, epochs: int) -> None:
        """Go on to another number of epochs, with the course of a run that is so long."""
        if epochs > self.experiment.training.epochs:
            self.following.go_on()
        self.adopt(replace(self.experiment, training=replace(self.experiment.training, epochs=epochs)))
        self.steps.total = self.total_steps = epochs * self.steps_per_epoch
        self.steps.adopt(self.experiment)
        self.limit = self._limit()

    def end(self, condition: str, words: str) -> None:
        """End the run here, by the stop condition of that tag."""
        self.following.met = condition, words
        self._tell_met()

    def after_pause(self) -> None:
        """Time has passed that says nothing about how fast the run goes."""
        self._pace.restart()
        self.policy.restart()

    def _proceed(self) -> bool:
        """Between two batches of an evaluation: whether to go on."""
        now = time.perf_counter()
        if now - self._progressed > PROGRESS:
            self.progress()
        return self.steering.proceed()

    # -- reports -------------------------------------------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        """What is done every few milliseconds: let the window breathe, report progress, draw what is due."""
        topics = self.control.topics
        if topics:
            self.views.draw_due(self.step, topics, self.scalars, self.experiment)
        if now - self._progressed > PROGRESS:
            self.progress()
        if self.programs.executor.kind == "array":
            time.sleep(0)  # the compiled one leaves the interpreter to others in every call
        self._yielded = time.perf_counter()

    def progress(self) -> None:
        """Report where the run stands."""
        now = self._progressed = time.perf_counter()
        rate, left = self._pace.mark(now, self.samples, self.step, self.limit)
        self.tell(
            events.Progress(
                run=self.run_id,
                step=self.step,
                epoch=self.step / self.steps_per_epoch,
                epochs=self.experiment.training.epochs,
                total_steps=self.limit,
                samples_per_second=rate,
                instrument_share=self.policy.share(),
                seconds=self.seconds(),
                seconds_left=left,
            )
        )

    def close(self) -> None:
        """Let the threads of the feed and the executor go; nothing may be run afterwards."""
        self.steps.feed.close()
        self.programs.close()

    def finish(self) -> None:
        """The last progress, views and checkpoint of this run."""
        self.progress()
        refresh(self, last=True)
        self.save(last=True)

    def save(self, *, sparing: bool = False, last: bool = False) -> None:
        """Write a checkpoint, unless this state is written; when `sparing`, at most one a second. Only the `last` one
        must succeed."""
        self._tell_written(self.keeper.save(self.counters(), sparing=sparing, last=last))

    def _tell_written(self, written: tuple[Written, ...]) -> None:
        if self.keeper.problem != self._unsaved:
            self._unsaved = self.keeper.problem
            if self._unsaved:
                self.tell(events.Unsaved(run=self.run_id, step=self.step, message=self._unsaved))
        for item in written:
            self.tell(events.Checkpointed(run=self.run_id, step=item.step, epoch=item.epoch, best=item.best))

    def seconds(self) -> float:
        """Training time since the run's first start, pauses left out."""
        return self.seconds_before + self.session_seconds()

    def session_seconds(self) -> float:
        """Training time since this start or resume."""
        return time.perf_counter() - self._begun - self.steering.paused_for

    def counters(self) -> Counters:
        """Where the run stands, for a checkpoint."""
        return Counters(
            step=self.step,
            epoch=self.step / self.steps_per_epoch,
            evaluated=self.evaluated,
            sums=self.sums.copy(),
            seconds=self.seconds(),
            samples=self.samples,
            best=self.best,
            train_loss=self.train_loss,
            experiment=self.experiment,
            executor=self.programs.executor.kind,
            device=self.state.backend.kind,
            math=self.math,
            ways={name: dict(ways) for name, ways in self.programs.executor.ways.items()},
            following=self.following.to_plain(),
            restored=self.restored,
        )

    def tell(self, event: events.Event) -> None:
        """Report an event and put it into the run store."""
        if self.writer is not None:
            self.writer.event(event)
        self.emit(event)
