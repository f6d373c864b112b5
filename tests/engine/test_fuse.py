"""Which operations stand together in a group, and that none changes its place."""

from __future__ import annotations

from itertools import count

from engine import ops
from engine.fuse import fuse
from engine.ops import OPS, Call, DType, Op, Role, Value
from engine.ops.update import UpdateSGD

_ids = count()


def value(name: str = "x") -> Value:
    return Value(next(_ids), (4, 4), DType.FLOAT, Role.ACTIVATION, name)


def call(op: Op, *inputs: Value, phase: str = "forward") -> Call:
    return Call(op, inputs, (value(),), (), "node", phase)


def names(*calls: Call) -> list[str]:
    groups = fuse(calls)
    assert [item for group in groups for item in group.calls] == list(calls)
    return [group.name for group in groups]


def test_what_can_stand_where() -> None:
    places = {place: {name for name, op in OPS.items() if op.fusion == place} for place in ("head", "epilogue")}
    convolutions = {"conv2d", "grouped_conv2d", "conv2d_input_gradient"}
    assert places["head"] == {"matmul", *convolutions, "batch_norm", "batch_norm_inference", "add"}
    activations = {"relu", "leaky_relu", "sigmoid", "tanh", "prelu", "learned_swish", *ops.pointwise.GRADIENTS}
    assert places["epilogue"] == {"add_bias", "dropout", *activations}
    gradients = {name for name, op in OPS.items() if op.fusion == "epilogue_gradient"}
    assert gradients == {f"{name}_gradient" for name in places["epilogue"] - {"add_bias"}}


def test_a_product_takes_its_bias_and_activation_along() -> None:
    product = call(ops.MatMul(), value(), value())
    biased = call(ops.AddBias(), product.outputs[0], value())
    active = call(ops.ReLU(), biased.outputs[0])
    again = call(ops.MatMul(), active.outputs[0], value())
    assert names(product, biased, active, again) == ["matmul+add_bias+relu", "matmul"]


def test_an_epilogue_of_something_else_stands_alone() -> None:
    product, other = call(ops.MatMul(), value(), value()), value()
    assert names(product, call(ops.ReLU(), other)) == ["matmul", "relu"]
    assert names(call(ops.AddBias(), other, value()), call(ops.ReLU(), other)) == ["add_bias", "relu"]
    bias = call(ops.AddBias(), other, product.outputs[0])
    assert names(product, bias) == ["matmul", "add_bias"], "it reads the product, but does not continue it"


def test_backwards_an_activation_follows_whatever_wrote_its_adjoint() -> None:
    product = call(ops.MatMul(), value(), value(), phase="backward")
    through = call(ops.ReLUGradient(), value(), product.outputs[0], phase="backward")
    apart = call(ops.ReLUGradient(), value(), value(), phase="backward")
    assert names(product, through, apart) == ["matmul+relu_gradient", "relu_gradient"]


def test_phases_are_never_mixed_and_updates_are_one_pass() -> None:
    product = call(ops.MatMul(), value(), value())
    inside = call(ops.ReLU(), product.outputs[0], phase="observe")
    updates = [call(UpdateSGD(), value(), value(), phase="update") for _ in range(3)]
    assert names(product, inside, *updates) == ["matmul", "relu", "update_sgd×3"]
