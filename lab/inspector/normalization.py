"""Batch normalization as a run goes on: the statistics of a batch beside the running averages of them."""

from __future__ import annotations

import numpy as np

from engine.statistics import NormalizationStats
from engine.training.events import Frame
from widgets.beside import Beside
from widgets.layout import Facts, Section, label
from widgets.text import number

__all__ = ["NormalizationSection"]

EMPTY = "Shown from the first step of a run"
FAR_MEAN, FAR_DEVIATION = 0.5, 1.5
"""Where a channel's batch mean lies this many running deviations off, or its deviation this many times as large or as
small, training and evaluation see different networks."""


class NormalizationSection(Section):
    """Hidden for all other layers; before a run it keeps its place."""

    def __init__(self) -> None:
        super().__init__("Batch and running")
        self.setToolTip(
            "Training normalizes by the batch (dots), evaluation by the running averages (marks). Where they lie "
            "apart, the two modes compute different things."
        )
        self.means = Beside("feature", ("batch mean", "running mean"), empty=EMPTY)
        self.means.setAccessibleName("Mean of the batch and running mean of each feature")
        self.deviations = Beside("feature", ("batch deviation", "running deviation"), empty=EMPTY)
        self.deviations.setAccessibleName("Deviation of the batch and running deviation of each feature")
        self.facts = Facts(steady=True)
        self.words = label("", "dim", wrap=True)
        for title, drawing in (("Mean: batch (dots), running (marks)", self.means), ("Deviation", self.deviations)):
            self.body.addWidget(label(title, "dim"))
            self.body.addWidget(drawing)
        self.body.addWidget(self.facts)
        self.body.addWidget(self.words)
        self.hide()

    def show_frame(self, frame: Frame | None, node: str, normalizes: bool) -> None:
        """Show what a frame says of a node, which `normalizes` by batches or does not."""
        self.setVisible(normalizes)
        if not normalizes:
            return
        seen = frame.normalizations.get(node) if frame is not None else None
        if seen is None:
            self.figure.setText("")
            self.means.clear()
            self.deviations.clear()
            self.facts.set_facts([("Means apart", "–"), ("At most", "–"), ("Deviations", "–")])
            self.words.setText("")
            return
        self.figure.setText(f"{len(seen.running_mean):,}")
        running = np.sqrt(seen.running_variance)
        # Means that lie apart by a small part of a deviation make no difference, and should not look as if they did.
        self.means.set_pairs(seen.batch_mean, seen.running_mean, span=2 * float(np.median(running)))
        self.deviations.set_pairs(np.sqrt(seen.batch_variance), running, from_zero=True)
        apart, ratio = seen.mean_apart, seen.deviation_ratio
        self.facts.set_facts(
            [
                ("Means apart", f"{number(np.median(apart), 2)} σ typically"),
                ("At most", f"{number(apart.max(), 2)} σ"),
                ("Deviations", f"× {number(ratio.min(), 3)} to {number(ratio.max(), 3)}"),
            ]
        )
        self.words.setText(_words(seen))


def _words(seen: NormalizationStats) -> str:
    ratio = seen.deviation_ratio
    far = (seen.mean_apart > FAR_MEAN) | (ratio > FAR_DEVIATION) | (ratio < 1 / FAR_DEVIATION)
    count = int(far.sum())
    if not count:
        return "Training and evaluation compute nearly the same here."
    whose = "feature differs" if count == 1 else "features differ"
    return (
        f"{count:,} of {len(far):,} {whose} clearly: evaluation computes something else than training. The running "
        "averages need more steps, or the batches are small or not mixed."
    )
