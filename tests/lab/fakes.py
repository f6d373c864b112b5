"""A stand-in for the trainer: it reports plausible numbers as fast as it is asked to, and obeys its control."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from engine.data.augmentation.preview import BatchPreview
from engine.experiment import DataSpec, Experiment, NetworkSpec, Node, TrainingSpec
from engine.schema import lookup
from engine.timeline import Timeline as StepTimeline
from engine.training.control import Control
from engine.training.events import (
    Changed,
    Confusion,
    EpochEnd,
    Event,
    Finished,
    FirstLayer,
    Frame,
    ParameterStats,
    Paused,
    Progress,
    Resumed,
    Started,
    StepRow,
    Surface,
    TensorStats,
    Timeline,
)
from tests.support.runs import columns_of, step_rows


def make(kind: str, tag: str, **fields: Any) -> Any:
    cls = lookup(kind, tag)
    assert cls is not None, f"{kind} {tag}"
    return cls(**fields)


def experiment(epochs: int = 50, schedule: str = "cosine", **training: Any) -> Experiment:
    """A small convolutional network on images of digits."""
    chain = [
        ("input_1", "layer", "input", {}),
        ("conv_1", "layer", "conv2d", {}),
        ("bn_1", "layer", "batch_norm", {}),
        ("relu_1", "layer", "relu", {}),
        ("pool_1", "layer", "max_pool2d", {}),
        ("conv_2", "layer", "conv2d", {}),
        ("relu_2", "layer", "relu", {}),
        ("flatten_1", "layer", "flatten", {}),
        ("dense_1", "layer", "dense", {"units": 128}),
        ("tanh_1", "layer", "tanh", {}),
        ("dense_2", "layer", "dense", {"units": 10}),
        ("loss_1", "loss", "softmax_cross_entropy", {}),
    ]
    nodes = tuple(
        Node(id=node, component=make(kind, tag, **fields), inputs=(chain[i - 1][0],) if i else ())
        for i, (node, kind, tag, fields) in enumerate(chain)
    )
    return Experiment(
        name="my-digits-cnn",
        data=DataSpec(source=make("source", "spirals")),
        network=NetworkSpec(nodes=nodes),
        training=TrainingSpec(
            optimizer=make("optimizer", "adam", learning_rate=1e-3),
            schedule=make("schedule", schedule),
            warmup=make("warmup", "linear", duration=5.0, start=0.02),
            epochs=epochs,
            metrics=(make("metric", "accuracy"),),
            **training,
        ),
        seed=42,
    )


def tensor(values: np.ndarray, bins: int = 64, saturated: float = 0.0) -> TensorStats:
    histogram, edges = np.histogram(values, bins)
    return TensorStats(
        count=values.size,
        mean=float(values.mean()),
        std=float(values.std()),
        minimum=float(edges[0]),
        maximum=float(edges[-1]),
        zero_share=float((values == 0).mean()),
        saturated_share=saturated,
        dead_share=0.0,
        nonfinite=0,
        histogram=histogram,
    )


GRADIENTS = {"conv_1": 0.06, "bn_1": 0.02, "conv_2": 0.03, "dense_1": 0.02, "dense_2": 0.15}
RATIOS = {"conv_1": 3e-3, "bn_1": 1.6e-3, "conv_2": 2.1e-3, "dense_1": 1.6e-4, "dense_2": 4.4e-2}


def frame(run: str, step: int, epoch: float, rng: np.random.Generator, size: int = 4000) -> Frame:
    """Every layer of `experiment` with the shapes of histograms that one meets."""
    z = rng.normal(size=size)
    drift = 1 + 0.3 * min(epoch / 30, 1.0)
    activations = {
        "input_1": tensor(np.abs(z) * (rng.random(size) > 0.7)),
        "conv_1": tensor(z * 0.3 * drift),
        "bn_1": tensor(rng.normal(size=size)),
        "relu_1": tensor(np.maximum(rng.normal(size=size) * 0.5, 0)),
        "pool_1": tensor(np.maximum(rng.normal(size=size) * 0.6 + 0.3, 0)),
        "conv_2": tensor(rng.normal(size=size) * 0.25 * drift),
        "relu_2": tensor(np.maximum(rng.normal(size=size) * 0.4, 0)),
        "flatten_1": tensor(np.maximum(rng.normal(size=size) * 0.4, 0)),
        "dense_1": tensor(rng.normal(size=size) * 0.5 * drift),
        "tanh_1": tensor(np.tanh(rng.normal(size=size) * 2.5), saturated=0.62),
        "dense_2": tensor(rng.normal(size=size) * 0.6),
    }
    adjoints = {node: tensor(rng.normal(size=size) * 1e-3) for node in activations}
    parameters = {}
    for node, norm in GRADIENTS.items():
        noisy = norm * (0.25 + np.exp(-epoch / 12)) * rng.lognormal(sigma=0.15)
        for name, shape in (("weight", (64, 32)), ("bias", (32,))):
            parameters[f"{node}/{name}"] = ParameterStats(
                node=node,
                shape=shape,
                weight_norm=4.0,
                gradient_norm=noisy * (1.0 if name == "weight" else 0.2),
                update_norm=4.0 * RATIOS[node] * rng.lognormal(sigma=0.05),
                weights=tensor(rng.normal(size=size) * (0.05 if name == "weight" else 0.01)),
                gradient=tensor(rng.normal(size=size) * norm),
            )
    return Frame(run=run, step=step, epoch=epoch, activations=activations, adjoints=adjoints, parameters=parameters)


def loss_at(epoch: float) -> float:
    return 0.06 + 2.2 * float(np.exp(-epoch / 8))


def surface(run: str, step: int, classes: int = 2, size: int = 80) -> Surface:
    axis = np.linspace(-1.2, 1.2, size)
    x, y = np.meshgrid(axis, axis)
    angle = np.arctan2(y, x) - 6 * np.hypot(x, y)
    scores = np.stack([np.cos(angle - 2 * np.pi * k / classes) * 3 for k in range(classes)], axis=-1)
    values = np.exp(scores)
    return Surface(
        run=run, step=step, values=values / values.sum(axis=-1, keepdims=True), extent=(-1.2, 1.2, -1.2, 1.2)
    )


def confusion(run: str, step: int, rng: np.random.Generator, classes: int = 10) -> Confusion:
    matrix = rng.poisson(1.2, (classes, classes)) + np.diag(rng.integers(70, 100, classes))
    return Confusion(run=run, step=step, matrix=matrix, class_names=tuple(str(i) for i in range(classes)))


def filters(run: str, step: int, rng: np.random.Generator) -> FirstLayer:
    return FirstLayer(run=run, step=step, node="conv_1", filters=rng.normal(size=(32, 3, 3, 1)))


class FakeTrainer:
    """Reports a run of `experiment`: `rate` steps a second (0: as fast as it can), `steps_per_epoch` steps an epoch."""

    runs = 0

    def __init__(
        self,
        experiment: Experiment,
        *,
        report: Callable[[Event], None],
        control: Control,
        resume: str | None = None,
        store: Any = None,
        device: str = "auto",
        executor: str = "auto",
        math: str | None = None,
        rate: float = 0.0,
        steps_per_epoch: int = 20,
        frames_every: int = 10,
        fail_at: int | None = None,
        seed: int = 0,
    ) -> None:
        FakeTrainer.runs += 1
        self.run_id = resume or f"fake-{FakeTrainer.runs}"
        self.experiment, self.report, self.control = experiment, report, control
        self.rate, self.steps_per_epoch, self.frames_every = rate, steps_per_epoch, frames_every
        self.fail_at, self.executor, self.math = fail_at, executor, math
        self.rng = np.random.default_rng(seed)
        self.topics_seen: set[frozenset[str]] = set()
        self.reported_steps = 0
        self.waiting = False

    def run(self) -> None:
        epochs, per_epoch = self.experiment.training.epochs, self.steps_per_epoch
        total = epochs * per_epoch
        begun = time.perf_counter()
        self.report(
            Started(
                run=self.run_id,
                step=0,
                total_steps=total,
                steps_per_epoch=per_epoch,
                epochs=epochs,
                device="NumPy · 1 thread",
                expected_initial_loss=float(np.log(10)),
                parameter_count=421_642,
            )
        )
        reason = "done"
        for step in range(1, total + 1):
            if self.control.attention and not self._permitted(step - 1):
                reason = "stopped"
                break
            if step == self.fail_at:
                raise ValueError("Dense 128 met its end")
            self._step(step, step / per_epoch, total, begun)
            if self.rate:
                time.sleep(max(0.0, begun + step / self.rate - time.perf_counter()))
        self.report(
            Finished(
                run=self.run_id,
                step=self.reported_steps,
                reason=reason,  # type: ignore[arg-type]
                seconds=time.perf_counter() - begun,
            )
        )

    def _permitted(self, step: int) -> bool:
        while True:
            for path, value in self.control.changes():
                self.report(Changed(run=self.run_id, step=step, path=path, before=None, after=value))
            match self.control.permission():
                case "stop":
                    return False
                case "step":
                    self.waiting = False
                    return True
                case "go":
                    if self.waiting:
                        self.waiting = False
                        self.report(Resumed(run=self.run_id, step=step))
                    return True
            if not self.waiting:
                self.waiting = True
                self.report(Paused(run=self.run_id, step=step))
            self.control.wait(0.5)

    def _step(self, step: int, epoch: float, total: int, begun: float) -> None:
        topics = self.control.topics
        self.topics_seen.add(topics)
        loss = loss_at(epoch) * float(self.rng.lognormal(sigma=0.12))
        self.reported_steps = step
        row = StepRow(step=step, epoch=epoch, loss=loss, penalty=0.0, learning_rate=1e-3)
        self.report(step_rows(row, run=self.run_id))
        ends = step % self.steps_per_epoch == 0
        if ends or step % self.frames_every == 0:
            self.report(frame(self.run_id, step, epoch, self.rng))
            if "surface" in topics:
                self.report(surface(self.run_id, step))
            if "filters" in topics:
                self.report(filters(self.run_id, step, self.rng))
            self.report(self._progress(step, epoch, total, begun))
        if ends:
            self.control.epoch_ended()
            if "confusion" in topics:
                self.report(confusion(self.run_id, step, self.rng))
            self.report(epoch_end(self.run_id, step, round(epoch)))

    def _progress(self, step: int, epoch: float, total: int, begun: float) -> Progress:
        seconds = time.perf_counter() - begun
        return Progress(
            run=self.run_id,
            step=step,
            epoch=epoch,
            epochs=self.experiment.training.epochs,
            total_steps=total,
            samples_per_second=41_200.0,
            instrument_share=0.021,
            seconds=seconds,
            seconds_left=seconds / step * (total - step),
        )


def epoch_end(run: str, step: int, epoch: int) -> EpochEnd:
    train = loss_at(epoch)
    validation = train * 1.25 + 0.001 * epoch
    return EpochEnd(
        run=run,
        step=step,
        epoch=epoch,
        train_loss=train,
        validation_loss=validation,
        train_metrics={"accuracy": 0.985 - 0.5 * float(np.exp(-epoch / 7))},
        validation_metrics={"accuracy": 0.955 - 0.47 * float(np.exp(-epoch / 6)) - 0.0004 * epoch},
        learning_rate=1e-3,
        seconds=1.0,
    )


def timeline(run: str, step: int, threads: int = 2) -> Timeline:
    """A step of five rows on `threads` threads, of which the last has no part in the loss."""
    rows = (
        ("matmul+add_bias+relu", "dense_1", "forward", 3e-4, 8e6),
        ("softmax_cross_entropy", "loss", "forward", 2e-5, float("nan")),
        ("matmul", "dense_1", "backward", 4e-4, 1.6e7),
        ("sum_rows", "dense_1", "backward", 1e-5, float("nan")),
        ("adam", "", "update", 1e-4, float("nan")),
    )
    lengths = np.array([row[3] for row in rows])
    begin = np.tile(np.cumsum(lengths) - lengths, (threads, 1))
    end = begin + lengths * np.linspace(1.0, 0.8, threads)[:, None]
    begin[-1, 1] = end[-1, 1] = np.nan
    return Timeline(
        run=run,
        step=step,
        batch=128,
        timeline=StepTimeline(
            rows=tuple(row[0] for row in rows),
            nodes=tuple(row[1] for row in rows),
            phases=tuple(row[2] for row in rows),
            begin=begin,
            end=end,
            wait=np.nan_to_num(begin[0] + lengths - end),
            flops=np.array([row[4] for row in rows]),
        ),
    )


def filled_session(epochs: int = 50, done: int = 12, steps_per_epoch: int = 40, seed: int = 0) -> Any:
    """A session that shows `done` epochs of a run, without a thread."""
    from engine.schedules import learning_rate
    from lab.live import Moment
    from lab.session import Session

    session = Session()
    rng = np.random.default_rng(seed)
    total = epochs * steps_per_epoch
    session.experiment = experiment(epochs=epochs)
    session.run_id = "fake"
    session.started = Started(
        run="fake",
        step=0,
        total_steps=total,
        steps_per_epoch=steps_per_epoch,
        epochs=epochs,
        device="NumPy",
        expected_initial_loss=float(np.log(10)),
        parameter_count=421_642,
    )
    for epoch in range(1, done + 1):
        first = (epoch - 1) * steps_per_epoch
        rows = step_rows(
            *(
                StepRow(
                    step=step + 1,
                    epoch=(step + 1) / steps_per_epoch,
                    loss=loss_at((step + 1) / steps_per_epoch) * float(rng.lognormal(sigma=0.12)),
                    penalty=0.01,
                    learning_rate=learning_rate(session.experiment.training, step, total, steps_per_epoch),
                )
                for step in range(first, first + steps_per_epoch)
            ),
            run="fake",
        )
        session.live.add_columns(columns_of(rows))
        step = epoch * steps_per_epoch
        moment = Moment(
            epoch=epoch,
            step=step,
            frame=frame("fake", step, float(epoch), rng, size=500),
            confusion=confusion("fake", step, rng),
            surface=surface("fake", step, classes=3, size=24),
            filters=filters("fake", step, rng),
        )
        session.live.add_epoch(epoch_end("fake", step, epoch), moment)
    last = session.live.moments[-1]
    session.frame, session.confusion = last.frame, last.confusion
    session.surface, session.filters = last.surface, last.filters
    session.timeline = timeline("fake", total)
    return session


def batch(count: int = 12, *, shape: tuple[int, ...] = (8, 8, 1)) -> BatchPreview:
    """A batch of random samples, every other one mixed."""
    rng = np.random.default_rng(4)
    before, after = (rng.normal(size=(count, *shape)).astype(np.float32) for _ in range(2))
    labels = tuple(f"{k % 3} \u00b7 62 %, {(k + 1) % 3} \u00b7 38 %" if k % 2 else str(k % 3) for k in range(count))
    return BatchPreview(
        step=3,
        steps_per_epoch=40,
        name="x",
        indices=np.arange(count) * 7,
        before=before,
        after=after,
        names=(),
        labels=labels,
        classes=np.arange(count) % 3,
    )
