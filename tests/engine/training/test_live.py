"""Which fields may change during a run, and how."""

import pytest
from msgspec.structs import replace

from engine.penalties import L2
from engine.schema import SchemaError
from engine.training.live import change, live_paths
from tests.engine.training.experiments import RICH, spiral

EXPERIMENT = spiral(RICH, penalties=(L2(strength=0.1),))


@pytest.mark.parametrize(
    ("path", "value", "before"),
    [
        ("training.optimizer.learning_rate", 0.5, 0.1),
        ("training.optimizer.momentum", 0.9, 0.0),
        ("training.penalties[0].strength", 0.2, 0.1),
        ("training.clip_norm", 2.0, 0.0),
        ("nodes.dropout_1.rate", 0.5, 0.25),
        ("network.nodes[7].rate", 0.5, 0.1),
    ],
)
def test_live_fields_change(path: str, value: float, before: float) -> None:
    changed, old = change(EXPERIMENT, path, value)
    assert old == before
    assert changed != EXPERIMENT
    back, old = change(changed, path, before)
    assert (back, old) == (EXPERIMENT, value)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("training.batch_size", 8, "cannot change during a run"),
        ("nodes.dense_1.units", 3, "cannot change during a run"),
        ("training.optimizer.learning_rate", 0.0, "more than 0"),
        ("training.optimizer.learning_rate", "fast", "expected a number"),
        ("training.optimizer.speed", 1.0, "no such field"),
        ("training.penalties[3].strength", 1.0, "entr"),
        ("nodes.nobody.rate", 0.5, "no node"),
        ("seed", 1, "cannot change during a run"),
        ("", 1, "expected"),
    ],
)
def test_everything_else_is_refused_in_words(path: str, value: object, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        change(EXPERIMENT, path, value)


def test_every_live_path_can_be_changed() -> None:
    paths = live_paths(EXPERIMENT)
    assert "training.optimizer.learning_rate" in paths
    assert "training.penalties[0].strength" in paths
    assert {"nodes.dropout_1.rate", "nodes.dropout_2.rate"} <= set(paths)
    assert "training.batch_size" not in paths
    for path in paths:
        changed, _ = change(EXPERIMENT, path, 0.125)
        assert replace(changed, training=EXPERIMENT.training, network=EXPERIMENT.network) == EXPERIMENT
