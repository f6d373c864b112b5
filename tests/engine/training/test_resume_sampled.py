"""2 N = N + N, bit for bit, for optimizers, schedules, warm-ups, penalties, clippings, averages and augmentations.

Each case takes the next component of every kind, so that all of them come at least once, in ever other company.
"""

from __future__ import annotations

from itertools import count
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine.experiment import Experiment
from engine.schema import components_of
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.support import pretended_gpu
from tests.support.examples import chain, make

pytestmark = pytest.mark.usefixtures("singly")

KINDS = ("optimizer", "schedule", "warmup", "penalty", "clipping", "averaging", "augmentation")
TAGS = {kind: list(components_of(kind)) for kind in KINDS}
CASES = max(len(tags) for tags in TAGS.values())


def chosen(case: int) -> dict[str, str]:
    """One tag of each kind. Kinds go through their tags at paces of their own, without common factors."""
    found = {}
    for kind, tags in TAGS.items():
        pace = next(n for n in count(1 + KINDS.index(kind)) if gcd(n, len(tags)) == 1)
        found[kind] = tags[pace * case % len(tags)]
    return found


def experiment_of(case: int) -> Experiment:
    from engine import presets

    tags = chosen(case)
    network = chain(
        make("layer", "input"), make("layer", "conv2d", filters=3), make("layer", "batch_norm"), make("layer", "relu"),
        make("layer", "flatten"), make("layer", "dropout", rate=0.2), make("layer", "dense", units=10),
        make("loss", "softmax_cross_entropy"),
    )  # fmt: skip
    base = presets.make("digits-baseline")
    values: dict[str, Any] = {kind: make(kind, tags[kind]) for kind in ("schedule", "warmup", "clipping", "averaging")}
    training = replace(
        base.training, optimizer=make("optimizer", tags["optimizer"]), penalties=(make("penalty", tags["penalty"]),),
        epochs=2, batch_size=32, drop_last=False, accumulate=1 + case % 3, **values,
    )  # fmt: skip
    split = replace(base.data.split, train_limit=100, validation=60.0)
    augmentation = (make("augmentation", tags["augmentation"]), make("augmentation", "gaussian_noise"))
    return replace(
        base, network=network, training=training, data=replace(base.data, split=split, augmentation=augmentation)
    )


def test_every_component_has_its_turn() -> None:
    for kind, tags in TAGS.items():
        assert {chosen(case)[kind] for case in range(CASES)} == set(tags), kind


@pytest.mark.parametrize("executor", ["array", "cpu", "cuda", pytest.param("a gpu", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("case", range(CASES))
def test_a_run_in_two_parts_ends_with_the_bits_of_one(
    case: int, executor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if executor == "cuda":
        pretended_gpu.install(monkeypatch)
    device = "cuda" if executor in ("cuda", "a gpu") else "cpu"
    executor = "cuda" if device == "cuda" else executor
    experiment = experiment_of(case)
    whole = Trainer(experiment, device=device, executor=executor)
    whole.run()
    store = RunStore(tmp_path)
    stop = 1 + case % 7  # of eight steps: at an epoch's end, and within
    part = Trainer(experiment, device=device, executor=executor, store=store, steps=stop).run()
    rest = Trainer(experiment, device=device, executor=executor, store=store, resume=part.run)
    rest.run()
    assert whole.loop is not None and rest.loop is not None
    expected, found = whole.loop.state.to_host(), rest.loop.state.to_host()
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key], array, err_msg=f"{chosen(case)}: {key}")
