"""Clipping: bounds for gradients that are too large, set before the optimizer's rule sees them.

It concerns the gradient of the data loss; penalties are added behind it. Frozen parameters do not count in a norm.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from engine.kinds import Clipping
from engine.schema import component, field

__all__ = ["ClipByGlobalNorm", "ClipByLayerNorm", "ClipByValue", "NoClipping"]

PASCANU = "Pascanu, Mikolov, Bengio: On the difficulty of training recurrent neural networks (ICML 2013)"


@component(
    "none",
    label="None",
    formula="g unchanged",
    source="Pascanu, Mikolov, Bengio: On the difficulty of training recurrent neural networks (ICML 2013), as the "
    "case with no bound",
    avoid="Recurrent networks and large learning rates: one steep step can undo hundreds.",
)
class NoClipping(Clipping, frozen=True):
    """Gradients reach the optimizer as they are."""


@component(
    "value",
    label="By value",
    formula="gᵢ ← min(c, max(−c, gᵢ))",
    source="Mikolov: Statistical language models based on neural networks (PhD thesis, Brno 2012); in PyTorch's form, "
    "clip_grad_value_",
    synonyms=("clip_grad_value_", "clipvalue", "gradient clipping"),
    avoid="When the gradient's direction matters: each element is cut by itself, which turns the step away from the "
    "steepest descent. Clip the norm then.",
)
class ClipByValue(Clipping, frozen=True):
    """Cuts every element of the gradient to the range from −c to c.

    The direction changes wherever an element is cut: with a small c the step comes close to the gradient's signs.
    """

    reach: ClassVar[Literal["", "value", "network", "layer"]] = "value"

    max_value: Annotated[
        float,
        field(
            gt=0, le=1e6, symbol="c", scale="log", live=True, label="Largest value", search=(1e-3, 10.0),
            help="The largest magnitude that an element of the gradient keeps.",
        ),
    ] = 0.5  # fmt: skip

    def scalars(self) -> dict[str, float]:
        return {"max_value": self.max_value}


@component(
    "global_norm",
    label="By global norm",
    formula="g ← g · min(1, c / ‖g‖),  ‖g‖ over all parameters",
    source=f"{PASCANU}, algorithm 1; in PyTorch's form, clip_grad_norm_",
    synonyms=("clip_grad_norm_", "clipnorm", "global_clipnorm", "gradient clipping", "exploding gradients"),
    avoid="Behind Adam and its kin a constant factor of the gradient cancels, so that clipping every step by about the "
    "same factor does next to nothing; it helps against single steep steps.",
    differs="The bound is divided by ‖g‖ + 1e-6, as PyTorch does. Keras calls this global_clipnorm; its clipnorm "
    "bounds each array by itself.",
)
class ClipByGlobalNorm(Clipping, frozen=True):
    """Scales the whole gradient down when its norm over all parameters is larger than c, and keeps its direction."""

    reach: ClassVar[Literal["", "value", "network", "layer"]] = "network"

    max_norm: Annotated[
        float,
        field(
            gt=0, le=1e6, symbol="c", scale="log", live=True, label="Largest norm", search=(0.1, 10.0),
            help="The L2 norm that the gradient of all parameters together is scaled down to.",
        ),
    ] = 1.0  # fmt: skip

    def scalars(self) -> dict[str, float]:
        return {"max_norm": self.max_norm}


@component(
    "layer_norm",
    label="By norm per layer",
    formula="g_l ← g_l · min(1, c / ‖g_l‖)  for each layer l",
    source=f"{PASCANU}, algorithm 1, applied to each layer",
    synonyms=("clip_grad_norm_", "per-layer clipping", "gradient clipping"),
    avoid="When the balance between layers matters: a layer with a steep gradient is held back and the others are "
    "not, so that the step is no longer along the gradient of the whole.",
    differs="A layer is a node with all its arrays, weights and biases together, as clip_grad_norm_ for each PyTorch "
    "module; Keras's clipnorm bounds each array by itself.",
)
class ClipByLayerNorm(Clipping, frozen=True):
    """Scales each layer's gradient down when its own norm is larger than c.

    One layer with an exploding gradient no longer shrinks the steps of all others, as it does under a global norm.
    """

    reach: ClassVar[Literal["", "value", "network", "layer"]] = "layer"

    max_norm: Annotated[
        float,
        field(
            gt=0, le=1e6, symbol="c", scale="log", live=True, label="Largest norm", search=(0.1, 10.0),
            help="The L2 norm that each layer's gradient is scaled down to.",
        ),
    ] = 1.0  # fmt: skip

    def scalars(self) -> dict[str, float]:
        return {"max_norm": self.max_norm}
