"""Compile the kernels for this machine: a line "<done> <total> <name>" for each. Exit status 1 and a line on the error
channel where that cannot be done."""

from __future__ import annotations

import sys

from engine.kernels.cpu.library import LibraryError, compile_library


def main() -> int:
    try:
        path = compile_library(lambda done, total, name: print(done, total, name, flush=True))
    except LibraryError as error:
        print(error, file=sys.stderr)
        return 1
    print(path, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
