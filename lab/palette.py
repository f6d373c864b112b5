"""The palette: every layer and loss by group, read from the registry; search it, drag from it, or press Enter.

What a person chose as favourites, and what was used last, stand above the groups; groups can be folded.
"""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QLabel, QLineEdit, QMenu, QPushButton, QScrollArea, QVBoxLayout, QWidget

from engine.schema import ComponentInfo
from lab.catalog import Match, build, groups, search
from lab.chip import Chip
from lab.settings import Settings
from lab.shelf import Shelf
from widgets import theme
from widgets.flow import FlowLayout
from widgets.help import HelpPopover, component_html

__all__ = ["Palette", "Section"]


class Section(QWidget):
    """A heading with its chips below. `foldToggled` tells that a person folded or opened it."""

    foldToggled = Signal(str, bool)

    def __init__(self, name: str, parent: QWidget, *, foldable: bool) -> None:
        super().__init__(parent)
        self.name, self._foldable = name, foldable
        self.chips: list[Chip] = []
        self.heading = QPushButton(name, self)
        self.heading.setProperty("kind", "fold")
        self.heading.setEnabled(foldable)
        if foldable:
            self.heading.setCheckable(True)
            self.heading.setChecked(True)
            self.heading.clicked.connect(self._on_clicked)
        else:
            self.heading.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.holder = QWidget(self)
        FlowLayout(self.holder)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.heading, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.holder)
        self.apply_style()

    def fill(self, chips: Iterable[Chip]) -> None:
        """Show these chips in place of those before."""
        flow = self.holder.layout()
        assert flow is not None
        for chip in self.chips:
            flow.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        self.chips = list(chips)
        for chip in self.chips:
            flow.addWidget(chip)
            chip.show()

    @property
    def open(self) -> bool:
        """Whether the chips are to be seen while nothing is searched for."""
        return not self._foldable or self.heading.isChecked()

    def set_open(self, on: bool) -> None:
        if self._foldable:
            self.heading.setChecked(on)
        self.holder.setVisible(on)
        self.apply_style()

    def _on_clicked(self, on: bool) -> None:
        self.holder.setVisible(on)
        self.apply_style()
        self.foldToggled.emit(self.name, not on)

    def apply_style(self) -> None:
        """Follow the theme."""
        self.heading.setFont(theme.ui_font(12))
        if self._foldable:
            self.heading.setIcon(
                theme.icon("chevron-down" if self.heading.isChecked() else "chevron-right", "text_dim")
            )
        for chip in self.chips:
            chip.update()


