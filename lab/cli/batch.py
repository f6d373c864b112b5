"""`descent batch`: the training samples of a step as the network gets them, after augmentation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab.cli.changes import add_set_argument, with_changes
from lab.cli.common import Parser, output_path, print_json, print_table, read_experiment, whole

if TYPE_CHECKING:
    from engine.data.augmentation.preview import BatchPreview

__all__ = ["add_batch_arguments", "run_batch"]

LISTED = 40
"""Samples that the table lists."""
SIZE, MARGIN = (960, 720), 8
"""The picture at most, in pixels, and what is left free beneath the samples."""


def add_batch_arguments(parser: Parser) -> None:
    """FILE [--set PATH=VALUE] [--step N] [--input NAME] [--out PNG] [--theme dark|light] [--json]"""
    parser.add_argument("file", metavar="FILE", help="an experiment (.dlab)")
    add_set_argument(parser)
    parser.add_argument(
        "--step", metavar="N", type=whole(1, 10**12), default=1, help="the step of a run whose batch it is"
    )
    parser.add_argument("--input", metavar="NAME", default="", help="the input to show, of data that have several")
    parser.add_argument("--out", metavar="PNG", help="draw the samples, each beside what it was, into this picture")
    parser.add_argument("--theme", choices=("dark", "light"), default="light", help="the picture's colours")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, with all values, instead of a table"
    )


def run_batch(options: argparse.Namespace) -> int:
    """Make the batch, list it, and draw it where a picture is asked for."""
    from engine import data
    from engine.data.augmentation.preview import preview_batch

    out = output_path(options.out, (".png",)) if options.out else None
    experiment = with_changes(read_experiment(options.file), options.changes)
    preview = preview_batch(experiment, data.load(experiment.data), options.step - 1, options.input)
    if out is not None:
        _draw(preview, out, options.theme)
    if options.json:
        print_json(_as_json(preview), indent=1)
    elif out is None:
        _print(preview)
    return 0


def _as_json(preview: BatchPreview) -> dict[str, object]:
    return {
        "input": preview.name,
        "step": preview.step + 1,
        "steps_per_epoch": preview.steps_per_epoch,
        "samples": [
            {"sample": int(index), "target": label, "before": before.tolist(), "after": after.tolist()}
            for index, label, before, after in zip(
                preview.indices, preview.labels, preview.before, preview.after, strict=True
            )
        ],
    }


def _print(preview: BatchPreview) -> None:
    heads = ("SAMPLE", "TARGET", "MEAN BEFORE", "AFTER", "LEAST BEFORE", "AFTER", "GREATEST BEFORE", "AFTER")
    rows: list[tuple[str, ...]] = [heads]
    for index in range(min(LISTED, len(preview.labels))):
        both = preview.before[index], preview.after[index]
        numbers = [f"{float(take(array)):.4g}" for take in (np.mean, np.min, np.max) for array in both]
        rows.append((f"{int(preview.indices[index])}", preview.labels[index], *numbers))
    print_table(rows, right=(0, 2, 3, 4, 5, 6, 7))
    if len(preview.labels) > LISTED:
        print(f"and {len(preview.labels) - LISTED:,} more")


def _draw(preview: BatchPreview, out: Path, theme_name: str) -> None:
    from lab.offscreen import application

    application(theme_name)  # type: ignore[arg-type]  # the parser allows these two
    from engine.files import write_atomically
    from lab.panels.batch_chart import BatchChart
    from widgets import theme
    from widgets.export import png_of

    chart = BatchChart()
    chart.setStyleSheet(f"background: {theme.current().panel}")
    chart.resize(*SIZE)
    chart.set_preview(preview)
    picture = chart.grab()
    used = min(picture.height(), round((chart.bottom + MARGIN) * picture.devicePixelRatio()))
    write_atomically(out, png_of(picture.copy(0, 0, picture.width(), used)))
