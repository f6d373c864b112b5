"""A small experiment and small events for tests of the run store."""

from __future__ import annotations

import numpy as np

from engine.experiment import DataSpec, Experiment, NetworkSpec, TrainingSpec
from engine.optimizers import SGD
from engine.schedules import ConstantSchedule, NoWarmup
from engine.schema import Unknown
from engine.training.events import EpochEnd, Frame, ParameterStats, StepRow, StepRows, TensorStats
from engine.training.store import RunWriter


def experiment(name: str = "Bowl") -> Experiment:
    source = Unknown(of_kind="source", tag="bowl_data", plain={"type": "bowl_data", "depth": 3})
    training = TrainingSpec(optimizer=SGD(learning_rate=0.25), schedule=ConstantSchedule(), warmup=NoWarmup())
    return Experiment(name=name, data=DataSpec(source=source), network=NetworkSpec(), training=training, seed=7)


def step_rows(*rows: StepRow, run: str = "r") -> StepRows:
    """Steps as they are reported."""
    return StepRows(run=run, step=rows[-1].step, table=np.array(rows, dtype=np.float64))


def columns_of(rows: StepRows) -> dict[str, np.ndarray]:
    """Reported steps by column, as a stored run has them."""
    return {name: rows.column(name) for name in StepRow._fields}


def steps_of(event: StepRows) -> list[StepRow]:
    """Reported steps, one by one."""
    return [StepRow(int(step), *rest) for step, *rest in event.table.tolist()]


def row(step: int, loss: float | None = None, run: str = "r") -> StepRows:
    """A report of one step."""
    value = 1.0 / (step + 2) if loss is None else loss
    return step_rows(StepRow(step=step, epoch=step / 10, loss=value, penalty=0.0, learning_rate=0.1), run=run)


def epoch(number: int, step: int, loss: float | None = 0.5, run: str = "r") -> EpochEnd:
    return EpochEnd(
        run=run, step=step, epoch=number, train_loss=0.75, validation_loss=loss, train_metrics={"accuracy": 0.5},
        validation_metrics={} if loss is None else {"accuracy": 0.25}, learning_rate=0.1, seconds=1.5,
    )  # fmt: skip


def frame(step: int, run: str = "r") -> Frame:
    stats = TensorStats(
        count=4, mean=0.5, std=float("nan"), minimum=-1.0, maximum=2.0, zero_share=0.25, saturated_share=0.0,
        dead_share=0.0, nonfinite=1, histogram=np.arange(5, dtype=np.int64),
    )  # fmt: skip
    weight = ParameterStats(
        node="dense_1",
        shape=(2, 2),
        weight_norm=1.0,
        gradient_norm=2.0,
        update_norm=0.001,
        weights=stats,
        gradient=None,
    )
    return Frame(
        run=run, step=step, epoch=step / 10, activations={"dense_1": stats}, adjoints={}, parameters={"a/b": weight}
    )


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "parameter/dense_1/weight": rng.standard_normal((3, 4)).astype(np.float32),
        "slot/velocity/dense_1/weight": rng.standard_normal((3, 4)),
        "buffer/norm_1/count": np.array([seed], dtype=np.int64),
        "parameter/empty": np.zeros((0, 3), dtype=np.float32),
    }


def same_arrays(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(
        a[key].dtype == b[key].dtype and a[key].shape == b[key].shape and a[key].tobytes() == b[key].tobytes()
        for key in a
    )


def write(run: RunWriter, first: int, last: int, loss: float | None = None) -> None:
    """Report steps `first` to `last`."""
    for step in range(first, last + 1):
        run.rows(row(step, loss, run=run.run))
