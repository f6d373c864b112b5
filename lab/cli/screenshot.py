"""`descent screenshot`: the window as a picture, without a screen."""

from __future__ import annotations

import argparse
import re

from lab import cores
from lab.cli.common import Parser, output_path, read_experiment, whole

__all__ = ["add_screenshot_arguments", "run_screenshot"]


def add_screenshot_arguments(parser: Parser) -> None:
    """FILE and how to draw it."""
    parser.add_argument("file", metavar="FILE", help="an experiment (.dlab)")
    parser.add_argument("--out", metavar="PNG", required=True, help="the picture to write")
    parser.add_argument("--size", metavar="WxH", type=_size, default=(1600, 1000), help="the window's size in pixels")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark", help="the window's colours")
    parser.add_argument(
        "--train-steps", metavar="N", type=whole(0, 10**9), default=0, help="train for this many steps first"
    )
    parser.add_argument("--panel", metavar="NAME", help="draw only this panel")


def run_screenshot(options: argparse.Namespace) -> int:
    """Draw the window, or one panel of it."""
    cores.leave_one_core()
    out = output_path(options.out, (".png",))
    read_experiment(options.file)
    from lab.offscreen import import_qt

    import_qt()
    from lab.screenshots import take

    take(
        options.file,
        out,
        size=options.size,
        theme=options.theme,
        train_steps=options.train_steps,
        panel=options.panel,
    )
    return 0


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{2,5})[x×](\d{2,5})", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (320 <= size[0] <= 16000 and 240 <= size[1] <= 16000):
        raise argparse.ArgumentTypeError(f"expected a size such as 1600x1000, got “{text}”")
    return size
