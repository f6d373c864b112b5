"""The reference run that other experiments are measured against: digits, 64-100-10, plain SGD.

The bands were measured with PyTorch and with a separate NumPy engine, with other random streams: they say whether this
engine is right, not how well it is tuned.
"""

import math
from statistics import fmean

import pytest
from msgspec.structs import replace

from engine.presets import make
from engine.training.evaluate import evaluate
from engine.training.events import Event, Started, StepRows
from engine.training.trainer import Trainer

pytest.importorskip("sklearn", reason="the digits come with scikit-learn")


def run(seed: int) -> tuple[float, float, float, float]:
    """Training loss of the trained network, validation loss and accuracy, and the loss before the first update."""
    rows: list[Event] = []
    trainer = Trainer(replace(make("digits-baseline"), seed=seed), device="cpu", executor="array", report=rows.append)
    result = trainer.run()
    loop = trainer.loop
    assert loop is not None and result.val_loss is not None and result.val_accuracy is not None
    assert (result.steps, result.epochs) == (400, 20)
    started = next(event for event in rows if isinstance(event, Started))
    assert started.expected_initial_loss == pytest.approx(math.log(10))
    part = loop.dataset.train
    assert (part.size, loop.dataset.validation.size, loop.dataset.test.size) == (1000, 400, 397)
    trained = evaluate(loop.programs, part.arrays, part.size, loop.heads, loop.scalars())
    assert trained is not None
    first = next(event for event in rows if isinstance(event, StepRows))
    return trained.loss, result.val_loss, result.val_accuracy, float(first.table[0, 2])


def test_the_baseline_lies_in_its_band() -> None:
    runs = [run(seed) for seed in range(5)]
    train_loss, validation_loss, accuracy, initial = (fmean(column) for column in zip(*runs, strict=True))
    assert 0.024 <= train_loss <= 0.032
    assert 0.08 <= validation_loss <= 0.135
    assert accuracy >= 0.955
    assert 2.5 <= initial <= 4.0  # He's last layer speaks louder than ln 10 = 2.30
    assert len({row[0] for row in runs}) == 5
