"""The array executor: exact gradients, equal bits with and without instruments, no allocation, honest failures."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from engine.backend import choose
from engine.clipping import ClipByGlobalNorm
from engine.data.signature import DataSignature, TargetSignature
from engine.executor import ArrayExecutor, BoundProgram
from engine.graph import check
from engine.optimizers import SGD, Adam, update_scalars
from engine.penalties import L1, L2
from engine.plan import CompileError, compile
from engine.state import State, StateError
from tests.support.random_networks import Case, Chain, experiment_of, random_case


def bind(case: Case, *, observe: bool = False, training: bool = True, state: State | None = None) -> BoundProgram:
    report = check(case.experiment.network, case.signature)
    spec = case.experiment.training
    state = state or State(
        case.experiment.network, report, spec.optimizer, choose("cpu"), precision=spec.precision, seed=1
    )
    program = compile(
        case.experiment, report, case.signature, batch_size=case.batch, training=training, observe=observe
    )
    bound = ArrayExecutor(state).bind(program)
    bound.feed(case.inputs, case.targets)
    return bound


def rates(case: Case, step: int) -> dict[str, float]:
    spec: Any = case.experiment.training
    return update_scalars(spec, spec.optimizer.learning_rate, step + 1)


@pytest.mark.parametrize("seed", range(24))
def test_whole_networks_against_finite_differences(seed: int) -> None:
    """A directional derivative of the whole loss, in float64: central differences with h = 1e-6."""
    case = random_case(seed, precision="float64")
    bound = bind(case)
    rng = np.random.default_rng(seed)
    frozen = {"learning_rate": 0.0}
    start = bound.state.to_host()
    assert bound.run(frozen)
    direction = {name: rng.normal(size=value.shape) for name, value in bound.state.parameters.items()}
    slope = sum(float(np.sum(bound.state.gradients[name] * d)) for name, d in direction.items())

    def loss(h: float) -> float:
        bound.state.load(start)
        for name, d in direction.items():
            bound.state.parameters[name][...] += h * d
        assert bound.run(frozen)
        return bound.loss()

    numeric = (loss(1e-6) - loss(-1e-6)) / 2e-6
    # ReLU and max pooling have kinks; a direction that crosses one within 1e-6 would show here, and none does.
    assert slope == pytest.approx(numeric, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("optimizer", [SGD(momentum=0.9), Adam()], ids=["momentum", "adam"])
def test_instruments_do_not_change_a_bit(seed: int, optimizer: Any) -> None:
    clipping = ClipByGlobalNorm(max_norm=0.5)
    options: dict[str, Any] = {"optimizer": optimizer, "penalties": (L1(), L2()), "clipping": clipping}
    plain = bind(random_case(seed, **options))
    seen = bind(random_case(seed, **options), observe=True)
    for step in range(5):
        for bound in (plain, seen):
            assert bound.run(rates(random_case(seed, **options), step), step, seed=7)
    for name, array in plain.state.to_host().items():
        assert np.array_equal(array, seen.state.to_host()[name]), name


def test_observations_are_the_numbers_of_the_arrays() -> None:
    case = random_case(1, precision="float64")
    bound = bind(case, observe=True)
    weights = {name: np.array(value) for name, value in bound.state.parameters.items()}
    assert bound.run(rates(case, 0), 0)
    observed = bound.observations()
    for node in bound.program.outputs:
        array = np.array(bound.value(node))
        stats = observed.activations[node]
        assert stats.mean == pytest.approx(array.mean())
        assert stats.std == pytest.approx(array.std())
        assert (stats.minimum, stats.maximum) == (array.min(), array.max())
        assert stats.zero_share == pytest.approx((array == 0).mean())
        assert stats.histogram is not None and stats.histogram.sum() == array.size
        assert np.array_equal(stats.histogram, np.histogram(array, bins=stats.histogram.size)[0])
    for name, before in weights.items():
        stats_of = observed.parameters[name]
        assert stats_of.weight_norm == pytest.approx(np.linalg.norm(before))
        assert stats_of.gradient_norm == pytest.approx(np.linalg.norm(bound.gradient(name)))
        change = np.linalg.norm(bound.state.parameters[name] - before)
        assert stats_of.update_norm == pytest.approx(change, rel=1e-6, abs=1e-12)


def test_each_channel_of_an_image_is_told_by_itself() -> None:
    bound = bind(large_case(8), observe=True)
    assert bound.run(rates(large_case(8), 0), 0)
    observed = bound.observations()
    array = np.array(bound.value("conv2d_1"))
    found = observed.activations["conv2d_1"].channels
    assert found is not None
    flat = array.reshape(-1, array.shape[-1])
    np.testing.assert_allclose(found.mean, flat.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.std, flat.std(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(found.minimum, flat.min(axis=0))
    np.testing.assert_array_equal(found.maximum, flat.max(axis=0))
    rectified = observed.activations["relu_1"].channels
    assert rectified is not None
    zeros = (np.array(bound.value("relu_1")) == 0).reshape(-1, array.shape[-1]).mean(axis=0)
    np.testing.assert_allclose(rectified.zero_share, zeros, rtol=1e-6)
    others = [node for node in bound.program.outputs if len(bound.program.outputs[node].shape) == 2]
    assert any(observed.activations[node].channels is None for node in others)


def large_case(batch: int = 64) -> Case:
    """Every array of a step is larger than what the interpreter itself allocates."""
    chain = Chain()
    for tag, values in (
        ("input", {}),
        ("conv2d", {"filters": 16, "size": 3}),
        ("batch_norm", {}),
        ("relu", {}),
        ("max_pool2d", {}),
        ("flatten", {}),
        ("dense", {"units": 256}),
        ("tanh", {}),
        ("dropout", {}),
        ("dense", {"units": 10}),
    ):
        chain.add("layer", tag, **values)
    chain.add("loss", "softmax_cross_entropy")
    rng = np.random.default_rng(0)
    return Case(
        experiment=experiment_of(
            chain.nodes, optimizer=Adam(), penalties=(L2(),), clipping=ClipByGlobalNorm(max_norm=1.0)
        ),
        signature=DataSignature(inputs={"x": (16, 16, 3)}, targets={"y": TargetSignature(classes=10)}, train_size=64),
        inputs={"x": rng.normal(size=(batch, 16, 16, 3)).astype(np.float32)},
        targets={"y": rng.integers(0, 10, batch)},
        batch=batch,
    )


@pytest.mark.parametrize("observe", [False, True])
def test_a_step_allocates_no_array(observe: bool) -> None:
    """NumPy's own fixed buffers (8192 elements an operand) stay; nothing grows with the batch."""
    peaks = []
    for batch in (32, 128):
        case = large_case(batch)
        bound = bind(case, observe=observe)
        scalars = rates(case, 0)
        for step in range(2):
            bound.run(scalars, step)
        tracemalloc.start()
        try:
            bound.run(scalars, 2)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            bound.run(scalars, 3)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
        finally:
            tracemalloc.stop()
    # The smallest activation of the larger batch takes 5 KiB, the largest 2 MiB.
    assert max(peaks) < 96 * 1024 and abs(peaks[1] - peaks[0]) < 4096, peaks


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    def weights(seed: int) -> dict[str, np.ndarray]:
        case = large_case()
        bound = bind(case)
        for step in range(3):
            bound.run(rates(case, step), step, seed=seed)
        return bound.state.to_host()

    first, again, other = weights(5), weights(5), weights(6)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


