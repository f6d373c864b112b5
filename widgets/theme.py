"""Colours, fonts and icons of the window: two themes as frozen tokens, applied as a palette and a short style sheet.

    theme.apply(app, "system")            # "dark", "light", or what the system says, followed while it changes
    theme.current().accent                # "#4ea1ff"
    theme.signals.changed.connect(...)    # repaint, rebuild pens, fetch icons anew

Tokens are "#rrggbb" strings, which QColor, pyqtgraph and style sheets all take. Sizes of fonts are pixels. The fonts
ship in resources/fonts, so that text is the same on every machine and in every screenshot.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

from PySide6.QtCore import QByteArray, QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QStyleFactory

from widgets.sheet import style_sheet
from widgets.tokens import DARK, LIGHT, Theme, mix, resources

__all__ = [
    "DARK",
    "LIGHT",
    "Mode",
    "Theme",
    "apply",
    "color",
    "current",
    "group_color",
    "icon",
    "icon_names",
    "load_fonts",
    "mix",
    "mode",
    "mono_font",
    "pixmap",
    "resources",
    "rgba",
    "signals",
    "ui_font",
]

Mode = Literal["dark", "light", "system"]

UI_FAMILY = "Inter"
MONO_FAMILY = "JetBrains Mono"
UI_SIZE = 13
MONO_SIZE = 12


class Signals(QObject):
    """`changed` is emitted after another theme has been applied."""

    changed = Signal()


signals = Signals()

_state: dict[str, object] = {"theme": DARK, "mode": "system", "followed": None}


def current() -> Theme:
    """The theme in use."""
    theme = _state["theme"]
    assert isinstance(theme, Theme)
    return theme


def mode() -> Mode:
    """What was asked for: "dark", "light" or "system"."""
    return _state["mode"]  # type: ignore[return-value]


def apply(app: QApplication, mode: Mode = "system") -> None:
    """Dress the application. With "system" the theme follows the system's colour scheme from now on; where the system
    has none to tell, it is dark. May be called again at any time."""
    load_fonts()
    if _state["followed"] is not app:
        _state["followed"] = app
        # Setting a style sheet again after the style keeps Fusion beneath it.
        app.setStyle(QStyleFactory.create("Fusion"))
        app.styleHints().colorSchemeChanged.connect(_on_system_scheme)
    before = current()
    _state["mode"] = mode
    theme = _resolve(mode)
    _state["theme"] = theme
    font = ui_font()
    if app.font() != font:
        app.setFont(font)
    app.setPalette(_palette(theme))
    app.setStyleSheet(style_sheet(theme))
    if theme is not before:
        signals.changed.emit()


def _resolve(mode: Mode) -> Theme:
    if mode != "system":
        return LIGHT if mode == "light" else DARK
    scheme = QGuiApplication.styleHints().colorScheme()
    return LIGHT if scheme == Qt.ColorScheme.Light else DARK


def _on_system_scheme(_scheme: Qt.ColorScheme) -> None:
    app = QApplication.instance()
    if mode() == "system" and isinstance(app, QApplication):
        apply(app, "system")


def _palette(theme: Theme) -> QPalette:
    palette = QPalette()
    role, group = QPalette.ColorRole, QPalette.ColorGroup
    for key, value in {
        role.Window: theme.panel,
        role.WindowText: theme.text,
        role.Base: theme.raised,
        role.AlternateBase: theme.panel,
        role.ToolTipBase: theme.raised,
        role.ToolTipText: theme.text,
        role.PlaceholderText: theme.text_faint,
        role.Text: theme.text,
        role.Button: theme.raised,
        role.ButtonText: theme.text,
        role.BrightText: theme.bad,
        role.Link: theme.accent,
        role.LinkVisited: theme.accent,
        role.Highlight: theme.accent,
        role.HighlightedText: theme.on_accent,
        role.Accent: theme.accent,
        role.Light: mix(theme.border, theme.text, 0.1),
        role.Midlight: theme.border,
        role.Mid: theme.border,
        role.Dark: mix(theme.border, "#000000", 0.2),
        role.Shadow: theme.window,
    }.items():
        palette.setColor(key, QColor(value))
    for key in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        palette.setColor(group.Disabled, key, QColor(theme.text_faint))
    palette.setColor(group.Disabled, role.Highlight, QColor(theme.border))
    return palette


# -- colours -----------------------------------------------------------------------------------------------------------


def color(name: str) -> QColor:
    """The colour of a token ("accent") or of a "#rrggbb" string."""
    return QColor(name if name.startswith("#") else getattr(current(), name))


def rgba(name: str, alpha: float) -> QColor:
    """A token's colour with an opacity of 0 to 1."""
    result = color(name)
    result.setAlphaF(alpha)
    return result


