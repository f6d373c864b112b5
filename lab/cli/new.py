"""`descent new` and `descent presets`: experiments to start from."""

from __future__ import annotations

import argparse
import difflib

from lab.cli.common import Parser, UserError, command, in_help, output_path, print_table

__all__ = ["add_new_arguments", "add_presets_arguments", "run_new", "run_presets"]


def add_new_arguments(parser: Parser) -> None:
    """PRESET --out FILE [--force]"""
    parser.add_argument("preset", metavar="PRESET", help=f"a name that “{in_help('presets')}” lists")
    parser.add_argument("--out", metavar="FILE", required=True, help="the experiment file (.dlab) to write")
    parser.add_argument("--force", action="store_true", help="replace a file that is there already")


def run_new(options: argparse.Namespace) -> int:
    """Write the preset's experiment."""
    from engine.files import SUFFIX, save
    from engine.presets import make, presets

    names = [preset.name for preset in presets()]
    if options.preset not in names:
        close = difflib.get_close_matches(options.preset, names, n=1)
        hint = f"did you mean “{close[0]}”?" if close else f"“{command('presets')}” lists them"
        raise UserError(f"there is no preset “{options.preset}”; {hint}")
    path = output_path(options.out, (SUFFIX,))
    replaced = path.exists()
    if replaced and not options.force:
        raise UserError(f"{path}: is there already; give another name, or --force to replace it")
    save(make(options.preset), path)
    print(f"{path}: {'replaced' if replaced else 'written'}")
    return 0


def add_presets_arguments(parser: Parser) -> None:
    """No arguments."""


def run_presets(options: argparse.Namespace) -> int:
    """Print a table of the presets."""
    from engine.presets import presets

    print_table([("PRESET", "GROUP", "WHAT IT IS"), *((item.name, item.group, item.summary) for item in presets())])
    return 0
