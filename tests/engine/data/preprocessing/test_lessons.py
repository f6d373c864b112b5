"""What preprocessing does to training, against figures measured independently (PyTorch, five seeds)."""

from __future__ import annotations

import numpy as np
import pytest

from engine.data.preprocessing import Center, Normalize, Pca, PreprocessingStep, Whiten
from engine.data.sources import Digits
from engine.experiment import DataSpec, Experiment, SplitSpec, TrainingSpec
from engine.initializers import He
from engine.layers import Dense, Flatten, Input, ReLU
from engine.losses import SoftmaxCrossEntropy
from engine.metrics import Accuracy
from engine.optimizers import SGD
from engine.schedules import ConstantSchedule, NoWarmup
from engine.training.trainer import Trainer
from tests.engine.training.experiments import sequential

NETWORK = sequential(
    [
        Input(),
        Flatten(),
        Dense(units=100, weight_init=He()),
        ReLU(),
        Dense(units=10, weight_init=He()),
        SoftmaxCrossEntropy(),
    ]
)
USUAL = (Center(per="feature"), Normalize(per="global"))


def accuracy(*steps: PreprocessingStep, seeds: int = 2) -> float:
    """Validation accuracy of 64-100-10 after 20 epochs on 1,000 digits, the mean over some seeds."""
    found: list[float] = []
    for seed in range(seeds):
        experiment = Experiment(
            data=DataSpec(source=Digits(), split=SplitSpec(validation=400, test=397), preprocessing=steps),
            network=NETWORK,
            training=TrainingSpec(
                optimizer=SGD(learning_rate=0.1), schedule=ConstantSchedule(), warmup=NoWarmup(), epochs=20,
                batch_size=50, metrics=(Accuracy(),),
            ),
            seed=seed,
        )  # fmt: skip
        result = Trainer(experiment, device="cpu").run()
        found.append(result.metrics["accuracy"])
    return float(np.mean(found))


def test_whitening_costs_the_digits_two_points() -> None:
    pytest.importorskip("sklearn.datasets")
    usual = accuracy(*USUAL)
    assert usual >= 0.955
    assert accuracy(*USUAL, Pca(components=20)) == pytest.approx(usual, abs=0.012)
    white = accuracy(Whiten(form="PCA"))
    assert 0.930 <= white <= 0.955
    assert usual - white >= 0.01
