"""What one look inside a network yields in numbers: of a tensor, and of a parameter with its gradient and update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from typing import Any

    import numpy as np

__all__ = ["ChannelStats", "NormalizationStats", "ParameterStats", "TensorStats"]

_TINY = 1e-12
"""Keeps a feature that never varies from being divided by zero."""


class ChannelStats(Struct, frozen=True, kw_only=True):
    """Each channel of a batch of images in numbers: arrays (channels,), over all samples and places.

    A channel whose `zero_share` is 1 is dead on this batch.
    """

    mean: np.ndarray
    std: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    zero_share: np.ndarray


class TensorStats(Struct, frozen=True, kw_only=True):
    """A tensor in numbers. `histogram` counts finite elements in equal bins from `minimum` to `maximum` (None when it
    was not asked for); `zero_share`, `saturated_share` are shares of elements; `dead_share` is the share of units (last
    axis) that are zero on the whole batch. `channels` tells of each channel where the tensor is a layer's images."""

    count: int
    mean: float
    std: float
    minimum: float
    maximum: float
    zero_share: float
    saturated_share: float
    dead_share: float
    nonfinite: int
    histogram: np.ndarray | None = None
    channels: ChannelStats | None = None

    @property
    def norm(self) -> float:
        """The L2 norm over all elements."""
        return float((self.count * (self.std**2 + self.mean**2)) ** 0.5)


class NormalizationStats(Struct, frozen=True, kw_only=True):
    """Batch normalization at one step: arrays (features,) of the batch's mean and unbiased variance, by which training
    normalizes (with the biased one), and of the running averages after that step, by which evaluation does."""

    batch_mean: np.ndarray
    batch_variance: np.ndarray
    running_mean: np.ndarray
    running_variance: np.ndarray

    @property
    def mean_apart(self) -> Any:
        """|batch mean - running mean| in running deviations, (features,)."""
        return abs(self.batch_mean - self.running_mean) / (self.running_variance + _TINY) ** 0.5

    @property
    def deviation_ratio(self) -> Any:
        """The batch's deviation over the running one, (features,)."""
        return (self.batch_variance / (self.running_variance + _TINY)) ** 0.5


class ParameterStats(Struct, frozen=True, kw_only=True):
    """A parameter ("dense_1/weight") at one step: L2 norms of weights, gradient and update, and histograms.

    `weights` and `gradient` are None when nobody watches them; the norms are always there.
    """

    node: str
    shape: tuple[int, ...]
    weight_norm: float
    gradient_norm: float
    update_norm: float
    weights: TensorStats | None = None
    gradient: TensorStats | None = None

    @property
    def update_ratio(self) -> float:
        """Update norm over weight norm; about 1e-3 to 1e-2 is usual."""
        return self.update_norm / self.weight_norm if self.weight_norm > 0 else float("nan")
