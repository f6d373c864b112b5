"""An activation by itself: its curve and derivative, what it makes of a bell curve, and the numbers behind them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from engine.activation_facts import ActivationFacts, Distribution, distribution, evaluate, facts, gallery
from engine.layers.activation import Activation
from engine.layers.words import title_of
from engine.schema import FieldSpec
from lab.panels.base import Panel, Rows
from lab.panels.chart import Axis, Chart, draw_text
from widgets import theme
from widgets.fields import Combo
from widgets.layout import label
from widgets.number import NumberField
from widgets.plot import Curve, Plot, series_color
from widgets.text import number

if TYPE_CHECKING:
    from lab.document import Selection

__all__ = ["ActivationFunctionPanel", "fact_items"]

POINTS = 801
REACH = 5.2
"""So far from zero curves reach at least."""
FURTHEST = 40.0
MEAN = FieldSpec(
    name="mean", kind="float", label="Mean", default=0.0, minimum=-20.0, maximum=20.0, help="Mean of the normal input."
)
STD = FieldSpec(
    name="std", kind="float", label="Deviation", default=1.0, minimum=0.01, maximum=20.0, scale="log",
    help="Standard deviation of the normal input.",
)  # fmt: skip
NOTHING = "compare…"


def fact_items(found: ActivationFacts) -> list[tuple[str, str, str]]:
    """(name, value, what it means) of each number."""
    low = "−∞" if math.isinf(found.low) else _short(found.low)
    high = "∞" if math.isinf(found.high) else _short(found.high)
    at = "" if found.low_at is None else f" at {_short(found.low_at)}"
    return [
        ("f(1)", _short(found.at_one), "the value at 1"),
        ("f(−1)", _short(found.at_minus_one), "the value at −1"),
        ("f′(0)", _short(found.slope_at_zero), "the derivative at 0 that training uses"),
        ("max f′", _short(found.max_slope), "the largest derivative"),
        ("range", f"{low}{at} to {high}", "what the values lie between"),
        ("E f", _short(found.mean), "the mean of the outputs"),
        ("sd f", _short(found.std), "the deviation of the outputs"),
        ("E f′²", _short(found.mean_square_slope), "the factor of squared gradients on their way back"),
        ("flat", f"{100 * found.flat_share:.0f} %", "how often |f′| < 0.05 for an input of mean 0 and deviation 5"),
        ("gain", _short(found.gain), "1 / √(E f²): what weights must make good for"),
    ]


def _kept(text: str) -> str:
    """Rich text that is not broken into lines."""
    return text.replace(" ", "&nbsp;")


def _short(value: float) -> str:
    """Four significant digits; what is nothing but rounding is 0."""
    return "0" if abs(value) < 1e-7 else number(value).replace("-", "−").removesuffix(".0")


class DistributionChart(Chart):
    """Outputs for a normal input: bars for one activation, an outline for another beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[str, QColor, Distribution]] = []
        self.setMinimumWidth(90)
        self.setAccessibleName("Distribution of the outputs")

    def _axis(self, area: QRectF) -> Axis:
        low = min(item.low for _, _, item in self.shown)
        high = max(item.high for _, _, item in self.shown)
        return Axis(low, high, area.left(), area.right())

    @staticmethod
    def _room(area: QRectF) -> QRectF:
        return area.adjusted(8, 22, -14, -24)

    def paint(self, painter: QPainter, area: QRectF) -> None:
        if not self.shown:
            return
        room = self._room(area)
        axis = self._axis(room)
        self.grid(painter, axis, room.top(), room.bottom())
        painter.setPen(theme.color("text_dim"))
        painter.setFont(theme.ui_font(11))
        draw_text(painter, room.left(), area.top() + 9, "outputs f(z)")
        ceiling = self._ceiling()
        for index, (_, colour, item) in enumerate(self.shown):
            heights = self._density(item) / ceiling * room.height()
            edges = axis.pixels(np.linspace(item.low, item.high, len(heights) + 1))
            (self._outline if index else self._fill)(painter, room, edges, np.minimum(heights, room.height()), colour)
        self._name_spikes(painter, room, axis, ceiling)
        painter.setPen(theme.color("border"))
        painter.drawLine(room.bottomLeft(), room.bottomRight())
        self.horizontal_scale(painter, axis, room.bottom())

    @staticmethod
    def _density(item: Distribution) -> np.ndarray:
        return item.shares * (len(item.shares) / (item.high - item.low))

    def _ceiling(self) -> float:
        """The density at the upper edge. A few bins that hold nearly everything are cut off and named: where a function
        is flat, all its outputs lie in one place."""
        values = np.sort(np.concatenate([self._density(item) for _, _, item in self.shown]))[::-1]
        rest = float(values[min(len(values) - 1, 4 * len(self.shown))])
        return max(min(float(values[0]), 4.0 * rest), 1e-12) if rest > 0 else float(values[0])

    @staticmethod
    def _fill(painter: QPainter, room: QRectF, edges: np.ndarray, heights: np.ndarray, colour: QColor) -> None:
        soft = QColor(colour)
        soft.setAlphaF(0.75)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(soft)
        for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
            gap = 1.0 if right - left >= 4 else 0.0
            painter.drawRect(QRectF(left, room.bottom() - height, max(1.0, right - left - gap), height))

    @staticmethod
    def _outline(painter: QPainter, room: QRectF, edges: np.ndarray, heights: np.ndarray, colour: QColor) -> None:
        x, y = np.repeat(edges, 2), room.bottom() - np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(colour)
        painter.drawPolyline(QPolygonF([QPointF(a, b) for a, b in zip(x, y, strict=True)]))

    def _name_spikes(self, painter: QPainter, room: QRectF, axis: Axis, ceiling: float) -> None:
        """The shares of the bins that go through the ceiling, of the first activation."""
        _, _, item = self.shown[0]
        density = self._density(item)
        painter.setFont(theme.mono_font(10))
        painter.setPen(theme.color("text"))
        for index in np.nonzero(density > ceiling * 1.001)[0]:
            x = axis.pixel(item.low + (index + 0.5) * (item.high - item.low) / len(density))
            side = "left" if x < room.center().x() else "right"
            shift = 6 if side == "left" else -6
            draw_text(painter, x + shift, room.top() + 7, f"{100 * item.shares[index]:.0f} %", side)

    def tip(self, position: QPointF) -> str:
        if not self.shown:
            return ""
        room = self._room(QRectF(self.rect()))
        if not room.contains(position):
            return ""
        axis = self._axis(room)
        value = axis.low + (position.x() - room.left()) / room.width() * (axis.high - axis.low)
        rows = []
        for name, _, item in self.shown:
            width = (item.high - item.low) / len(item.shares)
            index = math.floor((value - item.low) / width)
            if 0 <= index < len(item.shares):
                left = item.low + index * width
                ends = f"{number(left, 3)} to {number(left + width, 3)}"
                rows.append(f"{name}: {ends}: {100 * item.shares[index]:.1f} %")
        return "\n".join(rows)


