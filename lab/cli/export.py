"""`descent export`: what a run has come to, as files for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.common import Parser, UserError, folder_path, output_path, sentence, warn
from lab.cli.runs import find_run

if TYPE_CHECKING:
    from engine.training.store import RunReader

__all__ = ["add_export_arguments", "history_columns", "run_export"]


def add_export_arguments(parser: Parser) -> None:
    """RUN and what to write."""
    parser.add_argument("run", metavar="RUN", help="a run's id, the beginning of one, “last”, or FOLDER/ID")
    parser.add_argument("--weights", metavar="FILE", help="the weights of the last checkpoint (.npz or .safetensors)")
    parser.add_argument("--averaged", action="store_true", help="export the averaged weights (training.averaging)")
    parser.add_argument("--plots", metavar="DIR", help="a picture of every panel, into this folder")
    parser.add_argument("--format", choices=("png", "svg"), default="png", help="the pictures' format")
    parser.add_argument("--csv", metavar="FILE", help="every step's and every epoch's numbers, as a table")


def run_export(options: argparse.Namespace) -> int:
    """Write the files that are asked for; check all names before the first is written."""
    from engine.export.weights import SUFFIXES

    if options.weights is None and options.plots is None and options.csv is None:
        raise UserError("nothing to export: give --weights FILE, --plots DIR or --csv FILE")
    if options.averaged and options.weights is None:
        raise UserError("--averaged says which weights to export: give --weights FILE as well")
    weights = output_path(options.weights, SUFFIXES) if options.weights is not None else None
    table = output_path(options.csv, (".csv",)) if options.csv is not None else None
    plots = folder_path(options.plots) if options.plots is not None else None
    run = find_run(options.run)
    written: list[Path] = []
    if weights is not None:
        _write_weights(run, weights, averaged=options.averaged)
        written.append(weights)
    if table is not None:
        from engine.export.tables import write_csv

        write_csv(table, history_columns(run))
        written.append(table)
    if plots is not None:
        pictures = _write_plots(run, plots, options.format)
        if not pictures:
            raise UserError(f"the run {run.run} has nothing to draw yet")
        written += pictures
    for path in written:
        print(sentence(f"{path}: written"))
    for problem in run.problems:
        warn(problem)
    return 0


def _write_weights(run: RunReader, path: Path, *, averaged: bool) -> None:
    from engine.export.weights import save_weights, weights_of

    checkpoint = run.last_checkpoint()
    if checkpoint is None:
        raise UserError(f"the run {run.run} has no checkpoint, so there are no weights to export")
    arrays, counters = checkpoint
    notes = {"run": run.run, "step": str(counters.get("step", ""))} | ({"averaged": "yes"} if averaged else {})
    save_weights(path, weights_of(arrays, averaged=averaged), experiment=run.experiment.name, **notes)


def _write_plots(run: RunReader, folder: Path, suffix: str) -> list[Path]:
    from engine.training.database import os_error_in_words
    from lab.plots import write_plots

    try:
        folder.mkdir(parents=True, exist_ok=True)
        return write_plots(run, folder, suffix)
    except OSError as error:
        raise UserError(os_error_in_words(error, f"The pictures cannot be saved in {folder}")) from error


def history_columns(run: RunReader) -> dict[str, list[Any]]:
    """One row a step; what is known once an epoch stands in the row of the epoch's last step."""
    from engine.export.tables import epoch_columns

    steps = {name: column.tolist() for name, column in run.steps().items()}
    epochs = run.epochs()
    rows = {step: i for i, step in enumerate(steps["step"])}
    columns: dict[str, list[Any]] = dict(steps)
    for name, values in epoch_columns(epochs).items():
        if name in ("epoch", "step", "learning_rate"):
            continue
        columns[name] = [None] * len(steps["step"])
        for epoch, value in zip(epochs, values, strict=True):
            if epoch.step in rows:
                columns[name][rows[epoch.step]] = value
    return columns
