"""The decision surface of a network with two inputs: its output over the plane, with the training samples on it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPaintEngine, QPainter, QPen, QPixmap

from engine.data import load, peek
from engine.training.events import Surface
from lab.panels.base import Panel, Rows
from lab.panels.chart import Axis, Chart, draw_text
from lab.panels.waiting import NEXT_STEPS, waiting_text
from widgets import theme
from widgets.text import number
from widgets.trace import polygon

__all__ = ["SurfacePanel", "shade"]

MOST_POINTS = 1500
WHAT = (
    "Shows what the network answers at every point of the plane, for data of two features, with the training samples "
    "on it."
)


def shade(values: np.ndarray, panel: QColor, colours: list[QColor]) -> np.ndarray:
    """Colours (rows, columns, 3) uint8 of an output (rows, columns, outputs).

    Several outputs: each class in its colour by its probability, paler where the network is unsure. One output between
    0 and 1: from the first colour over pale to the second. Any other: the same, from its lowest to its highest value.
    """
    back = np.array([panel.red(), panel.green(), panel.blue()], dtype=float)
    inks = np.array([[c.red(), c.green(), c.blue()] for c in colours], dtype=float)
    values = np.nan_to_num(np.asarray(values, dtype=float), nan=0.5, posinf=1.0, neginf=0.0)
    if values.shape[-1] == 1:
        value = values[..., 0]
        if value.min() < 0 or value.max() > 1:
            value = (value - value.min()) / max(float(value.max() - value.min()), 1e-12)
        ink = np.where((value >= 0.5)[..., None], inks[1], inks[0])
        strength = np.abs(2 * value - 1)
    else:
        n = values.shape[-1]
        best = values.argmax(axis=-1)
        ink = inks[best % len(inks)]
        strength = np.clip((values.max(axis=-1) - 1 / n) / (1 - 1 / n), 0, 1)
    mixed = back + (ink - back) * (0.10 + 0.48 * strength)[..., None]
    return mixed.round().clip(0, 255).astype(np.uint8)


class SurfaceChart(Chart):
    """An image under a scatter of samples."""

    def __init__(self) -> None:
        super().__init__()
        self.surface: Surface | None = None
        self.points: tuple[np.ndarray, np.ndarray] | None = None
        self.classes = False
        self._key: object = None
        self._image = QImage()
        self._dots_key: object = None
        self._dotted: np.ndarray | None = None
        self._picture = QPixmap()

    @staticmethod
    def colours() -> list[QColor]:
        return [QColor(name) for name in theme.current().series]

    def paint(self, painter: QPainter, area: QRectF) -> None:
        surface = self.surface
        if surface is None:
            return
        low_x, high_x, low_y, high_y = surface.extent
        room = area.adjusted(44, 4, -14, -24)
        scale = min(room.width() / (high_x - low_x), room.height() / (high_y - low_y))
        width, height = (high_x - low_x) * scale, (high_y - low_y) * scale
        plot = QRectF(room.center().x() - width / 2, room.top(), width, height)
        self._x = Axis(low_x, high_x, plot.left(), plot.right())
        self._y = Axis(low_y, high_y, plot.bottom(), plot.top())
        self._plot = plot
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(plot, self._shaded(surface))
        if painter.paintEngine().type() == QPaintEngine.Type.Raster:
            painter.drawPixmap(plot.topLeft(), self._dots(plot, painter.deviceTransform().m11()))
        else:
            painter.save()
            painter.setClipRect(plot)
            self._scatter(painter)
            painter.restore()
        self.horizontal_scale(painter, self._x, plot.bottom())
        for value, text in self._y.ticks(36):
            draw_text(painter, plot.left() - 6, self._y.pixel(value), text, "right")

    def _shaded(self, surface: Surface) -> QImage:
        key = (id(surface), theme.current().name)
        if key != self._key:
            pixels = shade(surface.values, theme.color("panel"), self.colours())
            pixels = np.ascontiguousarray(pixels[::-1])  # row 0 lies at the low y, an image begins at the top
            height, width = pixels.shape[:2]
            self._image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
            self._key = key
        return self._image

    def _dots(self, plot: QRectF, scale: float) -> QPixmap:
        """The samples over the surface, which stay while the surface moves: as a picture, `scale` of its pixels to one
        of the screen's."""
        key = (self.classes, plot, scale, theme.current().name)
        values = self.points[0] if self.points is not None else None
        if key != self._dots_key or values is not self._dotted:
            self._dotted = values
            picture = QPixmap((plot.size() * scale).toSize())
            picture.setDevicePixelRatio(scale)
            picture.fill(Qt.GlobalColor.transparent)
            painter = QPainter(picture)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.translate(-plot.topLeft())
            self._scatter(painter)
            painter.end()
            self._dots_key, self._picture = key, picture
        return self._picture

    def _scatter(self, painter: QPainter) -> None:
        if self.points is None:
            return
        x, y = self.points
        px, py = self._x.pixels(x[:, 0]), self._y.pixels(x[:, 1])
        colours = self.colours()
        if self.classes:
            labels = y.astype(int)
        else:
            spread = float(np.ptp(y)) or 1.0
            labels = ((y - y.min()) / spread >= 0.5).astype(int)
        radius = 2.6 if len(x) < 600 else 1.8
        # Points with round caps: one call for each class, where a circle for each sample would take long.
        for label in (None, *np.unique(labels)):
            chosen = slice(None) if label is None else labels == label
            colour = theme.color("panel") if label is None else colours[int(label) % len(colours)]
            pen = QPen(colour, 2 * radius + (1.6 if label is None else 0.0))
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            painter.drawPoints(polygon(px[chosen], py[chosen]))

    def tip(self, position: QPointF) -> str:
        if self.surface is None or not self._plot.contains(position):
            return ""
        x = self._x.low + (position.x() - self._x.start) / (self._x.end - self._x.start) * (self._x.high - self._x.low)
        y = self._y.low + (position.y() - self._y.start) / (self._y.end - self._y.start) * (self._y.high - self._y.low)
        rows, columns, outputs = self.surface.values.shape
        i = round((y - self._y.low) / (self._y.high - self._y.low) * (rows - 1))
        j = round((x - self._x.low) / (self._x.high - self._x.low) * (columns - 1))
        values = self.surface.values[min(max(i, 0), rows - 1), min(max(j, 0), columns - 1)]
        lines = [f"({number(x, 3)}, {number(y, 3)})"]
        lines += [f"output {k}: {number(float(values[k]), 3)}" for k in range(min(outputs, 10))]
        return "\n".join(lines)


