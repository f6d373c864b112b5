"""The problems list: what the check found, each with the button that mends it. A click selects the node."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from engine.diagnostics import Diagnostic
from engine.edits import EditError
from engine.layers.words import title_of
from lab.document import Document, Selection
from widgets import theme

__all__ = ["Problems"]

_ORDER = {"error": 0, "warning": 1, "info": 2}
_TOKENS = {"error": "bad", "warning": "warn", "info": "accent"}
_TRIANGLE = QPolygonF([QPointF(0, -6.5), QPointF(6.8, 6), QPointF(-6.8, 6)])
_FLAT, _CORNER = 2.7, 6.5
_OCTAGON = QPolygonF(
    [QPointF(x, -_CORNER) for x in (-_FLAT, _FLAT)]
    + [QPointF(_CORNER, y) for y in (-_FLAT, _FLAT)]
    + [QPointF(x, _CORNER) for x in (_FLAT, -_FLAT)]
    + [QPointF(-_CORNER, y) for y in (_FLAT, -_FLAT)]
)
_NONE = "No problems: the network fits together and can be trained."
_WORDS = {"error": "Error", "warning": "Warning", "info": "Note"}


class Problems(QWidget):
    """`countChanged(errors, warnings)` after every check; `activated(node)` when a finding about a node is chosen,
    `placeActivated(tab)` when one about the data or the training is: the name of the tab that has its field."""

    countChanged = Signal(int, int)
    activated = Signal(str)
    placeActivated = Signal(str)

    def __init__(self, document: Document, selection: Selection, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._document, self._selection = document, selection
        self.setAccessibleName("Problems")
        self.cards: list[ProblemCard] = []
        self._heading = QLabel("Problems", self)
        self._count = QLabel(self)
        self._none = QLabel(_NONE, self)
        self._none.setWordWrap(True)
        self.run_line = QPushButton(self)
        self.run_line.setProperty("kind", "fold")
        self.run_line.setToolTip("What is measured in these layers is far from healthy. Shows the first of them.")
        self.run_line.clicked.connect(self._choose_measured)
        self.run_line.hide()
        self._measured: tuple[str, ...] = ()
        top = QHBoxLayout()
        top.setContentsMargins(12, 10, 12, 2)
        top.addWidget(self._heading)
        top.addStretch(1)
        top.addWidget(self._count)
        body = QWidget(self)
        self._list = QVBoxLayout(body)
        self._list.setContentsMargins(12, 2, 12, 12)
        self._list.setSpacing(8)
        self._list.addWidget(self._none)
        self._list.addWidget(self.run_line, 0, Qt.AlignmentFlag.AlignLeft)
        self._list.addStretch(1)
        scroll = QScrollArea(self)
        scroll.setWidget(body)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addWidget(scroll, 1)
        document.reportChanged.connect(self.refresh)
        document.changed.connect(self._on_changed)
        theme.signals.changed.connect(self._apply_style)
        self._apply_style()
        self.refresh()

    def _on_changed(self, before: object, after: object) -> None:
        # A title may have changed without a new check.
        for card in self.cards:
            if card.finding is not None:
                card.set_place(self._place(card.finding))

    def refresh(self) -> None:
        """Show what the document's report says now."""
        found = sorted(self._document.report.diagnostics, key=lambda item: _ORDER[item.severity])
        keep = min(len(found), len(self.cards))
        for card in self.cards[keep:]:
            self._list.removeWidget(card)
            card.hide()
            card.deleteLater()
        del self.cards[keep:]
        for i, finding in enumerate(found):
            if i >= len(self.cards):
                card = ProblemCard(self)
                card.chosen.connect(self._choose)
                card.fixed.connect(self._fix)
                self._list.insertWidget(self._list.count() - 1, card)
                self.cards.append(card)
            self.cards[i].show_finding(finding, self._place(finding))
        reading = self._document.signature is None and self._document.loading
        self._none.setText("Reading the data…" if reading else _NONE)
        self._none.setVisible(not found)
        errors = sum(item.severity == "error" for item in found)
        warnings = sum(item.severity == "warning" for item in found)
        self._count.setText(f"{len(found)} finding{'s' if len(found) != 1 else ''}" if found else "")
        self.countChanged.emit(errors, warnings)

    def show_run(self, nodes: Sequence[str]) -> None:
        """Say how many layers a run shows to be unwell; a click on it chooses the first."""
        self._measured = tuple(nodes)
        count = len(self._measured)
        self.run_line.setText(f"In this run: {count} layer{' needs' if count == 1 else 's need'} a look")
        self.run_line.setVisible(bool(count))

    def _choose_measured(self) -> None:
        known = {node.id for node in self._document.experiment.network.nodes}
        node = next((node for node in self._measured if node in known), "")
        if node:
            self._selection.set([node])
            self.activated.emit(node)

    def _place(self, finding: Diagnostic) -> str:
        if not finding.node:
            return finding.field.replace("_", " ").replace(".", " › ").capitalize() or "Experiment"
        for node in self._document.experiment.network.nodes:
            if node.id == finding.node:
                return title_of(node)
        return finding.node

    def _choose(self, finding: Diagnostic) -> None:
        if finding.node and any(node.id == finding.node for node in self._document.experiment.network.nodes):
            self._selection.set([finding.node])
            self.activated.emit(finding.node)
        elif tab_of(finding):
            self.placeActivated.emit(tab_of(finding))

    def _fix(self, finding: Diagnostic) -> None:
        if finding.fix is None:
            self._choose(finding)
            return
        try:
            self._document.apply(finding.fix.label, finding.fix.edit(self._document.experiment))
        except EditError as error:
            for card in self.cards:
                if card.finding is finding:
                    card.refuse(error.message)

    def _apply_style(self) -> None:
        look = theme.current()
        self._heading.setFont(theme.ui_font(13, self._heading.font().weight().DemiBold))
        self.run_line.setIcon(theme.icon("warning", "bad"))
        for label in (self._count, self._none):
            label.setStyleSheet(f"color: {look.text_dim}; background: transparent")
        for card in self.cards:
            card.apply_style()


