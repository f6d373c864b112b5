"""What an observed step tells of batch normalization: the batch's statistics beside the running ones."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from msgspec.structs import replace

from engine.training.events import Event, Frame
from engine.training.trainer import Trainer
from tests.support.examples import blobs, chain, make


def frames_of(steps: int, executor: Literal["array", "cpu"]) -> list[Frame]:
    network = chain(
        make("layer", "input"), make("layer", "dense", units=6), make("layer", "batch_norm", momentum=0.3),
        make("layer", "relu"), make("layer", "dense", units=3), make("loss", "softmax_cross_entropy"),
    )  # fmt: skip
    frames: list[Frame] = []

    def keep(event: Event) -> None:
        if isinstance(event, Frame):
            frames.append(event)

    Trainer(replace(blobs(), network=network), report=keep, steps=steps, device="cpu", executor=executor).run()
    return frames


@pytest.mark.parametrize("executor", ["array", "cpu"])
def test_a_frame_holds_batch_and_running_statistics(executor: Literal["array", "cpu"]) -> None:
    first = frames_of(1, executor)[0]
    (node,) = first.normalizations
    seen, source = first.normalizations[node], first.activations["dense_1"]
    assert node == "batch_norm_1" and seen.batch_mean.shape == (6,)
    # The mean over features of what the dense layer yields, and its mean square, are those of the batch.
    count = source.count // 6
    np.testing.assert_allclose(seen.batch_mean.mean(), source.mean, rtol=1e-4)
    squares = (seen.batch_variance * (count - 1) / count + seen.batch_mean**2).mean()
    np.testing.assert_allclose(squares, source.std**2 + source.mean**2, rtol=1e-4)
    np.testing.assert_allclose(seen.running_mean, 0.3 * seen.batch_mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(seen.running_variance, 0.7 + 0.3 * seen.batch_variance, rtol=1e-3)
    np.testing.assert_allclose(
        seen.mean_apart, 0.7 * abs(seen.batch_mean) / np.sqrt(seen.running_variance), rtol=1e-3, atol=1e-5
    )
    np.testing.assert_allclose(seen.deviation_ratio**2, seen.batch_variance / seen.running_variance, rtol=1e-5)


def test_running_statistics_come_near_the_batches() -> None:
    first, *_, last = frames_of(40, "array")
    before, after = (frame.normalizations["batch_norm_1"] for frame in (first, last))
    assert after.mean_apart.max() < 0.5
    assert abs(np.log(after.deviation_ratio)).max() < abs(np.log(before.deviation_ratio)).max()
