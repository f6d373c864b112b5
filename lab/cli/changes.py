"""The option `--set PATH=VALUE`: an experiment's fields changed for one call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lab.cli.common import Parser, UserError

if TYPE_CHECKING:
    from engine.experiment import Experiment

__all__ = ["add_set_argument", "with_changes"]


def add_set_argument(parser: Parser) -> None:
    """--set PATH=VALUE, any number of times, kept as `changes`."""
    parser.add_argument(
        "--set",
        dest="changes",
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help="change a field first, such as training.optimizer.learning_rate=0.01 or nodes.dense_1.units=64",
    )


def with_changes(experiment: Experiment, changes: Iterable[str]) -> Experiment:
    """The experiment with fields changed as the texts "PATH=VALUE" say, one after the other. Raises UserError and
    SchemaError."""
    from engine.edits import set_text
    from engine.file_paths import anchored
    from engine.schema import is_text

    for change in changes:
        path, equals, value = change.partition("=")
        if not equals or not path:
            raise UserError(f"--set {change}: expected PATH=VALUE, such as training.batch_size=32")
        if not is_text(change):
            raise UserError(f"--set {path}: the value is not text in this system's encoding")
        experiment = set_text(experiment, path, value)
    return anchored(experiment, ".")  # what was given with --set, as every other argument
