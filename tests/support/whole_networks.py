"""Whole networks with every layer, and one of them with a state of its own on some executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.backend import Backend, choose
from engine.clipping import ClipByGlobalNorm
from engine.cpu_executor import CPUExecutor
from engine.data.signature import DataSignature, TargetSignature
from engine.executor import ArrayExecutor, BoundProgram
from engine.executors import Executor
from engine.graph import check
from engine.optimizers import SGD, Adam, update_scalars
from engine.penalties import L1, L2
from engine.plan import compile
from engine.state import State
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


def _images(chain: Chain, shape: tuple[int, int, int], count: int, *, seed: int, **options: Any) -> Case:
    """The network with random images of five classes, all in one batch."""
    rng = np.random.default_rng(seed)
    return Case(
        experiment=experiment_of(chain.nodes, **options),
        signature=DataSignature(inputs={"x": shape}, targets={"y": TargetSignature(classes=5)}, train_size=64),
        inputs={"x": rng.normal(size=(count, *shape))},
        targets={"y": rng.integers(0, 5, count)},
        batch=count,
    )


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
    return _images(chain, (11, 9, 3), 31, seed=0, **options)


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
    return _images(chain, (8, 7, 3), 29, seed=1, **options)


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
    return _images(chain, (8, 7, 3), 27, seed=2, **options)


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
    """A case with a state of its own, on one of the CPU's executors; `threads` 0 is the array executor."""

    def __init__(self, case: Case, threads: int, *, observe: bool = False, training: bool = True) -> None:
        self.threads = threads
        backend = self.backend()
        report = check(case.experiment.network, case.signature)
        assert report.ok, report.diagnostics
        self.spec: Any = case.experiment.training
        self.state = State(
            case.experiment.network,
            report,
            self.spec.optimizer,
            backend,
            seed=3,
            averaged=self.spec.averaging.keeps,
        )
        self.executor = self.make()
        program = compile(
            case.experiment,
            report,
            case.signature,
            batch_size=case.batch,
            training=training,
            observe=observe,
            alignment=backend.alignment,
        )
        self.program: BoundProgram = self.executor.bind(program)
        rng = np.random.default_rng(case.batch)
        self.indices = rng.integers(0, case.batch, (STEPS, case.batch))
        types = {"f": np.float32, "i": np.int64}
        self.arrays = {
            name: np.ascontiguousarray(array, types[array.dtype.kind])
            for name, array in {**case.inputs, **case.targets}.items()
        }

    def backend(self) -> Backend:
        """What the state lies on."""
        return choose("cpu")

    def make(self) -> Executor:
        """The executor of the state."""
        return CPUExecutor(self.state, self.threads) if self.threads else ArrayExecutor(self.state)

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


def equal_states(first: Bound, second: Bound) -> None:
    others = second.state.to_host()
    for name, array in first.state.to_host().items():
        np.testing.assert_array_equal(array, others[name], name)


def evaluates_alike(ours: Bound, theirs: Bound) -> None:
    """The same loss and the same predictions of one batch, to within rounding; neither trains."""
    for bound in (ours, theirs):
        bound.program.gather(bound.arrays, bound.indices[0])
        assert bound.program.run({}, 0)
    assert ours.program.loss() == pytest.approx(theirs.program.loss(), rel=1e-5)
    others = theirs.program.outputs()
    for node, output in ours.program.outputs().items():
        np.testing.assert_allclose(output, others[node], rtol=0, atol=1e-5 * np.abs(others[node]).max())


def stops_where_the_loss_is_not_finite(broken: Bound, sound: Bound) -> None:
    """A chunk with an infinite learning rate ends with the step after it, and the steps before are those of `sound`."""
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
    return _images(chain, (4, 4, 3), 64, seed=0, **options)
