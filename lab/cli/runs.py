"""`descent runs`: the runs that are kept."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from engine.text import shortened
from engine.training.store import RunReader, RunStore, RunSummary
from lab.cli.common import Parser, UserError, command, folder_path, in_help, print_json, print_table, time_text

__all__ = ["add_runs_arguments", "find_run", "run_runs"]


def find_run(text: str) -> RunReader:
    """The run that a person means by `text`: an id (or its beginning, or “last”) in the user's data folder, or a path
    FOLDER or FOLDER/ID of a folder given to `descent train --out`. Raises StoreError or UserError."""
    path = Path(text)
    if not text:
        raise UserError("expected a run's id, “last”, or a folder of runs, got “”")
    if (store := RunStore(path)).database.is_file():
        return store.open(store.resolve("last"))
    if path.name != text and (store := RunStore(path.parent)).database.is_file():
        return store.open(store.resolve(path.name))
    if path.name != text:
        raise UserError(f"{text}: there are no runs in that folder")
    store = RunStore()
    return store.open(store.resolve(text))


def add_runs_arguments(parser: Parser) -> None:
    """[DIR] [--json]"""
    parser.add_argument("folder", metavar="DIR", nargs="?", help=f"a folder given to “{in_help('train')} --out”")
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")


def run_runs(options: argparse.Namespace) -> int:
    """Print the runs, the newest first."""
    store = RunStore(folder_path(options.folder) if options.folder is not None else None)
    if options.folder is not None and not store.database.is_file():
        raise UserError(f"{options.folder}: there are no runs in that folder")
    runs = store.list()
    if options.json:
        print_json([_as_json(run) for run in runs], indent=1)
    elif not runs:
        print(f"There are no runs yet: “{command('train', 'FILE')}” makes one.")
    else:
        heading = ("RUN", "NAME", "STATUS", "EPOCHS", "STEPS", "TRAIN LOSS", "VAL LOSS", "METRICS", "TIME", "STARTED")
        print_table([heading, *(_row(run) for run in runs)], right=(3, 4, 5, 6, 8))
    return 0


def _row(run: RunSummary) -> tuple[str, ...]:
    losses = ["–" if loss is None else f"{loss:.4g}" for loss in (run.train_loss, run.validation_loss)]
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.created))
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in run.metrics.items()) or "–"
    counts = (str(run.epochs), str(run.steps))
    return (run.id, shortened(run.name), run.status, *counts, *losses, metrics, time_text(run.seconds), started)


def _as_json(run: RunSummary) -> dict[str, object]:
    return {
        "run": run.id,
        "name": run.name,
        "status": run.status,
        "device": run.device,
        "created": run.created,
        "finished": run.finished,
        "epochs": run.epochs,
        "steps": run.steps,
        "seconds": run.seconds,
        "train_loss": run.train_loss,
        "val_loss": run.validation_loss,
        "best_val_loss": run.best_validation_loss,
        "metrics": run.metrics,
        "resumable": run.resumable,
    }
