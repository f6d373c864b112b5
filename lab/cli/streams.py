"""Standard output and standard error as they may be: closed, in a narrow encoding, on a full disk, read no longer."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys

__all__ = ["abandon_output", "is_utf8", "prepare"]

_PLAIN = {"“": '"', "”": '"', "’": "'", "–": "-", "—": "-", "−": "-", "·": "-", "×": "x", "…": "...", "→": "->"}


def prepare() -> None:
    """Make printing safe: what a stream's encoding lacks is written in ASCII, and a closed stream swallows all."""
    # Without a stream, Python sets None; `print(file=None)` would then write errors to standard output.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - lasts as long as the program
    codecs.register_error("descent-plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="descent-plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(character, "?") for character in error.object[error.start : error.end]), error.end


def is_utf8(stream: object) -> bool:
    """Whether every character can be written to the stream."""
    try:
        return codecs.lookup(getattr(stream, "encoding", None) or "utf-8").name == "utf-8"
    except LookupError:
        return False


def abandon_output() -> None:
    """Let go of standard output after a write to it has failed: Python would try the rest again when it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
