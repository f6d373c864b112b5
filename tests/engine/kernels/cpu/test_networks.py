"""Whole networks on the compiled executor beside the array executor: the same numbers, and bits that do not depend on
how many steps a call has, on threads, or on instruments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import engine.cpu_executor
from engine.backend import choose
from engine.clipping import ClipByGlobalNorm
from engine.cpu_executor import CompiledProgram, CPUExecutor
from engine.data.signature import DataSignature, TargetSignature
from engine.executor import ArrayExecutor, BoundProgram
from engine.graph import check
from engine.optimizers import SGD, Adam, update_scalars
from engine.penalties import L1, L2
from engine.plan import compile
from engine.registry import components_of
from engine.state import State
from tests.engine.kernels.cpu.test_operations import FALLBACKS
from tests.support.random_networks import Case, Chain, experiment_of, random_case

SEEDS = range(16)
STEPS = 5

RULES: dict[str, dict[str, Any]] = {
    "momentum": {"optimizer": SGD(learning_rate=0.02, momentum=0.9), "penalties": (L2(strength=0.01),)},
    "adam, clipped": {
        "optimizer": Adam(learning_rate=0.002, epsilon=1e-4),
        "penalties": (L1(),),
        "clipping": ClipByGlobalNorm(max_norm=0.5),
    },
}


def every_layer(**options: Any) -> Case:
    """All layers in one network, with a branch."""
    chain = Chain()
    chain.add("layer", "input")
    chain.add("layer", "conv2d", filters=9, size=3)
    chain.add("layer", "batch_norm")
    trunk = chain.add("layer", "relu")
    chain.add("layer", "conv2d", filters=9, size=3)
    chain.add("layer", "add", inputs=(trunk, chain.last))
    chain.add("layer", "max_pool2d", size=2, stride=2)
    chain.add("layer", "leaky_relu")
    chain.add("layer", "dropout", rate=0.2)
    chain.add("layer", "average_pool2d", size=2, stride=1)
    image = chain.add("layer", "sigmoid")
    chain.add("layer", "flatten")
    chain.add("layer", "dense", units=17)
    chain.add("layer", "batch_norm")
    vector = chain.add("layer", "tanh")
    chain.add("layer", "global_average_pool2d", inputs=(image,))
    chain.add("layer", "dense", units=17)
    chain.add("layer", "add", inputs=(chain.last, vector))
    chain.add("layer", "dropout", rate=0.4)
    chain.add("layer", "dense", units=5)
    chain.add("loss", "softmax_cross_entropy")
    rng = np.random.default_rng(0)
    return Case(
        experiment=experiment_of(chain.nodes, **options),
        signature=DataSignature(inputs={"x": (11, 9, 3)}, targets={"y": TargetSignature(classes=5)}, train_size=64),
        inputs={"x": rng.normal(size=(31, 11, 9, 3))},
        targets={"y": rng.integers(0, 5, 31)},
        batch=31,
    )


def every_activation(**options: Any) -> Case:
    """All activations in one network: on images, in several branches, and on vectors."""
    chain = Chain()
    trunk = chain.add("layer", "input")
    branches = []
    for tag, values in (
        ("prelu", {"slopes": "channel"}),
        ("elu", {}),
        ("swish", {"learned": True}),
        ("hard_tanh", {}),
        ("gelu", {"form": "tanh"}),
    ):
        chain.add("layer", "conv2d", filters=6, size=3, inputs=(trunk,))
        branches.append(chain.add("layer", tag, **values))
    chain.add("layer", "add", inputs=tuple(branches))
    chain.add("layer", "maxout_conv2d", filters=5, size=3)
    chain.add("layer", "flatten")
    for tag in ("gelu", "mish", "softplus", "selu", "prelu", "swish", "identity", "softmax"):
        chain.add("layer", "dense", units=23)
        chain.add("layer", tag)
    chain.add("layer", "maxout", units=7)
    chain.add("layer", "dense", units=5)
    chain.add("loss", "softmax_cross_entropy")
    rng = np.random.default_rng(1)
    return Case(
        experiment=experiment_of(chain.nodes, **options),
        signature=DataSignature(inputs={"x": (8, 7, 3)}, targets={"y": TargetSignature(classes=5)}, train_size=64),
        inputs={"x": rng.normal(size=(29, 8, 7, 3))},
        targets={"y": rng.integers(0, 5, 29)},
        batch=29,
    )


def every_arrangement(**options: Any) -> Case:
    """The layers of images that neither of these networks has."""
    chain = Chain()
    chain.add("layer", "input")
    chain.add("layer", "zero_pad2d", top=1, bottom=1, left=2, right=2)
    trunk = chain.add("layer", "conv2d", filters=8, size=3)
    chain.add("layer", "group_norm", groups=2)
    gate = chain.add("layer", "sigmoid")
    chain.add("layer", "multiply", inputs=(trunk, gate))
    chain.add("layer", "depthwise_conv2d", size=3)
    chain.add("layer", "instance_norm", affine=True)
    chain.add("layer", "spatial_dropout", rate=0.2)
    branch = chain.add("layer", "stochastic_depth", survival=0.8)
    chain.add("layer", "add", inputs=(branch, trunk))
    image = chain.add("layer", "crop2d", top=1, bottom=0, left=0, right=2)
    large = chain.add("layer", "conv_transpose2d", filters=5, size=3)
    small = chain.add("layer", "fractional_max_pool2d")
    vectors = []
    for before, tag, values in (
        (image, "adaptive_average_pool2d", {"height": 3, "width": 2}),
        (large, "adaptive_max_pool2d", {"height": 2, "width": 3}),
        (small, "global_max_pool2d", {}),
    ):
        last = chain.add("layer", tag, inputs=(before,), **values)
        vectors.append(last if tag == "global_max_pool2d" else chain.add("layer", "flatten"))
    chain.add("layer", "concatenate", inputs=tuple(vectors))
    chain.add("layer", "gaussian_noise", deviation=0.1)
    chain.add("layer", "dense", units=24)
    chain.add("layer", "layer_norm")
    chain.add("layer", "reshape", shape=(4, 6))
    chain.add("layer", "permute", axes=(2, 1))
    chain.add("layer", "flatten")
    chain.add("layer", "dense", units=5)
    chain.add("loss", "softmax_cross_entropy", smoothing=0.1)
    rng = np.random.default_rng(2)
    return Case(
        experiment=experiment_of(chain.nodes, **options),
        signature=DataSignature(inputs={"x": (8, 7, 3)}, targets={"y": TargetSignature(classes=5)}, train_size=64),
        inputs={"x": rng.normal(size=(27, 8, 7, 3))},
        targets={"y": rng.integers(0, 5, 27)},
        batch=27,
    )


def every_sequence(**options: Any) -> Case:
    """The layers of sequences in one network."""
    chain = Chain()
    chain.add("layer", "input")
    chain.add("layer", "embedding", vocabulary=7, width=12)
    chain.add("layer", "positional_embedding", form="learned")
    trunk = chain.add("layer", "positional_embedding", form="sinusoidal")
    chain.add("layer", "self_attention", heads=3, causal=True, dropout=0.1)
    chain.add("layer", "add", inputs=(chain.last, trunk))
    chain.add("layer", "layer_norm")
    parts = [chain.add("layer", "dense", units=9, inputs=(chain.last,)) for _ in range(3)]
    chain.add("layer", "attention", inputs=tuple(parts))
    chain.add("layer", "global_average_pool1d")
    chain.add("layer", "dense", units=5)
    chain.add("loss", "softmax_cross_entropy")
    rng = np.random.default_rng(3)
    return Case(
        experiment=experiment_of(chain.nodes, **options),
        signature=DataSignature(inputs={"x": (10,)}, targets={"y": TargetSignature(classes=5)}, train_size=64),
        inputs={"x": rng.integers(0, 7, size=(26, 10))},
        targets={"y": rng.integers(0, 5, 26)},
        batch=26,
    )


WHOLE: dict[str, Callable[..., Case]] = {
    "every layer": every_layer,
    "activations": every_activation,
    "arrangements": every_arrangement,
    "sequences": every_sequence,
}


def cases(rule: str) -> dict[str, Callable[[], Case]]:
    """Random networks, and those that have every layer."""
    options = RULES[rule]
    # Batch normalization over few samples magnifies the last digits.
    found: dict[str, Callable[[], Case]] = {
        str(seed): lambda seed=seed: random_case(seed, batches=(24, 41), **options)  # type: ignore[misc]
        for seed in SEEDS
    }
    return found | {name: lambda make=make: make(**options) for name, make in WHOLE.items()}  # type: ignore[misc]


EACH = pytest.mark.parametrize(("rule", "name"), [(rule, name) for rule in RULES for name in cases(rule)])
SOME = pytest.mark.parametrize("name", ["0", "3", "5", "8", *WHOLE])


class Bound:
    """A case with a state of its own, on one of the executors; `threads` 0 is the array executor."""

    def __init__(self, case: Case, threads: int, *, observe: bool = False, training: bool = True) -> None:
        report = check(case.experiment.network, case.signature)
        assert report.ok, report.diagnostics
        self.spec: Any = case.experiment.training
        self.state = State(
            case.experiment.network,
            report,
            self.spec.optimizer,
            choose("cpu"),
            seed=3,
            averaged=self.spec.averaging.keeps,
        )
        self.executor = CPUExecutor(self.state, threads) if threads else ArrayExecutor(self.state)
        program = compile(
            case.experiment, report, case.signature, batch_size=case.batch, training=training, observe=observe
        )
        self.program: BoundProgram = self.executor.bind(program)
        rng = np.random.default_rng(case.batch)
        self.indices = rng.integers(0, case.batch, (STEPS, case.batch))
        types = {"f": np.float32, "i": np.int64}
        self.arrays = {
            name: np.ascontiguousarray(array, types[array.dtype.kind])
            for name, array in {**case.inputs, **case.targets}.items()
        }

    def scalars(self, step: int) -> dict[str, float]:
        return update_scalars(self.spec, self.spec.optimizer.learning_rate, step + 1)

    def step(self, step: int) -> float:
        """Run one step; returns its loss."""
        self.program.gather(self.arrays, self.indices[step])
        assert self.program.run(self.scalars(step), step, seed=5)
        return self.program.loss()

    def chunk(self, count: int = STEPS, **changed: np.ndarray) -> Any:
        """Run steps in one call."""
        every = [self.scalars(step) for step in range(count)]
        scalars = {name: np.array([values[name] for values in every]) for name in every[0]}
        return self.program.run_chunk(self.arrays, self.indices[:count], {**scalars, **changed}, 0, 5, outputs=True)


@pytest.fixture
def bind(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bound]]:
    """Makes `Bound`s and closes their executors; two threads are used however small a network is."""
    monkeypatch.setattr(engine.cpu_executor, "ALONE", 0)
    made: list[Bound] = []

    def make(*arguments: Any, **options: Any) -> Bound:
        made.append(Bound(*arguments, **options))
        return made[-1]

    yield make
    for bound in made:
        bound.executor.close()


def equal_states(first: Bound, second: Bound) -> None:
    others = second.state.to_host()
    for name, array in first.state.to_host().items():
        np.testing.assert_array_equal(array, others[name], name)


def test_the_network_of_every_layer_has_every_layer() -> None:
    nodes = [node for make in WHOLE.values() for node in make().experiment.network.nodes]
    assert {type(node.component) for node in nodes} >= set(components_of("layer").values())


@EACH
def test_agrees_with_the_array_executor(rule: str, name: str, bind: Callable[..., Bound]) -> None:
    case = cases(rule)[name]()
    ours, theirs = bind(case, 2), bind(case, 0)
    for step in range(STEPS):
        assert ours.step(step) == pytest.approx(theirs.step(step), rel=2e-5, abs=1e-6), step
        assert ours.program.penalty() == pytest.approx(theirs.program.penalty(), rel=1e-5)
    others = theirs.state.to_host()
    for array_name, array in ours.state.to_host().items():
        scale = max(float(np.abs(others[array_name]).max()), 0.05)
        np.testing.assert_allclose(array, others[array_name], rtol=0, atol=2e-4 * scale, err_msg=array_name)


@EACH
def test_many_steps_in_a_call_give_the_bits_of_single_ones(rule: str, name: str, bind: Callable[..., Bound]) -> None:
    case = cases(rule)[name]()
    together, apart = bind(case, 2), bind(case, 2)
    chunk = together.chunk()
    assert chunk.done == STEPS
    for step in range(STEPS):
        assert chunk.losses[step] == pytest.approx(apart.step(step), rel=1e-12)
        assert chunk.penalties[step] == apart.program.penalty()
        for node, output in apart.program.outputs().items():
            np.testing.assert_array_equal(chunk.outputs[node][step], output)
    equal_states(together, apart)


@SOME
def test_the_number_of_threads_and_instruments_change_no_bit(name: str, bind: Callable[..., Bound]) -> None:
    case = cases("momentum")[name]()
    one, two, seen = bind(case, 1), bind(case, 2), bind(case, 2, observe=True)
    for bound in (one, two, seen):
        assert bound.chunk().done == STEPS
    equal_states(one, two)
    equal_states(one, seen)


@SOME
@pytest.mark.parametrize("observe", [False, True])
def test_all_of_it_is_compiled(name: str, observe: bool, bind: Callable[..., Bound]) -> None:
    for training in (False, True):
        program = bind(cases("adam, clipped")[name](), 2, observe=observe, training=training).program
        assert isinstance(program, CompiledProgram)
        left = {item.name.removeprefix("array: ") for item in program.covered if item.name.startswith("array")}
        assert left <= FALLBACKS


@SOME
def test_evaluation_agrees_with_the_array_executor(name: str, bind: Callable[..., Bound]) -> None:
    case = cases("momentum")[name]()
    ours, theirs = bind(case, 2, training=False), bind(case, 0, training=False)
    for bound in (ours, theirs):
        bound.program.gather(bound.arrays, bound.indices[0])
        assert bound.program.run({}, 0)
    assert ours.program.loss() == pytest.approx(theirs.program.loss(), rel=1e-5)
    others = theirs.program.outputs()
    for node, output in ours.program.outputs().items():
        np.testing.assert_allclose(output, others[node], rtol=0, atol=1e-5 * np.abs(others[node]).max())


@SOME
def test_a_loss_that_is_not_finite_stops_a_chunk(name: str, bind: Callable[..., Bound]) -> None:
    case = cases("momentum")[name]()
    broken, sound = bind(case, 2), bind(case, 2)
    rates = np.full(STEPS, 0.02)
    rates[2] = np.inf
    chunk = broken.chunk(learning_rate=rates)
    assert chunk.done == 3 and len(chunk.losses) == len(chunk.penalties) == 4
    assert np.isfinite(chunk.losses[:3]).all() and not np.isfinite(chunk.losses[3])
    assert all(len(output) == 3 for output in chunk.outputs.values())
    assert broken.program.first_nonfinite() is not None
    np.testing.assert_array_equal(chunk.losses[:3], sound.chunk(3).losses)


def a_mask_over_a_summand(**options: Any) -> Case:
    """Dropout's mask is placed where the last summand of the addition before it lay, which ends there."""
    chain = Chain()
    image = chain.add("layer", "input")
    branches = [chain.add("layer", "conv2d", filters=8, size=1, inputs=(image,)) for _ in range(3)]
    chain.add("layer", "add", inputs=tuple(branches))
    chain.add("layer", "dropout", rate=0.3)
    chain.add("layer", "global_average_pool2d")
    chain.add("layer", "dense", units=160)
    chain.add("layer", "relu")
    chain.add("layer", "dense", units=5)
    chain.add("loss", "softmax_cross_entropy")
    rng = np.random.default_rng(0)
    return Case(
        experiment=experiment_of(chain.nodes, **options),
        signature=DataSignature(inputs={"x": (4, 4, 3)}, targets={"y": TargetSignature(classes=5)}, train_size=256),
        inputs={"x": rng.normal(size=(64, 4, 4, 3))},
        targets={"y": rng.integers(0, 5, 64)},
        batch=64,
    )


def test_nothing_is_written_where_the_same_row_still_reads(bind: Callable[..., Bound]) -> None:
    case = a_mask_over_a_summand(optimizer=SGD(learning_rate=0.1))
    ours, theirs = bind(case, 2), bind(case, 0)
    program = ours.program.program
    add, dropout = (next(call for call in program.calls if call.op.name == name) for name in ("add", "dropout"))
    arrays = ours.program.arrays
    mask = arrays[dropout.outputs[1].id]
    assert any(np.shares_memory(arrays[value.id], mask) for value in add.inputs), "what this test is about"
    for step in range(3):
        assert ours.step(step) == pytest.approx(theirs.step(step), rel=1e-5)


def test_indices_beyond_the_samples_are_refused(bind: Callable[..., Bound]) -> None:
    bound = bind(cases("momentum")["0"](), 2)
    good = bound.indices.copy()
    for wrong in (good[:, :-1], good + len(bound.arrays["x"]), good - 1 - good.max()):
        bound.indices = wrong
        with pytest.raises(ValueError, match="indices"):
            bound.chunk()
    bound.indices = good
    assert bound.chunk().done == STEPS
