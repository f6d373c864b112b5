import numpy as np
import pytest

from engine import files, graph, presets
from engine.blocks import unrolled_network
from engine.data import peek
from engine.data.sources import Digits
from engine.initializers import He
from engine.optimizers import SGD
from engine.training.trainer import Trainer

NAMES = [preset.name for preset in presets.presets()]
NEED_SKLEARN = {
    "autoencoder",
    "deep-relu",
    "deep-tanh",
    "diabetes-regression",
    "digits-baseline",
    "digits-residual",
    "logistic-regression",
}
LARGE = {"resnet-32", "vgg-32"}
"""Networks of which fewer steps have to do: one takes a tenth of a second and more."""


def test_the_list_and_the_folder_agree() -> None:
    assert sorted(NAMES) == sorted(path.stem for path in presets.FOLDER.glob("*.dlab"))
    assert presets.FIRST in NAMES
    assert presets.FIRST not in NEED_SKLEARN
    for wanted in ("mnist-mlp", "mnist-cnn", "fashion-cnn", "spiral-mlp", "diabetes-regression"):
        assert wanted in NAMES
    assert all(preset.label and preset.summary.endswith(".") and preset.group for preset in presets.presets())


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_as_the_program_saves_it(name: str) -> None:
    text = (presets.FOLDER / f"{name}.dlab").read_text(encoding="utf-8")
    assert files.dumps(presets.make(name)) == text


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong_with_it(name: str) -> None:
    experiment = presets.make(name)
    signature = peek(experiment.data)
    assert signature is not None
    report = graph.check(experiment.network, signature)
    assert report.diagnostics == ()
    assert len(report.order) == len(unrolled_network(experiment.network).nodes)
    assert "\n\nTry: " in experiment.notes
    assert "\n\nLook at " in experiment.notes


@pytest.mark.parametrize("name", NAMES)
def test_nodes_stand_in_rows_without_touching(name: str) -> None:
    places = np.array([node.position for node in presets.make(name).network.nodes])
    apart = np.abs(places[:, None] - places[None])
    touching = (apart[..., 0] < 120) & (apart[..., 1] < 90)
    assert touching.sum() == len(places)


@pytest.mark.parametrize("name", NAMES)
def test_it_learns(name: str) -> None:
    if name in NEED_SKLEARN:
        pytest.importorskip("sklearn.datasets")
    first = Trainer(presets.make(name), device="cpu", steps=1).run()
    later = Trainer(presets.make(name), device="cpu", steps=12 if name in LARGE else 45).run()
    assert later.val_loss < 0.9 * first.val_loss


def test_the_baseline_is_the_lessons() -> None:
    experiment = presets.make("digits-baseline")
    assert experiment.data.source == Digits()
    split = experiment.data.split
    assert (split.validation, split.test, split.seed, split.shuffle) == (400, 397, 1234, True)
    assert [type(step).__name__ for step in experiment.data.preprocessing] == ["Center", "Normalize"]
    assert [(step.per) for step in experiment.data.preprocessing] == ["feature", "global"]
    training = experiment.training
    assert training.optimizer == SGD(learning_rate=0.1, momentum=0.0)
    assert (training.batch_size, training.epochs, training.drop_last) == (50, 20, True)
    dense = [node.component for node in experiment.network.nodes if hasattr(node.component, "units")]
    assert [(layer.units, layer.weight_init) for layer in dense] == [(100, He()), (10, He())]


def test_the_initialization_study_has_ten_hidden_layers_of_500() -> None:
    for name, activation in (("deep-tanh", "tanh"), ("deep-relu", "relu")):
        network = unrolled_network(presets.make(name).network)
        units = [node.component.units for node in network.nodes if hasattr(node.component, "units")]
        assert units == [500] * 10 + [10]
        assert sum(node.id.startswith(activation) for node in network.nodes) == 10


def test_the_autoencoder_predicts_what_it_is_fed() -> None:
    experiment = presets.make("autoencoder")
    assert experiment.network.node("mean_squared_error_1").component.target == "x"
    losses = {
        executor: Trainer(experiment, device="cpu", executor=executor, steps=200).run().val_loss
        for executor in ("array", "cpu")
    }
    assert losses["cpu"] == pytest.approx(losses["array"], rel=1e-3)
    assert losses["array"] < 0.5


def test_lenet_sees_32_by_32() -> None:
    experiment = presets.make("lenet-5")
    report = graph.check(experiment.network, peek(experiment.data))
    assert report.nodes["zero_pad2d_1"].shape == (32, 32, 1)
    assert report.nodes["flatten_1"].shape == (5 * 5 * 16,)


def test_a_name_that_is_none_gets_words() -> None:
    with pytest.raises(presets.PresetError, match="did you mean “mnist-mlp”"):
        presets.make("mnist-mpl")
    with pytest.raises(presets.PresetError, match="the presets are"):
        presets.make("../../etc/passwd")
