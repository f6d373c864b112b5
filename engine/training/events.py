"""What a run reports while it goes on: a closed set of frozen values, each for one lane of the mailbox.

"scalar" events are many and may be thinned on the way to the screen (the run store keeps all of them); "slot" events
replace their predecessor of the same type; "event"s are rare and none is lost.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from msgspec import Struct

from engine.statistics import ChannelStats as ChannelStats
from engine.statistics import NormalizationStats as NormalizationStats
from engine.statistics import ParameterStats as ParameterStats
from engine.statistics import TensorStats as TensorStats

if TYPE_CHECKING:
    import numpy as np

    from engine.timeline import Timeline as StepTimeline

Lane = Literal["scalar", "slot", "event"]


class Event(Struct, frozen=True, kw_only=True):
    """Base. `run` is the id of the run that reports; `step` counts finished optimizer steps."""

    lane: ClassVar[Lane] = "event"
    run: str
    step: int


# -- scalars -----------------------------------------------------------------------------------------------------------


class StepRow(NamedTuple):
    """One optimizer step. `loss` is the batch mean of the data loss, `penalty` the penalties' part beside it."""

    step: int
    epoch: float
    loss: float
    penalty: float
    learning_rate: float


class StepRows(Event, frozen=True, kw_only=True):
    """Optimizer steps one after the other, the last of them number `step`: a table (steps, columns), float64 and
    C-contiguous, whose columns are the fields of `StepRow`."""

    lane: ClassVar[Lane] = "scalar"
    table: np.ndarray

    @property
    def last(self) -> StepRow:
        """The last of the steps."""
        return StepRow(self.step, *self.table[-1, 1:].tolist())

    def column(self, name: str) -> np.ndarray:
        """One field of `StepRow` over the steps, float64 (steps,)."""
        return self.table[:, StepRow._fields.index(name)]


# -- slots -------------------------------------------------------------------------------------------------------------


class Frame(Event, frozen=True, kw_only=True):
    """Every layer at one step: outputs by node id, gradients of the loss by those outputs, parameters by path."""

    lane: ClassVar[Lane] = "slot"
    epoch: float
    activations: dict[str, TensorStats]
    adjoints: dict[str, TensorStats]
    parameters: dict[str, ParameterStats]
    normalizations: dict[str, NormalizationStats] = {}
    """Of the batch normalizations, by node id; runs of earlier versions have none."""


class FirstLayer(Event, frozen=True, kw_only=True):
    """The weights of the first layer that reads images, as an array (filters, height, width, channels)."""

    lane: ClassVar[Lane] = "slot"
    node: str
    filters: np.ndarray


class Surface(Event, frozen=True, kw_only=True):
    """The network's output over a grid of 2-D inputs: `values` is (rows, columns, outputs), probabilities for a
    classifier; `extent` is (x low, x high, y low, y high) in raw data units; row 0 lies at y low."""

    lane: ClassVar[Lane] = "slot"
    values: np.ndarray
    extent: tuple[float, float, float, float]


class Confusion(Event, frozen=True, kw_only=True):
    """Validation samples by true class (rows) and predicted class (columns)."""

    lane: ClassVar[Lane] = "slot"
    matrix: np.ndarray
    class_names: tuple[str, ...]


class Progress(Event, frozen=True, kw_only=True):
    """Where the run stands. Rates are over the last second or so; `instrument_share` is the measured share of the time
    that instruments took; `seconds_left` is None until it can be told."""

    lane: ClassVar[Lane] = "slot"
    epoch: float
    epochs: int
    total_steps: int
    samples_per_second: float
    instrument_share: float
    seconds: float
    seconds_left: float | None


class Timeline(Event, frozen=True, kw_only=True):
    """Where the time of one step of `batch` samples went, by operation and thread. For the screen alone: the run store
    does not keep it."""

    lane: ClassVar[Lane] = "slot"
    batch: int
    timeline: StepTimeline


class Compiling(Event, frozen=True, kw_only=True):
    """The run waits for the kernels of the compiled executor, or files of them for a GPU, of which `done` are compiled;
    `total` is 0 until it is known. `run` is "": no run has begun."""

    lane: ClassVar[Lane] = "slot"
    done: int
    total: int


# -- rare events -------------------------------------------------------------------------------------------------------


class Started(Event, frozen=True, kw_only=True):
    """The run goes on from `step` (0 for a new run). `expected_initial_loss` is ln C for a classifier, else None.
    `executor` is the kind of executor ("" in runs of earlier versions), `math` how it multiplies matrices, `loaded`
    whether its first weights were given."""

    total_steps: int
    steps_per_epoch: int
    epochs: int
    device: str
    expected_initial_loss: float | None
    parameter_count: int
    executor: str = ""
    loaded: bool = False
    math: str = "float32"