class Palette(QWidget):
    """`addRequested` carries a component that is to be added after the selection: a chip was double-clicked, or Enter
    was pressed on it or in the search field."""

    addRequested = Signal(object)

    def __init__(self, shelf: Shelf | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.shelf = shelf or Shelf(Settings(), self)
        self.setAccessibleName("Layers")
        self.field = QLineEdit(self)
        self.field.setPlaceholderText("Search layers…  Alt+1")
        self.field.setAccessibleName("Search layers")
        self.field.setClearButtonEnabled(True)
        self.field.setMinimumHeight(30)
        self.field.textChanged.connect(self._filter)
        self.field.installEventFilter(self)
        self._nothing = QLabel("No layer has this name.", self)
        self._nothing.hide()
        self._best: Match | None = None
        self._popover: HelpPopover | None = None
        body = QWidget(self)
        self._body = QVBoxLayout(body)
        self._body.setContentsMargins(10, 0, 10, 10)
        self._body.setSpacing(8)
        self.favourites = Section("Favourites", body, foldable=False)
        self.recent = Section("Recent", body, foldable=False)
        self.groups = [Section(name, body, foldable=True) for name in groups()]
        for section in (self.favourites, self.recent, *self.groups):
            self._body.addWidget(section)
        for section, infos in zip(self.groups, groups().values(), strict=True):
            section.fill(self._chip(info, section) for info in infos)
            section.heading.setToolTip(f"{len(infos)} layers; click to fold or to open")
            section.set_open(not self.shelf.is_folded(section.name))
            section.foldToggled.connect(self.shelf.fold)
        self._body.addWidget(self._nothing)
        self._body.addStretch(1)
        scroll = QScrollArea(self)
        scroll.setWidget(body)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 10, 0, 0)
        layout.setSpacing(8)
        top = QVBoxLayout()
        top.setContentsMargins(10, 0, 10, 0)
        top.addWidget(self.field)
        layout.addLayout(top)
        layout.addWidget(scroll, 1)
        self._show_shelf()
        self._apply_style()
        self.shelf.changed.connect(self._show_shelf)
        theme.signals.changed.connect(self._apply_style)

    # -- what is shown -------------------------------------------------------------------------------------------------

    @property
    def chips(self) -> list[Chip]:
        """Every component's chip, in order. Favourites and recent ones have a second one above."""
        return [chip for section in self.groups for chip in section.chips]

    @property
    def shown(self) -> list[str]:
        """The labels of the chips that the search leaves."""
        return [chip.info.label for chip in self.chips if not chip.isHidden()]

    def focus_search(self) -> None:
        """Put the cursor into the search field."""
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()

    def _chip(self, info: ComponentInfo, section: Section) -> Chip:
        group = next(name for name, infos in groups().items() if info in infos)
        chip = Chip(info, group, section.holder)
        chip.activated.connect(self._on_activated)
        chip.stepped.connect(self._on_stepped)
        chip.menuRequested.connect(self._on_menu)
        chip.favouriteToggled.connect(self.shelf.toggle)
        return chip

    def _show_shelf(self) -> None:
        for section, infos in ((self.favourites, self.shelf.favourites), (self.recent, self.shelf.recent)):
            if [chip.info for chip in section.chips] != list(infos):
                section.fill(self._chip(info, section) for info in infos)
        self._filter(self.field.text())

    def _filter(self, text: str) -> None:
        searching = bool(text.strip())
        matches = search(text, first=self.shelf.offered())
        self._best = matches[0] if matches and searching else None
        found = {match.info.cls for match in matches}
        for section in (self.favourites, self.recent):
            section.setVisible(bool(section.chips) and not searching)
        for section in self.groups:
            for chip in section.chips:
                chip.setVisible(chip.info.cls in found)
                chip.set_best(self._best is not None and chip.info.cls is self._best.info.cls)
            section.setVisible(any(chip.info.cls in found for chip in section.chips))
            # What is searched for is shown, folded or not.
            section.set_open(searching or not self.shelf.is_folded(section.name))
        self._nothing.setVisible(not found)

    def _apply_style(self) -> None:
        for section in (self.favourites, self.recent, *self.groups):
            section.apply_style()
        self._nothing.setStyleSheet(f"color: {theme.current().text_dim}; background: transparent")

    # -- what a person does --------------------------------------------------------------------------------------------

    def _on_activated(self, info: ComponentInfo) -> None:
        self.addRequested.emit(build(info))

    def menu_for(self, info: ComponentInfo, at: QPoint) -> QMenu:
        """The menu of a chip."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Add after the selection", lambda: self._on_activated(info))
        known = self.shelf.is_favourite(info)
        menu.addAction("Remove from favourites" if known else "Add to favourites", lambda: self.shelf.toggle(info))
        menu.addSeparator()
        menu.addAction(f"What is {info.label}?", lambda: self.explain(info, at))
        return menu

    def _on_menu(self, info: ComponentInfo, at: QPoint) -> None:
        self.menu_for(info, at).popup(at)

    def explain(self, info: ComponentInfo, at: QPoint) -> None:
        """Show a component's help in full."""
        self._popover = self._popover or HelpPopover(self)
        self._popover.show_at(self.field, component_html(info))
        self._popover.move(at)

    def _on_stepped(self, step: int) -> None:
        """Move the focus to the next or previous chip that is shown; before the first comes the search field."""
        shown = self._within_sight()
        index = shown.index(self.sender()) + step  # type: ignore[arg-type]
        if index < 0:
            self.focus_search()
        elif index < len(shown):
            shown[index].setFocus(Qt.FocusReason.TabFocusReason)

    def _within_sight(self) -> list[Chip]:
        every = (chip for section in (self.favourites, self.recent, *self.groups) for chip in section.chips)
        return [chip for chip in every if chip.isVisibleTo(self)]

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.field and event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._best is not None:
                self.addRequested.emit(self._best.component)
                self.field.selectAll()
                return True
            if event.key() == Qt.Key.Key_Escape and self.field.text():
                self.field.clear()
                return True
            if event.key() == Qt.Key.Key_Down:
                for chip in self._within_sight()[:1]:
                    chip.setFocus(Qt.FocusReason.TabFocusReason)
                return True
        return super().eventFilter(watched, event)
