"""The section that holds a batch normalization's batch statistics beside its running ones."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from engine.presets import make
from engine.statistics import NormalizationStats
from engine.training.events import Frame
from lab.inspector.layer import LayerInspector
from lab.inspector.normalization import NormalizationSection
from tests.lab import fakes


def frame(batch_mean: list[float], batch_variance: list[float]) -> Frame:
    count = len(batch_mean)
    stats = NormalizationStats(
        batch_mean=np.array(batch_mean),
        batch_variance=np.array(batch_variance),
        running_mean=np.zeros(count),
        running_variance=np.full(count, 4.0),
    )
    return replace(fakes.frame("r", 3, 0.1, np.random.default_rng(0)), normalizations={"bn_1": stats})


def section_of(qtbot) -> NormalizationSection:
    section = NormalizationSection()
    qtbot.addWidget(section)
    return section


def test_it_says_how_far_the_two_modes_lie_apart(qtbot) -> None:
    section = section_of(qtbot)
    section.show_frame(frame([0.0, 0.2, -0.4], [4.0, 4.0, 3.24]), "bn_1", True)
    facts = dict(section.facts.texts())
    assert (facts["Means apart"], facts["At most"]) == ("0.1 σ typically", "0.2 σ")
    assert facts["Deviations"] == "× 0.9 to 1.0"
    assert section.figure.text() == "3" and "nearly the same" in section.words.text()
    section.show_frame(frame([4.0, 0.2, -0.4], [4.0, 16.0, 4.0]), "bn_1", True)
    assert section.words.text().startswith("2 of 3 features differ clearly")


def test_before_a_run_it_keeps_its_place_and_other_layers_have_none(qtbot) -> None:
    section = section_of(qtbot)
    section.show_frame(None, "bn_1", True)
    assert section.isVisibleTo(None) and dict(section.facts.texts())["Deviations"] == "–"
    assert section.means.tip(section.means.rect().toRectF().center()) == ""
    section.show_frame(frame([0.0], [4.0]), "relu_1", False)
    assert not section.isVisibleTo(None)


def test_a_feature_that_never_varies_divides_nothing_by_zero(qtbot) -> None:
    section = section_of(qtbot)
    seen = frame([0.0, 0.0], [0.0, 0.0])
    stats = replace(seen.normalizations["bn_1"], running_variance=np.zeros(2))
    section.show_frame(replace(seen, normalizations={"bn_1": stats}), "bn_1", True)
    assert "nan" not in dict(section.facts.texts())["Deviations"].lower()


def test_the_inspector_shows_it_for_batch_normalization_alone(qtbot, selection, document, session) -> None:
    document.apply("another", make("mnist-batchnorm-dropout"))
    inspector = LayerInspector(document, selection, session)
    qtbot.addWidget(inspector)
    inspector.show()
    selection.set(("batch_norm_1",))
    assert inspector.normalization.isVisibleTo(inspector)
    assert "weights" in session.watched
    selection.set(("dense_1",))
    assert not inspector.normalization.isVisibleTo(inspector)
    selection.set(())
    assert not inspector.normalization.isVisibleTo(inspector)
    inspector.close()
