"""The builder: names of different roles never meet."""

from __future__ import annotations

import pytest

from engine.builder import Builder
from engine.data.signature import DataSignature, TargetSignature
from engine.experiment import Node
from engine.graph import check
from engine.ops.base import Role, Tensor
from engine.plan import compile
from tests.support.random_networks import build, experiment_of


def test_one_value_for_each_role_and_name() -> None:
    b = Builder(4, training=True)
    value = b.external("x", Tensor((4, 2)), Role.INPUT)
    assert b.external("x", Tensor((4, 2)), Role.INPUT) is value
    assert b.external("x", Tensor((4, 2)), Role.TARGET) is not value
    assert b.counters() is b.counters()
    assert b.external("counters", Tensor((4, 2)), Role.INPUT) is not b.counters()


@pytest.mark.parametrize("name", ["counters", "learning_rate", "gradients[0:16]"])
def test_an_array_of_the_data_may_have_any_name(name: str) -> None:
    signature = DataSignature(inputs={name: (2,)}, targets={"y": TargetSignature(shape=(2,))})
    nodes = [
        Node(id="i", component=build("layer", "input", source=name)),
        Node(id="gradient:d", component=build("layer", "dense", units=2), inputs=("i",)),
        Node(id="d", component=build("layer", "dense", units=2), inputs=("gradient:d",)),
        Node(id="drop", component=build("layer", "dropout"), inputs=("d",)),
        Node(id="loss", component=build("loss", "mean_squared_error"), inputs=("drop",)),
    ]
    experiment = experiment_of(nodes)
    report = check(experiment.network, signature)
    program = compile(experiment, report, signature, batch_size=3, training=True)
    assert program.inputs[name].shape == (3, 2)
    # Every parameter and every gradient has a place of its own.
    whole = [program.locations[v.id] for v in program.values if v.role in (Role.PARAMETER, Role.GRADIENT)]
    names = [v.name for v in program.values if v.role is Role.GRADIENT and v.name.startswith("gradient:")]
    assert len(names) == 4 and len({(place.arena, place.start, place.size) for place in whole}) == len(whole)
