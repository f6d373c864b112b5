"""The weights of the selected layer as a run goes on: histogram, mean and deviation of each learned array."""

from __future__ import annotations

from PySide6.QtWidgets import QVBoxLayout, QWidget

from engine.layers.base import ParameterSpec
from engine.training.events import Frame, ParameterStats
from widgets.histogram import Histogram
from widgets.layout import Facts, Section, label
from widgets.text import number

__all__ = ["WeightsSection"]


class _Parameter(QWidget):
    """One learned array."""

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 4)
        column.setSpacing(5)
        self.name = label("", "dim")
        self.histogram = Histogram(empty="Shown from the first step of a run")
        self.facts = Facts(steady=True)
        column.addWidget(self.name)
        column.addWidget(self.histogram)
        column.addWidget(self.facts)

    def show_stats(self, path: str, shape: tuple[int, ...], stats: ParameterStats | None) -> None:
        """Show what a frame says of the array; without one, the place that it will take, so that nothing moves."""
        self.name.setText(f"{path.rpartition('/')[2].replace('_', ' ').capitalize()}, {sizes(shape)}")
        self.histogram.setAccessibleName(f"Histogram of {path}")
        seen = stats.weights if stats is not None else None
        if seen is not None and seen.histogram is not None:
            self.histogram.set_counts(seen.histogram, seen.minimum, seen.maximum)
        else:
            self.histogram.clear()
        facts = [
            ("Mean", number(seen.mean, 3) if seen is not None else "–"),
            ("Std", number(seen.std, 4) if seen is not None else "–"),
            ("Norm", number(stats.weight_norm, 4) if stats is not None else "–"),
        ]
        if seen is not None and seen.nonfinite:
            facts.append(("Not finite", f"{seen.nonfinite:,}"))
        facts.append(("Update : weight", number(stats.update_ratio, 2) if stats is not None else "–"))
        self.facts.set_facts(facts)


def sizes(shape: tuple[int, ...]) -> str:
    """The shape of an array: 3,136 × 128."""
    return " × ".join(f"{size:,}" for size in shape)


class WeightsSection(Section):
    """Hidden for a layer without weights; before a run it keeps their place. Weights come first, biases and gains after
    them."""

    def __init__(self) -> None:
        super().__init__("Weights")
        self.parts: list[_Parameter] = []
        self.hide()

    def show_frame(self, frame: Frame | None, node: str, parameters: tuple[ParameterSpec, ...] = ()) -> None:
        """Show a node's arrays as a frame has them, or the place for `parameters` where it has none."""
        mine: list[tuple[str, tuple[int, ...], ParameterStats | None]] = []
        if frame is not None:
            mine = [(path, s.shape, s) for path, s in frame.parameters.items() if s.node == node]
        mine = mine or [(f"{node}/{spec.name}", spec.shape, None) for spec in parameters]
        mine.sort(key=lambda item: -len(item[1]))
        self.setVisible(bool(mine))
        if not mine:
            return
        shown = frame is not None and mine[0][2] is not None
        self.title.setText(f"Weights of {node}")
        self.figure.setText(sizes(mine[0][1]))
        self.setToolTip(f"At step {frame.step:,}" if frame is not None and shown else "")
        while len(self.parts) < len(mine):
            part = _Parameter()
            self.parts.append(part)
            self.body.addWidget(part)
        for index, part in enumerate(self.parts):
            part.setVisible(index < len(mine))
            if index < len(mine):
                part.show_stats(*mine[index])
                # One array needs no name; of several of one shape each does.
                part.name.setVisible(index > 0 or [len(item[1]) for item in mine].count(2) > 1)
