"""Weights of a network from its file into PyTorch's modules, by the conversions that docs/weights.md names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine.backend import choose
from engine.data.signature import DataSignature, TargetSignature
from engine.executor import ArrayExecutor
from engine.export.weights import load_weights, match, save_weights, weights_of
from engine.graph import check
from engine.initializers import Normal
from engine.plan import compile
from engine.state import State
from tests.support.examples import blobs, chain, make

pytestmark = pytest.mark.parity

SHAPE = (8, 6, 3)
SIGNATURE = DataSignature(inputs={"x": SHAPE}, targets={"y": TargetSignature(classes=4)}, train_size=50)


def layers() -> list[Any]:
    drawn: dict[str, Any] = {"bias_init": Normal(std=0.5)}
    return [
        make("layer", "input"),
        make("layer", "conv2d", filters=6, groups=3, dilation=2, **drawn),
        make("layer", "batch_norm"),
        make("layer", "depthwise_conv2d", multiplier=2, **drawn),
        make("layer", "group_norm", groups=4),
        make("layer", "conv_transpose2d", filters=5, size=3, padding=1, output_padding=1, **drawn),
        make("layer", "layer_norm", over="sample"),
        make("layer", "instance_norm", affine=True),
        make("layer", "adaptive_max_pool2d", height=3, width=2),
        make("layer", "flatten"),
        make("layer", "dense", units=4, **drawn),
        make("loss", "softmax_cross_entropy"),
    ]


def modules(arrays: dict[str, np.ndarray]) -> Any:
    """The same network of PyTorch's modules, with the weights converted."""
    import torch
    from torch import nn

    def fill(module: Any, **values: np.ndarray) -> Any:
        for name, value in values.items():
            getattr(module, name).data = torch.tensor(np.ascontiguousarray(value))
        return module

    def convolution(module: Any, node: str) -> Any:
        return fill(module, weight=arrays[f"{node}/weight"].transpose(3, 2, 0, 1), bias=arrays[f"{node}/bias"])

    def norm(module: Any, node: str, *, axes: tuple[int, ...] = (0,)) -> Any:
        gamma, beta = (arrays[f"{node}/{name}"].transpose(axes) for name in ("gamma", "beta"))
        return fill(module, weight=gamma, bias=beta)

    batch = norm(nn.BatchNorm2d(6), "batch_norm_1")
    fill(batch, running_mean=arrays["batch_norm_1/running_mean"], running_var=arrays["batch_norm_1/running_var"])
    height, width, channels = 3, 2, 5
    dense = arrays["dense_1/weight"].reshape(height, width, channels, 4).transpose(3, 2, 0, 1).reshape(4, -1)
    return nn.Sequential(
        convolution(nn.Conv2d(3, 6, 3, padding=2, dilation=2, groups=3), "conv2d_1"),
        batch,
        convolution(nn.Conv2d(6, 12, 3, padding=1, groups=6), "depthwise_conv2d_1"),
        norm(nn.GroupNorm(4, 12), "group_norm_1"),
        convolution(nn.ConvTranspose2d(12, 5, 3, stride=2, padding=1, output_padding=1), "conv_transpose2d_1"),
        norm(nn.LayerNorm((5, 16, 12)), "layer_norm_1", axes=(2, 0, 1)),
        norm(nn.InstanceNorm2d(5, affine=True), "instance_norm_1"),
        nn.AdaptiveMaxPool2d((3, 2)),
        nn.Flatten(),
        fill(nn.Linear(30, 4), weight=dense, bias=arrays["dense_1/bias"]),
        nn.Softmax(dim=1),
    ).eval()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_pytorch_computes_the_same_with_them(tmp_path: Path, suffix: str) -> None:
    torch = pytest.importorskip("torch")
    experiment = replace(blobs(), network=chain(*layers()))
    report = check(experiment.network, SIGNATURE)
    assert report.ok, report.diagnostics
    optimizer = experiment.training.optimizer
    state = State(experiment.network, report, optimizer, choose("cpu"), precision="float32", seed=5)
    rng = np.random.default_rng(0)
    for node in ("batch_norm_1", "group_norm_1", "layer_norm_1", "instance_norm_1"):
        for name in ("gamma", "beta"):
            array = state.parameters[f"{node}/{name}"]
            array[...] = rng.normal(1.0, 0.3, array.shape)
    state.buffers["batch_norm_1/running_mean"][...] = rng.normal(size=6)
    state.buffers["batch_norm_1/running_var"][...] = rng.uniform(0.5, 2.0, 6)

    save_weights(tmp_path / f"weights{suffix}", weights_of(state.to_host()))
    arrays = load_weights(tmp_path / f"weights{suffix}")
    stored = {key for key in state.to_host() if key.startswith(("parameter/", "buffer/"))}
    assert set(match(arrays, experiment.network, report)) == stored
    x = rng.standard_normal((4, *SHAPE)).astype(np.float32)
    bound = ArrayExecutor(state).bind(compile(experiment, report, SIGNATURE, batch_size=4, training=False))
    bound.feed({"x": x}, {"y": np.zeros(4, np.int64)})
    assert bound.run()
    (found,) = bound.outputs().values()
    with torch.no_grad():
        expected = modules(arrays)(torch.tensor(x).permute(0, 3, 1, 2).contiguous()).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
