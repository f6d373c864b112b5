"""A small transformer as a whole: beside PyTorch's, on both executors, and what it learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine import edits, presets
from engine.backend import choose
from engine.cpu_executor import CPUExecutor
from engine.data.signature import DataSignature, TargetSignature
from engine.executor import ArrayExecutor
from engine.experiment import DataSpec, Experiment
from engine.graph import check, check_experiment
from engine.plan import compile
from engine.state import State
from engine.training.trainer import Trainer
from tests.support.examples import blobs, chain, make
from tests.support.random_networks import Chain, experiment_of

BATCH, POSITIONS, VOCABULARY, WIDTH, HEADS, CLASSES = 7, 6, 5, 8, 2, 3
ATTENTION, POSITIONAL = "self_attention_1", "positional_embedding_1"


def encoder(causal: bool, precision: str) -> Experiment:
    """One block as in PyTorch's TransformerEncoderLayer, with normalization behind the sums."""
    chain = Chain()
    chain.add("layer", "input")
    chain.add("layer", "embedding", vocabulary=VOCABULARY, width=WIDTH)
    first = chain.add("layer", "positional_embedding")
    branch = chain.add("layer", "self_attention", heads=HEADS, causal=causal)
    chain.add("layer", "add", inputs=(first, branch))
    second = chain.add("layer", "layer_norm", over="channels")
    chain.add("layer", "dense", units=12)
    chain.add("layer", "relu")
    branch = chain.add("layer", "dense", units=WIDTH)
    chain.add("layer", "add", inputs=(second, branch))
    chain.add("layer", "layer_norm", over="channels")
    chain.add("layer", "global_average_pool1d")
    chain.add("layer", "dense", units=CLASSES)
    chain.add("loss", "softmax_cross_entropy")
    return experiment_of(chain.nodes, precision=precision)


class Bound:
    """The network with a batch of tokens, ready to run."""

    def __init__(self, experiment: Experiment, kind: str = "array") -> None:
        signature = DataSignature(
            inputs={"x": (POSITIONS,)}, targets={"y": TargetSignature(classes=CLASSES)}, train_size=100
        )
        report = check(experiment.network, signature)
        assert report.ok, report.diagnostics
        training = experiment.training
        backend = choose("cpu")
        self.state = State(
            experiment.network, report, training.optimizer, backend, precision=training.precision, seed=4
        )
        self.executor: Any = ArrayExecutor(self.state) if kind == "array" else CPUExecutor(self.state, 1)
        self.program = self.executor.bind(
            compile(experiment, report, signature, batch_size=BATCH, training=True, observe=True)
        )
        rng = np.random.default_rng(5)
        self.tokens = rng.integers(0, VOCABULARY, (BATCH, POSITIONS))
        self.labels = rng.integers(0, CLASSES, BATCH)
        self.program.feed({"x": self.tokens.astype(training.precision)}, {"y": self.labels})


