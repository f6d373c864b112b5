"""The canvas as a picture: follows the document, the selection and the run, and keeps what lies over the network."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleEvent, QHideEvent, QPainter, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QLabel, QWidget

from engine.diagnostics import Report
from engine.experiment import Experiment
from engine.training.events import Frame
from lab.canvas import text
from lab.canvas.commands import Commands
from lab.canvas.geometry import card_rect
from lab.canvas.live import Fault, LiveLayer
from lab.canvas.overlays import Minimap, TitleBlock
from lab.canvas.scene import CanvasScene
from lab.canvas.viewport import Camera
from lab.document import Document, Selection
from widgets import theme
from widgets.text import shortened

__all__ = ["Board"]

SAY_MS = 5000


class Board(Camera):
    """Shows `document`; what a person does to it is added by the classes that build on this one."""

    def __init__(self, document: Document, selection: Selection, parent: QWidget | None = None) -> None:
        self._net = CanvasScene(document, selection)
        super().__init__(self._net, parent)
        self.document, self.selection = document, selection
        self._commands = Commands(document, selection)
        self._pixel = QPoint()
        self._shown: tuple[Experiment, Report] | None = None
        self.live = LiveLayer(self._net, self._visible_nodes, self)
        self.title_block = TitleBlock(self)
        self.minimap = Minimap(self, self._map_content)
        self._empty = QLabel("Type a layer’s name to add it, or drag one here from the palette.", self)
        self._empty.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._said = QLabel(self)
        self._said.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._said.setWordWrap(True)
        self._said.hide()
        self._said_timer = QTimer(self, singleShot=True, interval=SAY_MS)
        self._said_timer.timeout.connect(self._said.hide)
        self.setAccessibleName("Network canvas")
        document.changed.connect(self._on_document)
        document.reportChanged.connect(self._on_changed)
        selection.changed.connect(self._on_selection)
        self.minimap.centreRequested.connect(self.centre_on)
        self._net.routed.connect(self.minimap.update)
        self.horizontalScrollBar().valueChanged.connect(self._on_scrolled)
        self.verticalScrollBar().valueChanged.connect(self._on_scrolled)
        theme.signals.changed.connect(self.apply_style)
        self.apply_style()
        self._on_changed()

    def cancel_gesture(self) -> None:
        """Give up what the mouse is doing, if anything."""

    def look_at(self, zoom: float, scene_point: QPointF, pixel: QPointF) -> None:
        super().look_at(zoom, scene_point, pixel)
        self._net.show_window(self.legible)

    @property
    def legible(self) -> QRectF:
        """The visible part of the scene, without its very edge."""
        edge = 4.0 / self.zoom
        return self.seen.adjusted(edge, edge, -edge, -edge)

    def show_node(self, node: str) -> None:
        """Bring a node's card and its message into view."""
        if node in self._net.nodes:
            self.reveal(self._net.nodes[node].extent)

    # -- what gestures and menus need ----------------------------------------------------------------------------------

    @property
    def commands(self) -> Commands:
        self._commands.columns = self._net.columns = self.columns
        return self._commands

    def net(self) -> CanvasScene:
        """The scene, by its own type."""
        return self._net

    def say(self, words: str, at: QPointF | None = None) -> None:
        """Show a short text beside the mouse (or a point of the scene) for a while; an empty one hides it."""
        self._said.setVisible(bool(words))
        if not words:
            return
        self._said.setText(words)
        self._said.setFixedWidth(min(280, self._said.fontMetrics().horizontalAdvance(words) + 24))
        self._said.adjustSize()
        pixel = self.mapFromScene(at) if at is not None else self._pixel
        x = max(4, min(pixel.x() + 16, self.width() - self._said.width() - 4))
        y = max(4, min(pixel.y() + 18, self.height() - self._said.height() - 4))
        self._said.move(x, y)
        self._said.raise_()
        self._said_timer.start()

    @property
    def said(self) -> str:
        """The text that `say` shows now, or an empty string."""
        return self._said.text() if self._said.isVisible() else ""

    # -- the run -------------------------------------------------------------------------------------------------------

    def set_live(
        self,
        frame: Frame | None,
        experiment_of_run: Experiment | None,
        loss: float | None = None,
        *,
        fault: Fault | None = None,
    ) -> None:
        """Show what a run measures on the cards; None takes it away. Shown at most ten times a second. `fault` is
        where the run broke."""
        self.live.set_live(frame, experiment_of_run, loss, fault=fault)

    def _visible_nodes(self) -> tuple[str, ...]:
        return self._net.nodes_in(self.seen) if self.isVisible() else ()

    def _on_scrolled(self) -> None:
        self._net.show_window(self.legible)
        self.live.schedule()
        self._place_minimap()

    # -- following the document ----------------------------------------------------------------------------------------

    def _on_document(self, before: Experiment, after: Experiment) -> None:
        old, new = {node.id for node in before.network.nodes}, {node.id for node in after.network.nodes}
        if before.network is not after.network:
            self.cancel_gesture()
        self._on_changed()
        replaced = bool(new) and not old & new and (bool(old) or len(new) > 1)
        hidden = before.network is not after.network and not self.seen.contains(self._net.cards_bounds())
        if self.isVisible() and (replaced or (self.following and hidden)):
            self.home()
        elif new - old:
            for node in new - old:
                self.reveal(self._goal_rect(node))
        self.live.schedule()

    def _on_changed(self) -> None:
        experiment, shown = self.document.experiment, (self.document.experiment, self.document.report)
        if self._shown is not None and all(a is b for a, b in zip(self._shown, shown, strict=True)):
            return
        self._shown = shown
        self._net.columns = self.columns
        self._net.rebuild()
        self.title_block.show_texts(
            shortened(experiment.name), text.summary_text(experiment.network, self.document.report)
        )
        self._empty.setVisible(not experiment.network.nodes)
        self._place_minimap()

    def _goal_rect(self, node: str) -> QRectF:
        return card_rect(QPointF(*self.document.experiment.network.node(node).position))

    def _on_selection(self) -> None:
        self._net.show_selection()
        words = self.describe_selection()
        self.setAccessibleDescription(words)
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.DescriptionChanged))

    def describe_selection(self) -> str:
        """The selection in words, as a screen reader says it."""
        nodes = self.selection.nodes
        if not nodes:
            return "Nothing selected."
        if len(nodes) > 1:
            return f"{len(nodes)} layers selected."
        item = self._net.nodes.get(nodes[0])
        if item is None:
            return "Nothing selected."
        face, network = item.face, self.document.experiment.network
        inputs = [
            self._net.nodes[source].face.title for source in network.node(nodes[0]).inputs if source in self._net.nodes
        ]
        parts = [face.title, f"output {face.shape}" if face.gives_output else "loss"]
        parts += [f"{face.count} parameters"] if face.count else []
        parts += [f"reads {', '.join(inputs)}"] if inputs else []
        parts += ["bypassed"] if face.bypass else []
        parts += [item.message[1]] if item.message[1] else []
        return "; ".join(parts).rstrip(".") + "."

    def apply_style(self) -> None:
        """Take the colours of the current theme."""
        self._net.apply_style()
        look = theme.current()
        self.setBackgroundBrush(self._net.look.ground)
        self.title_block.apply_style()
        self._empty.setStyleSheet(f"color: {look.text_dim}; background: transparent")
        self._empty.setFont(theme.ui_font(13))
        self._said.setStyleSheet(
            f"color: {look.text}; background: {look.raised}; border: 1px solid {look.border};"
            "border-radius: 5px; padding: 4px 8px;"
        )
        self._said.setFont(theme.ui_font(12))
        self.minimap.update()
        self._place_overlays()

    def drawBackground(self, painter: QPainter, rect: QRectF | QRect) -> None:
        if self.zoom < 0.4:
            painter.fillRect(rect, self._net.look.window)
        else:
            super().drawBackground(painter, rect)

    # -- overlays ------------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._net.columns = self.columns
        self._net.show_window(self.legible)
        if self.following:
            self.home()
        self._place_overlays()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._net.animated = True
        if self.following:
            self.home()
        self.live.schedule()

    def hideEvent(self, event: QHideEvent) -> None:
        self.cancel_gesture()
        self.live.stop()
        self._said_timer.stop()
        self._said.hide()
        self._net.settle()
        self._net.animated = False
        super().hideEvent(event)

    def home(self) -> None:
        super().home()
        self._place_minimap()

    def _place_overlays(self) -> None:
        self.title_block.move(0, 0)
        self.title_block.adjustSize()
        self._empty.adjustSize()
        self._empty.move((self.width() - self._empty.width()) // 2, self.height() // 2 - 10)
        self._place_minimap()

    def _place_minimap(self) -> None:
        content = self._net.bounds()
        wanted = not content.isEmpty() and not self.seen.contains(content.adjusted(4, 4, -70, -50))
        self.minimap.setVisible(wanted and self.width() > 400 and self.height() > 240)
        if self.minimap.isVisible():
            self.minimap.move(self.width() - self.minimap.width() - 10, self.height() - self.minimap.height() - 10)
            self.minimap.update()

    def _map_content(self) -> tuple[QRectF, list[tuple[QRectF, str]], QRectF]:
        cards = [(card_rect(item.pos()), item.face.group) for item in self._net.nodes.values()]
        return self._net.bounds(), cards, self.seen
