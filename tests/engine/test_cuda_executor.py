"""The GPU's executor on a pretended device: whole networks beside the array executor, graphs beside single launches,
many steps in a call, memory, and what a step leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import cuda_chunks
from engine.backend import Backend, choose
from engine.cuda_executor import CUDAExecutor, CUDAProgram
from engine.executors import Executor
from engine.kernels.cuda import timing
from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.choice import Candidate, Chooser
from engine.kernels.cuda.timing import TimingChooser
from engine.ops.base import Call
from engine.optimizers import SGD
from tests.support.choosers import Told
from tests.support.fake_cuda import FakeDevice
from tests.support.fake_cudnn import equip
from tests.support.gpu import real_device
from tests.support.random_networks import Case
from tests.support.whole_networks import (
    EACH,
    SOME,
    STEPS,
    Bound,
    a_mask_over_a_summand,
    cases,
    equal_states,
    evaluates_alike,
    stops_where_the_loss_is_not_finite,
)


class CudaBound(Bound):
    """A case on a pretended device of its own, or on the real one. `order` is that of the pretended one's threads;
    `frozen`: its samples can stay on the device, as a data set's do."""

    program: CUDAProgram

    def __init__(
        self,
        case: Case,
        *,
        order: int = 0,
        math: Any = "float32",
        frozen: bool = True,
        real: bool = False,
        **options: Any,
    ) -> None:
        self.device, self.math = real_device() if real else FakeDevice(order=order), math
        super().__init__(case, 0, **options)
        for array in self.arrays.values():
            array.flags.writeable = not frozen

    def backend(self) -> Backend:
        return self.device.backend if isinstance(self.device, FakeDevice) else choose("cuda")

    def make(self) -> Executor:
        return CUDAExecutor(self.state, math=self.math, device=self.device)  # type: ignore[return-value]

    def check(self) -> None:
        """Nothing was written beside an array, as far as that can be told."""
        if isinstance(self.device, FakeDevice):
            self.device.xp.check_guards()


class Choosing(CudaBound):
    """With a chooser of the test's own."""

    def __init__(self, case: Case, chooser: Callable[[FakeDevice], Chooser], **options: Any) -> None:
        self.chooser = chooser
        super().__init__(case, **options)

    def make(self) -> Executor:
        chooser = self.chooser(self.device)
        return CUDAExecutor(self.state, device=self.device, chooser=chooser)  # type: ignore[return-value]


Binder = Callable[..., CudaBound]


@pytest.fixture(params=["pretended", pytest.param("real", marks=pytest.mark.gpu)])
def bind(request: pytest.FixtureRequest) -> Binder:
    """Makes `CudaBound`s: on the pretended device, and on a GPU where there is one."""
    return partial(CudaBound, real=request.param == "real")


@EACH
def test_agrees_with_the_array_executor(rule: str, name: str, bind: Binder) -> None:
    case = cases(rule)[name]()
    ours, theirs = bind(case), Bound(case, 0)
    for step in range(STEPS):
        assert ours.step(step) == pytest.approx(theirs.step(step), rel=2e-5, abs=1e-6), step
        assert ours.program.penalty() == pytest.approx(theirs.program.penalty(), rel=1e-5)
    ours.check()
    others = theirs.state.to_host()
    for array_name, array in ours.state.to_host().items():
        # The gradient of a bias before a normalization is rounding alone, which Adam makes steps of.
        scale = max(float(np.abs(others[array_name]).max()), 0.1)
        np.testing.assert_allclose(array, others[array_name], rtol=0, atol=2e-4 * scale, err_msg=array_name)


@EACH
def test_many_steps_in_a_call_give_the_bits_of_single_ones(rule: str, name: str, bind: Binder) -> None:
    case = cases(rule)[name]()
    together, apart = bind(case, order=1), bind(case)
    chunk = together.chunk()
    assert chunk.done == STEPS
    for step in range(STEPS):
        assert chunk.losses[step] == pytest.approx(apart.step(step), rel=1e-12)
        assert chunk.penalties[step] == apart.program.penalty()
        for node, output in apart.program.outputs().items():
            np.testing.assert_array_equal(chunk.outputs[node][step], output)
    equal_states(together, apart)
    together.check()