@pytest.mark.parity
@pytest.mark.parametrize("causal", [False, True])
def test_a_block_is_pytorchs_encoder_layer(causal: bool) -> None:
    torch = pytest.importorskip("torch")
    bound = Bound(encoder(causal, "float64"))
    own = {name: torch.tensor(np.array(array)) for name, array in bound.state.parameters.items()}
    layer = torch.nn.TransformerEncoderLayer(WIDTH, HEADS, 12, 0.0, batch_first=True, dtype=torch.float64)
    names = ("query", "key", "value")
    peers = {
        "self_attn.in_proj_weight": torch.cat([own[f"{ATTENTION}/{name}_weight"].T for name in names]),
        "self_attn.in_proj_bias": torch.cat([own[f"{ATTENTION}/{name}_bias"] for name in names]),
        "self_attn.out_proj.weight": own[f"{ATTENTION}/output_weight"].T,
        "self_attn.out_proj.bias": own[f"{ATTENTION}/output_bias"],
        "linear1.weight": own["dense_1/weight"].T,
        "linear1.bias": own["dense_1/bias"],
        "linear2.weight": own["dense_2/weight"].T,
        "linear2.bias": own["dense_2/bias"],
        "norm1.weight": own["layer_norm_1/gamma"],
        "norm1.bias": own["layer_norm_1/beta"],
        "norm2.weight": own["layer_norm_2/gamma"],
        "norm2.bias": own["layer_norm_2/beta"],
    }
    layer.load_state_dict(peers)
    table, places, weight, bias = (
        own[name].clone().requires_grad_()
        for name in ("embedding_1/weight", f"{POSITIONAL}/weight", "dense_3/weight", "dense_3/bias")
    )
    mask = torch.nn.Transformer.generate_square_subsequent_mask(POSITIONS, dtype=torch.float64) if causal else None
    hidden = layer(table[torch.tensor(bound.tokens)] + places, src_mask=mask, is_causal=causal)
    loss = torch.nn.functional.cross_entropy(hidden.mean(dim=1) @ weight + bias, torch.tensor(bound.labels))
    loss.backward()

    assert bound.program.run({"learning_rate": 0.0})
    assert bound.program.loss() == pytest.approx(loss.item(), rel=1e-12)
    expected = {"embedding_1/weight": table.grad, f"{POSITIONAL}/weight": places.grad, "dense_3/weight": weight.grad}
    expected["dense_1/weight"], expected["dense_2/weight"] = layer.linear1.weight.grad.T, layer.linear2.weight.grad.T
    expected["layer_norm_1/gamma"], expected["layer_norm_2/beta"] = layer.norm1.weight.grad, layer.norm2.bias.grad
    for name, gradient in zip(names, layer.self_attn.in_proj_weight.grad.chunk(3), strict=True):
        expected[f"{ATTENTION}/{name}_weight"] = gradient.T
    for name, gradient in expected.items():
        np.testing.assert_allclose(bound.state.gradients[name], gradient.numpy(), atol=1e-13, err_msg=name)


def test_both_executors_agree() -> None:
    array, compiled = Bound(encoder(True, "float32")), Bound(encoder(True, "float32"), "cpu")
    for step in range(5):
        assert array.program.run({"learning_rate": 0.05}, step) and compiled.program.run({"learning_rate": 0.05}, step)
        assert compiled.program.loss() == pytest.approx(array.program.loss(), rel=1e-5)
    for name, parameter in array.state.parameters.items():
        np.testing.assert_allclose(compiled.state.parameters[name], parameter, atol=2e-5, err_msg=name)
    compiled.executor.close()


@pytest.fixture
def preset() -> Experiment:
    return presets.make("tiny-transformer")


def accuracy(experiment: Experiment) -> float:
    result = Trainer(experiment, device="cpu", epochs=6).run()
    assert result.val_accuracy is not None
    return result.val_accuracy


def test_it_learns_within_six_epochs_what_a_network_without_attention_does_not(preset: Experiment) -> None:
    assert accuracy(preset) > 0.95
    assert accuracy(edits.bypass(preset, [ATTENTION], True)) < 0.9


@pytest.mark.slow
def test_the_figures_of_its_notes(preset: Experiment) -> None:
    result = Trainer(preset, device="cpu").run()
    assert result.val_accuracy is not None and result.val_accuracy >= 0.98
    order_blind = edits.set_field(edits.bypass(preset, [POSITIONAL], True), ATTENTION, "causal", False)
    neither = edits.bypass(preset, [ATTENTION, POSITIONAL], True)
    assert abs(accuracy(order_blind) - 0.5) < 0.06 and abs(accuracy(neither) - 0.5) < 0.06


def test_attention_on_an_image_is_mended_step_by_step_into_a_network_that_trains() -> None:
    network = chain(
        make("layer", "input"), make("layer", "self_attention"), make("layer", "dense", units=7),
        make("loss", "softmax_cross_entropy"),
    )  # fmt: skip
    experiment = replace(blobs(), network=network, data=DataSpec(source=make("source", "digits")))
    experiment = edits.insert_before(experiment, make("layer", "conv2d", filters=6, stride=2), "self_attention_1")
    signature = DataSignature(inputs={"x": (8, 8, 1)}, targets={"y": TargetSignature(classes=10)}, train_size=90)
    labels = []
    for _ in range(6):
        report = check_experiment(experiment, signature)
        fixes = [item.fix for item in report.diagnostics if item.severity == "error"]
        if not fixes:
            break
        assert fixes[0] is not None, report.diagnostics
        labels.append(fixes[0].label)
        experiment = fixes[0].edit(experiment)
    assert labels == ["Insert Reshape", "Set heads to 3", "Insert Mean over positions", "Give Dense 10 units"]
    assert report.ok and report.nodes["self_attention_1"].shape == (16, 6)
