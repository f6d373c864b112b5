"""The tokens of a theme: its colours by what they are for, and where fonts and icons lie.

Everything else takes them from `widgets.theme`, which says which theme is in use; only the style sheet, which `theme`
itself applies, reads them here.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct
from PySide6.QtGui import QColor

__all__ = ["DARK", "LIGHT", "Theme", "mix", "resources"]


class Theme(Struct, frozen=True, kw_only=True):
    """The colours of one theme. `window` lies behind everything (the canvas), `panel` under most text, `raised` under
    fields, buttons and cards, `node` under the body of a node, `wire` is for wires and disabled outlines.

    `text_faint` is for hints and disabled text; `on_accent` for text on `accent`. `series` are the colours of curves in
    the order of use, told apart by hue and lightness, so that the usual colour vision deficiencies do not confuse
    neighbours. `groups` are the colours of the palette's groups by the group's name in lower case."""

    name: str
    window: str
    panel: str
    raised: str
    node: str
    border: str
    text: str
    text_dim: str
    text_faint: str
    wire: str
    grid: str
    accent: str
    on_accent: str
    good: str
    warn: str
    bad: str
    series: tuple[str, ...]
    groups: dict[str, str]

    @property
    def dark(self) -> bool:
        return self.name == "dark"


def _groups(core: str, loss: str) -> dict[str, str]:
    merge = "#7b8794"
    return {
        "core": core,
        "input": merge,
        "data": merge,
        "convolution": "#2aa198",
        "pooling": "#5b8def",
        "activation": "#e8853a",
        "normalization": "#9b7bea",
        "regularization": "#d65c9e",
        "merge": merge,
        "shape": core,
        "sequence": "#3f9d5a",
        "loss": loss,
        "unknown": merge,
    }


DARK = Theme(
    name="dark",
    window="#101318",
    panel="#1b1f26",
    raised="#222730",
    node="#20252e",
    border="#2e3541",
    text="#e6e9ee",
    text_dim="#8f99a8",
    text_faint="#5c6675",
    wire="#5c6675",
    grid="#262c36",
    accent="#4ea1ff",
    on_accent="#ffffff",
    good="#3fc380",
    warn="#f0b429",
    bad="#f2645a",
    series=(
        "#4ea1ff",
        "#f0883e",
        "#3fc380",
        "#d65c9e",
        "#d9a514",
        "#9b7bea",
        "#2aa198",
        "#f2645a",
        "#a9b4c2",
        "#8c6d46",
    ),
    groups=_groups("#4ea1ff", "#d9a514"),
)

LIGHT = Theme(
    name="light",
    window="#f7f8fa",
    panel="#ffffff",
    raised="#f4f6f8",
    node="#ffffff",
    border="#d8dde4",
    text="#1b2430",
    text_dim="#5d6877",
    text_faint="#9aa4b1",
    wire="#9aa4b1",
    grid="#e7ebf0",
    accent="#1769d2",
    on_accent="#ffffff",
    good="#1a8f55",
    warn="#b97a00",
    bad="#cf3b31",
    series=(
        "#1769d2",
        "#e8853a",
        "#1a8f55",
        "#d65c9e",
        "#b97a00",
        "#8260dc",
        "#1f8f87",
        "#cf3b31",
        "#5d6877",
        "#7d5a30",
    ),
    groups=_groups("#1769d2", "#c79310"),
)


def mix(a: str, b: str, share: float) -> str:
    """The colour `share` (0 to 1) of the way from `a` to `b`: `mix(theme.node, group, 0.15)` is a node's head."""
    x, y = QColor(a), QColor(b)
    parts = (round(p + (q - p) * share) for p, q in ((x.red(), y.red()), (x.green(), y.green()), (x.blue(), y.blue())))
    return QColor(*parts).name()


def resources(*parts: str) -> Path:
    """A path below the folder of resources."""
    return Path(__file__).resolve().parent.parent.joinpath("resources", *parts)