class Rounded(Event, frozen=True, kw_only=True):
    """Matrix products round their factors to `math` ("tf32", "bf16"): the gradient of the first batch differs from that
    with products in float32 by the part `error` of its norm; NaN where that could not be told."""

    math: str
    error: float

    def text(self) -> str:
        """What was found, in a sentence."""
        name = {"tf32": "TF32", "bf16": "bfloat16"}.get(self.math, self.math)
        if not math.isfinite(self.error):
            return f"Matrix products are rounded to {name}; how far the gradient is off could not be told."
        return (
            f"Matrix products are rounded to {name}: the first batch's gradient differs from that in float32 by "
            f"{self.error:.2g} of its norm."
        )


class WeightsScaled(Event, frozen=True, kw_only=True):
    """LSUV scaled weights before the first step: the standard deviation of each layer's outputs on the first batch
    `before` and `after` by node, and how many `tries` it took."""

    before: dict[str, float]
    after: dict[str, float]
    tries: dict[str, int]

    def text(self) -> str:
        """What was done, in a sentence."""
        low, high = min(self.before.values()), max(self.before.values())
        count = len(self.before)
        layers = "one layer" if count == 1 else f"{count} layers"
        spread = f"{low:.3g}" if count == 1 else f"{low:.3g} to {high:.3g}"
        reached = f"{min(self.after.values()):.3g} to {max(self.after.values()):.3g}"
        return f"LSUV scaled the weights of {layers}: outputs had a deviation of {spread}, now {reached}."


class EpochEnd(Event, frozen=True, kw_only=True):
    """An epoch (counted from 1) is done. `train_loss` is the mean data loss of the epoch's steps (dropout and batch
    statistics on); `validation_loss` is None without validation data. Metrics by tag."""

    epoch: int
    train_loss: float
    validation_loss: float | None
    train_metrics: dict[str, float]
    validation_metrics: dict[str, float]
    learning_rate: float
    seconds: float


class Paused(Event, frozen=True, kw_only=True):
    """The run waits."""


class Resumed(Event, frozen=True, kw_only=True):
    """The run goes on after a pause."""


class Changed(Event, frozen=True, kw_only=True):
    """A live field was changed during the run: a path such as "training.optimizer.learning_rate"."""

    path: str
    before: Any
    after: Any


class RateDropped(Event, frozen=True, kw_only=True):
    """The schedule has dropped the learning rate because of the results: from this step on it is `scale` times that of
    the course, in all. `before` and `after` are the rates around the drop."""

    scale: float
    before: float
    after: float


class ConditionMet(Event, frozen=True, kw_only=True):
    """A stop condition ends the run: the tag of its component, and why, in words."""

    condition: str
    message: str


class Restored(Event, frozen=True, kw_only=True):
    """The run has ended, and its best state, that of step `best_step`, is put back: parameters and all."""

    best_step: int


class ExecutorChanged(Event, frozen=True, kw_only=True):
    """From this step on another executor trains: `executor` is its kind, `device` its name for people."""

    executor: str
    device: str


class DeviceFailed(Event, frozen=True, kw_only=True):
    """The GPU failed, and the run goes on without it: from `step`, the last that was kept, `executor` trains on the
    processor, `device` is its name for people. `failed_at` is the step that the run had come to, and what was told of
    the steps between them counts no more: they come again. `message` says what happened, in words."""

    failed_at: int
    executor: str
    device: str
    message: str

    def text(self) -> str:
        """What happened and what follows, in sentences."""
        where = f"from step {self.step:,}" if self.step else "from its beginning"
        again = ""
        if self.failed_at > self.step:
            count = self.failed_at - self.step
            again = f"; {'one step is' if count == 1 else f'{count:,} steps are'} made again"
        return f"{self.message} The run goes on {where} on the processor ({self.device}){again}."


class Checkpointed(Event, frozen=True, kw_only=True):
    """A checkpoint was written; `best` when its validation loss, or what early stopping watches, is the best so far."""

    epoch: float
    best: bool


class Unsaved(Event, frozen=True, kw_only=True):
    """A checkpoint could not be written; `message` says why. The run goes on, and it is tried again."""

    message: str


class Diverged(Event, frozen=True, kw_only=True):
    """Loss or parameters stopped being finite; `node` is the first node that produced such a value, if found."""

    node: str
    message: str


class Failed(Event, frozen=True, kw_only=True):
    """The run ended with an error; `message` is for people, `details` for a log."""

    node: str
    message: str
    details: str


class Finished(Event, frozen=True, kw_only=True):
    """The run ended: all epochs done ("done"), or on demand or at a step limit before ("stopped"). Always the last
    event, after Failed or Diverged too ("failed", "diverged"). `seconds` is the training time since this start or
    resume."""

    reason: Literal["done", "stopped", "failed", "diverged"]
    seconds: float
