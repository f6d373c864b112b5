"""Weight standardization, an option of the layers that have filters.

Source: Qiao, Wang, Liu, Shen, Yuille 2019, "Micro-Batch Training with Batch-Channel Normalization and Weight
Standardization", section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from engine.layers.base import ShapeProblem
from engine.ops.group_norm import StandardizeWeights
from engine.schema import field

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value

EPSILON = 1e-5

Standardize = Annotated[
    bool,
    field(
        label="Standardize weights",
        advanced=True,
        help="Compute with (w − μ) / √(σ² + 1e-5), over the weights of each filter or unit, in place of w. Made for "
        "group normalization on small batches (Qiao et al. 2019); some code adds 1e-5 to the unbiased σ instead.",
    ),
]


def require_spread(standardize: bool, inputs: int) -> None:
    """Refuse to standardize filters of a single weight each."""
    if standardize and inputs == 1:
        raise ShapeProblem(
            "Each filter has a single weight, which has no spread to standardize by: all of them would be zero.",
            field="standardize",
            fix=("set", "standardize", False),
        )


def weight_of(b: Builder, standardize: bool) -> Value:
    """The layer's parameter "weight" as it is computed with."""
    weight = b.parameter("weight")
    if not standardize:
        return weight
    result: Value = b.op(StandardizeWeights(EPSILON), weight)[0]
    return result
