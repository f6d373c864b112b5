"""Qt without a screen: for pictures that the command line draws.

Importing this module loads no Qt; `application` does, and says in words what the system lacks for it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

__all__ = ["QtError", "application", "import_qt"]


class QtError(RuntimeError):
    """Qt cannot be loaded; the text says what to install."""


def import_qt() -> None:
    """Load Qt. Raises QtError where it, or a library of the system that it needs, is missing."""
    try:
        import PySide6.QtWidgets  # noqa: F401
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError):
            raise QtError(f"Qt is not installed ({error}): python3 run.py installs it.") from error
        raise QtError(
            f"Qt cannot be loaded: {error}. On Debian and Ubuntu: apt-get install libgl1 libegl1 libxkbcommon0 "
            "libfontconfig1 libdbus-1-3 libglib2.0-0 libx11-6."
        ) from error


def application(theme_name: Literal["dark", "light"] = "dark") -> QApplication:
    """The application, made for drawing into memory where there is none yet, in a theme."""
    import_qt()
    from PySide6.QtWidgets import QApplication

    from widgets import theme

    app = QApplication.instance()
    if not isinstance(app, QApplication):
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        app = QApplication(["descent"])
    theme.apply(app, theme_name)
    return app
