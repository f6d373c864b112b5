"""What augmentation costs a run: its steps with and without, how long they wait for batches, and what a batch takes.

    python benchmarks/augmentation.py [PRESET] [--executor auto|array|cpu] [--steps 400] [--rounds 3]

Each round trains the preset without augmentation, then with each list: with batches prepared ahead, and with batches
prepared where they are taken. "waits" is the share of the run's time in which a step waited for its batch; "batch" the
processor time that preparing one takes on a thread of its own. Medians over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if TYPE_CHECKING:
    from engine.experiment import Experiment
    from engine.kinds import Augmentation

BATCHES = 40
"""Batches that are prepared to time one."""


def lists() -> dict[str, tuple[Augmentation, ...]]:
    """The lists that are measured, by name."""
    from engine.data.augmentation import CutMix, GaussianNoise, HorizontalFlip, Mixup, RandomCrop, Rotate, Scale

    return {
        "crop, flip": (RandomCrop(padding=4), HorizontalFlip()),
        "rotate, scale": (Rotate(), Scale()),
        "noise": (GaussianNoise(),),
        "mixup": (Mixup(),),
        "cutmix": (CutMix(),),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", nargs="?", default="mnist-cnn")
    parser.add_argument("--executor", choices=("auto", "array", "cpu"), default="auto")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    from engine import presets

    base = presets.make(options.preset)
    for text in rows(base, options.executor, options.steps, options.rounds):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    return 0


def rows(base: Experiment, executor: str, steps: int, rounds: int) -> Iterator[str]:
    """The lines of the table."""
    from msgspec.structs import replace

    yield f"{'':16}{'ms a step':>12}{'waits':>9}{'not ahead':>12}{'batch, ms':>12}"
    every = {"nothing": (), **lists()}
    experiments = {name: replace(base, data=replace(base.data, augmentation=steps)) for name, steps in every.items()}
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in every}
    for _ in range(rounds):
        for name, experiment in experiments.items():
            ahead, waited = trained(experiment, executor, steps, None)
            found[name].append((ahead, waited, trained(experiment, executor, steps, 0)[0] if every[name] else ahead))
    for name, results in found.items():
        ahead, waited, alone = (statistics.median(column) for column in zip(*results, strict=True))
        batch = prepared(experiments[name]) if every[name] else 0.0
        yield f"{name:16}{1e3 * ahead:12.2f}{waited:9.1%}{1e3 * alone:12.2f}{1e3 * batch:12.2f}"


def trained(experiment: Experiment, executor: str, steps: int, workers: int | None) -> tuple[float, float]:
    """Seconds a step of a run, and the share of them that it waited for batches."""
    from engine.training import feed
    from engine.training.trainer import Trainer

    usual = feed.default_workers
    if workers is not None:
        feed.default_workers = lambda: workers
    try:
        trainer = Trainer(experiment, device="cpu", executor=executor, steps=steps)  # type: ignore[arg-type]
        result = trainer.run()
    finally:
        feed.default_workers = usual
    return result.seconds / result.steps, result.waited / result.seconds


def prepared(experiment: Experiment) -> float:
    """Processor seconds that a batch takes."""
    from engine import data
    from engine.data.augmentation.pipeline import Augmenter
    from engine.data.batches import Batches

    dataset = data.load(experiment.data)
    part = dataset.train
    batches = Batches(part.size, experiment.training.batch_size, seed=experiment.seed)
    made = Augmenter(
        experiment.data.augmentation, part.arrays, dataset.signature, experiment.seed,
        inputs=tuple(dataset.signature.inputs), targets=tuple(dataset.signature.targets), fitted=dataset.fitted,
    )  # fmt: skip
    seconds = []
    for step in range(BATCHES):
        begun = time.thread_time()
        made.prepare(batches.chunk(step, 1), step)
        seconds.append(time.thread_time() - begun)
    return statistics.median(seconds)


if __name__ == "__main__":
    raise SystemExit(main())
