"""An optimizer that decays weights, beside a penalty that does so too."""

import pytest

from engine.data.signature import DataSignature, TargetSignature
from engine.diagnostics import Diagnostic
from engine.experiment import Experiment
from engine.graph import check_experiment
from engine.kinds import Optimizer, Penalty
from engine.optimizers import SGD, Adam, AdamW, Lion, Muon
from engine.penalties import L2, WeightDecay
from tests.engine.training.experiments import spiral

DATA = DataSignature(inputs={"x": (2,)}, targets={"y": TargetSignature(classes=2)}, train_size=80, validation_size=20)


def findings(experiment: Experiment) -> list[Diagnostic]:
    return list(check_experiment(experiment, DATA).diagnostics)


@pytest.mark.parametrize("optimizer", [AdamW(weight_decay=0.02), Muon(weight_decay=0.02)])
def test_decay_twice_is_told_and_mended(optimizer: Optimizer) -> None:
    experiment = spiral(optimizer=optimizer, penalties=(L2(), WeightDecay(strength=0.03)))
    (found,) = findings(experiment)
    assert found.severity == "warning" and found.field == "training.penalties"
    assert "by 0.02 with" in found.message and "by 0.03 with the penalty, 0.05 together" in found.message
    assert found.fix is not None
    mended = found.fix.edit(experiment)
    assert mended.training.penalties == (L2(),) and not findings(mended)


@pytest.mark.parametrize(
    ("optimizer", "penalties"),
    [
        (SGD(), (WeightDecay(),)),
        (Adam(), (WeightDecay(),)),
        (Lion(), (WeightDecay(),)),
        (AdamW(), (L2(),)),
        (AdamW(), (WeightDecay(strength=0.0),)),
    ],
)
def test_decay_once_is_in_order(optimizer: Optimizer, penalties: tuple[Penalty, ...]) -> None:
    assert not findings(spiral(optimizer=optimizer, penalties=penalties))
