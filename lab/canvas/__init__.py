"""The canvas: the network as a graph that is drawn, typed and wired by hand."""

from lab.canvas.live import fault_of
from lab.canvas.view import CanvasView

__all__ = ["CanvasView", "fault_of"]
