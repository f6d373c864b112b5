"""The decision surface in motion: as fine as several drawings a second allow."""

from engine.training.events import Event, Surface
from engine.training.probes import ProbePolicy
from engine.training.trainer import Trainer
from engine.training.views import Views
from tests.engine.training.experiments import spiral


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