def test_a_loss_that_is_not_finite_changes_no_parameter_and_names_its_origin() -> None:
    chain = Chain()
    for tag in ("input", "dense", "relu", "dense"):
        chain.add("layer", tag)
    chain.add("loss", "mean_squared_error")
    data = DataSignature(inputs={"x": (5,)}, targets={"y": TargetSignature(shape=(128,))}, train_size=100)
    case = Case(experiment_of(chain.nodes), data, {"x": np.ones((4, 5))}, {"y": np.ones((4, 128))}, 4)
    bound = bind(case)
    bound.state.parameters["dense_2/weight"].fill(3e38)
    before = bound.state.to_host()
    assert not bound.run(rates(case, 0))
    assert all(np.array_equal(value, bound.state.to_host()[key]) for key, value in before.items())
    assert bound.first_nonfinite() == ("dense_2", "matmul")


def test_a_broken_input_is_told() -> None:
    case = random_case(0)
    case.inputs["x"][0, 0] = np.nan
    bound = bind(case)
    assert not bound.run()
    assert bound.first_nonfinite() == ("", "input")


def test_gather_takes_the_samples_of_a_batch() -> None:
    case = random_case(0)
    bound = bind(case)
    samples = {"x": np.random.default_rng(0).normal(size=(50, *case.inputs["x"].shape[1:])).astype(np.float32)}
    labels = {name: np.repeat(values, 50, axis=0)[:50] for name, values in case.targets.items()}
    chosen = np.arange(case.batch)[::-1] + 7
    bound.gather(samples | labels, chosen)
    assert np.array_equal(bound.inputs["x"], samples["x"][chosen])


