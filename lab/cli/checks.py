"""What to look at before training in earnest: `summary`, `initial-loss`, `overfit`, `lr-range` and `gradient-check`.

All are made from `engine.checks.CHECKS`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from lab.cli.changes import add_set_argument, with_changes
from lab.cli.common import Parser, UserError, print_json, print_table, read_experiment

if TYPE_CHECKING:
    from engine.schema import FieldSpec

LEFT = frozenset({"Node", "Layer", "Reads", "Output", "Arrays", "Parameter", "Loss"})
"""Columns of words; numbers are aligned to the right."""


def _add_arguments(tag: str, parser: Parser) -> None:
    """FILE, --set, the check's options, and --json."""
    from engine.checks import check_named
    from engine.schema import fields_of

    parser.add_argument("file", metavar="FILE", help="an experiment (.dlab)")
    add_set_argument(parser)
    for spec in fields_of(check_named(tag).options):
        parser.add_argument(
            f"--{spec.name}",
            metavar="N" if spec.integer else "X",
            type=_number(spec),
            default=spec.default,
            help=f"{spec.help[0].lower()}{spec.help[1:].rstrip('.')}; {spec.default:g} without",
        )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def _number(spec: FieldSpec) -> Callable[[str], Any]:
    """An argparse type: what the field allows."""
    from engine.schema import SchemaError, parse_field

    def parse(text: str) -> Any:
        try:
            return parse_field(spec, int(text) if spec.integer else float(text))
        except ValueError as error:
            words = error.message if isinstance(error, SchemaError) else f"expected a number, got “{text}”"
            raise argparse.ArgumentTypeError(words) from None

    return parse


def _run(tag: str, options: argparse.Namespace) -> int:
    """Print what the check found; status 1 when it is an error."""
    from engine import data
    from engine.checks import check_named
    from engine.schema import fields_of

    check = check_named(tag)
    experiment = with_changes(read_experiment(options.file), options.changes)
    told = check.options(**{spec.name: getattr(options, spec.name) for spec in fields_of(check.options)})
    try:
        found = check.run(experiment, data.load(experiment.data), told, partial(_show_progress, tag))
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        raise UserError(str(error)) from None
    finally:
        _clear()
    if options.json:
        print_json(_plain(asdict(found)), indent=1)
    else:
        header, rows = check.table(found)
        right = [i for i, name in enumerate(header) if name not in LEFT or (i and name == "Loss")]
        print_table([tuple(name.upper() for name in header), *rows], right=right)
        print(f"\n{found.words}")
    return 1 if found.severity == "error" else 0


def _show_progress(tag: str, share: float, words: str) -> bool:
    """A line of progress on a terminal's standard error."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{tag}: {share:4.0%}  {words}\x1b[K")
        sys.stderr.flush()
    return True


def _clear() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


add_summary_arguments = partial(_add_arguments, "summary")
add_initial_loss_arguments = partial(_add_arguments, "initial-loss")
add_overfit_arguments = partial(_add_arguments, "overfit")
add_lr_range_arguments = partial(_add_arguments, "lr-range")
add_gradient_check_arguments = partial(_add_arguments, "gradient-check")
run_summary = partial(_run, "summary")
run_initial_loss = partial(_run, "initial-loss")
run_overfit = partial(_run, "overfit")
run_lr_range = partial(_run, "lr-range")
run_gradient_check = partial(_run, "gradient-check")
