"""The base class of every kind of component that carries no behaviour of the graph (layers and losses: `layers.base`).

They stand apart from their implementations so that `experiment` can name the types of its fields without importing
everything that can fill them.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from engine.schema import Component

if TYPE_CHECKING:
    import numpy as np

    from engine.layers.base import Loss
    from engine.ops.update import UpdateRule
    from engine.results import Memory, Results

    Numbers = float | np.ndarray
    """A number, or as many as there are steps."""

Prediction = Literal["classes", "yes_no", "numbers"]
"""What a network's output can stand for: one class out of several, answers to yes/no questions, or numbers."""


class Initializer(Component, frozen=True):
    """How the first values of a parameter are drawn."""

    kind: ClassVar[str] = "initializer"

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        """Float64 values of `shape`, drawn on the host. `fan_in`, `fan_out`: inputs and outputs of one unit."""
        raise NotImplementedError

    def deviation(self, fan_in: int, fan_out: int, shape: tuple[int, ...] = ()) -> float:
        """The standard deviation that `sample` aims at, of an array of `shape` where it depends on that."""
        raise NotImplementedError


class Slot(Component, frozen=True):
    """One array of optimizer state, of the parameter's shape, filled with `initial` before the first step."""

    name: str
    initial: float = 0.0


class Optimizer(Component, frozen=True):
    """The rule that turns gradients into updates. Every optimizer has a `learning_rate` field (live)."""

    kind: ClassVar[str] = "optimizer"
    per_array: ClassVar[bool] = False
    """Whether the rule needs each parameter by itself, in its own shape: it takes norms or products of whole arrays.
    Other rules treat each element by itself, and many arrays in one pass."""
    decays: ClassVar[bool] = False
    """Whether the rule has weight decay of its own: its operation is then told which parameters decay, whatever the
    penalties."""
    opposed: ClassVar[str] = ""
    """The field that schedules with opposed momentum put their values into ("momentum", "beta1"); "" for none. While
    they do, `scalars` finds an array in it, of as many values as there are steps."""

    learning_rate: float

    def slots(self) -> tuple[Slot, ...]:
        """The state that the rule keeps for each parameter: what its operation names, filled with zeros."""
        return tuple(Slot(name=name) for name in self.rule().SLOTS)

    def scalars(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        """The numbers that the rule reads at `step` (counted from 1), by name: they go to the control block, so that
        a schedule or a hand on the slider recompiles nothing. Always the same names, in the same order. Of many steps
        at once where rates and steps are arrays."""
        raise NotImplementedError

    def decoupled_decay(self) -> float:
        """The rule's own share of the decoupled weight decay, which is added to that of the penalties."""
        return 0.0

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        """The operation that applies the rule to one parameter.

        It reads of `scalars` what its RULE_SCALARS name, and of `slots` what its SLOTS name. Where the rule is
        `per_array`, `shape` is that of a weight, and (size,) for parameters that do not decay: biases, factors of
        normalization. Otherwise it is of no account."""
        raise NotImplementedError

    def update_op(
        self,
        *,
        l1: bool = False,
        l2: bool = False,
        decay: bool = False,
        clip: bool = False,
        norms: bool = False,
        shape: tuple[int, ...] = (),
    ) -> UpdateRule:
        """The rule's operation with what comes before it; see `engine.ops.update` for its inputs.

        `l1`, `l2`, `decay`: such a penalty applies to this parameter; `clip`: its gradient is scaled by clip_scale;
        `norms`: the operation yields the sums that instruments need."""
        return dataclasses.replace(self.rule(shape), has_l1=l1, has_l2=l2, has_decay=decay, has_clip=clip, norms=norms)


class Schedule(Component, frozen=True):
    """The learning rate's course over the run, as a factor of the base rate."""

    kind: ClassVar[str] = "schedule"

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        """The factors at `steps` (float64), counted from 0 after warm-up, of `total_steps` that remain after it."""
        raise NotImplementedError

    def opposed_momenta(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray | None:
        """The momenta at the same steps where the schedule moves momentum against the rate, else None."""
        return None

    def review(self, memory: Memory, results: Results) -> float | None:
        """At the end of an epoch after warm-up: what the rate is multiplied by from now on, in place of all such
        factors before, or None for no change. `memory` is the schedule's own, to be altered."""
        return None


class Warmup(Component, frozen=True):
    """How the learning rate is led up to its base value at the start."""

    kind: ClassVar[str] = "warmup"

    def length(self, steps_per_epoch: int) -> int:
        """How many steps warm-up takes."""
        raise NotImplementedError

    def factors(self, steps: np.ndarray, length: int) -> np.ndarray:
        """The factors at `steps` (float64); those from `length` on are of no account."""
        raise NotImplementedError


class Stopping(Component, frozen=True):
    """A condition that ends a run before its epochs are over."""

    kind: ClassVar[str] = "stopping"

    def limit(self) -> int | None:
        """The step that the run does not go past, or None."""
        return None

    def expired(self, seconds: float) -> str:
        """Why a run that has trained for so long ends now, in words, or ""."""
        return ""

    def review(self, memory: Memory, results: Results) -> str:
        """At the end of an epoch: why the run ends now, in words, or "". `memory` is the condition's own, to be
        altered."""
        return ""


class Penalty(Component, frozen=True):
    """A term added to the loss (or to the update) that pulls weights towards zero."""

    kind: ClassVar[str] = "penalty"

    def scalars(self) -> dict[str, float]:
        """What this penalty asks of the update: any of `l1` (adds l1 * sum |w| to the loss), `l2` (adds l2 * sum w^2),
        `decoupled_decay` (w -= learning_rate * decay * w beside the update), `proximal_l1` (as `l1`, by a soft
        threshold of learning_rate * strength after the update) and `unit_norm` (a bound of the norm of each unit's
        incoming weights, restored after the update)."""
        raise NotImplementedError


class Clipping(Component, frozen=True):
    """What is done to gradients that are too large, before the optimizer's rule sees them."""

    kind: ClassVar[str] = "clipping"
    reach: ClassVar[Literal["", "value", "network", "layer"]] = ""
    """What is bounded: nothing, each element, the norm of the whole gradient, or that of each layer's."""

    def scalars(self) -> dict[str, float]:
        """This clipping's part of the control block: `max_value` or `max_norm`."""
        return {}


class Averaging(Component, frozen=True):
    """Whether a mean of the weights over the last steps is kept beside them."""

    kind: ClassVar[str] = "averaging"
    keeps: ClassVar[bool] = False
    """Whether there is an average."""

    def evaluates(self) -> bool:
        """Whether the network is evaluated with the averaged weights."""
        return False

    def rest(self, step: Numbers) -> Numbers:
        """The share of the present weights in the average at the update number `step`, counted from 1."""
        raise NotImplementedError


class Metric(Component, frozen=True):
    """A number, beside the loss, that says how good predictions are."""

    kind: ClassVar[str] = "metric"
    higher_is_better: ClassVar[bool] = True
    highest: ClassVar[float | None] = None
    """The best value there can be, where there is one."""
    takes: ClassVar[tuple[Prediction, ...]] = ()
    """The predictions that it can be taken of."""
    short: ClassVar[str] = ""
    """The name where there is room for a few letters only; "" for the tag in words."""
    percent: ClassVar[bool] = False
    """Whether people read the value as a percentage."""

    def suits(self, loss: Loss | type[Loss]) -> bool:
        """Whether the metric can be taken of the predictions of this loss."""
        return loss.predicts in self.takes

    def evaluate(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Any, float]:
        """(sums, count) of one batch of predictions (host arrays): a number, or as many as the metric needs."""
        sums, count = self.evaluate_steps(outputs[None], targets[None])
        return (float(sums[0]) if sums.ndim == 1 else sums[0]), count

    def evaluate_steps(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, float]:
        """The sums of each of several batches of one size, float64 (steps,) or (steps, K), and the count that each has:
        what batches of unequal size add up to exactly.

        `outputs` and `targets` have the steps first, then the batch. A step's sums have the same bits whatever other
        steps are beside it."""
        raise NotImplementedError

    def value(self, sums: Any, count: float) -> float:
        """The metric, from the sums and the count over all batches."""
        return float(sums / count)


class Source(Component, frozen=True):
    """Where data come from."""

    kind: ClassVar[str] = "source"


class Preprocessing(Component, frozen=True):
    """A transformation fitted on the training part and applied to all parts."""

    kind: ClassVar[str] = "preprocessing"


class Augmentation(Component, frozen=True):
    """A random change of the training samples, drawn anew for every batch; evaluation never sees it."""

    kind: ClassVar[str] = "augmentation"
    mixes: ClassVar[bool] = False
    """Whether it mixes samples of a batch and their targets, so that a target of classes becomes their shares."""
    images_only: ClassVar[bool] = False
    """Whether it makes sense for images (height, width, channels) alone."""

    if TYPE_CHECKING:  # every augmentation declares it, last, and says of what it is the probability
        probability: float = 1.0
