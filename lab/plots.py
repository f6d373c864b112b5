"""The pictures of a stored run: every panel that has something to show, drawn without a window."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from engine.training.store import RunReader
from lab.offscreen import application

__all__ = ["SIZE", "write_plots"]

SIZE = (900, 560)
"""Width and height of a picture in Qt's device-independent pixels; a PNG has twice as many of each."""


def write_plots(run: RunReader, folder: Path, suffix: str, *, theme: Literal["dark", "light"] = "light") -> list[Path]:
    """Write a picture of each panel that has data into `folder`; returns the files. `suffix` is "png" or "svg".

    Raises OSError when a file cannot be written, QtError when Qt cannot be loaded.
    """
    app = application(theme)
    from lab.document import Document
    from lab.panels import PANELS
    from lab.session import Session

    session = Session(store=run.store)
    document = Document(run.experiment)
    written = []
    try:
        session.open_run(run.run)
        for cls in PANELS:
            panel = cls()
            panel.set_document(document)
            panel.set_session(session)
            panel.resize(*SIZE)
            # A layout gives its children their sizes when the panel is shown or drawn for the first time.
            panel.ensurePolished()
            panel.grab()
            panel.refresh()
            if panel.has_data():
                written.append(folder / f"{panel.name}.{suffix}")
                panel.export(written[-1])
            panel.set_session(None)
            panel.deleteLater()
    finally:
        session.close()
        document.deleteLater()
        app.processEvents()
    return written