def test_what_was_measured_gives_the_same_bits_where_it_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(timing, "LONG", 0.0)
    case = cases("momentum")["5"]()
    measured = Choosing(case, TimingChooser)
    again = Choosing(case, lambda device: Chooser(measured.executor.chooser.taken))  # type: ignore[attr-defined]
    remembered = Choosing(case, TimingChooser)
    for bound in (measured, again, remembered):
        assert bound.chunk().done == STEPS
        assert bound.executor.chooser.taken == measured.executor.chooser.taken != {}  # type: ignore[attr-defined]
        equal_states(bound, measured)
        bound.check()


@SOME
def test_instruments_and_the_order_of_threads_change_no_bit(name: str, bind: Binder) -> None:
    case = cases("momentum")[name]()
    plain, scattered, seen = bind(case), bind(case, order=2), bind(case, observe=True)
    for bound in (plain, scattered, seen):
        assert bound.chunk().done == STEPS
    equal_states(plain, scattered)
    equal_states(plain, seen)


@SOME
def test_evaluation_agrees_with_the_array_executor(name: str, bind: Binder) -> None:
    case = cases("momentum")[name]()
    evaluates_alike(bind(case, training=False), Bound(case, 0, training=False))


@SOME
def test_a_loss_that_is_not_finite_stops_a_chunk(name: str, bind: Binder) -> None:
    case = cases("momentum")[name]()
    stops_where_the_loss_is_not_finite(bind(case), bind(case))


@SOME
def test_what_instruments_tell_agrees_with_the_array_executor(name: str, bind: Binder) -> None:
    case = cases("momentum")[name]()
    ours, theirs = bind(case, observe=True), Bound(case, 0, observe=True)
    for bound in (ours, theirs):
        bound.step(0)
    found, expected = ours.program.observations(), theirs.program.observations()
    for group in ("activations", "adjoints"):
        for node, stats in getattr(expected, group).items():
            other = getattr(found, group)[node]
            scale = max(abs(stats.minimum), abs(stats.maximum), 1e-6)
            for field in ("mean", "std", "minimum", "maximum"):
                assert getattr(other, field) == pytest.approx(getattr(stats, field), abs=2e-5 * scale), (node, field)
    for parameter, told in expected.parameters.items():
        assert found.parameters[parameter].gradient_norm == pytest.approx(told.gradient_norm, rel=1e-3, abs=1e-5)
        assert found.parameters[parameter].update_norm == pytest.approx(told.update_norm, rel=1e-3, abs=1e-6)


# -- graphs and memory -------------------------------------------------------------------------------------------------


@SOME
def test_graphs_give_the_bits_of_launches_one_by_one(name: str, monkeypatch: pytest.MonkeyPatch, bind: Binder) -> None:
    case = cases("momentum")[name]()
    graphs, eager = bind(case), bind(case)

    def at_once(steps: int, gather: bool, outputs: bool) -> Callable[[], None]:
        def run() -> None:
            for _ in range(steps):
                eager.program._frame.begin(gather=gather)
                for _, works in eager.program._watched():
                    eager.program._issue(works)
                eager.program._frame.end(outputs)

        return run

    expected = graphs.chunk().losses
    monkeypatch.setattr(eager.program, "_graph", at_once)
    monkeypatch.setattr(eager.device, "replay", lambda run: run())
    np.testing.assert_array_equal(expected, eager.chunk().losses)
    equal_states(graphs, eager)


def test_steps_allocate_nothing() -> None:
    bound = CudaBound(cases("adam, clipped")["0"]())
    bound.chunk()
    before = bound.device.xp.count
    with bound.device.xp.kernel():
        for graph in bound.program._graphs.values():
            bound.device.replay(graph)
    bound.chunk()
    assert bound.device.xp.count == before


def test_graphs_survive_other_use_of_the_memory(bind: Binder) -> None:
    """What graphs read and write stays theirs while others take memory, fill it and give it back."""
    case = cases("momentum")["0"]()
    disturbed, calm = bind(case), bind(case)
    np.testing.assert_array_equal(disturbed.chunk().losses, calm.chunk().losses)
    xp = disturbed.device.xp
    for round_ in range(3):
        taken = [xp.zeros(size, dtype=np.float32) for size in (10, 1000, 100_000, 64, 3)]
        for array in taken:
            array.fill(np.nan)
        del taken
        np.testing.assert_array_equal(disturbed.chunk().losses, calm.chunk().losses, str(round_))
    equal_states(disturbed, calm)


