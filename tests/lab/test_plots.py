"""Pictures of a stored run that nobody watched."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtWidgets import QApplication

from engine import presets
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from lab.plots import write_plots
from widgets import theme


@pytest.mark.parametrize(("preset", "has_surface"), [("spiral-mlp", True), ("diabetes-regression", False)])
def test_the_decision_surface_is_among_them_for_data_of_two_features(
    preset: str, has_surface: bool, tmp_path: Path, qapp: QApplication
) -> None:
    theme.apply(qapp, "light")
    made = presets.make(preset)
    store = RunStore(tmp_path / "runs")
    result = Trainer(replace(made, training=replace(made.training, epochs=1)), store=store).run()
    written = write_plots(store.open(result.run), tmp_path, "png")
    names = {path.name for path in written}
    assert {"loss.png", "gradients.png", "updates.png"} <= names
    assert ("surface.png" in names) is has_surface
    assert all(path.stat().st_size > 2000 for path in written)