class SurfacePanel(Panel):
    """What the network says of each point of the plane."""

    name: ClassVar[str] = "surface"
    title: ClassVar[str] = "Decision surface"
    tab: ClassVar[str] = "Surface"
    behind: ClassVar[str] = "activations"
    topics: ClassVar[frozenset[str]] = frozenset({"surface"})
    listens: ClassVar[tuple[str, ...]] = ("surfaceChanged", "stateChanged")
    empty: ClassVar[str] = f"{WHAT}\nChoose a two-dimensional data set, such as the spirals, and press Train."
    interval_ms: ClassVar[int] = 400
    priority: ClassVar[float] = 1.0  # it is there to be seen moving
    looks_back: ClassVar[bool] = True

    def build(self) -> None:
        self.chart = SurfaceChart()
        self.stack.addWidget(self.chart)
        self.show_points = self.toggle("points", "Training samples", True)
        self._points_of: object = None
        self._points: tuple[np.ndarray, np.ndarray, bool] | None = None

    def _surface(self) -> Surface | None:
        assert self.session is not None
        return self.session.moment().surface

    def has_data(self) -> bool:
        return self._surface() is not None

    def samples(self) -> tuple[np.ndarray, np.ndarray, bool] | None:
        """(points (n, 2) in raw units, labels or numbers (n,), whether these are classes), or None."""
        assert self.session is not None
        experiment = self.session.experiment
        spec = experiment.data if experiment is not None else None
        if spec is not self._points_of:
            dataset = self.session.dataset
            if dataset is None and spec is not None and peek(spec) is not None:
                dataset = load(spec)  # a stored run, of data that are at hand at once
            if dataset is None:
                return None
            self._points_of, self._points = spec, training_samples(dataset)
        return self._points

    def draw(self) -> None:
        self.chart.surface = self._surface()
        samples = self.samples() if self.show_points.isChecked() else None
        self.chart.points = samples[:2] if samples is not None else None
        self.chart.classes = samples is not None and samples[2]

    def empty_text(self) -> str:
        session = self.session
        signature = self.document.signature if self.document is not None else None
        if session is not None and session.dataset is not None:
            signature = session.dataset.signature
        found = [signature.source_shape(key) for key in signature.inputs] if signature is not None else []
        if signature is not None and (2,) not in found:
            shapes = ", ".join("×".join(map(str, shape)) for shape in found)
            return (
                f"The decision surface is drawn for data of two features; these have the shape {shapes}.\n"
                "Choose a two-dimensional data set, such as the spirals, under Data."
            )
        if signature is not None:
            return waiting_text(session, f"{WHAT}\nPress Train, or Step for a single step.", NEXT_STEPS)
        return waiting_text(session, self.empty, NEXT_STEPS)

    def caption(self) -> str:
        surface = self._surface()
        return self.when(surface) if surface is not None else ""

    def table(self) -> Rows:
        surface = self._surface()
        assert surface is not None
        rows, columns, outputs = surface.values.shape
        low_x, high_x, low_y, high_y = surface.extent
        xs, ys = np.linspace(low_x, high_x, columns).tolist(), np.linspace(low_y, high_y, rows).tolist()
        body = [
            (xs[j], ys[i], *(float(value) for value in surface.values[i, j]))
            for i in range(rows)
            for j in range(columns)
        ]
        return ("x", "y", *(f"output {k}" for k in range(outputs))), body


def training_samples(dataset: Any) -> tuple[np.ndarray, np.ndarray, bool] | None:
    """Up to 1,500 training samples of a data set of one input of two features, in raw units."""
    name = next((key for key in dataset.signature.inputs if dataset.signature.source_shape(key) == (2,)), None)
    target = next(iter(dataset.signature.targets.items()), None)
    if name is None or target is None:
        return None
    indices = dataset.train.indices
    if len(indices) > MOST_POINTS:
        indices = indices[np.linspace(0, len(indices) - 1, MOST_POINTS).astype(int)]
    labels = np.asarray(dataset.raw.targets[target[0]])[indices]
    labels = labels.reshape(len(labels), -1)[:, 0].astype(float)
    points = np.asarray(dataset.raw.inputs[name])[indices].astype(float)
    known = np.isfinite(points).all(axis=1)  # a point with a missing value has no place in the plane
    return points[known], labels[known], bool(target[1].classes)
