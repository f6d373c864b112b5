"""What to look at before training in earnest: `initial-loss`, `overfit`, `lr-range`, `gradient-check` and `summary`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lab.cli.common import (
    Parser,
    UserError,
    count_text,
    print_json,
    print_table,
    read_experiment,
    shape_text,
    signature_of,
    whole,
)

if TYPE_CHECKING:
    from engine.data import Dataset
    from engine.experiment import Experiment

__all__ = [
    "add_gradient_check_arguments",
    "add_initial_loss_arguments",
    "add_overfit_arguments",
    "add_lr_range_arguments",
    "add_summary_arguments",
    "run_gradient_check",
    "run_initial_loss",
    "run_overfit",
    "run_lr_range",
    "run_summary",
]


def _file(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="an experiment (.dlab)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def _read(options: argparse.Namespace) -> tuple[Experiment, Dataset]:
    from engine import data

    experiment = read_experiment(options.file)
    return experiment, data.load(experiment.data)


def _watch(total: str) -> Callable[[float, str], bool]:
    """A line of progress on a terminal's standard error."""

    def watch(share: float, words: str) -> bool:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{total}: {share:4.0%}  {words}\x1b[K")
            sys.stderr.flush()
        return True

    return watch


def _clear() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _conclude(options: argparse.Namespace, result: Any, rows: Sequence[tuple[str, ...]], right: tuple[int, ...]) -> int:
    """Print a result; status 1 when it tells of an error."""
    _clear()
    if options.json:
        print_json(_plain(asdict(result)), indent=1)
    else:
        if len(rows) > 1:
            print_table(rows, right=right)
            print()
        print(result.words)
    return 1 if result.severity == "error" else 0


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


# -- the first loss ----------------------------------------------------------------------------------------------------


def add_initial_loss_arguments(parser: Parser) -> None:
    """FILE [--json]"""
    _file(parser)


def run_initial_loss(options: argparse.Namespace) -> int:
    """Print each loss beside what it should be."""
    from engine.checks import initial_loss

    experiment, dataset = _read(options)
    found = initial_loss(experiment, dataset)
    rows: list[tuple[str, ...]] = [("LOSS", "BEFORE STEP 1", "EQUAL ANSWERS", "BEST CONSTANT")]
    for head in found.heads:
        numbers = (head.loss, head.expected, head.constant)
        rows.append((head.node, *("–" if number is None else f"{number:.4g}" for number in numbers)))
    return _conclude(options, found, rows, (1, 2, 3))


# -- learning by heart -------------------------------------------------------------------------------------------------


def add_overfit_arguments(parser: Parser) -> None:
    """FILE [--samples N] [--steps N] [--json]"""
    _file(parser)
    parser.add_argument(
        "--samples", metavar="N", type=whole(1, 100_000), default=20, help="how many samples; 20 without"
    )
    parser.add_argument(
        "--steps", metavar="N", type=whole(1, 1_000_000), default=500, help="steps at most; 500 without"
    )


def run_overfit(options: argparse.Namespace) -> int:
    """Train a copy on a few samples, and say whether it learned them by heart."""
    from engine.checks import overfit

    experiment, dataset = _read(options)
    found = overfit(experiment, dataset, options.samples, options.steps, watch=_watch("overfit"))
    return _conclude(options, found, [], ())


# -- the range of learning rates ---------------------------------------------------------------------------------------


def add_lr_range_arguments(parser: Parser) -> None:
    """FILE [--low X] [--high X] [--steps N] [--json]"""
    _file(parser)
    parser.add_argument("--low", metavar="X", type=float, default=1e-5, help="the first rate; 1e-5 without")
    parser.add_argument("--high", metavar="X", type=float, default=10.0, help="the last rate; 10 without")
    parser.add_argument(
        "--steps", metavar="N", type=whole(20, 100_000), default=200, help="how many steps; 200 without"
    )


def run_lr_range(options: argparse.Namespace) -> int:
    """Let the rate grow over a short run, and say where the loss falls fastest and where it rises."""
    from engine.checks import range_test

    if not 0 < options.low < options.high <= 1e6:
        raise UserError(
            f"--low, --high: expected 0 < low < high, and high at most 1e6; got {options.low:g}, {options.high:g}"
        )
    experiment, dataset = _read(options)
    found = range_test(experiment, dataset, options.low, options.high, options.steps, watch=_watch("lr-range"))
    rows = [("RATE", "LOSS", "SMOOTHED")]
    count = len(found.rates)
    shown = sorted({round(k * (count - 1) / 19) for k in range(20)}) if count else []
    rows += [(f"{found.rates[k]:.2e}", f"{found.losses[k]:.4g}", f"{found.smooth[k]:.4g}") for k in shown]
    return _conclude(options, found, rows, (0, 1, 2))


# -- gradients ---------------------------------------------------------------------------------------------------------


def add_gradient_check_arguments(parser: Parser) -> None:
    """FILE [--samples N] [--entries N] [--step H] [--json]"""
    _file(parser)
    parser.add_argument("--samples", metavar="N", type=whole(1, 1000), default=8, help="how many samples; 8 without")
    parser.add_argument(
        "--entries", metavar="N", type=whole(1, 10_000), default=12, help="entries of each parameter; 12 without"
    )
    parser.add_argument("--step", metavar="H", type=float, default=1e-5, help="width of the differences; 1e-5 without")


def run_gradient_check(options: argparse.Namespace) -> int:
    """Compare back-propagation with differences of the loss, parameter by parameter."""
    from engine.checks import check_gradients

    if not 1e-12 <= options.step <= 1.0:
        raise UserError(f"--step: expected a number from 1e-12 to 1, got {options.step:g}")
    experiment, dataset = _read(options)
    found = check_gradients(
        experiment, dataset, options.samples, options.entries, options.step, watch=_watch("gradient-check")
    )
    rows = [("PARAMETER", "CHECKED", "KINKS", "‖g‖", "NORM RATIO", "MEDIAN")]
    rows += [
        (item.name, str(item.checked), str(item.kinks), f"{item.norm:.2e}", f"{item.ratio:.1e}", f"{item.median:.1e}")
        for item in found.arrays
    ]
    return _conclude(options, found, rows, (1, 2, 3, 4, 5))


# -- summary -----------------------------------------------------------------------------------------------------------


def add_summary_arguments(parser: Parser) -> None:
    """FILE [--json]"""
    _file(parser)


def run_summary(options: argparse.Namespace) -> int:
    """Print shapes, parameters, work and memory, layer by layer."""
    from engine.checks import summarize
    from engine.training.result import bytes_text

    experiment = read_experiment(options.file)
    found = summarize(experiment, signature_of(experiment))
    if options.json:
        print_json(_plain(asdict(found)), indent=1)
        return 0
    rows = [("NODE", "LAYER", "READS", "OUTPUT", "PARAMETERS", "FLOPS", "OUTPUT OF A BATCH")]
    for row in found.rows:
        arrays = ", ".join(f"{name} {shape_text(shape)}" for name, shape in row.arrays)
        parameters = f"{count_text(row.parameters)}{f' ({arrays})' if arrays else ''}"
        rows.append(
            (
                row.node,
                row.title,
                ", ".join(row.inputs) or "–",
                shape_text(row.shape),
                parameters,
                count_text(row.flops),
                bytes_text(row.output_bytes),
            )
        )
    print_table(rows, right=(5, 6))
    print(
        f"\n{found.parameters:,} parameters ({bytes_text(found.weight_bytes)}; with gradients and the optimizer's "
        f"memory {bytes_text(found.weight_bytes + found.state_bytes)}), {found.depth} layers deep\n"
        f"{count_text(found.flops)} FLOPs forward per sample, {count_text(found.step_flops)} for a step of "
        f"{found.batch_size} samples in {bytes_text(found.work_bytes)} of work memory"
    )
    return 0