def test_graphs_of_many_steps_give_the_bits_of_graphs_of_one(bind: Binder) -> None:
    case = cases("momentum")["0"]()
    single, two, whole = bind(case), bind(case), bind(case)
    single.program._at_once, two.program._at_once = 1, 2
    expected = single.chunk().losses
    for bound, sizes in ((two, {2, 1}), (whole, {4, 1})):
        np.testing.assert_array_equal(bound.chunk().losses, expected)
        assert {steps for steps, *_ in bound.program._graphs} == sizes, "five steps"
        equal_states(bound, single)


@pytest.mark.parametrize("frozen", [True, False])
def test_parts_of_a_chunk_give_the_bits_of_the_whole(
    frozen: bool, monkeypatch: pytest.MonkeyPatch, bind: Binder
) -> None:
    case = cases("momentum")["1"]()
    whole = bind(case)
    expected = whole.chunk()
    monkeypatch.setattr(cuda_chunks, "STEPS", 2)
    parts = bind(case, frozen=frozen)
    found = parts.chunk()
    np.testing.assert_array_equal(found.losses, expected.losses)
    for node, output in expected.outputs.items():
        np.testing.assert_array_equal(found.outputs[node], output)
    equal_states(whole, parts)
    rates = np.full(STEPS, 0.02)
    rates[0] = np.inf
    chunk = bind(case, frozen=frozen).chunk(learning_rate=rates)
    assert chunk.done == 1 and len(chunk.losses) == 2 and not np.isfinite(chunk.losses[1])


@pytest.mark.gpu
def test_steps_allocate_nothing_on_a_gpu() -> None:
    bound = CudaBound(cases("adam, clipped")["0"](), real=True)
    pool = bound.device.xp.get_default_memory_pool()
    bound.chunk()
    before = pool.used_bytes(), pool.total_bytes()
    for _ in range(3):
        bound.chunk()
    assert (pool.used_bytes(), pool.total_bytes()) == before


def test_what_runs_by_itself_has_the_work_memory_that_it_wants() -> None:
    """A convolution may go another way where nothing follows it."""

    class Spare(Told):
        """Takes patches, which want most work memory, once it is told to."""

        def _decide(self, key: str, call: Call, binding: Binding, candidates: Mapping[str, Candidate]) -> str:
            found = {name: item for name, item in candidates.items() if self.name or name != "patches"}
            return super()._decide(key, call, binding, found)

    chooser = Spare("")
    bound = Choosing(cases("momentum")["every layer"](), lambda device: chooser)
    assert bound.chunk(1).done == 1
    held = bound.device.xp.used
    chooser.name = "patches"
    assert bound.program.first_nonfinite() is None
    assert "patches" in chooser.taken.values()
    assert bound.device.xp.used == held
    bound.check()


def test_a_network_by_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    case = cases("momentum")["every layer"]()

    def chooser(device: FakeDevice) -> Chooser:
        equip(device, monkeypatch)
        return Told("cudnn")

    together, apart, theirs = Choosing(case, chooser), Choosing(case, chooser), Bound(case, 0)
    assert "cudnn" in together.executor.chooser.taken.values()  # type: ignore[attr-defined]
    together.program.stamping = True
    chunk = together.chunk()
    assert chunk.done == STEPS
    for step in range(STEPS):
        assert chunk.losses[step] == pytest.approx(apart.step(step), rel=1e-12)
        assert chunk.losses[step] == pytest.approx(theirs.step(step), rel=2e-5, abs=1e-6)
    equal_states(together, apart)
    found = together.program.timeline()
    assert found is not None and "conv2d_weight_gradient" in found.rows
    assert together.program.first_nonfinite() is None
    together.check()


def test_samples_that_may_change_are_brought_anew(bind: Binder) -> None:
    case = cases("momentum")["0"]()
    bound, other = bind(case, frozen=False), bind(case, frozen=False)
    bound.chunk()
    other.chunk()
    other.arrays["x"] *= 2
    assert bound.chunk().losses[0] != other.chunk().losses[0]


