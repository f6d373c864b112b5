"""The channels of the selected layer's images."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from engine.statistics import ChannelStats
from engine.training.events import Frame
from lab.inspector.channels import ChannelsSection
from lab.inspector.layer import LayerInspector
from tests.lab import fakes


def frame(zero_share: list[float]) -> Frame:
    count = len(zero_share)
    ones = np.ones(count)
    channels = ChannelStats(mean=ones, std=ones / 2, minimum=-ones, maximum=2 * ones, zero_share=np.array(zero_share))
    seen = fakes.frame("r", 3, 0.1, np.random.default_rng(0))
    name, stats = next(iter(seen.activations.items()))
    return replace(seen, activations={name: replace(stats, channels=channels)})


def test_it_counts_the_dead_ones(qtbot) -> None:
    section = ChannelsSection()
    qtbot.addWidget(section)
    shown = frame([0.0, 1.0, 0.5, 1.0])
    (node,) = shown.activations
    section.show_frame(shown, node, 4)
    assert section.isVisibleTo(None) and section.figure.text() == "4"
    assert section.words.text() == "2 are zero on the whole batch (red)."
    section.show_frame(frame([0.1, 0.2]), node, 2)
    assert section.words.text().startswith("Each from least to greatest")
    section.show_frame(shown, "another", 4)
    assert section.words.text() == ""
    section.show_frame(shown, node, 0)
    assert not section.isVisibleTo(None)


def test_only_layers_that_yield_images_have_it(qtbot, selection, document, session) -> None:
    from engine.presets import make

    document.apply("another", make("mnist-cnn"))
    inspector = LayerInspector(document, selection, session)
    qtbot.addWidget(inspector)
    inspector.show()
    selection.set(("conv2d_1",))
    assert inspector.channels.isVisibleTo(inspector)
    assert session.watched == {"weights", "activations"}
    selection.set(("dense_1",))
    assert not inspector.channels.isVisibleTo(inspector)
    assert session.watched == {"weights"}
    inspector.close()