def group_color(group: str) -> str:
    """The colour of a palette group, by its name as declared ("Convolution"). Unknown groups are grey."""
    groups = current().groups
    return groups.get(group.lower(), groups["unknown"])


# -- fonts -------------------------------------------------------------------------------------------------------------


@cache
def load_fonts() -> None:
    """Load the shipped fonts; needs a QGuiApplication. Where one cannot be loaded, the system's takes its place."""
    for path in sorted(resources("fonts").glob("*.[ot]tf")):
        QFontDatabase.addApplicationFont(str(path))


def ui_font(size: int = UI_SIZE, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """The font of texts, `size` pixels high. Digits have one width."""
    load_fonts()
    font = QFont(UI_FAMILY)
    font.setStyleHint(QFont.StyleHint.SansSerif)
    font.setPixelSize(size)
    font.setWeight(weight)
    font.setFeature(QFont.Tag("tnum"), 1)
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return font


def mono_font(size: int = MONO_SIZE, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """The font of numbers, `size` pixels high, without ligatures."""
    load_fonts()
    font = QFont(MONO_FAMILY)
    font.setStyleHint(QFont.StyleHint.Monospace)
    font.setPixelSize(size)
    font.setWeight(weight)
    font.setFeature(QFont.Tag("calt"), 0)
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return font


# -- icons -------------------------------------------------------------------------------------------------------------


@cache
def icon_names() -> tuple[str, ...]:
    """The names that `icon` knows."""
    return tuple(sorted(path.stem for path in resources("icons").glob("*.svg") if not path.stem.startswith("sheet-")))


def icon(name: str, tint: str = "text") -> QIcon:
    """The icon of that name in a token's colour (or "#rrggbb"), paler when disabled. Raises KeyError for a name that
    there is none of. Fetch icons again when `signals.changed` is emitted."""
    return _icon(name, color(tint).name(), current().text_faint)


def pixmap(name: str, size: int = 16, tint: str = "text", ratio: float = 1.0) -> QPixmap:
    """The icon drawn `size` logical pixels square, for a screen of that device pixel ratio."""
    return _draw(name, color(tint).name(), size, ratio)


@cache
def _icon(name: str, tint: str, disabled: str) -> QIcon:
    result = QIcon()
    for size in (16, 20, 24, 32, 48):
        result.addPixmap(_draw(name, tint, size, 1.0))
        result.addPixmap(_draw(name, disabled, size, 1.0), QIcon.Mode.Disabled)
    return result


@cache
def _draw(name: str, tint: str, size: int, ratio: float) -> QPixmap:
    if name not in icon_names():
        raise KeyError(f"there is no icon {name!r}")
    source = resources("icons", f"{name}.svg").read_text(encoding="utf-8").replace("currentColor", tint)
    result = QPixmap(QSize(round(size * ratio), round(size * ratio)))
    result.fill(Qt.GlobalColor.transparent)
    painter = QPainter(result)
    QSvgRenderer(QByteArray(source.encode())).render(painter, QRectF(result.rect()))
    painter.end()
    result.setDevicePixelRatio(ratio)
    return result
