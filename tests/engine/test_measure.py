"""A network ready to be timed: that what is timed are steps of training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from msgspec.structs import replace

from engine.data.signature import DataSignature, TargetSignature
from engine.experiment import Experiment
from engine.graph import check
from engine.measure import CHUNK, Divergent, Stepper, chunk_length, operations
from tests.support.examples import blobs, make

SIGNATURE = DataSignature(inputs={"x": (2,)}, targets={"y": TargetSignature(classes=3)}, train_size=40)
BATCHES = np.random.default_rng(1).permutation(40)[:32].reshape(2, 16)


def stepper(experiment: Experiment | None = None, *, broken: bool = False, **options: float) -> Stepper:
    rng = np.random.default_rng(0)
    arrays = {"x": rng.standard_normal((40, 2), dtype=np.float32), "y": rng.integers(0, 3, 40)}
    if broken:
        arrays["x"][:] = np.inf
    report = check(blobs().network, SIGNATURE)
    return Stepper(experiment or blobs(), report, SIGNATURE, arrays, BATCHES, "array", **options)  # type: ignore[arg-type]


@pytest.fixture
def ready() -> Iterator[Stepper]:
    made = stepper()
    yield made
    made.close()


def test_chunks_are_the_same_steps_as_single_ones(ready: Stepper) -> None:
    other = stepper()
    single = [other.chunk(1)[0] for _ in range(6)]
    assert [*ready.chunk(2), *ready.chunk(4)] == single
    assert len(set(single)) == 6
    for name, values in ready.state.parameters.items():
        assert np.array_equal(values, other.state.parameters[name])


def test_a_look_is_a_step_too(ready: Stepper) -> None:
    other = stepper()
    other.chunk(2)
    ready.chunk(1)
    seen = ready.look()
    assert ready.step == 2
    assert "dense_1" in seen.activations
    assert all(np.array_equal(ready.state.parameters[name], values) for name, values in other.state.parameters.items())


def test_augmentation_is_no_part_of_a_step(ready: Stepper) -> None:
    data = replace(blobs().data, augmentation=(make("augmentation", "mixup"),))
    mixed = stepper(replace(blobs(), data=data))
    np.testing.assert_array_equal(ready.chunk(3), mixed.chunk(3))


def test_at_rate_0_the_weights_stay(ready: Stepper) -> None:
    still = stepper(rate=0.0)
    before = still.state.to_host()
    losses = still.chunk(4)
    assert losses[0] == losses[2] and losses[1] == losses[3] and losses[0] != losses[1]
    assert all(np.array_equal(before[f"parameter/{name}"], values) for name, values in still.state.parameters.items())


def test_a_loss_that_is_not_finite_is_told() -> None:
    for run in (lambda s: s.chunk(3), lambda s: s.look()):
        with pytest.raises(Divergent, match="The loss of step 1 is not finite"):
            run(stepper(broken=True))


def test_the_sides_do_as_many_steps_as_they_say(ready: Stepper) -> None:
    for side in ready.sides(round_seconds=0.001).values():
        before = ready.step
        side.run()
        assert ready.step - before == side.units


def test_chunks_fill_a_round_and_no_more() -> None:
    assert chunk_length(1e-6, 0.05) == CHUNK
    assert chunk_length(0.01, 0.05) == 5
    assert chunk_length(3.0, 0.05) == 1


def test_every_operation_of_a_step_is_timed(ready: Stepper) -> None:
    seen = [line for _ in range(3) if (line := ready.timeline()) is not None]
    found = operations(seen)
    calls = [call for call in ready.plain.program.calls if not call.op.view]
    assert sorted(item.name for item in found) == sorted(call.op.name for call in calls)
    assert sum(item.flops for item in found) == ready.plain.program.flops
    assert [item.seconds for item in found] == sorted((item.seconds for item in found), reverse=True)
    assert found[-1].seconds > 0
    assert operations([]) == []


def test_only_the_step_that_is_asked_about_keeps_the_time(ready: Stepper) -> None:
    before = ready.step
    assert ready.timeline() is not None
    assert ready.step == before + 1
    assert ready.plain.stamping is False  # it costs time
    ready.chunk(2)
    assert ready.plain.timeline() is None


def test_the_array_executor_leaves_nothing_to_another(ready: Stepper) -> None:
    assert ready.fallbacks() == ()
