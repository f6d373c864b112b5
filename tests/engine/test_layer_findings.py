"""Warnings about sound networks: what a loss contains already, weights that start equal, biases drawn as weights."""

from __future__ import annotations

from engine import edits
from engine.data import load
from engine.diagnostics import Diagnostic
from engine.experiment import Experiment
from engine.graph import check_experiment
from engine.initializers import LSUV, Constant, He, Normal, Orthogonal, Zeros
from engine.layers import Dense, Flatten, Input, Sigmoid, Softmax, Tanh
from engine.layers.base import NodeComponent
from engine.losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from tests.engine.training.experiments import sequential, spiral


def of(*components: NodeComponent) -> Experiment:
    return spiral(sequential([Input(), *components]))


def found(experiment: Experiment) -> tuple[Diagnostic, ...]:
    return check_experiment(experiment, load(experiment.data).signature).diagnostics


def mended(experiment: Experiment) -> Experiment:
    (one,) = found(experiment)
    assert one.severity == "warning" and one.fix is not None
    after = one.fix.edit(experiment)
    assert found(after) == ()
    return after


def test_a_softmax_before_the_loss_that_contains_it() -> None:
    experiment = of(Dense(units=2), Softmax(), SoftmaxCrossEntropy())
    (one,) = found(experiment)
    assert one.node == "softmax_1" and one.message.startswith("Softmax CE contains a softmax: ")
    assert [type(node.component) for node in mended(experiment).network.nodes] == [Input, Dense, SoftmaxCrossEntropy]


def test_a_sigmoid_before_the_loss_that_contains_it() -> None:
    experiment = of(Dense(units=1), Sigmoid(), BinaryCrossEntropy())
    (one,) = found(experiment)
    assert one.node == "sigmoid_1" and "contains a sigmoid" in one.message
    mended(experiment)


def test_within_a_network_both_are_in_order() -> None:
    assert found(of(Dense(units=2), Softmax(), Dense(units=2), SoftmaxCrossEntropy())) == ()
    assert found(edits.bypass(of(Dense(units=2), Softmax(), SoftmaxCrossEntropy()), ["softmax_1"], True)) == ()


def test_weights_that_all_start_equal() -> None:
    for equal in (Zeros(), Constant(value=0.1), Normal(std=0.0)):
        experiment = of(Dense(units=4, weight_init=equal), Tanh(), Dense(units=2), SoftmaxCrossEntropy())
        (one,) = found(experiment)
        assert (one.node, one.field) == ("dense_1", "weight_init")
        after = mended(experiment).network.node("dense_1").component
        assert isinstance(after, Dense) and after.weight_init == He()


def test_the_last_layer_may_start_at_zero() -> None:
    assert found(of(Dense(units=4), Tanh(), Dense(units=2, weight_init=Zeros()), SoftmaxCrossEntropy())) == ()


def test_biases_are_not_drawn_by_what_is_made_for_weights() -> None:
    for rule in (Orthogonal(), LSUV()):
        experiment = of(Dense(units=4, bias_init=rule), Tanh(), Dense(units=2), SoftmaxCrossEntropy())
        (one,) = found(experiment)
        assert (one.node, one.field) == ("dense_1", "bias_init")
        after = mended(experiment).network.node("dense_1").component
        assert isinstance(after, Dense) and after.bias_init == Zeros()
    assert found(of(Flatten(), Dense(units=4, weight_init=LSUV()), Dense(units=2), SoftmaxCrossEntropy())) == ()
