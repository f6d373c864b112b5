"""What a person keeps at hand in the palette: favourites, what was used last, and which groups are folded."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QObject, Signal

from engine.experiment import Experiment
from engine.schema import ComponentInfo, Unknown, info_of
from lab.catalog import catalog
from lab.settings import Settings

__all__ = ["Shelf"]

RECENT = 6
"""How many of the components used last are kept."""


class Shelf(QObject):
    """Favourites, recent components and folded groups, kept in the window's settings. `changed` tells of any change."""

    changed = Signal()

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._favourites = self._read("favourites")
        self._recent = self._read("recent_layers")
        self._folded = self._read("folded_groups")

    @property
    def favourites(self) -> tuple[ComponentInfo, ...]:
        """In the order in which they were chosen."""
        return _known(self._favourites)

    @property
    def recent(self) -> tuple[ComponentInfo, ...]:
        """What was used last, the latest first, without the favourites."""
        return _known(tag for tag in self._recent if tag not in self._favourites)

    def offered(self) -> tuple[ComponentInfo, ...]:
        """What is offered before all else: favourites, then recent ones."""
        return (*self.favourites, *self.recent)

    def is_favourite(self, info: ComponentInfo) -> bool:
        return _key(info) in self._favourites

    def toggle(self, info: ComponentInfo) -> None:
        """Make a component a favourite, or no longer."""
        key = _key(info)
        if key in self._favourites:
            self._favourites.remove(key)
        else:
            self._favourites.append(key)
        self._keep("favourites", self._favourites)

    def use(self, info: ComponentInfo) -> None:
        """Remember that the component was used."""
        key = _key(info)
        if self._recent[:1] != [key]:
            self._recent = [key, *(item for item in self._recent if item != key)][:RECENT]
            self._keep("recent_layers", self._recent)

    def look(self, before: Experiment, after: Experiment) -> None:
        """Remember what an edit added. Whole files that were opened do not count."""
        known = {node.id for node in before.network.nodes}
        added = [node for node in after.network.nodes if node.id not in known]
        if len(added) == 1 and len(after.network.nodes) == len(known) + 1:
            (node,) = added
            if not isinstance(node.component, Unknown):
                self.use(info_of(node.component))

    def is_folded(self, group: str) -> bool:
        return group in self._folded

    def fold(self, group: str, folded: bool) -> None:
        """Fold a group of the palette, or open it."""
        if folded != self.is_folded(group):
            if folded:
                self._folded.append(group)
            else:
                self._folded.remove(group)
            self._keep("folded_groups", self._folded)

    def _read(self, key: str) -> list[str]:
        found = self._settings.get(key, [])
        return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []

    def _keep(self, key: str, values: list[str]) -> None:
        self._settings.set(key, values)
        self.changed.emit()


def _key(info: ComponentInfo) -> str:
    return f"{info.kind}/{info.tag}"


def _known(keys: Iterable[str]) -> tuple[ComponentInfo, ...]:
    """The components behind the keys. A key of another version, which this one does not know, is passed over."""
    infos = {_key(info): info for info in catalog()}
    return tuple(infos[key] for key in keys if key in infos)
