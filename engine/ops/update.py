"""Operations of the update phase: the global gradient norm, clipping, penalties, and one update rule per optimizer.

An update call reads

    (parameter, gradient, learning_rate, l1, l2, keep, clip_scale, *rule scalars, *slots)

and changes the parameter and the slots in place; every scalar is an array of shape (1,). The rule's scalars are those
of `Optimizer.scalars`, in its order; `engine.optimizers.update_scalars` computes them. In this order:

1. g = gradient, times clip_scale where `has_clip`: clipping concerns the gradient of the data loss, as
   `torch.nn.utils.clip_grad_norm_` before an optimizer with weight_decay;
2. g += l1 * sign(p) where `has_l1`, g += 2 * l2 * p where `has_l2`: penalties in the loss pass through the rule;
3. p *= keep where `has_decay`, keep = 1 - learning_rate * decay (decoupled, as in AdamW);
4. the rule.

With `norms` the call has one output (3,): the sums over all elements of gradient² (as it arrived: before clipping and
penalties), parameter² (before the update) and update² (what was added to the parameter, decay included). Without, it
has none. The parameters' bits do not depend on it.

The kernels work through the arrays in blocks that stay in the cache; the scratch is one block per temporary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engine.ops.base import Cost, Op, Tensor
from engine.ops.tiling import BLOCK

__all__ = ["COMMON", "ClipScale", "GradientNorm", "PenaltyValue", "UpdateAdam", "UpdateRule", "UpdateSGD"]

COMMON = ("learning_rate", "l1", "l2", "keep", "clip_scale")
"""The scalars that every rule reads, in the order of the inputs after parameter and gradient."""


def _block(*tensors: Tensor) -> Tensor:
    return Tensor((max(1, min(BLOCK, max((t.size for t in tensors), default=1))),))


_ONE = Tensor((1,))


@dataclass(frozen=True)
class GradientNorm(Op):
    """(gradients...) -> squared (1,): the sum of squares over all elements of all inputs."""

    name: ClassVar[str] = "gradient_norm"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (_ONE,)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (_ONE,)

    def flops(self, *inputs: Tensor) -> int:
        return 2 * sum(t.size for t in inputs)


@dataclass(frozen=True)
class ClipScale(Op):
    """(squared (1,), max_norm (1,)) -> scale (1,) = min(1, max_norm / (sqrt(squared) + 1e-6)).

    Pascanu, Mikolov, Bengio: On the difficulty of training recurrent neural networks (2013), algorithm 1, with the
    1e-6 of PyTorch's clip_grad_norm_. An infinite max_norm gives 1."""

    name: ClassVar[str] = "clip_scale"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (_ONE,)

    def flops(self, *inputs: Tensor) -> int:
        return 4


@dataclass(frozen=True)
class PenaltyValue(Op):
    """(l1 (1,), l2 (1,), parameters...) -> (1,): l1 * sum |p| + l2 * sum p², the penalties' part of the loss.

    It must come before the updates of the parameters it reads."""

    name: ClassVar[str] = "penalty_value"
    has_l1: bool = True
    has_l2: bool = True

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (_ONE,)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (_block(*inputs[2:]), _ONE)

    def flops(self, *inputs: Tensor) -> int:
        return 2 * (self.has_l1 + self.has_l2) * sum(t.size for t in inputs[2:])


@dataclass(frozen=True)
class UpdateRule(Op):
    """What the rules share. See the module's text for the inputs and the output; `mutates` follows from them."""

    RULE_SCALARS: ClassVar[tuple[str, ...]] = ()
    SLOTS: ClassVar[tuple[str, ...]] = ()
    RULE_FLOPS: ClassVar[int] = 0
    WORK: ClassVar[int] = 1
    """Temporary blocks of the rule, beside one for the gradient that it sees."""

    has_l1: bool = False
    has_l2: bool = False
    has_decay: bool = False
    has_clip: bool = False
    norms: bool = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        slots = 2 + len(COMMON) + len(cls.RULE_SCALARS)
        cls.mutates = (0, *range(slots, slots + len(cls.SLOTS)))

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor((3,)),) if self.norms else ()

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        block = _block(inputs[0])
        return (block,) * (1 + self.WORK) + ((block, _ONE) if self.norms else ())

    def flops(self, *inputs: Tensor) -> int:
        extra = 2 * self.has_l1 + 3 * self.has_l2 + self.has_decay + self.has_clip + 7 * self.norms
        return (self.RULE_FLOPS + extra) * inputs[0].size

    def cost(self, *inputs: Tensor) -> Cost:
        # Gradient read; parameter and slots read and written.
        return Cost(self.flops(*inputs), 4 * inputs[0].size * (3 + 2 * len(self.SLOTS)))


@dataclass(frozen=True)
class UpdateSGD(UpdateRule):
    """Scalars: momentum. Slots: velocity.

    v = momentum v + g; p -= learning_rate * (g + momentum v if nesterov else v)."""

    name: ClassVar[str] = "update_sgd"
    RULE_SCALARS: ClassVar[tuple[str, ...]] = ("momentum",)
    SLOTS: ClassVar[tuple[str, ...]] = ("velocity",)
    RULE_FLOPS: ClassVar[int] = 4

    nesterov: bool = False


@dataclass(frozen=True)
class UpdateAdam(UpdateRule):
    """Scalars: beta1_rest (1 - beta1), beta2, beta2_rest (1 - beta2), step_size (learning_rate / (1 - beta1^t)),
    square_correction (sqrt(1 - beta2^t)), epsilon. Slots: mean, square.

    m += beta1_rest (g - m); s = beta2 s + beta2_rest g²;
    p -= step_size * m / (sqrt(s) / square_correction + epsilon)."""

    name: ClassVar[str] = "update_adam"
    RULE_SCALARS: ClassVar[tuple[str, ...]] = (
        "beta1_rest",
        "beta2",
        "beta2_rest",
        "step_size",
        "square_correction",
        "epsilon",
    )
    SLOTS: ClassVar[tuple[str, ...]] = ("mean", "square")
    RULE_FLOPS: ClassVar[int] = 14
