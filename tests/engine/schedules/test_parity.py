"""Learning rates and opposed momenta against PyTorch's schedulers, step by step, with options drawn at random."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.kinds import Optimizer, Schedule, Warmup
from engine.optimizers import SGD, Adam
from engine.results import Results
from engine.schedules import (
    ConstantSchedule,
    ConstantWarmup,
    CosineRestarts,
    CosineSchedule,
    CyclicalSchedule,
    ExponentialSchedule,
    LinearSchedule,
    LinearWarmup,
    MultiStepSchedule,
    NoWarmup,
    OneCycle,
    PlateauSchedule,
    PolynomialSchedule,
    StepSchedule,
    curve,
    opposed_momenta,
)

pytestmark = pytest.mark.parity

TOTAL, PER_EPOCH, BASE = 1000, 20, 0.3
DRAWS = 5

Case = tuple[Schedule, Callable[..., Any]]
"""Our schedule, and PyTorch's as a function of its module, the optimizer and the number of steps."""


def theirs(make: Any, *, adam: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The rates and momenta of `TOTAL` steps."""
    torch = pytest.importorskip("torch")
    weights = [torch.nn.Parameter(torch.zeros(1))]
    optimizer = torch.optim.Adam(weights, lr=BASE) if adam else torch.optim.SGD(weights, lr=BASE, momentum=0.5)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    rates, momenta = [], []
    for step in range(TOTAL):
        group = optimizer.param_groups[0]
        rates.append(group["lr"])
        momenta.append(group["betas"][0] if adam else group["momentum"])
        optimizer.step()
        if step + 1 < TOTAL:  # OneCycleLR refuses to go on
            scheduler.step()
    return np.array(rates), np.array(momenta)


def spec_of(schedule: Schedule, warmup: Warmup | None = None, optimizer: Optimizer | None = None) -> Any:
    optimizer = optimizer or SGD(learning_rate=BASE)
    return SimpleNamespace(optimizer=optimizer, schedule=schedule, warmup=warmup or NoWarmup())


def constant(rng: np.random.Generator) -> Case:
    return ConstantSchedule(), lambda lr, o, steps: lr.ConstantLR(o, factor=1.0)


def step(rng: np.random.Generator) -> Case:
    period, gamma = int(rng.integers(1, 300)), float(rng.uniform(0.1, 1.0))
    schedule = StepSchedule(period=period / PER_EPOCH, gamma=gamma)
    return schedule, lambda lr, o, steps: lr.StepLR(o, period, gamma=gamma)


def multi_step(rng: np.random.Generator) -> Case:
    at, gamma = [int(n) for n in rng.integers(1, TOTAL, 4)], float(rng.uniform(0.1, 1.0))
    schedule = MultiStepSchedule(milestones=tuple(map(float, at)), gamma=gamma, unit="steps")
    return schedule, lambda lr, o, steps: lr.MultiStepLR(o, at, gamma=gamma)


def exponential(rng: np.random.Generator) -> Case:
    gamma = float(rng.uniform(0.98, 1.0))
    return ExponentialSchedule(gamma=gamma, unit="steps"), lambda lr, o, steps: lr.ExponentialLR(o, gamma)


def polynomial(rng: np.random.Generator) -> Case:
    power = float(rng.uniform(0.5, 4.0))
    schedule = PolynomialSchedule(power=power)
    return schedule, lambda lr, o, steps: lr.PolynomialLR(o, total_iters=steps, power=power)


def linear(rng: np.random.Generator) -> Case:
    final = float(rng.uniform(0.0, 1.0))
    return LinearSchedule(final=final), lambda lr, o, steps: lr.LinearLR(
        o, start_factor=1.0, end_factor=final, total_iters=steps
    )


def cosine(rng: np.random.Generator) -> Case:
    final = float(rng.uniform(0.0, 0.5))
    return CosineSchedule(final=final), lambda lr, o, steps: lr.CosineAnnealingLR(o, steps, eta_min=final * BASE)


def cosine_restarts(rng: np.random.Generator) -> Case:
    first, growth, final = int(rng.integers(1, 200)), int(rng.integers(1, 4)), float(rng.uniform(0.0, 0.5))
    schedule = CosineRestarts(first=first / PER_EPOCH, growth=growth, final=final)
    return schedule, lambda lr, o, steps: lr.CosineAnnealingWarmRestarts(o, first, growth, eta_min=final * BASE)


def cyclical(rng: np.random.Generator) -> Case:
    up, down, low = int(rng.integers(1, 150)), int(rng.integers(1, 150)), float(rng.uniform(0.0, 0.9))
    mode: Any = rng.choice(["triangular", "triangular2", "exp_range"])
    gamma = float(rng.uniform(0.99, 1.0))
    schedule = CyclicalSchedule(up=up, down=down, unit="steps", low=low, mode=str(mode), gamma=gamma)  # type: ignore[arg-type]
    return schedule, lambda lr, o, steps: lr.CyclicLR(
        o, low * BASE, BASE, step_size_up=up, step_size_down=down, mode=str(mode), gamma=gamma
    )


def one_cycle(rng: np.random.Generator) -> Case:
    rise, shape, three = float(rng.uniform(0.05, 0.45)), rng.choice(["cosine", "linear"]), bool(rng.integers(2))
    divisor, last = float(rng.uniform(2, 50)), float(10 ** rng.uniform(0, 5))
    low, high = sorted(rng.uniform(0.1, 0.99, 2).tolist())
    schedule = OneCycle(
        rise=rise, divisor=divisor, final_divisor=last, shape=str(shape), three_phases=three,  # type: ignore[arg-type]
        momentum_low=low, momentum_high=high,
    )  # fmt: skip
    return schedule, lambda lr, o, steps: lr.OneCycleLR(
        o, BASE, total_steps=steps, pct_start=rise, anneal_strategy="cos" if shape == "cosine" else "linear",
        div_factor=divisor, final_div_factor=last, three_phase=three, base_momentum=low, max_momentum=high,
    )  # fmt: skip


FAMILIES = [constant, step, multi_step, exponential, polynomial, linear, cosine, cosine_restarts, cyclical, one_cycle]
WITH_MOMENTA = (cyclical, one_cycle)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_schedule(family: Callable[[np.random.Generator], Case]) -> None:
    rng = np.random.default_rng(7)
    for draw in range(DRAWS):
        schedule, make = family(rng)
        optimizer = Adam(learning_rate=BASE) if draw % 2 else SGD(learning_rate=BASE)
        _, ours = curve(spec_of(schedule), TOTAL, PER_EPOCH)
        rates, momenta = theirs(lambda lr, o, make=make: make(lr, o, TOTAL), adam=bool(draw % 2))
        assert np.abs(ours - rates).max() < 1e-12, schedule
        opposed = opposed_momenta(spec_of(schedule, optimizer=optimizer), np.arange(TOTAL), TOTAL, PER_EPOCH)
        assert (opposed is not None) == (family in WITH_MOMENTA)
        if opposed is not None:
            assert np.abs(opposed - momenta).max() < 1e-12, schedule


BEHIND_WARMUP = (constant, step, multi_step, exponential, polynomial, linear, cosine)


@pytest.mark.parametrize("family", BEHIND_WARMUP, ids=lambda family: family.__name__)
@pytest.mark.parametrize("kind", ["linear", "constant"])
def test_schedule_after_warmup(family: Callable[[np.random.Generator], Case], kind: str) -> None:
    schedule, make = family(np.random.default_rng(11))
    warmup: Warmup = LinearWarmup(duration=2.5, unit="epochs", start=0.05)
    if kind == "constant":
        warmup = ConstantWarmup(duration=50, unit="steps", share=0.05)
    _, ours = curve(spec_of(schedule, warmup), TOTAL, PER_EPOCH)

    def sequence(lr: Any, optimizer: Any) -> Any:
        if kind == "linear":
            first = lr.LinearLR(optimizer, start_factor=0.05, total_iters=50)
        else:
            first = lr.ConstantLR(optimizer, factor=0.05, total_iters=50)
        return lr.SequentialLR(optimizer, [first, make(lr, optimizer, TOTAL - 50)], milestones=[50])

    assert np.abs(ours - theirs(sequence)[0]).max() < 1e-12


def test_a_staircase_is_a_scheduler_stepped_once_an_epoch() -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    expected = []
    for _ in range(TOTAL // PER_EPOCH):
        expected += PER_EPOCH * [optimizer.param_groups[0]["lr"]]
        optimizer.step()
        scheduler.step()
    _, ours = curve(spec_of(ExponentialSchedule(gamma=0.9, staircase=True)), TOTAL, PER_EPOCH)
    assert np.abs(ours - expected).max() < 1e-12


@pytest.mark.parametrize("seed", range(8))
def test_plateau(seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    higher, relative = bool(rng.integers(2)), bool(rng.integers(2))
    patience, cooldown, gamma = int(rng.integers(0, 6)), int(rng.integers(0, 4)), float(rng.uniform(0.1, 0.9))
    least, final = float(rng.choice([0.0, 1e-3, 5e-2])), float(rng.choice([0.0, 1e-3]))
    schedule = PlateauSchedule(
        metric="accuracy" if higher else "loss", gamma=gamma, patience=patience, min_delta=least, relative=relative,
        cooldown=cooldown, final=final,
    )  # fmt: skip
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, "max" if higher else "min", factor=gamma, patience=patience, threshold=least,
        threshold_mode="rel" if relative else "abs", cooldown=cooldown, min_lr=final * BASE, eps=1e-8 * BASE,
    )  # fmt: skip
    memory: dict[str, float] = {}
    scale, drops = 1.0, 0
    values = 1.0 + np.cumsum(rng.normal(0.0, 0.05, 1000)) * rng.uniform(0.0, 0.2)
    for epoch, value in enumerate(np.abs(values).tolist()):
        found = {"loss": value, "accuracy": value}
        results = Results(epoch=epoch, step=epoch, training={}, validation=found, higher=frozenset({"accuracy"}))
        new = schedule.review(memory, results)
        drops += new is not None
        scale = scale if new is None else new
        scheduler.step(value)
        assert abs(BASE * scale - optimizer.param_groups[0]["lr"]) < 1e-12
    assert drops
