"""`descent replay`: train a stored run anew, with what was changed by hand changed again at the same steps."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from lab.cli.common import Parser, folder_path, print_json, warn
from lab.cli.progress import ProgressBar
from lab.cli.runs import find_run
from lab.cli.train import INTERRUPTED, epoch_text, in_passing, result_text, stopping

if TYPE_CHECKING:
    from engine.training.events import Event

__all__ = ["add_replay_arguments", "run_replay"]

NAMED = 8
"""Differences that are named; of more their number is."""


def add_replay_arguments(parser: Parser) -> None:
    """RUN and where the new run goes."""
    parser.add_argument("run", metavar="RUN", help="a run's id, the beginning of one, “last”, or a folder of runs")
    parser.add_argument("--out", metavar="DIR", help="keep the new run in this folder instead of beside the old one")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")


def run_replay(options: argparse.Namespace) -> int:
    """Replay; status 0 when every bit is the same, 1 when something differs, 130 when it was stopped."""
    from engine.training.control import Control
    from engine.training.events import EpochEnd
    from engine.training.replay import differing, replay_of
    from engine.training.store import RunStore
    from engine.training.trainer import Trainer

    reader = find_run(options.run)
    replay = replay_of(reader)
    store = RunStore(folder_path(options.out)) if options.out is not None else reader.store
    epochs = replay.experiment.training.epochs
    bar, control = ProgressBar(sys.stderr), Control()

    def report(event: Event) -> None:
        bar.follow(event)
        if isinstance(event, EpochEnd) and not options.json:
            bar.clear()
            print(epoch_text(event, epochs), flush=True)
        elif words := in_passing(event):
            bar.clear()
            warn(words)

    trainer = Trainer(replay.experiment, store=store, report=report, control=control, replay=replay)
    with stopping(control) as signals:
        try:
            result = trainer.run()
        finally:
            bar.clear()
    for problem in trainer.problems:
        warn(problem)
    if signals:
        warn(f"stopped after step {result.steps}; nothing was compared")
        return INTERRUPTED
    found = differing(reader, store.open(result.run))
    if options.json:
        print_json({"run": result.run, "of": reader.run, "steps": result.steps, "differences": found})
        return 1 if found else 0
    print(result_text(result))
    if not found:
        print(f"Every bit is that of the run {reader.run}.")
        return 0
    more = f", and {len(found) - NAMED} more" if len(found) > NAMED else ""
    print(f"This differs from the run {reader.run}: {', '.join(found[:NAMED])}{more}.")
    return 1
