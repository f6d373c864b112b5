"""Shapes and classes of data sets for the window: known at once, or read on a worker thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from engine.data.signature import DataSignature
from engine.experiment import DataSpec

__all__ = ["DataPeek", "DataReader", "SignatureLoader"]

JOIN_SECONDS = 10.0

DataReader = Callable[[DataSpec], DataSignature]
"""Loads the data; raises DataError. Called on the worker thread."""
DataPeek = Callable[[DataSpec], DataSignature | None]
"""Answers at once; None: the data must be loaded."""
Deliver = Callable[[int, object, str], None]


class SignatureLoader:
    """Finds signatures: by a peek, or on a worker thread that always turns to the newest request.

    `deliver(generation, signature or None, error)` is called on the worker thread.
    """

    def __init__(self, deliver: Deliver, peek: DataPeek | None = None, read: DataReader | None = None) -> None:
        self._deliver, self._peek, self._read = deliver, peek or _peek, read or _read
        self._lock = threading.Lock()
        self._pending: tuple[int, DataSpec] | None = None
        self._thread: threading.Thread | None = None
        self._working = False
        self._closed = False
        self.generation = 0
        """Number of requests so far; a delivery of an earlier one is stale."""

    @property
    def busy(self) -> bool:
        """Whether data are being read on the worker thread."""
        with self._lock:
            return self._working

    def request(self, spec: DataSpec) -> tuple[DataSignature | None, str]:
        """The signature or the error where they are known at once; otherwise (None, "") and a delivery later."""
        self.generation += 1
        try:
            signature = self._peek(spec)
        except Exception as error:  # a data source's mistakes are the user's to see, never the window's end
            return None, str(error)
        if signature is not None:
            return signature, ""
        with self._lock:
            self._pending = (self.generation, spec)
            if not self._working and not self._closed:
                self._working = True
                self._thread = threading.Thread(target=self._work, name="data-signature", daemon=True)
                self._thread.start()
        return None, ""

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._pending is None or self._closed:
                    self._working = False
                    return
                generation, spec = self._pending
                self._pending = None
            try:
                signature, error = self._read(spec), ""
            except Exception as problem:
                signature, error = None, str(problem) or type(problem).__name__
            with self._lock:
                newest = self._pending is None and not self._closed
                if newest:
                    self._working = False
            if newest:
                self._deliver(generation, signature, error)
                return

    def close(self) -> None:
        """Take no more requests and wait for the one under way."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            thread.join(JOIN_SECONDS)


def _peek(spec: DataSpec) -> DataSignature | None:
    from engine.data import peek

    return peek(spec)


def _read(spec: DataSpec) -> DataSignature:
    from engine.data import load

    return load(spec).signature