def tab_of(finding: Diagnostic) -> str:
    """The tab that has the field of a finding about no node: "data", "training" or none."""
    root = finding.field.partition(".")[0] if not finding.node else ""
    return root if root in ("data", "training") else ""


class ProblemCard(QFrame):
    """One finding: its severity as shape, colour and word, where it is, what it is, and its remedy."""

    chosen = Signal(object)
    fixed = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.finding: Diagnostic | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._mark = SeverityMark(self)
        self._title, self._words = QLabel(self), QLabel(self)
        self._words.setWordWrap(True)
        for label in (self._title, self._words):
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.button = QPushButton(self)
        self.button.setProperty("kind", "accent")
        self.button.clicked.connect(self._on_fix)
        self.button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        head = QHBoxLayout()
        head.setSpacing(7)
        head.addWidget(self._mark)
        head.addWidget(self._title, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 9, 10, 10)
        layout.setSpacing(4)
        layout.addLayout(head)
        layout.addWidget(self._words)
        layout.addWidget(self.button)
        self.apply_style()

    def _on_fix(self) -> None:
        self.fixed.emit(self.finding)

    def show_finding(self, finding: Diagnostic, place: str) -> None:
        self.finding = finding
        self._mark.set_severity(finding.severity)
        self._words.setText(finding.message)
        tab = tab_of(finding)
        self.button.setVisible(finding.fix is not None or bool(tab))
        if finding.fix is None and tab:
            self.button.setText(f"Show “{tab.capitalize()}”")
            self.button.setToolTip("Opens the tab that has the field.")
        if finding.fix is not None:
            self.button.setText(finding.fix.label)
            self.button.setToolTip("Applies this as one step that can be undone.")
        self.set_place(place)
        self.apply_style()

    def set_place(self, place: str) -> None:
        self._title.setText(place)
        if self.finding is not None:
            self.setAccessibleName(f"{_WORDS[self.finding.severity]}: {place}")
            self.setAccessibleDescription(self.finding.message)
            self._mark.setToolTip(_WORDS[self.finding.severity])

    def refuse(self, why: str) -> None:
        """Say why the remedy could not be applied."""
        if self.finding is not None:
            self._words.setText(f"{self.finding.message}\nThis could not be done: {why}.")

    def apply_style(self) -> None:
        look = theme.current()
        edge = getattr(look, _TOKENS[self.finding.severity]) if self.finding else look.border
        self.setStyleSheet(
            f"ProblemCard {{ background: {look.raised}; border: 1px solid {look.border};"
            f" border-left: 3px solid {edge}; border-radius: 6px; }}"
            f"ProblemCard:focus {{ border-color: {look.accent}; border-left-color: {edge}; }}"
            "QLabel { background: transparent; border: none; }"
        )
        self._title.setFont(theme.ui_font(12, self._title.font().weight().DemiBold))
        self._words.setFont(theme.ui_font(12))
        self._words.setStyleSheet(f"color: {look.text_dim}")
        self._mark.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.setFocus(Qt.FocusReason.MouseFocusReason)
            self.chosen.emit(self.finding)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.chosen.emit(self.finding)
        else:
            super().keyPressEvent(event)


class SeverityMark(QWidget):
    """An octagon for an error, a triangle for a warning, a disc for a note, each with its sign."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._severity = "info"
        self.setFixedSize(QSize(14, 14))

    def set_severity(self, severity: str) -> None:
        self._severity = severity
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        look = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color(getattr(look, _TOKENS[self._severity])))
        painter.translate(7, 7)
        if self._severity == "error":
            painter.drawPolygon(_OCTAGON)
        elif self._severity == "warning":
            painter.drawPolygon(_TRIANGLE)
        else:
            painter.drawEllipse(QRectF(-6, -6, 12, 12))
        painter.setPen(QPen(theme.color(look.raised), 1.6))
        up = -1 if self._severity == "info" else 1
        low = 1.0 if self._severity != "warning" else 1.6
        painter.drawLine(QPointF(0, -3.2 * up), QPointF(0, low * up))
        painter.drawPoint(QPointF(0, 3.6 * up))
