"""The channels of the selected layer's images as a run goes on: the spread of each, and which are dead."""

from __future__ import annotations

from engine.training.events import Frame
from widgets.layout import Section, label
from widgets.spreads import Spreads

__all__ = ["ChannelsSection"]


class ChannelsSection(Section):
    """Hidden for a layer whose output is no image; before a run it keeps its place."""

    def __init__(self) -> None:
        super().__init__("Channels")
        self.spreads = Spreads("channel", empty="Shown from the first step of a run")
        self.spreads.setAccessibleName("Outputs of each channel")
        self.words = label("", "dim", wrap=True)
        self.body.addWidget(self.spreads)
        self.body.addWidget(self.words)
        self.hide()

    def show_frame(self, frame: Frame | None, node: str, channels: int) -> None:
        """Show what a frame says of a node's outputs, `channels` of them (0: no image)."""
        self.setVisible(channels > 0)
        if not channels:
            return
        self.figure.setText(f"{channels:,}")
        stats = frame.activations.get(node) if frame is not None else None
        seen = stats.channels if stats is not None else None
        if seen is None:
            self.spreads.clear()
            self.words.setText("")
            return
        dead = seen.zero_share >= 1.0
        self.spreads.set_spreads(seen.mean, seen.std, seen.minimum, seen.maximum, dead)
        count = int(dead.sum())
        self.words.setText("Each from least to greatest, one deviation about its mean." if not count else _words(count))


def _words(count: int) -> str:
    return f"{count:,} {'is' if count == 1 else 'are'} zero on the whole batch (red)."
