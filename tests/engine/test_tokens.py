"""Token numbers: where they may come from, and those that an embedding has no row for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine import data, edits
from engine.experiment import DataSpec, Experiment
from engine.graph import check_experiment
from engine.training.result import TrainingError
from engine.training.trainer import Trainer
from tests.support.examples import blobs, chain, make


def experiment_on(tmp_path: Path, x: np.ndarray, *before: Any, vocabulary: int = 6) -> Experiment:
    np.savez(tmp_path / "tokens.npz", x=x, y=np.arange(len(x)) % 2)
    network = chain(
        make("layer", "input"), *before, make("layer", "embedding", vocabulary=vocabulary, width=4),
        make("layer", "self_attention", heads=2), make("layer", "global_average_pool1d"),
        make("layer", "dense", units=2), make("loss", "softmax_cross_entropy"),
    )  # fmt: skip
    source = make("source", "npz", path=str(tmp_path / "tokens.npz"))
    return replace(blobs(), network=network, data=DataSpec(source=source))


def tokens() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 6, (60, 5))


def test_tokens_within_the_vocabulary_train(tmp_path: Path) -> None:
    experiment = experiment_on(tmp_path, tokens())
    result = Trainer(experiment, device="cpu", steps=3).run()
    assert result.steps == 3 and np.isfinite(result.train_loss)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((59, 4, 6), r"“Embedding 4” \(embedding_1\).*tokens 0 to 5.*from 0 to 6. Set its vocabulary to 7"),
        ((0, 0, -1), "from -1 to 5. Tokens are counted from 0"),
        ((7, 2, 2.5), "whole numbers, but “x” holds 2.5"),
    ],
)
def test_tokens_without_a_row_are_refused_before_training(tmp_path: Path, change: Any, words: str) -> None:
    x = tokens().astype(float)
    x[change[0], change[1]] = change[2]
    with pytest.raises(TrainingError, match=words) as caught:
        Trainer(experiment_on(tmp_path, x), device="cpu").run()
    assert caught.value.node == "embedding_1"


def test_a_layer_that_makes_other_numbers_of_them_is_found_and_mended(tmp_path: Path) -> None:
    experiment = experiment_on(tmp_path, tokens(), make("layer", "relu"))
    signature = data.load(experiment.data).signature
    (found,) = check_experiment(experiment, signature).diagnostics
    assert found.node == "embedding_1" and "“ReLU” makes other numbers" in found.message
    assert found.fix is not None and found.fix.label == "Wire it to “Input”"
    after = found.fix.edit(experiment)
    assert [item.severity for item in check_experiment(after, signature).diagnostics] == ["warning"]
    assert check_experiment(edits.bypass(experiment, ["relu_1"], True), signature).diagnostics == ()


def test_layers_that_only_move_numbers_are_let_through(tmp_path: Path) -> None:
    before = (make("layer", "reshape", shape=(5, 1)), make("layer", "permute", axes=(2, 1)), make("layer", "flatten"))
    experiment = experiment_on(tmp_path, tokens(), *before, vocabulary=5)
    assert check_experiment(experiment, data.load(experiment.data).signature).diagnostics == ()
    with pytest.raises(TrainingError, match="vocabulary to 6"):
        Trainer(experiment, device="cpu").run()


def test_preprocessing_that_scales_them_is_found_and_removed(tmp_path: Path) -> None:
    experiment = experiment_on(tmp_path, tokens())
    spoilt = replace(experiment, data=replace(experiment.data, preprocessing=(make("preprocessing", "center"),)))
    signature = data.load(experiment.data).signature
    (found,) = check_experiment(spoilt, signature).diagnostics
    assert found.severity == "error" and found.message.endswith("on their way by “Centre”.") and found.fix is not None
    assert found.fix.label == "Remove “Centre”" and found.fix.edit(spoilt) == experiment


def test_augmentation_that_changes_them_is_found_and_removed(tmp_path: Path) -> None:
    experiment = experiment_on(tmp_path, tokens())
    spoilt = replace(experiment, data=replace(experiment.data, augmentation=(make("augmentation", "mixup"),)))
    found = check_experiment(spoilt, data.load(experiment.data).signature).of("embedding_1")
    assert found[0].fix is not None and found[0].fix.edit(spoilt) == experiment
