"""Training beside PyTorch: the same networks, data, initial distributions and schedules, each with random numbers of
its own. Needs the extra `parity`.

    python benchmarks/parity_training.py [--seeds 5] [--presets NAME ...] [--out docs/parity.md]

Every preset is trained with several seeds by Descent Lab and by a plain PyTorch script (torch.nn modules, torch's
initializers, shuffling, dropout, optimizers and schedulers; channels first). Where the two differ by more than their
seeds do, one of them is wrong. The script exits with 1 then: |t| of Welch's test above 5, which five seeds alone bring
about once in a thousand.
"""

from __future__ import annotations

import argparse
import math
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from msgspec.structs import replace
from torch import nn

from engine.data import Dataset, load
from engine.experiment import Experiment
from engine.layers.base import Loss
from engine.presets import make
from engine.schema import info_of
from engine.training.trainer import Trainer

PRESETS = ("mnist-mlp", "mnist-cnn", "fashion-cnn", "spiral-mlp", "diabetes-regression")
LIMIT = 5.0  # of |t|

Numbers = dict[str, float]


def ours(experiment: Experiment, dataset: Dataset) -> Numbers:
    """Final numbers of one run by Descent Lab."""
    begun = time.perf_counter()
    result = Trainer(experiment, dataset=dataset, device="cpu").run()
    assert result.train_loss is not None and result.val_loss is not None
    return {
        "train loss": result.train_loss,
        "validation loss": result.val_loss,
        metric_name(experiment): next(iter(result.metrics.values())),
        "seconds": time.perf_counter() - begun,
    }


def theirs(experiment: Experiment, dataset: Dataset) -> Numbers:
    """Final numbers of one run by PyTorch, written as its users write it."""
    begun = time.perf_counter()
    torch.manual_seed(experiment.seed)
    training = experiment.training
    model, loss_function = torch_model(experiment, dataset)
    x, y = tensors(dataset.train.arrays)
    x_val, y_val = tensors(dataset.validation.arrays)
    size, batch = len(x), training.batch_size
    steps_per_epoch = size // batch if training.drop_last else -(-size // batch)
    optimizer = torch_optimizer(experiment, model)
    scheduler = torch_schedule(experiment, optimizer, training.epochs * steps_per_epoch)
    epoch_loss = math.nan
    for _ in range(training.epochs):
        model.train()
        order, total, seen = torch.randperm(size), 0.0, 0
        for start in range(0, steps_per_epoch * batch, batch):
            chosen = order[start : start + batch]
            optimizer.zero_grad()
            loss = loss_function(model(x[chosen]), y[chosen])
            loss.backward()
            optimizer.step()
            scheduler.step()
            total += loss.item() * len(chosen)
            seen += len(chosen)
        epoch_loss = total / seen
    model.eval()
    with torch.no_grad():
        output = model(x_val)
        validation = loss_function(output, y_val).item()
        if isinstance(loss_function, nn.CrossEntropyLoss):
            metric = (output.argmax(1) == y_val).float().mean().item()
        else:
            metric = (output - y_val).abs().mean().item()
    return {
        "train loss": epoch_loss,
        "validation loss": validation,
        metric_name(experiment): metric,
        "seconds": time.perf_counter() - begun,
    }


def metric_name(experiment: Experiment) -> str:
    return info_of(experiment.training.metrics[0]).label.lower()


