"""What an empty panel says while a run goes on: what it waits for, in place of what to press."""

from __future__ import annotations

from lab.session import Session

__all__ = ["EPOCH_END", "FIRST_EPOCH", "NEXT_STEPS", "waiting_text"]

EPOCH_END = "It appears at the end of the epoch."
FIRST_EPOCH = "The first values come at the end of the first epoch."
NEXT_STEPS = "The first values come with the next steps."


def waiting_text(session: Session | None, empty: str, news: str) -> str:
    """The words of an empty panel: `empty`, its last line replaced by `news` while a run goes on."""
    if session is None or not session.active:
        return empty
    what = empty.rpartition("\n")[0]
    return f"{what}\n{news}"