def test_samples_that_stay_are_copied_once() -> None:
    bound = CudaBound(cases("momentum")["0"]())
    bound.chunk()
    copies, memory = bound.device.copies, bound.device.xp.used
    bound.chunk()
    each = bound.device.copies - copies
    assert bound.device.xp.used == memory
    bound.chunk()
    assert bound.device.copies - copies == 2 * each


def test_samples_leave_the_device_with_the_host() -> None:
    bound = CudaBound(cases("momentum")["0"]())
    bound.chunk()
    before = bound.device.xp.used
    kept = sum(array.nbytes for array in bound.arrays.values())
    bound.arrays.clear()
    assert before - bound.device.xp.used >= kept


def test_binding_changes_nothing(bind: Binder) -> None:
    """All kernels run once before anything is captured, without any effect on the state."""
    bound = bind(cases("adam, clipped")["0"]())
    before = bound.state.to_host()
    bound.executor.bind(bound.program.program)
    for name, array in bound.state.to_host().items():
        np.testing.assert_array_equal(array, before[name], name)


def test_a_step_in_two_halves(bind: Binder) -> None:
    """Losses and gradients of a step without its update, as pieces of an accumulated step take them."""
    case = cases("momentum")["0"]()
    halves, whole = bind(case), bind(case)
    for bound in (halves, whole):
        bound.program.gather(bound.arrays, bound.indices[0])
    before = halves.state.to_host()
    assert halves.program.differentiate(halves.scalars(0), 0, 5) and whole.program.run(whole.scalars(0), 0, 5)
    assert halves.program.loss() == whole.program.loss()
    for name, view in halves.state.gradients.items():
        np.testing.assert_array_equal(view.get(), whole.state.gradients[name].get())
    after = halves.state.to_host()
    for name, array in before.items():
        if name.startswith("parameter"):
            np.testing.assert_array_equal(after[name], array)


def test_the_timeline_tells_of_every_operation(bind: Binder) -> None:
    bound = bind(cases("momentum")["0"]())
    assert bound.program.timeline() is None
    bound.program.stamping = True
    plain = bind(cases("momentum")["0"]())
    np.testing.assert_array_equal(bound.chunk().losses, plain.chunk().losses)
    found = bound.program.timeline()
    assert found is not None and {"forward", "loss", "backward", "update"} == set(found.phases)
    assert (found.end >= found.begin).all()
    flops = sum(value for value in found.flops if value == value)
    assert flops == pytest.approx(bound.program.program.flops)
    equal_states(bound, plain)
    bound.step(0)
    single = bound.program.timeline()
    assert single is not None and single.rows == found.rows and not np.array_equal(single.end, found.end)
    plain.step(0)
    equal_states(bound, plain)
    bound.program.stamping = False
    bound.step(1)
    assert bound.program.timeline() is None


def test_indices_beyond_the_samples_are_refused(bind: Binder) -> None:
    bound = bind(cases("momentum")["0"]())
    good = bound.indices.copy()
    for wrong in (good[:, :-1], good + len(bound.arrays["x"]), good - 1 - good.max()):
        bound.indices = wrong
        with pytest.raises(ValueError, match="indices"):
            bound.chunk()
    bound.indices = good
    assert bound.chunk().done == STEPS


def test_nothing_is_written_where_the_same_launch_still_reads(bind: Binder) -> None:
    case = a_mask_over_a_summand(optimizer=SGD(learning_rate=0.1))
    ours, theirs = bind(case), Bound(case, 0)
    for step in range(3):
        assert ours.step(step) == pytest.approx(theirs.step(step), rel=1e-5)


@pytest.mark.parametrize(("math", "least", "most"), [("tf32", 1e-7, 2e-3), ("bf16", 1e-5, 2e-2)])
def test_faster_products_are_as_exact_as_they_say(math: str, least: float, most: float) -> None:
    case = cases("momentum")["0"]()
    exact, rounded = CudaBound(case), CudaBound(case, math=math)
    off = abs(rounded.step(0) / exact.step(0) - 1)
    assert least < off < most
    assert rounded.executor.label.endswith(math.upper()) and exact.executor.label == "CUDA · Pretended GPU"