def tensors(arrays: dict[str, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs, images with channels first, and targets."""
    x = torch.tensor(arrays["x"])
    return (x.permute(0, 3, 1, 2).contiguous() if x.ndim == 4 else x), torch.tensor(arrays["y"])


def torch_model(experiment: Experiment, dataset: Dataset) -> tuple[nn.Sequential, nn.Module]:
    """The chain of layers as torch.nn modules, and the loss."""
    shape: tuple[int, ...] = dataset.signature.inputs["x"]
    if len(shape) == 3:
        shape = (shape[2], shape[0], shape[1])
    modules: list[nn.Module] = []
    for node in experiment.network.nodes:
        c: Any = node.component
        if isinstance(c, Loss):
            tag = info_of(c).tag
            return nn.Sequential(*modules), {
                "softmax_cross_entropy": nn.CrossEntropyLoss,
                "mean_squared_error": nn.MSELoss,
            }[tag]()
        match info_of(c).tag:
            case "input":
                continue
            case "dense":
                module: nn.Module = drawn(nn.Linear(shape[0], c.units, bias=c.use_bias), c)
            case "conv2d":
                padding = c.size // 2 if c.padding == "same" else 0
                module = drawn(nn.Conv2d(shape[0], c.filters, c.size, c.stride, padding, bias=c.use_bias), c)
            case "max_pool2d":
                module = nn.MaxPool2d(c.size, c.stride, c.padding)
            case "relu":
                module = nn.ReLU()
            case "dropout":
                module = nn.Dropout(c.rate)
            case "flatten":
                module = nn.Flatten()
            case tag:
                raise SystemExit(f"no PyTorch counterpart is written here for the layer “{tag}”")
        modules.append(module)
        with torch.no_grad():
            shape = tuple(module(torch.zeros(1, *shape)).shape[1:])
    raise SystemExit("the network has no loss")


def drawn(module: Any, component: Any) -> nn.Module:
    """The module with weights drawn as the component says, by PyTorch's own initializers; biases at 0."""
    init = component.weight_init
    assert (init.distribution, init.mode) in {("normal", "fan_in"), ("normal", "fan_avg")}
    with torch.no_grad():
        match info_of(init).tag:
            case "he":
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            case "xavier":
                nn.init.xavier_normal_(module.weight)
            case tag:
                raise SystemExit(f"no PyTorch counterpart is written here for the initializer “{tag}”")
        if component.use_bias:
            module.bias.fill_(component.bias_init.value)
    return module


def torch_optimizer(experiment: Experiment, model: nn.Module) -> torch.optim.Optimizer:
    """Adam, or AdamW with decay on weights and none on biases."""
    rule: Any = experiment.training.optimizer
    assert info_of(rule).tag == "adam"
    penalties = {info_of(penalty).tag: penalty for penalty in experiment.training.penalties}
    assert set(penalties) <= {"weight_decay"}
    options = {"lr": rule.learning_rate, "betas": (rule.beta1, rule.beta2), "eps": rule.epsilon}
    if not penalties:
        return torch.optim.Adam(model.parameters(), **options)
    strength: float = penalties["weight_decay"].strength  # type: ignore[attr-defined]
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    groups = [{"params": weights, "weight_decay": strength}, {"params": biases, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, **options)


def torch_schedule(
    experiment: Experiment, optimizer: torch.optim.Optimizer, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The schedule, one step a batch."""
    training = experiment.training
    assert info_of(training.warmup).tag == "none"
    schedule: Any = training.schedule
    match info_of(schedule).tag:
        case "constant":
            return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
        case "cosine":
            floor = schedule.final * training.optimizer.learning_rate  # type: ignore[attr-defined]
            return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps, eta_min=floor)
        case tag:
            raise SystemExit(f"no PyTorch counterpart is written here for the schedule “{tag}”")


def welch(a: Sequence[float], b: Sequence[float]) -> float:
    """Welch's t: the difference of the means over its standard error."""
    difference = fmean(a) - fmean(b)
    error = math.sqrt((stdev(a) ** 2 + stdev(b) ** 2) / len(a))
    return difference / error if error > 0 else (0.0 if difference == 0 else math.inf)


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation over the seeds, to the digits that the deviation supports."""
    mean, deviation = fmean(values), stdev(values)
    digits = min(6, max(2, 1 - math.floor(math.log10(deviation)))) if deviation > 0 else 4
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def table(rows: list[str], seeds: int, worst: float) -> str:
    """The document."""
    return "\n".join(
        [
            "# Training beside PyTorch",
            "",
            f"The final numbers of {seeds} runs each by Descent Lab and by PyTorch {torch.__version__.split('+')[0]}: "
            "the same data, network, initial distributions, optimizer and schedule, each with random numbers of its "
            "own (initial weights, order of the samples, dropout). Mean ± standard deviation over the seeds; t is "
            "Welch's: the difference of the means in units of its standard error. For five runs that differ by their "
            "seeds alone, |t| exceeds 2.3 about once in twenty numbers and 3.4 once in a hundred.",
            "",
            "| preset | number | Descent Lab | PyTorch | t |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"Largest |t|: {worst:.2f}. Made by `python benchmarks/parity_training.py --out docs/parity.md` with NumPy "
            f"{np.__version__} on Python {platform.python_version()}, float32, on the CPU. The train loss is the mean "
            "over the last epoch's steps.",
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--presets", nargs="+", default=PRESETS, metavar="NAME")
    parser.add_argument("--out", type=Path, default=None, help="write the table to this file")
    arguments = parser.parse_args()
    if arguments.seeds < 2:
        parser.error("at least two seeds are needed to tell how much seeds matter")
    rows, worst = [], 0.0
    runners: tuple[Callable[[Experiment, Dataset], Numbers], ...] = (ours, theirs)
    for name in arguments.presets:
        preset = make(name)
        dataset = load(preset.data)
        found = [[run(replace(preset, seed=seed), dataset) for seed in range(arguments.seeds)] for run in runners]
        for number in found[0][0]:
            a, b = ([run[number] for run in side] for side in found)
            if number == "seconds":
                print(f"{name}: {fmean(a):.1f} s a run, PyTorch {fmean(b):.1f} s", file=sys.stderr)
                continue
            t = welch(a, b)
            worst = max(worst, abs(t))
            rows.append(f"| {name} | {number} | {spread(a)} | {spread(b)} | {t:+.2f} |")
            print(rows[-1], flush=True)
    if arguments.out is not None:
        arguments.out.write_text(table(rows, arguments.seeds, worst), encoding="utf-8")
    return 1 if worst > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
