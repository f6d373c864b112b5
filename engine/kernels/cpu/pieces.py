"""Handing out the pieces of a row's work, and knowing when all of them are done."""

from __future__ import annotations

from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import atomic_add, atomic_store, device

__all__ = ["is_last", "next_piece"]


@device
def next_piece(shared: int, pieces: int, me: int, piece: int) -> int:
    """The piece after `piece` (-1: none yet) that this thread works on; `pieces` or more when nothing is left. A single
    piece is the first thread's: its row needs no barrier for the counter's sake."""
    if pieces > 1:
        return claim(shared)
    return 0 if me == 0 and piece < 0 else 1


@device
def is_last(finished: int, pieces: int) -> bool:
    """Whether this is the last of the pieces to come to its end: whoever brings it may read what all have left.
    `finished` is the address of an int64 of the row's own, 0 at first and again afterwards."""
    if pieces == 1:
        return True
    if atomic_add(finished, 1) < pieces - 1:
        return False
    atomic_store(finished, 0)
    return True
