"""Layers for sequences: samples of the shape positions × features, and token numbers that become such."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from engine.initializers import Normal
from engine.kinds import Initializer
from engine.layers.base import Layer, ParameterSpec, Shape, ShapeProblem
from engine.layers.words import describe, require_sequence
from engine.ops.embedding import AddPositions, AddSinusoids
from engine.ops.embedding import Embedding as Lookup
from engine.ops.pooling import GlobalAveragePool
from engine.ops.shape import Reshape
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value


@component(
    "embedding",
    label="Embedding",
    group="Sequence",
    formula="y[t] = E[token t]",
    source="Bengio, Ducharme, Vincent, Jauvin: A neural probabilistic language model (2003), section 2",
    synonyms=("lookup table", "word vectors", "tokens", "vocabulary", "nlp", "text"),
    avoid="For measurements, whose order and distances mean something: they belong into a dense layer. The rows of a "
    "table are for numbers that are names, such as tokens or categories.",
    differs="It starts as PyTorch's nn.Embedding does, with standard normal numbers; Keras draws evenly from −0.05 to "
    "0.05. Transformers often use a deviation of 0.02.",
)
class Embedding(Layer, frozen=True):
    """Gives every token a vector of learned numbers: a row of a table, chosen by the token's number.

    It reads whole numbers from 0 to vocabulary − 1, one for each position, straight from the data, and makes of them a
    sequence of positions × width. Only the rows of tokens that occur get a gradient.
    """

    reads_tokens: ClassVar[bool] = True

    vocabulary: Annotated[
        int,
        field(ge=1, le=65536, scale="log", help="Number of different tokens: one more than the largest token number."),
    ] = 256
    width: Annotated[
        int, field(ge=1, le=4096, scale="log", help="Numbers in the vector of each token.", search=(4, 256))
    ] = 16
    weight_init: Annotated[Initializer, field(label="Initializer", help="How the vectors are drawn.")] = Normal(std=1.0)

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        (shape,) = shapes
        if len(shape) != 1:
            raise ShapeProblem(
                f"Embedding reads one token number for each position, but its input holds {describe(shape)}.",
                fix=("insert", "flatten", {}),
            )
        return (*shape, self.width)

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        # A row is chosen, so that one number alone reaches each output.
        shape = (self.vocabulary, self.width)
        return (ParameterSpec(name="weight", shape=shape, initializer=self.weight_init, fan_in=1, fan_out=self.width),)

    def title(self) -> str:
        return f"Embedding {self.width}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(Lookup(), inputs[0], b.parameter("weight"))


@component(
    "positional_embedding",
    label="Positional embedding",
    group="Sequence",
    formula="y[t] = x[t] + P[t]",
    source="Vaswani et al.: Attention is all you need (2017), section 3.5",
    synonyms=("positional encoding", "position", "sinusoidal", "positions of transformers"),
    avoid="Not needed where order has no meaning, or where a layer reads neighbours in order, such as a convolution.",
    differs="Vaswani et al. used the fixed waves and found learned vectors equally good; most later models learn them. "
    "Some libraries put all sines before all cosines: the same up to the order of the features.",
)
class PositionalEmbedding(Layer, frozen=True):
    """Adds to each position a vector that tells where it stands: attention alone cannot know.

    “learned”: a table of positions × features, trained like other weights. “sinusoidal”: fixed, P[t, 2i] =
    sin(t / 10000^(2i / features)) and P[t, 2i + 1] the cosine of the same, with t from 0 on.
    """

    form: Annotated[
        Literal["learned", "sinusoidal"],
        field(help="“learned”: vectors of its own for each position; “sinusoidal”: fixed waves, nothing to learn."),
    ] = "learned"
    weight_init: Annotated[
        Initializer, field(label="Initializer", help="How learned vectors are drawn.", advanced=True)
    ] = Normal(std=0.02)

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_sequence("Positional embedding", shapes[0])
        return shapes[0]

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        if self.form == "sinusoidal":
            return ()
        width = shapes[0][1]
        return (ParameterSpec(name="weight", shape=shapes[0], initializer=self.weight_init, fan_in=1, fan_out=width),)

    def title(self) -> str:
        return "Positions" if self.form == "learned" else "Sinusoids"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        if self.form == "sinusoidal":
            return b.op(AddSinusoids(), inputs[0])
        return b.op(AddPositions(), inputs[0], b.parameter("weight"))


@component(
    "global_average_pool1d",
    label="Mean over positions",
    group="Sequence",
    formula="y[c] = 1/T Σ x[t, c], over t",
    source="Lin, Chen, Yan: Network in Network (2014), section 3.2",
    synonyms=("sequence average", "temporal average", "sequence classification"),
    avoid="It forgets the order: whatever depends on it must have been read before, by attention or by a layer that "
    "knows the positions.",
)
class GlobalAveragePool1D(Layer, frozen=True):
    """Takes the mean of each feature over all positions: a sequence becomes one vector, for a classifier to read."""

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_sequence("Mean over positions", shapes[0])
        return shapes[0][1:]

    def title(self) -> str:
        return "Mean over t"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        (x,) = inputs
        batch, positions, width = x.shape
        return b.op(GlobalAveragePool(), b.op(Reshape((batch, positions, 1, width)), x))
