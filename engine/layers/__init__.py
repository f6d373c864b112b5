"""The layers, one module per group of the palette. Importing this package declares them."""

# isort: off
# The order of declaration is the order of the palette.
from engine.layers.base import BufferSpec, Layer, Loss, NodeComponent, ParameterSpec, Shape, ShapeProblem
from engine.layers.core import Dense, Flatten, Input
from engine.layers.convolution import Conv2D
from engine.layers.special_convolution import ConvTranspose2D, DepthwiseConv2D
from engine.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from engine.layers.activation import (
    ELU, GELU, SELU, Activation, HardTanh, Identity, LeakyReLU, Maxout, MaxoutConv2D, Mish, PReLU, ReLU, Sigmoid,
    Softmax, Softplus, Swish, Tanh,
)  # fmt: skip
from engine.layers.region_pooling import AdaptiveAveragePool2D, AdaptiveMaxPool2D, FractionalMaxPool2D, GlobalMaxPool2D
from engine.layers.normalization import BatchNorm
from engine.layers.sample_normalization import GroupNorm, InstanceNorm, LayerNorm
from engine.layers.regularization import Dropout, GaussianNoise, SpatialDropout, StochasticDepth
from engine.layers.merge import Add, Concatenate, Multiply
from engine.layers.arrangement import Crop2D, Permute, Reshape, ZeroPad2D
from engine.layers.sequence import Embedding, GlobalAveragePool1D, PositionalEmbedding
from engine.layers.attention import ScaledDotProductAttention, SelfAttention
# isort: on

__all__ = [
    "Activation",
    "AdaptiveAveragePool2D",
    "AdaptiveMaxPool2D",
    "Add",
    "AveragePool2D",
    "BatchNorm",
    "BufferSpec",
    "Concatenate",
    "Conv2D",
    "ConvTranspose2D",
    "Crop2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "ELU",
    "Embedding",
    "Flatten",
    "GELU",
    "FractionalMaxPool2D",
    "GaussianNoise",
    "GlobalAveragePool1D",
    "GlobalAveragePool2D",
    "GlobalMaxPool2D",
    "GroupNorm",
    "HardTanh",
    "Identity",
    "Input",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Loss",
    "MaxPool2D",
    "Multiply",
    "Maxout",
    "MaxoutConv2D",
    "Mish",
    "NodeComponent",
    "PReLU",
    "ParameterSpec",
    "Permute",
    "PositionalEmbedding",
    "ReLU",
    "Reshape",
    "SELU",
    "ScaledDotProductAttention",
    "SelfAttention",
    "Shape",
    "ShapeProblem",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "SpatialDropout",
    "StochasticDepth",
    "Swish",
    "Tanh",
    "ZeroPad2D",
]
