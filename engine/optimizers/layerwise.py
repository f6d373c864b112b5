"""Rules that look at each parameter's array as a whole: LAMB and Muon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from engine.kinds import Slot
from engine.ops.array_rules import UpdateLAMB, UpdateMuon
from engine.ops.update import UpdateAdam
from engine.optimizers.fields import AdaptiveRate, DecoupledDecay, Epsilon, Moments
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.kinds import Numbers
    from engine.ops.update import UpdateRule

__all__ = ["LAMB", "Muon"]


@component(
    "lamb",
    label="LAMB",
    formula="r = m̂ / (√ŝ + ε) + λ w,  w ← w − η ‖w‖ / ‖r‖ r   (norms of each weight array)",
    source="You, Li, Reddi, Hseu, Kumar, Bhojanapalli, Song, Demmel, Keutzer, Hsieh: Large batch optimization for deep "
    "learning: training BERT in 76 minutes (ICLR 2020), algorithm 2 with φ(z) = z",
    synonyms=("layer-wise adaptive moments", "large batch", "trust ratio", "lars", "weight decay"),
    avoid="With small batches: it was made for batches of thousands of samples, and is seldom better than AdamW below. "
    "From very small first weights: steps are in proportion to the weights' norm, and so stay small.",
    differs="The paper applies the ratio to all parameters; here, as in common programs, biases and normalization's "
    "parameters take Adam's step, undecayed, since a bias that starts at 0 could hardly grow. Some programs bound ‖w‖ "
    "by 10; none is bounded here.",
)
class LAMB(Moments, frozen=True):
    """Adam whose step is scaled, array by array, to a share η of the weights' own norm.

    Layers with large weights take large steps, those with small weights small ones, so that very large batches can be
    trained at a large rate. Weight decay λ is part of the direction.
    """

    per_array: ClassVar[bool] = True
    decays: ClassVar[bool] = True

    learning_rate: Annotated[
        float,
        field(
            gt=0, le=1e6, symbol="η", scale="log", live=True, search=(1e-4, 1e-1),
            help="Length of a step as a share of the norm of the array that it changes.",
        ),
    ] = 0.001  # fmt: skip
    epsilon: Epsilon = 1e-6
    weight_decay: Annotated[
        float,
        field(
            ge=0, le=1e3, symbol="λ", scale="log", live=True, search=(1e-4, 1.0),
            help="Share of the weights (not the biases) in the direction of the step, before it is scaled.",
        ),
    ] = 0.01  # fmt: skip

    def scalars(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        return {
            **self.memories(),
            "mean_correction": 1.0 - self.beta1**step,
            "square_correction": np.sqrt(1.0 - self.beta2**step),
            "epsilon": self.epsilon,
            "decay": self.weight_decay,
        }

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        return UpdateLAMB()


@component(
    "muon",
    label="Muon",
    formula="m ← μ m + (1 − μ) g,  U S Vᵀ = μ m + (1 − μ) g,  W ← (1 − η λ) W − 0.2 η √max(rows, columns) U Vᵀ",
    source="Jordan, Jin, Boza, You, Cesista, Newhouse, Bernstein: Muon: an optimizer for hidden layers in neural "
    "networks (2024); scale: Liu et al.: Muon is scalable for LLM training (2025)",
    synonyms=("newton-schulz", "orthogonal", "spectral", "momentum orthogonalized", "weight decay"),
    avoid="For small networks and for tables of embeddings: each step costs products of whole matrices, and a table's "
    "rows are no matrix that a vector goes through. Its authors leave the first and the last layer to Adam; here every "
    "weight is made orthogonal.",
    differs="PyTorch (torch.optim.Muon) computes the iteration in bfloat16, here it is in the run's own precision; its "
    "default scale is the original one, here it is that which lets one rate serve all parameters. PyTorch takes "
    "two-dimensional parameters alone and leaves the others to another optimizer; here they are given to Adam.",
)
class Muon(Moments, frozen=True):
    """Makes the step of each weight matrix nearly orthogonal: no direction of the gradient is louder than another.

    The momentum's singular values are brought to about 1 (0.7 to 1.2) by a few matrix products (Newton-Schulz), so that
    rare directions are learned as fast as frequent ones. A convolution's kernel is taken as a matrix with a column for
    each filter. Biases and normalization's parameters take Adam's step, undecayed.
    """

    per_array: ClassVar[bool] = True
    decays: ClassVar[bool] = True
    opposed: ClassVar[str] = "momentum"

    learning_rate: AdaptiveRate = 0.001
    momentum: Annotated[
        float,
        field(ge=0, lt=1, symbol="μ", live=True, search=(0.8, 0.99), help="Share of the mean gradient kept each step."),
    ] = 0.95
    nesterov: Annotated[bool, field(help="Add the present gradient to the mean once more before the products.")] = True
    scale: Annotated[
        Literal["like Adam", "original"],
        field(
            help="like Adam: 0.2 √max(rows, columns), so that weights move about as far as Adam's at the same rate. "
            "original: √max(1, outputs / inputs), which wants a larger rate, such as 0.02.",
        ),
    ] = "like Adam"
    iterations: Annotated[
        int, field(ge=1, le=20, advanced=True, help="Newton-Schulz iterations; each is three matrix products.")
    ] = 5
    weight_decay: DecoupledDecay = 0.1
    others_rate: Annotated[
        float,
        field(
            gt=0, le=1e6, label="Rate of other parameters", scale="log", live=True, advanced=True,
            help="Adam's rate for biases and normalization's parameters, as a multiple of the learning rate.",
        ),
    ] = 1.0  # fmt: skip
    beta1: Annotated[
        float, field(ge=0, lt=1, symbol="β₁", live=True, advanced=True, help="Adam's, for the other parameters.")
    ] = 0.9
    beta2: Annotated[
        float, field(ge=0, lt=1, symbol="β₂", live=True, advanced=True, help="Adam's, for the other parameters.")
    ] = 0.999
    epsilon: Annotated[
        float,
        field(
            ge=1e-30, le=1, symbol="ε", scale="log", live=True, advanced=True, help="Adam's, for the other parameters."
        ),
    ] = 1e-8

    def slots(self) -> tuple[Slot, ...]:
        # Weights have no mean square, but arenas have a place for every parameter.
        return (Slot(name="mean"), Slot(name="square"))

    def decoupled_decay(self) -> float:
        return self.weight_decay

    def scalars(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        return {
            "momentum": self.momentum,
            "momentum_rest": 1.0 - self.momentum,
            **self.corrected(self.others_rate * learning_rate, step),
        }

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        if len(shape) < 2:
            return UpdateAdam()
        return UpdateMuon(nesterov=self.nesterov, iterations=self.iterations, like_adam=self.scale == "like Adam")
