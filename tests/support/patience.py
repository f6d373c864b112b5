"""How long a test waits for what is to come: long enough for a machine that many share. What comes ends the wait."""

from __future__ import annotations

from functools import partialmethod

from pytestqt.qtbot import QtBot

__all__ = ["WAIT", "PatientBot"]

WAIT = 30_000
"""Milliseconds. Less than the limit of a whole test, so that what was waited for in vain is named."""


class PatientBot(QtBot):
    """Waits for WAIT where a test names no limit of its own."""

    waitUntil = partialmethod(QtBot.waitUntil, timeout=WAIT)
    waitSignal = partialmethod(QtBot.waitSignal, timeout=WAIT)
    waitSignals = partialmethod(QtBot.waitSignals, timeout=WAIT)
    waitCallback = partialmethod(QtBot.waitCallback, timeout=WAIT)
    waitActive = partialmethod(QtBot.waitActive, timeout=WAIT)
    waitExposed = partialmethod(QtBot.waitExposed, timeout=WAIT)