def test_a_network_with_errors_is_not_compiled() -> None:
    case = random_case(0)
    report = check(experiment_of([]).network, case.signature)
    with pytest.raises(CompileError):
        compile(case.experiment, report, case.signature, batch_size=2, training=True)


def test_the_listing_names_every_group() -> None:
    case = random_case(1)
    program = bind(case).program
    text = str(program)
    for group in program.groups:
        assert group.name[:30] in text
    assert f"batch {case.batch}" in text and "learning_rate" in text


def test_state_refuses_arrays_that_do_not_fit() -> None:
    state = bind(random_case(0)).state
    arrays = state.to_host()
    name = next(iter(arrays))
    with pytest.raises(StateError, match="missing"):
        state.load({key: value for key, value in arrays.items() if key != name})
    with pytest.raises(StateError, match="shape"):
        state.load(arrays | {name: np.zeros((1, 1, 1))})
    with pytest.raises(StateError, match="not numbers"):
        state.load(arrays | {name: np.full(arrays[name].shape, "a")})
    with pytest.raises(StateError, match="no place"):
        state.load(arrays | {"parameter/none/weight": np.zeros(1)})
    state.load({name: arrays[name] + 1}, partial=True)
    assert np.array_equal(state.to_host()[name], (arrays[name] + 1).astype(np.float32))


@pytest.mark.parametrize("training", [True, False])
def test_the_loss_is_weighted_in_every_mode(training: bool) -> None:
    case = random_case(0)
    bound = bind(case, training=training)
    assert bound.run(dict.fromkeys(bound.program.loss_weights.values(), 0.25))
    assert bound.loss() == pytest.approx(0.25 * sum(bound.losses().values()))


@pytest.mark.parametrize("seed", [2, 5, 11])
def test_a_chunk_is_its_steps_to_the_last_bit(seed: int) -> None:
    case = random_case(seed, optimizer=Adam(), penalties=(L2(),))
    arrays = {name: np.concatenate([array, array[::-1]]) for name, array in (case.inputs | case.targets).items()}
    indices = np.random.default_rng(seed).integers(0, 2 * case.batch, (5, case.batch))
    single, whole = bind(case), bind(case)
    rows, seen = [], []
    for step in range(5):
        single.gather(arrays, indices[step])
        assert single.run(rates(case, 3 + step) | {"learning_rate": 0.1 / (step + 1)}, 3 + step, seed=7)
        rows.append((single.loss(), single.penalty()))
        seen.append(single.outputs())
    scalars = {name: np.array([rates(case, 3 + step)[name] for step in range(5)]) for name in rates(case, 3)}
    scalars["learning_rate"] = 0.1 / np.arange(1, 6)
    fixed: dict[str, Any] = {"l2": float(scalars.pop("l2")[0])}
    chunk = whole.run_chunk(arrays, indices, scalars | fixed, 3, 7, outputs=True)
    assert chunk.done == 5
    assert list(zip(chunk.losses, chunk.penalties, strict=True)) == rows
    for step, outputs in enumerate(seen):
        assert {node: array[step].tobytes() for node, array in chunk.outputs.items()} == {
            node: array.tobytes() for node, array in outputs.items()
        }
    assert {name: array.tobytes() for name, array in whole.state.to_host().items()} == {
        name: array.tobytes() for name, array in single.state.to_host().items()
    }


def test_a_chunk_ends_before_the_step_whose_loss_is_not_finite() -> None:
    case = random_case(0)
    name = next(iter(case.inputs))
    arrays = {key: np.concatenate([array, array]) for key, array in (case.inputs | case.targets).items()}
    arrays[name][case.batch] = np.inf
    good, bad = np.arange(case.batch), np.arange(case.batch) + case.batch
    bound, single = bind(case), bind(case)
    chunk = bound.run_chunk(arrays, np.stack([good, good, bad, good]), rates(case, 0), 0, 1, outputs=True)
    assert chunk.done == 2
    assert chunk.losses.shape == chunk.penalties.shape == (3,)
    assert np.isfinite(chunk.losses[:2]).all() and not np.isfinite(chunk.losses[2])
    assert all(len(array) == 2 for array in chunk.outputs.values())
    assert bound.first_nonfinite() == ("", "input")
    assert single.run_chunk(arrays, np.stack([good, good]), rates(case, 0), 0, 1).done == 2
    for key, value in single.state.parameters.items():
        assert np.array_equal(value, bound.state.parameters[key])
