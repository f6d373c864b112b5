"""Compile the kernels for this machine: a line "<done> <total> <name>" for each. Exit status 1 and a line on the error
channel where that cannot be done.

With `--led` another program reads the lines. When that has ended, this one ends with its next line, unless it was told
on its standard input to go on alone.
"""

from __future__ import annotations

import os
import sys

from engine.kernels.cpu import ALONE
from engine.kernels.cpu.library import LibraryError, compile_library

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    led = arguments == ["--led"]

    def tell(*words: object) -> None:
        try:
            print(*words, flush=True)
        except OSError:
            if not led or os.read(0, len(ALONE)) != ALONE:
                raise
            # Nobody reads on. The kernels are kept all the same; what is left of the line goes nowhere.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)

    try:
        tell(compile_library(tell))
    except LibraryError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
