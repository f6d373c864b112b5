"""The decision surface lies over the data and agrees with predictions."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from engine.data.preprocessing import Center, Normalize, OneHot, Pca, PreprocessingStep, Whiten
from engine.data.sources import NpzFile
from engine.experiment import DataSpec
from engine.training.evaluate import predict
from engine.training.events import Event, Surface
from engine.training.surface import Grid, surface_input
from engine.training.trainer import Trainer
from tests.engine.training.experiments import regression, spiral


@pytest.mark.parametrize(
    "steps", [(Center(), Normalize()), (Whiten(form="ZCA"),), (Pca(components=1),), (Pca(components=2), Whiten())]
)
def test_the_grid_goes_through_the_preprocessing_and_the_network(steps: tuple[PreprocessingStep, ...]) -> None:
    base = spiral(epochs=2)
    experiment = replace(base, data=replace(base.data, preprocessing=steps))
    trainer = Trainer(experiment, device="cpu")
    trainer.run()
    loop = trainer.loop
    assert loop is not None
    grid = Grid(loop.dataset, "x", resolution=9)
    values = grid.values(loop.programs, loop.heads, loop.scalars())
    assert values is not None and values.shape == (9, 9, 2)
    x_low, x_high, y_low, y_high = grid.extent
    raw = loop.dataset.raw.inputs["x"]
    assert x_low < raw[:, 0].min() and raw[:, 0].max() < x_high
    assert y_low < raw[:, 1].min() and raw[:, 1].max() < y_high
    # Row 2, column 7 is the point at 7/8 of the width and 2/8 of the height, from below.
    point = np.array([[x_low + 7 / 8 * (x_high - x_low), y_low + 2 / 8 * (y_high - y_low)]])
    fed = loop.dataset.transform(point)
    expected = predict(experiment, loop.state.to_host(), fed, loop.dataset.signature)["softmax_cross_entropy_1"]
    np.testing.assert_allclose(values[2, 7], expected[0], rtol=1e-5)
    assert grid.values(loop.programs, loop.heads, loop.scalars(), lambda: False) is None


def test_only_a_single_input_of_two_numbers_has_a_surface() -> None:
    def name(experiment):  # type: ignore[no-untyped-def]
        trainer = Trainer(experiment, device="cpu", steps=0)
        trainer.run()
        assert trainer.loop is not None
        return surface_input(trainer.loop.dataset.signature, trainer.loop.inputs)

    assert name(spiral()) == "x"
    assert name(regression()) is None


def test_where_not_every_point_can_be_preprocessed_there_is_no_surface_and_the_run_goes_on(tmp_path: Path) -> None:
    np.savez(tmp_path / "codes.npz", x=np.stack([np.arange(24) % 3, np.arange(24) % 4], axis=1), y=np.arange(24) % 2)
    spec = DataSpec(
        source=NpzFile(path=str(tmp_path / "codes.npz")), preprocessing=(OneHot(columns=("1", "2"), unseen="refuse"),)
    )
    drawn: list[Event] = []
    trainer = Trainer(replace(spiral(), data=spec), device="cpu", steps=2, report=drawn.append)
    trainer.control.watch(frozenset({"surface"}))
    assert trainer.run().steps == 2
    assert not any(isinstance(event, Surface) for event in drawn)
