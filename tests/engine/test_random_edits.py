"""Networks that were edited at random: checked without an exception, and every remedy can be had."""

from __future__ import annotations

import random

import pytest

from engine import block_edits, data, edits, presets
from engine.data.signature import DataSignature
from engine.edits import EditError
from engine.experiment import Experiment
from engine.graph import check_experiment
from engine.schema import all_components

PARTS = [info.cls for info in all_components() if info.kind in ("layer", "loss")]
PRESETS = ("moons-mlp", "mnist-cnn", "tiny-transformer", "digits-residual")
TRIALS = 250


def edited(experiment: Experiment, rng: random.Random) -> Experiment:
    """One edit that a person might make. Raises EditError for one that is refused."""
    nodes = experiment.network.nodes
    some, other = rng.choice(nodes).id, rng.choice(nodes).id
    fed = rng.choice([node for node in nodes if node.inputs])
    part = rng.choice(PARTS)()
    match rng.randrange(6):
        case 0:
            return edits.insert_before(experiment, part, fed.id)  # type: ignore[arg-type]
        case 1:
            return edits.add_node(experiment, part)  # type: ignore[arg-type]
        case 2:
            return edits.remove_nodes(experiment, [some], reconnect=rng.random() < 0.5)
        case 3:
            return edits.disconnect(experiment, rng.choice(fed.inputs), fed.id)
        case 4:
            return edits.connect(experiment, some, other)
    first = rng.randrange(len(nodes))
    return block_edits.group(experiment, [node.id for node in nodes[first : first + rng.randint(1, 3)]], 2)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_finding_is_about_what_there_is_and_every_remedy_changes_something(preset: str) -> None:
    whole = presets.make(preset)
    signature: DataSignature = data.peek(whole.data)
    rng = random.Random(preset)
    found = 0
    for _ in range(TRIALS):
        experiment = whole
        for _ in range(rng.randint(1, 5)):
            try:
                experiment = edited(experiment, rng)
            except EditError:
                continue
            if not any(node.inputs for node in experiment.network.nodes):
                break
        ids = {node.id for node in experiment.network.nodes} | {""}
        for item in check_experiment(experiment, signature).diagnostics:
            assert item.node in ids
            if item.fix is not None:
                after = item.fix.edit(experiment)
                assert after != experiment, (item.message, item.fix.label)
                check_experiment(after, signature)
                found += 1
    assert found > TRIALS, "there was much to mend"
