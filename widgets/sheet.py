"""The style sheet over Fusion: what a palette cannot say. Labels and buttons take their variants from properties:

label.setProperty("role", "title" | "dim" | "hint" | "mono" | "error" | "warn" | "good" | "section")
button.setProperty("kind", "primary" | "accent" | "flat")
frame.setProperty("role", "card" | "panel")
"""

from __future__ import annotations

from string import Template

from widgets.tokens import Theme, mix, resources

__all__ = ["style_sheet"]

_SHEET = Template("""
QToolTip { background: $raised; color: $text; border: 1px solid $border; padding: 5px 7px; }
QMainWindow, QDialog { background: $panel; }
QMainWindow::separator { background: $border; width: 1px; height: 1px; }
QMainWindow::separator:hover { background: $accent; }
QSplitter::handle { background: $border; }
QSplitter::handle:hover { background: $accent; }
QStatusBar { background: $panel; border-top: 1px solid $border; color: $dim; }
QStatusBar::item { border: none; }
QScrollArea, QScrollArea > QWidget > QWidget#scrolled { background: transparent; border: none; }

QMenuBar { background: $panel; color: $dim; border-bottom: 1px solid $border; padding: 1px 6px; }
QMenuBar::item { background: transparent; padding: 4px 9px; border-radius: 4px; }
QMenuBar::item:selected { background: $raised; color: $text; }
QMenu { background: $raised; color: $text; border: 1px solid $border; padding: 4px; }
QMenu::item { padding: 5px 26px 5px 12px; border-radius: 4px; }
QMenu::icon { padding-left: 6px; }
QMenu::item:selected { background: $accent; color: $on_accent; }
QMenu::item:disabled { color: $faint; background: transparent; }
QMenu::separator { height: 1px; background: $border; margin: 4px 6px; }

QPushButton { background: $raised; color: $text; border: 1px solid $border; border-radius: 5px; padding: 5px 12px;
    font-weight: 500; }
QPushButton:hover { border-color: $hover; background: $raised_hover; }
QPushButton:pressed { background: $border; }
QPushButton:focus { border-color: $accent; }
QPushButton:disabled { color: $faint; }
QPushButton:checked { border-color: $accent; color: $accent; }
QPushButton[kind="primary"] { background: $accent; color: $on_accent; border-color: $accent; font-weight: 600; }
QPushButton[kind="primary"]:hover { background: $accent_hover; border-color: $accent_hover; }
QPushButton[kind="primary"]:focus { border-color: $text; }
QPushButton[kind="primary"]:disabled { background: $border; border-color: $border; color: $faint; }
QPushButton[kind="accent"] { background: transparent; color: $accent; border-color: $accent; font-weight: 600;
    padding: 3px 10px; }
QPushButton[kind="accent"]:hover { background: $accent_soft; }
QPushButton[kind="flat"] { background: transparent; border-color: transparent; padding: 3px 6px; color: $dim; }
QPushButton[kind="flat"]:hover { background: $raised; color: $text; }
QPushButton[kind="flat"]:focus { border-color: $accent; }
QPushButton[kind="fold"] { background: transparent; border: 1px solid transparent; padding: 2px 4px 2px 0; color: $dim;
    text-align: left; }
QPushButton[kind="fold"]:hover { color: $text; }
QPushButton[kind="fold"]:focus { border-color: $accent; }
QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; }
QToolButton { background: transparent; color: $text; border: 1px solid transparent; border-radius: 4px; padding: 2px; }
QToolButton:hover { background: $border; }
QToolButton:checked { background: $accent_soft; border-color: $accent; }
QToolButton:focus { border-color: $accent; }
QToolButton:disabled { color: $faint; }
QToolButton[popupMode="2"]::menu-indicator, QPushButton::menu-indicator { image: none; }

QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox, QComboBox { background: $raised; color: $text;
    border: 1px solid $border; border-radius: 4px; padding: 3px 7px; selection-background-color: $accent;
    selection-color: $on_accent; }
QLineEdit:hover, QComboBox:hover, QAbstractSpinBox:hover { border-color: $hover; }
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QComboBox:focus, QAbstractSpinBox:focus {
    border-color: $accent; }
QLineEdit[wrong="true"], QComboBox[wrong="true"] { border-color: $bad; }
QLineEdit:disabled, QComboBox:disabled, QPlainTextEdit:disabled { color: $faint; }
QComboBox::drop-down { border: none; width: 20px; subcontrol-origin: padding; subcontrol-position: center right; }
QComboBox::down-arrow { image: url("$icons/sheet-chevron-down.svg"); width: 12px; height: 12px; }
QComboBox QAbstractItemView { background: $raised; color: $text; border: 1px solid $border; padding: 3px; outline: none;
    selection-background-color: $accent; selection-color: $on_accent; }
QComboBox QAbstractItemView::item { min-height: 22px; padding: 1px 6px; }

QCheckBox { spacing: 7px; }
QCheckBox::indicator { width: 14px; height: 14px; border: 1px solid $hover; border-radius: 3px; background: $raised; }
QCheckBox::indicator:hover, QCheckBox::indicator:focus { border-color: $accent; }
QCheckBox::indicator:checked { background: $accent; border-color: $accent; image: url("$icons/sheet-check.svg"); }
QCheckBox:disabled { color: $faint; }

QTabBar { background: transparent; }
QTabBar::tab { background: transparent; color: $dim; padding: 8px 12px 7px 12px; border: none;
    border-bottom: 2px solid transparent; font-weight: 500; }
QTabBar::tab:hover { color: $text; }
QTabBar::tab:selected { color: $text; border-bottom-color: $accent; font-weight: 600; }
QTabBar::tab:focus { color: $accent; }
QTabWidget::pane { border: none; border-top: 1px solid $border; }

QDockWidget { color: $text; font-weight: 600; titlebar-close-icon: none; titlebar-normal-icon: none; }
QDockWidget::title { background: $panel; padding: 7px 12px 5px 12px; text-align: left; }

QHeaderView { background: $panel; border: none; }
QHeaderView::section { background: $panel; color: $dim; border: none; border-bottom: 1px solid $border;
    padding: 5px 8px; }
QTableView, QTreeView, QListView { background: $panel; alternate-background-color: $raised; border: none;
    gridline-color: $border; selection-background-color: $accent_soft; selection-color: $text; outline: none; }
QTableView::item, QTreeView::item, QListView::item { padding: 3px 6px; }
QTreeView::item:hover, QListView::item:hover { background: $raised; }
QTreeView::item:selected, QListView::item:selected, QTableView::item:selected { background: $accent_soft;
    color: $text; }

QProgressBar { background: $border; border: none; border-radius: 2px; max-height: 5px; min-height: 5px; }
QProgressBar::chunk { background: $accent; border-radius: 2px; }
QSlider::groove:horizontal { height: 4px; background: $border; border-radius: 2px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: 2px; }
QSlider::handle:horizontal { width: 12px; height: 12px; margin: -4px 0; border-radius: 6px; background: $text; }
QSlider::handle:horizontal:focus { background: $accent; }

QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 0; }
QScrollBar::handle { background: $border; border-radius: 3px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 24px; }
QScrollBar::handle:horizontal { min-width: 24px; }
QScrollBar::handle:hover { background: $hover; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QLabel { background: transparent; }
QLabel[role="title"] { font-weight: 600; color: $text; }
QLabel[role="section"] { font-weight: 600; color: $dim; font-size: 12px; }
QLabel[role="dim"] { color: $dim; }
QLabel[role="hint"] { color: $dim; font-size: 12px; }
QLabel[role="mono"] { color: $dim; font-family: "JetBrains Mono"; font-size: 12px; }
QLabel[role="value"] { color: $text; font-family: "JetBrains Mono"; font-size: 12px; }
QLabel[role="error"] { color: $bad; font-size: 12px; }
QLabel[role="warn"] { color: $warn; font-size: 12px; }
QLabel[role="good"] { color: $good; font-size: 12px; }
QFrame[role="card"] { background: $raised; border: 1px solid $border; border-radius: 5px; }
QFrame[role="card"][severity="error"] { border-left: 3px solid $bad; }
QFrame[role="card"][severity="warning"] { border-left: 3px solid $warn; }
QFrame[role="card"][severity="info"] { border-left: 3px solid $accent; }
QFrame[role="card"][severity="good"] { border-left: 3px solid $good; }
QFrame[role="panel"] { background: $panel; border: none; }
QFrame[role="line"] { background: $border; border: none; max-height: 1px; min-height: 1px; }
""")


def style_sheet(theme: Theme) -> str:
    """The sheet for one theme."""
    return _SHEET.substitute(
        panel=theme.panel,
        raised=theme.raised,
        border=theme.border,
        text=theme.text,
        dim=theme.text_dim,
        faint=theme.text_faint,
        accent=theme.accent,
        on_accent=theme.on_accent,
        good=theme.good,
        warn=theme.warn,
        bad=theme.bad,
        hover=mix(theme.border, theme.text, 0.25),
        raised_hover=mix(theme.raised, theme.text, 0.05),
        accent_hover=mix(theme.accent, theme.text, 0.12),
        accent_soft=mix(theme.panel, theme.accent, 0.18),
        icons=resources("icons").as_posix(),
    )
