"""The operations that networks are lowered to, by kernel name in `OPS`."""

from engine.ops import (
    array_rules,
    beside,
    group_norm,
    grouped_convolution,
    learned,
    maxout,
    pointwise,
    regions,
    rules,
    softmax,
    update,
)
from engine.ops.activation import (
    LeakyReLU,
    LeakyReLUGradient,
    ReLU,
    ReLUGradient,
    Sigmoid,
    SigmoidGradient,
    Tanh,
    TanhGradient,
)
from engine.ops.arrange import Concatenate, Crop, Pad, Permute
from engine.ops.attention import AttentionWeights, AttentionWeightsGradient, BatchMatMul
from engine.ops.base import Call, Cost, DType, Op, Role, Tensor, Value
from engine.ops.convolution import Conv2d, Conv2dInputGradient, Conv2dWeightGradient
from engine.ops.dropout import Dropout, DropoutGradient
from engine.ops.elementwise import Add, Fill, Multiply, Scale
from engine.ops.embedding import AddPositions, AddSinusoids, Embedding, EmbeddingGradient, SumBatch
from engine.ops.linear import AddBias, MatMul, SumRows
from engine.ops.loss import (
    BinaryCrossEntropy,
    BinaryCrossEntropyGradient,
    MeanSquaredError,
    MeanSquaredErrorGradient,
    SoftmaxCrossEntropy,
    SoftmaxCrossEntropyGradient,
    SoftTargetCrossEntropy,
    SoftTargetCrossEntropyGradient,
)
from engine.ops.margin_loss import MultiMargin, MultiMarginGradient
from engine.ops.noise import Drop, DropGradient, Expected, GaussianNoise
from engine.ops.normalization import BatchNorm, BatchNormGradient, BatchNormInference, BatchNormInferenceGradient
from engine.ops.observe import Observe, ObserveMany, ObserveUnits
from engine.ops.pooling import (
    AveragePool,
    AveragePoolGradient,
    GlobalAveragePool,
    GlobalAveragePoolGradient,
    MaxPool,
    MaxPoolGradient,
)
from engine.ops.robust_loss import Huber, HuberGradient, MeanAbsoluteError, MeanAbsoluteErrorGradient
from engine.ops.shape import Reshape
from engine.ops.weighted_loss import ClassShares, WeightedCrossEntropy, WeightedCrossEntropyGradient


def _named(cls: type[Op]) -> dict[str, type[Op]]:
    found = {cls.name: cls} if cls.name else {}
    for subclass in cls.__subclasses__():
        found |= _named(subclass)
    return found


OPS: dict[str, type[Op]] = _named(Op)

__all__ = [
    "softmax",
    "pointwise",
    "maxout",
    "learned",
    "OPS",
    "Add",
    "AddBias",
    "AddPositions",
    "AddSinusoids",
    "AttentionWeights",
    "AttentionWeightsGradient",
    "AveragePool",
    "AveragePoolGradient",
    "BatchMatMul",
    "BatchNorm",
    "BatchNormGradient",
    "BatchNormInference",
    "BatchNormInferenceGradient",
    "BinaryCrossEntropy",
    "BinaryCrossEntropyGradient",
    "Call",
    "Concatenate",
    "Conv2d",
    "Conv2dInputGradient",
    "Conv2dWeightGradient",
    "Cost",
    "Crop",
    "DType",
    "Drop",
    "DropGradient",
    "Dropout",
    "DropoutGradient",
    "Embedding",
    "EmbeddingGradient",
    "Expected",
    "Fill",
    "GaussianNoise",
    "GlobalAveragePool",
    "GlobalAveragePoolGradient",
    "LeakyReLU",
    "LeakyReLUGradient",
    "MatMul",
    "MaxPool",
    "MaxPoolGradient",
    "MeanSquaredError",
    "MeanSquaredErrorGradient",
    "Multiply",
    "Observe",
    "ObserveMany",
    "ObserveUnits",
    "Op",
    "Pad",
    "Permute",
    "ReLU",
    "ReLUGradient",
    "Reshape",
    "Role",
    "Scale",
    "Sigmoid",
    "SigmoidGradient",
    "SoftTargetCrossEntropy",
    "SoftTargetCrossEntropyGradient",
    "SoftmaxCrossEntropy",
    "SoftmaxCrossEntropyGradient",
    "SumBatch",
    "SumRows",
    "Tanh",
    "TanhGradient",
    "Tensor",
    "Value",
    "group_norm",
    "grouped_convolution",
    "MultiMargin",
    "MultiMarginGradient",
    "Huber",
    "HuberGradient",
    "MeanAbsoluteError",
    "MeanAbsoluteErrorGradient",
    "ClassShares",
    "WeightedCrossEntropy",
    "WeightedCrossEntropyGradient",
    "array_rules",
    "rules",
    "regions",
    "beside",
    "update",
]
