"""The decision surface in motion: as fine as several drawings a second allow."""

import numpy as np
from msgspec.structs import replace

from engine.training.events import Event, Surface
from engine.training.probes import ProbePolicy
from engine.training.trainer import Trainer
from engine.training.views import Views, first_filters
from tests.engine.training.experiments import spiral
from tests.support.examples import chain, make


def test_the_moving_surface_grows_coarser_where_it_takes_long() -> None:
    trainer = Trainer(spiral(), device="cpu", steps=0)
    trainer.run()
    loop = trainer.loop
    assert loop is not None
    now = [0.0]
    drawn: list[Event] = []
    policy = ProbePolicy(clock=lambda: now[0])
    views = Views(loop.programs, loop.dataset, loop.heads, loop.inputs, policy, "", drawn.append)
    topics = frozenset({"surface"})
    for _ in range(5):
        now[0] += 1000.0
        views.draw_due(0, topics, loop.scalars, loop.experiment)
        policy.spent(policy.surface, 10.0)
        policy.spent(policy.surface, 10.0)
    assert [event.values.shape for event in drawn if isinstance(event, Surface)] == [
        (side, side, 2) for side in (64, 64, 45, 32, 32)
    ]
    views.refresh(0, topics, loop.scalars(), loop.experiment)
    assert isinstance(drawn[-1], Surface) and drawn[-1].values.shape == (80, 80, 2)


def test_the_first_filters_come_first_whatever_the_layout_of_the_weights() -> None:
    for layer, shape in (
        (make("layer", "conv2d", filters=5, size=3), (5, 3, 3, 1)),
        (make("layer", "depthwise_conv2d", multiplier=4), (4, 3, 3, 1)),
        (make("layer", "conv_transpose2d", filters=6, size=2), (6, 2, 2, 1)),
    ):
        network = chain(
            make("layer", "input"), layer, make("layer", "flatten"), make("layer", "dense", units=10),
            make("loss", "softmax_cross_entropy"),
        )  # fmt: skip
        experiment = replace(spiral(network), data=replace(spiral().data, source=make("source", "digits")))
        trainer = Trainer(experiment, device="cpu", steps=0)
        trainer.run()
        assert trainer.loop is not None
        found = first_filters(experiment, trainer.loop.programs)
        assert found is not None and found[1].shape == shape
        weight = trainer.loop.state.parameters[f"{found[0]}/weight"]
        np.testing.assert_array_equal(found[1][1, :, :, 0], weight[:, :, 1, 0] if shape[0] == 6 else weight[:, :, 0, 1])
