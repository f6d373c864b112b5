"""Loading a run's data on a thread, while the run listens to its control."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.data import Dataset
    from engine.experiment import DataSpec
    from engine.training.control import Control

__all__ = ["Loading"]

LISTEN = 0.05  # seconds between two looks at the control


class Loading:
    """Reads data files, which cannot be interrupted: a thread does it, and who called listens meanwhile. Whoever stops
    the run joins it after the stop has been reported."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def load(self, data: DataSpec, control: Control) -> Dataset | None:
        """The data; None when the run was stopped before they were there. Raises what loading raises."""
        from engine.data import load

        found: list[Dataset] = []
        errors: list[Exception] = []

        def work() -> None:
            try:
                found.append(load(data))
            except Exception as error:
                errors.append(error)

        self._thread = threading.Thread(target=work, name="data-loading", daemon=True)
        self._thread.start()
        while self._thread.is_alive() and not control.stopping:
            self._thread.join(LISTEN)
        if errors:
            raise errors[0]
        return found[0] if found else None

    def join(self) -> None:
        """Wait for the thread's end, if there is one."""
        if self._thread is not None:
            self._thread.join()
