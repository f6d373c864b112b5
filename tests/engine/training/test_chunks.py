"""How many steps go into a call."""

from types import SimpleNamespace
from typing import Any

import pytest

from engine.training.chunks import GROWTH, LONGEST, MOST, OUTPUT_BYTES, ChunkPolicy

ARRAY: Any = SimpleNamespace(kind="array")
COMPILED: Any = SimpleNamespace(kind="cpu")


def settled(executor: Any, seconds: float, outputs: int = 0) -> int:
    """Steps in a chunk when each takes so many seconds, after a while."""
    policy = ChunkPolicy(executor, outputs)
    for _ in range(12):
        policy.took(policy.steps, policy.steps * seconds)
    return policy.steps


def test_the_first_chunk_is_one_step_and_later_ones_grow() -> None:
    policy = ChunkPolicy(COMPILED)
    sizes = []
    for _ in range(4):
        sizes.append(policy.steps)
        policy.took(policy.steps, policy.steps * 1e-6)
    assert sizes == [1, GROWTH, GROWTH**2, GROWTH**3]


def test_a_chunk_lasts_as_long_as_its_executor_allows() -> None:
    assert settled(COMPILED, 1e-5) == round(LONGEST["cpu"] / 1e-5)
    assert settled(ARRAY, 1e-4) == round(LONGEST["array"] / 1e-4)
    assert settled(ARRAY, 2e-3) == settled(COMPILED, 5e-3) == 1


def test_very_short_steps_and_clocks_that_stand_still_are_bounded() -> None:
    assert settled(COMPILED, 1e-9) == settled(COMPILED, 0.0) == MOST


def test_predictions_that_are_kept_bound_a_chunk() -> None:
    assert settled(COMPILED, 1e-7, outputs=OUTPUT_BYTES // 10) == 10
    assert settled(COMPILED, 1e-7, outputs=2 * OUTPUT_BYTES) == 1


def test_a_short_chunk_between_long_ones_does_not_count() -> None:
    policy = ChunkPolicy(COMPILED)
    for _ in range(12):
        policy.took(policy.steps, policy.steps * 1e-5)
    before = policy.steps
    policy.took(1, 1e-3)
    assert policy.steps == before


def test_another_executor_begins_anew() -> None:
    policy = ChunkPolicy(ARRAY)
    policy.took(1, 1e-5)
    policy.restart(COMPILED)
    assert policy.steps == 1


def test_a_moment_that_others_had_does_not_last() -> None:
    policy = ChunkPolicy(ARRAY)
    for _ in range(12):
        policy.took(policy.steps, policy.steps * 1e-4)
    policy.took(policy.steps, 1.0)
    assert policy.steps < 10
    for _ in range(12):
        policy.took(policy.steps, policy.steps * 1e-4)
    assert policy.steps == pytest.approx(LONGEST["array"] / 1e-4, abs=1)
