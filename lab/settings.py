"""What the window remembers from one time to the next: its theme, its layout, recent files, the device, the executor.

Kept as an INI file in the user's data folder. What cannot be read counts as not there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PySide6.QtCore import QByteArray, QSettings

from engine.backend import MATH_MODES, BackendError, MathMode, read_device
from engine.executors import EXECUTORS, ExecutorKind
from engine.training.database import data_folder
from widgets.theme import Mode

__all__ = ["Settings"]

RECENT = 10
LAYOUT = 1
"""Raised when docks or splitters change so that an old layout no longer fits."""


class Settings:
    """The settings in a file; without one they last as long as this object."""

    def __init__(self, path: Path | None = None) -> None:
        self._store = QSettings(str(path), QSettings.Format.IniFormat) if path is not None else None
        self._memory: dict[str, Any] = {}

    @classmethod
    def of_user(cls) -> Settings:
        """The settings of the person at this machine."""
        return cls(data_folder() / "window.ini")

    def get(self, key: str, default: Any = None) -> Any:
        """A value of JSON types."""
        text = self._store.value(key) if self._store is not None else self._memory.get(key)
        if not isinstance(text, str):
            return default
        try:
            return json.loads(text)
        except ValueError:
            return default

    def set(self, key: str, value: Any) -> None:
        """Keep a value of JSON types."""
        text = json.dumps(value)
        if self._store is not None:
            self._store.setValue(key, text)
        else:
            self._memory[key] = text

    def sync(self) -> None:
        """Write to the file now."""
        if self._store is not None:
            self._store.sync()

    # -- what has a shape of its own -----------------------------------------------------------------------------------

    @property
    def theme(self) -> Mode:
        value = self.get("theme", "system")
        return value if value in ("dark", "light", "system") else "system"

    @theme.setter
    def theme(self, value: Mode) -> None:
        self.set("theme", value)

    @property
    def device(self) -> str:
        value = self.get("device", "auto")
        try:
            read_device(value if isinstance(value, str) else "")
        except BackendError:
            return "auto"
        return str(value)

    @device.setter
    def device(self, value: str) -> None:
        self.set("device", value)

    @property
    def executor(self) -> ExecutorKind:
        value = self.get("executor", "auto")
        return value if value in EXECUTORS else "auto"

    @executor.setter
    def executor(self, value: ExecutorKind) -> None:
        self.set("executor", value)

    @property
    def math(self) -> MathMode:
        """How a GPU multiplies matrices."""
        value = self.get("math", "float32")
        return value if value in MATH_MODES else "float32"

    @math.setter
    def math(self, value: MathMode) -> None:
        self.set("math", value)

    @property
    def recent(self) -> tuple[Path, ...]:
        """The files opened or saved last, the latest first."""
        found = self.get("recent", [])
        return tuple(Path(item) for item in found if isinstance(item, str)) if isinstance(found, list) else ()

    def add_recent(self, path: Path) -> None:
        path = path.absolute()
        self.set("recent", [str(item) for item in (path, *(p for p in self.recent if p != path))][:RECENT])

    def forget_recent(self, path: Path | None = None) -> None:
        """Take one file off the list, or all."""
        self.set("recent", [str(item) for item in self.recent if path is not None and item != path])

    def bytes(self, key: str) -> QByteArray | None:
        """A state that Qt has packed."""
        value = self.get(f"{key}-{LAYOUT}")
        return QByteArray.fromBase64(value.encode()) if isinstance(value, str) else None

    def set_bytes(self, key: str, value: QByteArray | None) -> None:
        self.set(f"{key}-{LAYOUT}", bytes(value.toBase64().data()).decode() if value is not None else None)
