"""What a field or a component does, in a small window beside it: formula, help, bounds, source (“?” and F1)."""

from __future__ import annotations

import html

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from engine.schema import Component, ComponentInfo, FieldSpec, Unknown, info_of
from widgets import theme
from widgets.text import full

__all__ = ["HelpPopover", "component_html", "field_html", "info_for", "tooltip"]


def info_for(cls: type) -> ComponentInfo | None:
    """What is declared about a component's class; None for a plain struct."""
    if isinstance(cls, type) and issubclass(cls, Component) and cls is not Unknown:
        try:
            return info_of(cls)
        except KeyError:
            return None
    return None


def tooltip(spec: FieldSpec) -> str:
    """A field's help, bounds and default in a few lines."""
    lines = [html.escape(spec.help)]
    bounds = spec.bounds_text()
    facts = []
    if bounds:
        facts.append(bounds[0].upper() + bounds[1:] + (f" {spec.unit}" if spec.unit else ""))
    elif spec.unit:
        facts.append(f"In {spec.unit}")
    if isinstance(spec.default, int | float) and not isinstance(spec.default, bool):
        facts.append(f"default {spec.default if spec.integer else full(float(spec.default))}")
    if facts:
        lines.append(f"<span style='color:{theme.current().text_dim}'>{html.escape('; '.join(facts))}.</span>")
    if spec.kind in ("int", "float"):
        lines.append("Type the number, drag it sideways by the arrows, or click it and scroll.")
    if spec.live:
        lines.append(f"<span style='color:{theme.current().accent}'>Can be changed while a run goes on.</span>")
    return "<p>" + "<br>".join(line for line in lines if line) + "</p>"


def field_html(spec: FieldSpec, owner: ComponentInfo | None) -> str:
    """A field's help in full, with the formula it stands in and the source of its owner."""
    symbol = f" ({html.escape(spec.symbol)})" if spec.symbol else ""
    text = f"<b>{html.escape(spec.label)}{symbol}</b>" + tooltip(spec)
    if spec.choices:
        text += f"<p>One of {html.escape(', '.join(str(choice) for choice in spec.choices))}.</p>"
    if owner is not None:
        text += _formula(owner) + _source(owner)
    return text


def component_html(info: ComponentInfo) -> str:
    """A component's help in full."""
    paragraphs = [part.strip() for part in info.help.split("\n\n") if part.strip()]
    body = "".join(f"<p>{html.escape(' '.join(part.split()))}</p>" for part in paragraphs)
    more = _headed("When not to use it", info.avoid) + _headed("In notes and libraries", info.differs)
    return f"<b>{html.escape(info.label)}</b>{_formula(info)}{body}{more}{_source(info)}"


def _headed(heading: str, text: str) -> str:
    return f"<p><b>{heading}.</b> {html.escape(text)}</p>" if text else ""


def _formula(info: ComponentInfo) -> str:
    if not info.formula:
        return ""
    return f"<p style='font-family:\"{theme.MONO_FAMILY}\"'>{html.escape(info.formula)}</p>"


def _source(info: ComponentInfo) -> str:
    if not info.source:
        return ""
    return f"<p style='color:{theme.current().text_dim}'>Source: {html.escape(info.source)}</p>"


class HelpPopover(QFrame):
    """One popover for a window; Escape or a click elsewhere closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setProperty("role", "card")
        self._label = QLabel()
        self._label.setWordWrap(True)
        self._label.setTextFormat(Qt.TextFormat.RichText)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 12, 14, 12)
        layout.addWidget(self._label)

    @property
    def text(self) -> str:
        """The rich text that is shown."""
        return self._label.text()

    def show_at(self, anchor: QWidget, text: str) -> None:
        """Show rich text beside a widget, inside the screen."""
        self._label.setText(text)
        self._label.setFixedWidth(320)
        self.setAccessibleName(anchor.accessibleName())
        self.adjustSize()
        corner = anchor.mapToGlobal(QPoint(0, anchor.height() + 4))
        screen = anchor.screen().availableGeometry()
        x = max(screen.left(), min(corner.x(), screen.right() - self.width()))
        y = corner.y()
        if y + self.height() > screen.bottom():
            y = max(screen.top(), corner.y() - anchor.height() - self.height() - 8)
        self.move(x, y)
        self.show()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_F1):
            self.close()
        else:
            super().keyPressEvent(event)
