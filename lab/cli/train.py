"""`descent train`: train an experiment, or go on with a run that was stopped."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from engine.backend import MATH_MODES
from engine.executors import EXECUTORS
from lab.cli.changes import add_set_argument, with_changes
from lab.cli.common import (
    Parser,
    UserError,
    command,
    device,
    finding_text,
    folder_path,
    in_help,
    print_json,
    read_experiment,
    warn,
    whole,
)
from lab.cli.progress import ProgressBar
from lab.cli.streams import abandon_output

if TYPE_CHECKING:
    from engine.experiment import Experiment
    from engine.training.control import Control
    from engine.training.events import EpochEnd, Event
    from engine.training.result import Result
    from engine.training.store import RunStore

__all__ = ["add_train_arguments", "epoch_text", "in_passing", "result_text", "run_train", "stopping"]

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP
INTERRUPTED = 130
WORTH_TELLING = 0.05
"""Share of a run's time that may be spent waiting for batches before anybody is told."""


def add_train_arguments(parser: Parser) -> None:
    """FILE and the options of a run."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="an experiment (.dlab); not needed with --resume")
    add_set_argument(parser)
    parser.add_argument(
        "--device",
        metavar="auto|cpu|cuda[:N]",
        type=device,
        default="auto",
        help=f"where to train; “{in_help('devices')}” lists what there is",
    )
    parser.add_argument(
        "--executor",
        choices=EXECUTORS,
        default="auto",
        help="what computes: array operations anywhere, compiled kernels on the processor (cpu) or on a GPU (cuda)",
    )
    parser.add_argument(
        "--precision",
        choices=MATH_MODES,
        help="how a GPU multiplies the matrices of a float32 run; float32, or as before with --resume, without",
    )
    parser.add_argument("--epochs", metavar="N", type=whole(1, 100_000), help="instead of the experiment's epochs")
    parser.add_argument("--steps", metavar="N", type=whole(1, 10**12), help="stop after this many optimizer steps")
    parser.add_argument("--seed", metavar="N", type=whole(0, 2**31 - 1), help="instead of the experiment's seed")
    parser.add_argument("--out", metavar="DIR", help="keep the run in this folder instead of the user's data folder")
    parser.add_argument("--resume", metavar="RUN", help="go on with a run: its id, the beginning of one, or “last”")
    parser.add_argument("--json", action="store_true", help="print one JSON object per epoch, and one at the end")


def run_train(options: argparse.Namespace) -> int:
    """Train; status 1 when the run diverged, 130 when it was stopped."""
    from engine.compilation import Compilation
    from engine.devices import driver_version
    from engine.training.control import Control
    from engine.training.events import Compiling, DeviceFailed, EpochEnd, ExecutorChanged, Started, Unsaved
    from engine.training.store import RunStore
    from engine.training.trainer import Trainer

    store = RunStore(folder_path(options.out) if options.out is not None else None)
    experiment, run = _what_to_train(options, store)
    bar, control = ProgressBar(sys.stderr), Control()
    lost: list[OSError] = []

    def show(write: Callable[[Any], None], value: Any) -> None:
        # Nobody reads on, or the disk is full: the run must not fail of it, nor go on unseen.
        if lost:
            return
        try:
            write(value)
            sys.stdout.flush()
        except OSError as error:
            lost.append(error)
            abandon_output()
            control.stop()

    def report(event: Event) -> None:
        bar.follow(event)
        if isinstance(event, Started | DeviceFailed) and event.executor == "array" and may_compile:
            compilation.start()
        if isinstance(event, Started):
            for item in trainer.warnings if event.step == 0 else ():
                bar.clear()
                warn(f"warning: {finding_text(item)}")
            for problem in trainer.problems:
                warn(f"{problem} The run goes on from step {event.step}.")
        elif isinstance(event, EpochEnd):
            bar.clear()
            if options.json:
                show(print_json, epoch_json(event))
            else:
                show(print, epoch_text(event, experiment.training.epochs))
        elif isinstance(event, Unsaved):
            bar.clear()
            warn(f"{event.message} Training goes on, and saving is tried again.")
        elif isinstance(event, ExecutorChanged):
            bar.clear()
            warn(f"the kernels are compiled: from step {event.step} on, {event.device}")
        elif words := in_passing(event):
            bar.clear()
            warn(words)
        elif isinstance(event, Compiling) and not event.total:
            warn("the kernels are compiled first, which takes a moment once")

    trainer = Trainer(
        experiment,
        device=options.device,
        executor=options.executor,
        math=options.precision,
        store=store,
        report=report,
        control=control,
        resume=run,
        epochs=options.epochs,
        steps=options.steps,
    )
    # So that this run, or else the next, has them; a run does not wait for it, and on a GPU has no use for it.
    compilation = Compilation()
    may_compile = options.executor == "auto" and not options.device.startswith("cuda")
    if may_compile and (options.device == "cpu" or driver_version() is None):
        compilation.start()
    with stopping(control) as signals:
        try:
            result = trainer.run()
            # A short run ends before its kernels are there: the next one is to have them, unless a person ended this.
            if not signals and not lost and compilation.leave():
                warn("the kernels are still being compiled, in the background: later runs take them")
            else:
                compilation.cancel()
        except BaseException:
            compilation.cancel()
            raise
        finally:
            bar.clear()
    if options.json:
        show(print_json, result_json(result))
    elif result.device:  # "" where the run was stopped before it began
        show(print, result_text(result))
    if lost and not isinstance(lost[0], BrokenPipeError):
        raise lost[0]
    return _status(result, options, interrupted=bool(signals or lost))


def _what_to_train(options: argparse.Namespace, store: RunStore) -> tuple[Experiment, str | None]:
    """The experiment, and the id of the run to go on with."""
    if options.resume is not None:
        for given, name in ((options.changes, "--set"), (options.seed is not None, "--seed"), (options.file, "FILE")):
            if given:
                raise UserError(f"{name} cannot be given with --resume: a run goes on with its own experiment")
        run = store.resolve(options.resume)
        experiment = store.open(run).experiment
    elif options.file is None:
        raise UserError("expected an experiment file, or --resume RUN")
    else:
        experiment, run = read_experiment(options.file), None
    experiment = with_changes(experiment, options.changes)
    if options.seed is not None:
        experiment = replace(experiment, seed=options.seed)
    if options.epochs is not None:
        experiment = replace(experiment, training=replace(experiment.training, epochs=options.epochs))
    return experiment, run


@contextmanager
def stopping(control: Control) -> Iterator[list[int]]:
    """While it lasts, Ctrl-C, a request to end, or the end of the terminal stops the run after its step; a second one
    ends at once."""
    caught: list[int] = []

    def stop(number: int, frame: Any) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)
        control.stop()

    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _status(result: Result, options: argparse.Namespace, *, interrupted: bool) -> int:
    if result.reason == "diverged":
        warn(result.message or "the loss is no longer a finite number")
        return 1
    if interrupted and result.reason == "stopped" and not result.run:
        warn("stopped before the first step; nothing was trained")
        return INTERRUPTED
    if interrupted and result.reason == "stopped":
        out = ("--out", shlex.quote(options.out)) if options.out is not None else ()
        again = command("train", "--resume", result.run, *out)
        where = f"after step {result.steps}" if result.device else "before it went on"
        warn(f"stopped {where}; go on with: {again}")
        return INTERRUPTED
    return 0


def in_passing(event: Event) -> str:
    """What is worth a line of the log when it happens during a run, in words; "" for other events."""
    from engine.training.events import (
        Changed,
        ConditionMet,
        DeviceFailed,
        RateDropped,
        Restored,
        Rounded,
        WeightsScaled,
    )

    match event:
        case WeightsScaled() | Rounded() | DeviceFailed():
            return event.text()
        case Changed():
            return f"{event.path} is {event.after} from step {event.step} on"
        case RateDropped():
            return f"the learning rate drops from {event.before:.4g} to {event.after:.4g} at step {event.step}"
        case ConditionMet():
            return f"stopped at step {event.step}: {event.message}"
        case Restored():
            return f"the best state, that of step {event.best_step}, is put back"
    return ""


def epoch_json(event: EpochEnd) -> dict[str, Any]:
    return {
        "epoch": event.epoch,
        "step": event.step,
        "train_loss": event.train_loss,
        "val_loss": event.validation_loss,
        "val_accuracy": event.validation_metrics.get("accuracy"),
        "train_metrics": event.train_metrics,
        "val_metrics": event.validation_metrics,
        "learning_rate": event.learning_rate,
        "seconds": event.seconds,
    }


def epoch_text(event: EpochEnd, epochs: int) -> str:
    parts = [f"epoch {event.epoch}/{epochs}", f"train loss {event.train_loss:.4g}"]
    if event.validation_loss is not None:
        parts.append(f"validation loss {event.validation_loss:.4g}")
    parts += [f"{_metric_name(tag)} {value:.4g}" for tag, value in event.validation_metrics.items()]
    return "  ".join(parts)


def _metric_name(tag: str) -> str:
    return tag.replace("_", " ")


def result_json(result: Result) -> dict[str, Any]:
    return {
        "run": result.run or None,
        "epochs": result.epochs,
        "steps": result.steps,
        "train_loss": result.train_loss,
        "val_loss": result.val_loss,
        "val_accuracy": result.val_accuracy,
        "seconds": result.seconds,
        "samples_per_second": result.samples_per_second,
        "device": result.device,
    }


def result_text(result: Result) -> str:
    parts = [f"run {result.run}", f"{result.steps} steps in {result.seconds:.1f} s"]
    parts.append(f"{result.samples_per_second:,.0f} samples/s on {result.device}")
    if result.waited > WORTH_TELLING * result.seconds:
        parts.append(f"{result.waited / result.seconds:.0%} of the time spent waiting for augmented batches")
    return ", ".join(parts)
