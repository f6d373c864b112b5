"""The command `descent`: everything the window does, without a screen.

`descent [FILE]` opens the window; `descent COMMAND ...` does one thing and ends. Each command lives in its own module
and is imported when it is called, and Qt only by the commands that draw.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from lab import cores
from lab.cli import streams
from lab.cli.common import Parser, UserError, command, in_help, in_words

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "new": ("lab.cli.new", "make an experiment file from a preset"),
    "presets": ("lab.cli.new", "list the presets"),
    "train": ("lab.cli.train", "train an experiment"),
    "check": ("lab.cli.check", "say what is wrong with an experiment, and its shapes, parameters and FLOPs"),
    "data": ("lab.cli.data", "say what the data look like before and after preprocessing"),
    "batch": ("lab.cli.batch", "show a batch of training samples before and after augmentation"),
    "program": ("lab.cli.check", "print the compiled training step"),
    "summary": ("lab.cli.checks", "print shapes, parameters, work and memory, layer by layer"),
    "initial-loss": ("lab.cli.checks", "compare the loss before the first step with what it should be"),
    "overfit": ("lab.cli.checks", "see whether the network can learn a few samples by heart"),
    "lr-range": ("lab.cli.checks", "find the learning rates that the network bears"),
    "gradient-check": ("lab.cli.checks", "compare back-propagation with differences of the loss"),
    "bench": ("lab.cli.bench", "measure how fast an experiment trains here, and where a step's time goes"),
    "devices": ("lab.cli.devices", "list the devices that runs can be trained on, and measure them"),
    "replay": ("lab.cli.replay", "train a stored run anew with its edits, and compare every bit"),
    "runs": ("lab.cli.runs", "list the runs"),
    "export": ("lab.cli.export", "write a run's weights, plots and tables"),
    "screenshot": ("lab.cli.screenshot", "draw the window into a picture"),
    "components": ("lab.cli.components", "list every component with its fields"),
    "activations": ("lab.cli.activations", "what each activation does to values and gradients, in numbers"),
    "schema": ("lab.cli.components", "print the JSON Schema of experiment files"),
}

STOPPED = 130
"""The exit status of a command that was interrupted: 128 + SIGINT, as in a shell."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status: 0, 1 (it ran, and the answer is no) or 2 (the call was wrong)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    streams.prepare()
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
        return status
    except SystemExit as stop:  # argparse ends this way, after --help and after its own errors
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        print("descent: stopped", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        # Whoever read the output (`| head`) has seen enough.
        streams.abandon_output()
        return 0
    except Exception as error:
        sentence = in_words(error)
        if sentence is None:
            raise
        if isinstance(error, OSError) and error.filename is None:
            streams.abandon_output()
        print(f"descent: {sentence}", file=sys.stderr)
        return 2


def _dispatch(arguments: list[str]) -> int:
    first = arguments[0] if arguments else ""
    if first in COMMANDS:
        module_name, about = COMMANDS[first]
        module = import_module(module_name)
        parser = Parser(prog=command(first), description=f"{about[:1].upper()}{about[1:]}.")
        name = first.replace("-", "_")
        getattr(module, f"add_{name}_arguments")(parser)
        return int(getattr(module, f"run_{name}")(parser.parse_args(arguments[1:])))
    if first and not first.startswith("-") and not os.path.exists(first):
        close = difflib.get_close_matches(first, COMMANDS, n=1)
        hint = f"; did you mean the command “{close[0]}”?" if close else ", and no command of that name"
        raise UserError(f"there is no file “{first}”{hint}")
    options = _window_parser().parse_args(arguments)
    cores.leave_one_core()
    if options.file is not None:
        # A file that cannot be read is said here, before a window opens.
        from engine.files import load

        load(options.file)
    app = import_module("lab.app")
    return int(app.main(options.file) or 0)


def _window_parser() -> Parser:
    width = max(map(len, COMMANDS))
    name = in_help()
    lines = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    parser = Parser(
        prog=command(),
        usage=f"{name} [FILE]\n       {name} COMMAND ...",
        description="Build neural networks, train them, and see inside them while they train.",
        epilog="commands:\n" + "\n".join(lines) + f"\n\n“{command('COMMAND')} --help” tells more.",
    )
    parser.add_argument("file", metavar="FILE", nargs="?", help="an experiment (.dlab) to open in the window")
    parser.add_argument("--version", action="version", version=f"Descent Lab {_version()}")
    return parser


def _version() -> str:
    from lab import __version__

    return __version__
