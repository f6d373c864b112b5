"""Calls the command line in this process, as a person would from a shell."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

from lab.cli import main


@dataclass(frozen=True)
class Called:
    """What a call came to."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON value."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Standard output as one JSON value a line."""
        return [json.loads(line) for line in self.out.splitlines()]


class Stream(io.StringIO):
    """Standard error that may pretend to be a terminal."""

    def __init__(self, tty: bool) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


def descent(*arguments: object, tty: bool = False, main: Callable[..., int] = main) -> Called:
    """Run one command."""
    out, err = io.StringIO(), Stream(tty)
    with redirect_stdout(out), redirect_stderr(err):
        status = main([str(argument) for argument in arguments])
    return Called(status, out.getvalue(), err.getvalue())


def complaint(*arguments: object) -> str:
    """The one sentence that a wrong call is answered with."""
    called = descent(*arguments)
    assert called.status == 2, called
    assert called.out == ""
    (line,) = called.err.splitlines()
    assert line.startswith("descent")
    assert "Traceback" not in line
    return line.partition(": ")[2]
