"""Cards for diagnostics: what is wrong, and a button that applies the fix as one undoable edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from engine.diagnostics import Diagnostic
from engine.schema import SchemaError
from widgets.layout import Card, label

if TYPE_CHECKING:
    from lab.document import Document

__all__ = ["Findings"]


class _FixCard(Card):
    """The card of one diagnostic."""

    def __init__(self, document: Document, finding: Diagnostic) -> None:
        super().__init__(finding.severity, "", sentence(finding.message), finding.fix.label if finding.fix else "")
        self._document, self.finding = document, finding
        self._words = label("", "error", wrap=True)
        self._words.hide()
        layout = self.layout()
        assert layout is not None
        layout.addWidget(self._words)
        self.pressed.connect(self._apply)

    def _apply(self) -> None:
        fix = self.finding.fix
        if fix is None:
            return
        try:
            self._document.apply(fix.label, fix.edit(self._document.experiment))
        except SchemaError as error:
            self._words.setText(sentence(error.message))
            self._words.show()


def sentence(text: str) -> str:
    """Words with a capital at the start and a full stop at the end."""
    text = text[:1].upper() + text[1:]
    return text if text[-1:] in ".!?" else f"{text}."


class Findings(QWidget):
    """The cards of some diagnostics, one beneath the other; made anew only when the diagnostics differ."""

    def __init__(self, document: Document, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._document = document
        self._shown: tuple[tuple[str, str, str, str], ...] = ()
        self.cards: list[_FixCard] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self.hide()

    def show_findings(self, findings: tuple[Diagnostic, ...]) -> None:
        """Show these."""
        keys = tuple((f.node, f.field, f.message, f.fix.label if f.fix else "") for f in findings)
        if keys == self._shown:
            for card, finding in zip(self.cards, findings, strict=True):
                card.finding = finding
            return
        self._shown = keys
        for card in self.cards:
            self._column.removeWidget(card)
            card.hide()
            card.deleteLater()
        self.cards = [_FixCard(self._document, finding) for finding in findings]
        for card in self.cards:
            self._column.addWidget(card)
        self.setVisible(bool(findings))
