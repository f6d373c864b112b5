"""Learning rates against PyTorch's schedulers, step by step."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.kinds import Schedule
from engine.optimizers import SGD
from engine.schedules import ConstantSchedule, CosineSchedule, LinearWarmup, NoWarmup, StepSchedule, curve

pytestmark = pytest.mark.parity

TOTAL, PER_EPOCH, BASE = 400, 20, 0.3


def theirs(make: Any) -> np.ndarray:
    import torch

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    rates = []
    for _ in range(TOTAL):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


SCHEDULES: list[tuple[Schedule, Any]] = [
    (ConstantSchedule(), lambda lr, o, steps: lr.ConstantLR(o, factor=1.0)),
    (StepSchedule(period=3.0, gamma=0.3), lambda lr, o, steps: lr.StepLR(o, 60, gamma=0.3)),
    (CosineSchedule(), lambda lr, o, steps: lr.CosineAnnealingLR(o, steps)),
    (CosineSchedule(final=0.1), lambda lr, o, steps: lr.CosineAnnealingLR(o, steps, eta_min=0.1 * BASE)),
]


@pytest.mark.parametrize(("schedule", "make"), SCHEDULES)
def test_schedule(schedule: Schedule, make: Any) -> None:
    spec = SimpleNamespace(optimizer=SGD(learning_rate=BASE), schedule=schedule, warmup=NoWarmup())
    _, ours = curve(spec, TOTAL, PER_EPOCH)
    assert np.abs(ours - theirs(lambda lr, o: make(lr, o, TOTAL))).max() < 1e-12


@pytest.mark.parametrize(("schedule", "make"), SCHEDULES)
def test_schedule_after_warmup(schedule: Schedule, make: Any) -> None:
    warmup = LinearWarmup(duration=2.5, unit="epochs", start=0.05)
    spec = SimpleNamespace(optimizer=SGD(learning_rate=BASE), schedule=schedule, warmup=warmup)
    _, ours = curve(spec, TOTAL, PER_EPOCH)

    def sequence(lr: Any, optimizer: Any) -> Any:
        first = lr.LinearLR(optimizer, start_factor=0.05, total_iters=50)
        return lr.SequentialLR(optimizer, [first, make(lr, optimizer, TOTAL - 50)], milestones=[50])

    assert np.abs(ours - theirs(sequence)).max() < 1e-12
