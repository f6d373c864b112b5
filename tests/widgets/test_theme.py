"""Colours that can be read, fonts that are there, icons that take their tint, and following the system."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFontInfo, QFontMetricsF, QPalette
from PySide6.QtWidgets import QDialogButtonBox, QMessageBox, QProxyStyle, QStyle

from widgets import theme


def luminance(color: str) -> float:
    """Relative luminance of WCAG 2.1."""
    parts = [part / 255 for part in QColor(color).getRgb()[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colors", [theme.DARK, theme.LIGHT], ids=["dark", "light"])
def test_texts_can_be_read(colors):
    for ground in (colors.panel, colors.raised, colors.window, colors.node):
        assert contrast(colors.text, ground) > 10
        assert contrast(colors.text_dim, ground) > 4.5
        for tint in (colors.bad, colors.good, colors.accent):
            assert contrast(tint, ground) > 3
    for tint in (*colors.series, *colors.groups.values()):
        assert contrast(tint, colors.panel) > 2.1


@pytest.mark.parametrize("colors", [theme.DARK, theme.LIGHT], ids=["dark", "light"])
def test_no_two_series_look_alike(colors):
    assert len(set(colors.series)) == len(colors.series) >= 8


def test_switching_changes_palette_and_tells(qapp, qtbot):
    with qtbot.waitSignal(theme.signals.changed):
        theme.apply(qapp, "light")
    assert theme.current() is theme.LIGHT and not theme.current().dark
    assert qapp.palette().color(QPalette.ColorRole.Window) == QColor(theme.LIGHT.panel)
    assert theme.LIGHT.accent in qapp.styleSheet() and theme.DARK.accent not in qapp.styleSheet()
    with qtbot.assertNotEmitted(theme.signals.changed):
        theme.apply(qapp, "light")


def test_system_mode_follows_the_system(qapp, monkeypatch, qtbot):
    class Hints:
        scheme = Qt.ColorScheme.Light

        def colorScheme(self):
            return self.scheme

    hints = Hints()
    monkeypatch.setattr(theme.QGuiApplication, "styleHints", lambda: hints)
    theme.apply(qapp, "system")
    assert theme.current() is theme.LIGHT
    hints.scheme = Qt.ColorScheme.Dark
    with qtbot.waitSignal(theme.signals.changed):
        theme._on_system_scheme(hints.scheme)
    assert theme.current() is theme.DARK
    theme.apply(qapp, "light")
    theme._on_system_scheme(hints.scheme)
    assert theme.current() is theme.LIGHT, "a chosen theme does not follow the system"


def test_a_system_that_does_not_tell_gets_the_dark_theme(qapp, monkeypatch):
    class Hints:
        def colorScheme(self):
            return Qt.ColorScheme.Unknown

    monkeypatch.setattr(theme.QGuiApplication, "styleHints", lambda: Hints())
    theme.apply(qapp, "system")
    assert theme.current() is theme.DARK


def test_the_shipped_fonts_are_the_ones_used(qapp):
    assert QFontInfo(theme.ui_font()).family() == "Inter"
    assert QFontInfo(theme.mono_font()).family() == "JetBrains Mono"
    assert theme.resources("fonts", "OFL.txt").read_text(encoding="utf-8").count("Copyright") >= 2


@pytest.mark.parametrize("font", ["ui_font", "mono_font"])
def test_digits_have_one_width(qapp, font):
    metrics = QFontMetricsF(getattr(theme, font)(13))
    assert len({round(metrics.horizontalAdvance(digit), 3) for digit in "0123456789"}) == 1


def test_every_icon_draws_something_in_its_tint(qapp):
    assert {"play", "pause", "step", "stop", "reset", "search", "warning", "error", "export"} <= set(theme.icon_names())
    for name in theme.icon_names():
        image = theme.pixmap(name, 32, "#ff0000").toImage()
        inked = [image.pixelColor(x, y) for x in range(32) for y in range(32) if image.pixelColor(x, y).alpha() > 200]
        assert inked, name
        assert all(pixel.red() > 240 and pixel.green() < 15 for pixel in inked), name
    assert not theme.icon("play").isNull()


def test_an_unknown_icon_is_refused(qapp):
    with pytest.raises(KeyError, match="unicorn"):
        theme.icon("unicorn")


def test_colours_mix_and_fade(qapp):
    assert theme.mix("#000000", "#ffffff", 0.5) == "#808080"
    assert theme.mix("#102030", "#405060", 0.0) == "#102030"
    assert theme.rgba("accent", 0.5).alpha() == 128
    assert theme.group_color("Convolution") == "#2aa198"
    assert theme.group_color("no such group") == theme.current().groups["unknown"]


class Iconic(QProxyStyle):
    """As on a desktop that puts icons on the buttons of dialogs."""

    def styleHint(self, hint, option=None, widget=None, data=None):
        if hint == QStyle.StyleHint.SH_DialogButtonBox_ButtonsHaveIcons:
            return 1
        return super().styleHint(hint, option, widget, data)


@pytest.mark.parametrize("mode", ["dark", "light"])
def test_buttons_of_dialogs_carry_no_foreign_icons(qapp, qtbot, mode):
    theme.apply(qapp, mode)
    desktop = Iconic("Fusion")
    box, kinds = QDialogButtonBox(), QDialogButtonBox.StandardButton
    qtbot.addWidget(box)
    box.setStyle(desktop)
    box.setStandardButtons(kinds.Save | kinds.Discard | kinds.Cancel | kinds.Close)
    box.show()
    assert len(box.buttons()) == 4 and all(button.icon().isNull() for button in box.buttons())
    question = QMessageBox()
    qtbot.addWidget(question)
    question.setStandardButtons(QMessageBox.StandardButton.Save | QMessageBox.StandardButton.Discard)
    question.show()
    assert all(button.icon().isNull() for button in question.buttons())
