"""`descent data`: what an experiment's data look like before and after each step of preprocessing."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.cli.common import Parser, UserError, print_json, print_table, read_experiment, sentence, shape_text

if TYPE_CHECKING:
    from engine.data import Dataset
    from engine.data.facts import DataFacts, StageFacts

__all__ = ["add_data_arguments", "run_data"]

LISTED = 40
"""Features that the table of features lists."""


def add_data_arguments(parser: Parser) -> None:
    """FILE [--input NAME] [--json]"""
    parser.add_argument("file", metavar="FILE", help="an experiment (.dlab)")
    parser.add_argument("--input", metavar="NAME", help="the input to describe, of data that have several")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def run_data(options: argparse.Namespace) -> int:
    """Load the data and print their facts at every stage."""
    from engine import data
    from engine.data.facts import data_facts

    dataset = data.load(read_experiment(options.file).data)
    if options.input is not None and options.input not in dataset.raw.inputs:
        raise UserError(
            f"--input {options.input}: there is no such input; the inputs are {', '.join(dataset.raw.inputs)}"
        )
    name = options.input or next(iter(dataset.raw.inputs))
    count = len(dataset.steps.get(name, ()))
    every = [data_facts(dataset, step, name=name) for step in range(count + 1)]
    if options.json:
        print_json(_as_json(dataset, every), indent=1)
    else:
        _print(dataset, every)
    return 0


def stage_label(facts: DataFacts, step: int) -> str:
    """ "in the source", "1 Centre"."""
    return f"{step} {facts.steps[step - 1]}" if step else "in the source"


def _as_json(dataset: Dataset, every: list[DataFacts]) -> dict[str, Any]:
    first = every[0]
    return {
        "input": first.name,
        "samples": first.sizes,
        "class_names": first.class_names,
        "class_counts": first.class_counts,
        "notes": dataset.info.notes,
        "used": first.used,
        "stages": [_stage_json(facts, facts.after) for facts in every],
    }


def _stage_json(facts: DataFacts, stage: StageFacts) -> dict[str, Any]:
    return {
        "step": stage.step,
        "label": stage_label(facts, stage.step),
        "shape": stage.shape,
        "names": stage.names,
        "samples": stage.samples,
        "mean": stage.mean.tolist(),
        "deviation": stage.deviation.tolist(),
        "low": stage.low.tolist(),
        "high": stage.high.tolist(),
        "measured_features": stage.measured,
        "rank": stage.rank,
        "condition": stage.condition,
        "condition_within_rank": stage.condition_within,
        "condition_second_moment": stage.second_moment_condition,
        "spectrum": stage.spectrum.tolist(),
        "covariance": {"features": stage.features.tolist(), "values": stage.covariance.tolist()},
    }


def _print(dataset: Dataset, every: list[DataFacts]) -> None:
    first = every[0]
    _print_counts(first)
    print()
    rows: list[tuple[str, ...]] = [
        ("STAGE", "SHAPE", "MEAN", "DEVIATION", "COND COVARIANCE", "COND SECOND MOMENT", "RANK")
    ]
    for facts in every:
        stage = facts.after
        rows.append(
            (
                stage_label(facts, stage.step),
                shape_text(stage.shape),
                _range(stage.mean),
                _range(stage.deviation),
                condition_text(stage),
                number(stage.second_moment_condition),
                f"{stage.rank:,} of {stage.measured:,}",
            )
        )
    print_table(rows, right=(4, 5, 6))
    if first.before.size <= LISTED:
        for stage in (first.before, every[-1].after) if len(every) > 1 else (first.before,):
            print(f"\nfeatures {'as the network is fed them' if stage.step else 'in the source'}")
            _print_features(stage)
    print(f"\n{bounds_text(first)}")
    for note in dataset.info.notes:
        print(sentence(note))


def _print_counts(facts: DataFacts) -> None:
    parts = list(facts.sizes)
    rows = [("", *(part.upper() for part in parts)), ("samples", *(f"{facts.sizes[part]:,}" for part in parts))]
    for i, label in enumerate(facts.class_names):
        rows.append((label, *(f"{facts.class_counts[part][i]:,}" for part in parts)))
    print_table(rows, right=range(1, 1 + len(parts)))


def _print_features(stage: StageFacts) -> None:
    rows: list[tuple[str, ...]] = [("FEATURE", "MEAN", "DEVIATION", "LEAST", "GREATEST")]
    for i in range(min(stage.size, LISTED)):
        values = (stage.mean[i], stage.deviation[i], stage.low[i], stage.high[i])
        rows.append((stage.name(i), *(number(float(value)) for value in values)))
    print_table(rows, right=range(1, 5))
    if stage.size > LISTED:
        print(f"and {stage.size - LISTED:,} more")


def _range(values: np.ndarray) -> str:
    low, high = number(float(values.min())), number(float(values.max()))
    return low if low == high else f"{low} to {high}"


def condition_text(stage: StageFacts) -> str:
    """A condition number; of a singular covariance, that among the directions that vary."""
    if math.isfinite(stage.condition) or not math.isfinite(stage.condition_within):
        return number(stage.condition)
    return f"infinite (of those that vary {number(stage.condition_within)})"


def bounds_text(facts: DataFacts) -> str:
    """How many samples and features the numbers are of."""
    text = f"Of {facts.used:,} of {facts.total:,} training samples"
    before = facts.before
    if before.samples < facts.used:
        text += f", in the source of the {before.samples:,} without missing values"
    if before.measured < before.size:
        text += f"; condition numbers of {before.measured:,} of {before.size:,} features, evenly spaced"
    return f"{text}. Deviations and covariances divide by N."


def number(value: float) -> str:
    """Four digits: "0.03214", "1.209e+07"."""
    if not math.isfinite(value):
        return "infinite" if value == math.inf else "–"
    return f"{0.0 if abs(value) < 1e-12 else value:.4g}"
