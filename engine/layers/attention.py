"""Attention: every position gathers from the others what it asks for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

from engine.initializers import Constant, Xavier
from engine.kinds import Initializer
from engine.layers.base import Layer, ParameterSpec, Shape, ShapeProblem
from engine.layers.core import BiasInit
from engine.layers.words import describe, nearest_divisor, require_sequence
from engine.ops.arrange import Permute
from engine.ops.attention import AttentionWeights, BatchMatMul
from engine.ops.dropout import Dropout
from engine.ops.linear import AddBias, MatMul
from engine.ops.shape import Reshape
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value

Causal = Annotated[
    bool, field(help="Let each position look at itself and at those before it alone, as where the next one is guessed.")
]


@component(
    "attention",
    label="Attention (q, k, v)",
    group="Sequence",
    formula="y = softmax(q kᵀ / √d) v",
    source="Vaswani et al.: Attention is all you need (2017), section 3.2.1",
    synonyms=("scaled dot product", "sdpa", "cross attention", "query key value", "attention of transformers"),
    avoid="For the usual block of a transformer take Self-attention, which brings its own projections. Time and memory "
    "grow with the square of the number of positions.",
    differs="The scores are divided by √d; without that (Luong's dot product) large d drive the softmax into a corner "
    "where it has no gradient. The causal rule counts positions from the first one, as PyTorch's is_causal does.",
)
class ScaledDotProductAttention(Layer, frozen=True):
    """Mixes the values v by weights: how well each query of q matches each key of k.

    Three wires, in this order: q (positions × d), k (others × d), v (others × width). The result is positions × width.
    It has nothing to learn; dense layers before it make q, k and v. With q from one sequence and k and v from another
    it is cross-attention.
    """

    min_inputs: ClassVar[int] = 3
    max_inputs: ClassVar[int | None] = 3

    causal: Causal = False

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        for name, shape in zip("qkv", shapes, strict=True):
            if len(shape) != 2:
                raise ShapeProblem(
                    f"Attention needs sequences (positions × features) for q, k and v, but {name} holds "
                    f"{describe(shape)}."
                )
        q, k, v = shapes
        if q[1] != k[1]:
            raise ShapeProblem(
                f"Queries and keys are compared by their product and need as many features, but q has {q[1]} and k "
                f"{k[1]}. Give the dense layers before them equally many units."
            )
        if k[0] != v[0]:
            raise ShapeProblem(f"Each key has one value, but k has {k[0]} positions and v has {v[0]}.")
        return q[0], v[1]

    def title(self) -> str:
        return "Causal attention" if self.causal else "Attention"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        q, k, v = inputs
        scores = b.op(BatchMatMul(), q, b.op(Permute((0, 2, 1)), k))
        weights = b.op(AttentionWeights(1 / math.sqrt(q.shape[-1]), self.causal), scores)
        return b.op(BatchMatMul(), weights, v)


@component(
    "self_attention",
    label="Self-attention",
    group="Sequence",
    formula="y = [head₁ … headₕ] Wₒ + bₒ, head = softmax(q kᵀ / √d) v",
    source="Vaswani et al.: Attention is all you need (2017), section 3.2.2",
    synonyms=("multi-head attention", "mha", "multihead", "transformer", "causal", "masked attention"),
    avoid="Time and memory grow with the square of the number of positions. It does not know their order: add "
    "positions before it, or make it causal. Alone it goes astray in deep networks; use it with Add and LayerNorm.",
    differs="As PyTorch's nn.MultiheadAttention with batch_first. There one array holds the weights of q, k and v, and "
    "Xavier's rule counts it as one, so that its first weights are smaller by √2; here each has its own.",
)
class SelfAttention(Layer, frozen=True):
    """Lets every position gather from all others what it asks for, in several heads side by side.

    Each head makes queries, keys and values of its share of the features, width / heads of them, compares every query
    with every key, and mixes the values by the softmax of the scores. A last product mixes the heads. Input and output
    are sequences of the same shape, so that it can stand on the branch of a residual block.
    """

    heads: Annotated[
        int, field(ge=1, le=256, help="Number of heads; it must divide the number of features.", search=(1, 16))
    ] = 4
    causal: Causal = False
    dropout: Annotated[
        float,
        field(
            ge=0, le=0.95, advanced=True, help="Share of the attention weights that is dropped in training (inverted)."
        ),
    ] = 0.0
    use_bias: Annotated[bool, field(label="Bias", help="Add learned numbers to q, k, v and the result.")] = True
    weight_init: Annotated[Initializer, field(label="Initializer", help="How the four weights are drawn.")] = Xavier(
        distribution="uniform"
    )
    bias_init: BiasInit = Constant()

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        (shape,) = shapes
        require_sequence("Self-attention", shape)
        width = shape[1]
        if width % self.heads:
            raise ShapeProblem(
                f"{self.heads} heads cannot share {width} features equally: the number of heads must divide them.",
                field="heads",
                fix=("set", "heads", nearest_divisor(width, self.heads)),
            )
        return shape

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        width = shapes[0][1]
        specs = []
        for name in ("query", "key", "value", "output"):
            for part, shape in (("weight", (width, width)), ("bias", (width,))):
                if part == "weight" or self.use_bias:
                    specs.append(
                        ParameterSpec(
                            name=f"{name}_{part}",
                            shape=shape,
                            initializer=self.weight_init if part == "weight" else self.bias_init,
                            fan_in=width,
                            fan_out=width,
                            decay=part == "weight",
                        )
                    )
        return tuple(specs)

    def title(self) -> str:
        return f"Attention ×{self.heads}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        (x,) = inputs
        batch, positions, width = x.shape
        rows = b.op(Reshape((batch * positions, width)), x)
        each = width // self.heads

        def heads(name: str, *axes: int) -> Value:
            y = b.op(Reshape((batch, positions, self.heads, each)), self._product(b, rows, name))
            result: Value = b.op(Permute(axes), y)
            return result

        # Keys are laid out as the columns of a matrix right away.
        q, k, v = heads("query", 0, 2, 1, 3), heads("key", 0, 2, 3, 1), heads("value", 0, 2, 1, 3)
        weights = b.op(AttentionWeights(1 / math.sqrt(each), self.causal), b.op(BatchMatMul(), q, k))
        if self.dropout and b.training:
            rate = b.control("dropout", self.dropout)
            weights = b.op(Dropout(b.stream("attention dropout")), weights, rate, b.counters())[0]
        mixed = b.op(Permute((0, 2, 1, 3)), b.op(BatchMatMul(), weights, v))
        y = self._product(b, b.op(Reshape((batch * positions, width)), mixed), "output")
        result: Value = b.op(Reshape(x.shape), y)
        return result

    def _product(self, b: Builder, rows: Value, name: str) -> Value:
        y: Value = b.op(MatMul(), rows, b.parameter(f"{name}_weight"))
        return b.op(AddBias(), y, b.parameter(f"{name}_bias")) if self.use_bias else y