class ActivationFunctionPanel(Panel):
    """f and f′, the outputs for a normal input, and the numbers; of the selected activation layer, or of one from the
    list."""

    name: ClassVar[str] = "activation_function"
    title: ClassVar[str] = "Activation function"
    tab: ClassVar[str] = "Function"
    behind: ClassVar[str] = "loss"
    closed: ClassVar[bool] = True
    listens: ClassVar[tuple[str, ...]] = ()

    def build(self) -> None:
        self._gallery = gallery()
        self._chosen = "ReLU"
        """What the list shows when no activation layer is selected, or when another was chosen over it."""
        self._over = False
        body = QWidget(self)
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(self._build_controls(body))
        pictures = QHBoxLayout()
        pictures.setSpacing(4)
        self.plot = Plot(x_label="x", y_label="f(x)", legend="top-left", lines="both")
        self.outputs = DistributionChart()
        pictures.addWidget(self.plot, 3)
        pictures.addWidget(self.outputs, 2)
        column.addLayout(pictures, 1)
        self.numbers = QLabel(body)
        self.numbers.setWordWrap(True)
        self.numbers.setContentsMargins(12, 2, 12, 8)
        self.numbers.setTextFormat(Qt.TextFormat.RichText)
        self.numbers.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addWidget(self.numbers)
        # What does not fit gives way, see `resizeEvent`: the panel must not widen its neighbours' column.
        body.setMinimumSize(150, 90)
        self.stack.addWidget(body)
        self._lines: list[tuple[Curve, Curve]] = []

    def _build_controls(self, body: QWidget) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(12, 2, 12, 2)
        row.setSpacing(6)
        self.function, self.beside = Combo(body), Combo(body)
        self.function.setAccessibleName("Activation function")
        self.beside.setAccessibleName("Activation function to compare with")
        self.function.setToolTip("The activation that is shown; that of the selected layer comes first")
        self.beside.setToolTip("Another activation beside it")
        self.beside.addItems([NOTHING, *self._gallery])
        self.function.activated.connect(self._on_function)
        self.beside.activated.connect(self._option_changed)
        self.mean, self.std = NumberField(MEAN, body), NumberField(STD, body)
        for combo in (self.function, self.beside):
            combo.setMaximumWidth(220)
            row.addWidget(combo, 3)
        row.addStretch(1)
        self._input_row = QWidget(body)
        inner = QHBoxLayout(self._input_row)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(6)
        row.addWidget(self._input_row)
        for text, field in (("z ~ N(", self.mean), (",", self.std)):
            inner.addWidget(label(text, "dim"))
            field.setMinimumWidth(52)
            field.setMaximumWidth(64)
            field.setToolTip(field.spec.help)
            field.edited.connect(self._option_changed)
            inner.addWidget(field)
        inner.addWidget(label("²)", "dim"))
        return row

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._input_row.setVisible(self.width() >= 410)
        self.outputs.setVisible(self.width() >= 300)
        self.numbers.setVisible(self.height() >= 190)

    def restyle(self) -> None:
        self.numbers.setFont(theme.ui_font(11))

    # -- which activations ---------------------------------------------------------------------------------------------

    def set_selection(self, selection: Selection | None) -> None:
        if selection is not None:
            selection.changed.connect(self._on_selection)
        super().set_selection(selection)

    def _on_selection(self) -> None:
        # Who selects a layer wants to see it, whatever was chosen from the list before.
        self._over = False

    def _on_function(self, index: int) -> None:
        layer = self._selected()
        self._over = layer is None or index > 0
        if self._over:
            self._chosen = self.function.itemText(index)
        self.hasten()

    def _selected(self) -> tuple[str, Activation] | None:
        """(title, layer) of the activation selected last on the canvas."""
        if self.selection is None or self.document is None:
            return None
        nodes = {node.id: node for node in self.document.experiment.network.nodes}
        for node_id in reversed(self.selection.nodes):
            node = nodes.get(node_id)
            if node is not None and isinstance(node.component, Activation) and node.component.elementwise:
                return f"{title_of(node)} ({node.id})", node.component
        return None

    def shown(self) -> list[tuple[str, Activation]]:
        """(name, activation) of what is drawn: one, or two."""
        selected = self._selected()
        if selected is not None and not self._over:
            found = [selected]
        else:
            name = self._chosen if self._chosen in self._gallery else next(iter(self._gallery))
            found = [(name, self._gallery[name])]
        other = self.beside.currentText()
        if other in self._gallery and self._gallery[other] != found[0][1]:
            found.append((other, self._gallery[other]))
        return found

    def _list(self) -> None:
        """Bring the list up to date: the selected layer's activation first."""
        selected = self._selected()
        names = ([selected[0]] if selected is not None else []) + list(self._gallery)
        if [self.function.itemText(i) for i in range(self.function.count())] != names:
            self.function.clear()
            self.function.addItems(names)
        self.function.setCurrentText(self.shown()[0][0])

    # -- drawing -------------------------------------------------------------------------------------------------------

    def has_data(self) -> bool:
        return True

    def _input(self) -> tuple[float, float]:
        return float(self.mean.value), float(self.std.value)

    def _grid(self) -> np.ndarray:
        mean, std = self._input()
        reach = min(FURTHEST, max(REACH, abs(mean) + 3 * std))
        return np.linspace(-reach, reach, POINTS)

    def draw(self) -> None:
        self._list()
        shown, x, (mean, std) = self.shown(), self._grid(), self._input()
        self._make_lines([name.partition(" (")[0] for name, _ in shown])
        with self.plot.changing():
            for (value, slope), (_, layer) in zip(self._lines, shown, strict=True):
                curves = evaluate(layer, x)
                value.set(x, curves[0])
                slope.set(x, curves[1])
        self.outputs.shown = [
            (name, series_color(tint), distribution(layer, mean, std)) for tint, (name, layer) in enumerate(shown)
        ]
        self.outputs.update()
        self.numbers.setText("<br>".join(self._line(i, name, layer) for i, (name, layer) in enumerate(shown)))

    def _make_lines(self, names: list[str]) -> None:
        """A pair of curves for each activation, named apart where there are two."""
        heads = [f"{name}: " if len(names) > 1 else "" for name in names]
        if [value.name for value, _ in self._lines] == [f"{head}f" for head in heads]:
            return
        self.plot.clear_curves()
        self._lines = [
            (
                self.plot.curve(f"{head}f", tint, width=1.6),
                self.plot.curve(f"{head}f′", tint, style="dash"),
            )
            for tint, head in enumerate(heads)
        ]

    def _line(self, index: int, name: str, layer: Activation) -> str:
        """The numbers of one activation as a line of rich text."""
        colour, dim = series_color(index).name(), theme.current().text_dim
        head = f"<span style='color:{colour}'>■</span> <b>{name.partition(' (')[0]}</b>&nbsp; "
        items = [
            f"<span style='color:{dim}' title='{meaning}'>{_kept(key)}</span>&nbsp;{_kept(value)}"
            for key, value, meaning in fact_items(facts(layer, *self._input()))
        ]
        return head + " &nbsp; ".join(items)

    def caption(self) -> str:
        return " and ".join(name for name, _ in self.shown())

    def table(self) -> Rows:
        x = self._grid()
        rows: list[tuple[Any, ...]] = []
        for name, layer in self.shown():
            value, slope = evaluate(layer, x)
            rows += [(name, *item) for item in zip(x.tolist(), value.tolist(), slope.tolist(), strict=True)]
        return ("activation", "x", "f", "derivative"), rows

    # -- remembering ---------------------------------------------------------------------------------------------------

    def view_state(self) -> dict[str, Any]:
        mean, std = self._input()
        beside = self.beside.currentText() if self.beside.currentIndex() > 0 else ""
        return super().view_state() | {"function": self._chosen, "beside": beside, "mean": mean, "std": std}

    def set_view_state(self, state: dict[str, Any]) -> None:
        super().set_view_state(state)
        if state.get("function") in self._gallery:
            self._chosen = state["function"]
        if state.get("beside") in self._gallery:
            self.beside.setCurrentText(state["beside"])
        for field, key in ((self.mean, "mean"), (self.std, "std")):
            value = state.get(key)
            spec = field.spec
            low, high = spec.minimum, spec.maximum
            if isinstance(value, float) and low is not None and high is not None and low <= value <= high:
                field.set_value(value)
        self.hasten()
