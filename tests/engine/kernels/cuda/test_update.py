"""Updates of many arrays by one launch, and whole update phases, held against the kernels of the array executor."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.averaging import ExponentialAverage
from engine.clipping import ClipByGlobalNorm, ClipByLayerNorm, ClipByValue
from engine.graph import check
from engine.groups import ParameterGroup
from engine.kernels.cuda import declare, muon
from engine.kernels.cuda.binding import Binding, kind_of, pointer_to
from engine.kernels.cuda.launches import Covered, Launch, cover
from engine.kernels.cuda.segments import piece_length
from engine.kernels.reference import KERNELS
from engine.ops.array_rules import UpdateLAMB, UpdateMuon
from engine.ops.base import Op, Role
from engine.ops.beside import Average, ClipValue, MaxNorm, SoftThreshold
from engine.ops.update import COMMON, ClipScale, GradientNorm, PenaltyValue, UpdateAdam, UpdateRule, UpdateSGD
from engine.optimizers import LAMB, SGD, Adam, AMSGrad, Muon, RMSprop, update_scalars
from engine.penalties import L1, L2, ElasticNet, WeightDecay
from engine.penalties import MaxNorm as MaxNormPenalty
from engine.plan import Program, compile
from tests.engine.update.bench import small
from tests.support.cuda_bench import ORDERS, CudaBench
from tests.support.fake_cuda import FakeDevice
from tests.support.interpreter import Interpreter

SIZES = (1, 3, 4, 1023, 1024, 1025, 4099)
"""Less than four; one piece and a little less and more; several pieces."""


class Joined:
    """Calls of a group and their inputs, with what the reference kernels make of them in float64 and in float32."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.single, self.exact = Interpreter(precision="float32"), Interpreter()
        self.inputs: dict[int, np.ndarray] = {}

    def add(self, op: Op, *arrays: np.ndarray) -> None:
        given = [array.astype(np.float32) for array in arrays]
        values = [self.single.value(array) for array in given]
        self.inputs |= {value.id: array.copy() for value, array in zip(values, given, strict=True)}
        self.single.call(op, *values)
        self.exact.call(op, *(self.exact.value(array) for array in given))

    def check(self, benches: tuple[CudaBench, ...], launches: int = 1) -> None:
        """All calls are one launch, or so many, and give the same in any order of threads."""
        calls = self.single.calls
        found = []
        for bench in benches:
            found.append(bench.run(calls, self.inputs, times=2))
            assert len(bench.works) == launches
        for call in calls:
            for value in (*call.outputs, *(call.inputs[i] for i in call.op.mutates)):
                exact, single = self.exact._arrays[value.id], self.single.host(value)
                tolerance = 2e-6 * np.max(np.abs(exact)) + 3 * np.max(np.abs(single - exact))
                np.testing.assert_allclose(found[0][value.id], exact, rtol=0, atol=tolerance, err_msg=value.name)
                for other in found[1:]:
                    np.testing.assert_array_equal(found[0][value.id], other[value.id])

    def update(self, op: UpdateRule, *size: int) -> None:
        draw = self.rng.standard_normal
        scalars = self.rng.uniform(0.1, 0.9, (len(COMMON) + len(op.RULE_SCALARS), 1))
        slots = [self.rng.uniform(1.0, 2.0, size) for _ in op.SLOTS]
        self.add(op, draw(size), draw(size), *scalars, *slots)


@pytest.mark.parametrize("norms", [False, True])
def test_many_arrays_are_updated_by_one_launch(norms: bool, benches: tuple[CudaBench, ...]) -> None:
    joined = Joined()
    for index, size in enumerate(SIZES):
        flags = (bool(index & 1), bool(index & 2), bool(index & 4), index % 3 == 0, norms)
        joined.update(UpdateAdam(*flags), size)
    joined.check(benches)


def test_what_an_update_is_told_is_its_own(benches: tuple[CudaBench, ...]) -> None:
    joined = Joined()
    for nesterov in (True, False, True):
        joined.update(UpdateSGD(norms=nesterov, nesterov=nesterov), 50)
    joined.check(benches)


@pytest.mark.parametrize("norms", [False, True])
def test_rules_that_see_whole_arrays_are_joined_too(norms: bool, benches: tuple[CudaBench, ...]) -> None:
    joined = Joined()
    for index, size in enumerate(SIZES):
        joined.update(UpdateLAMB(has_l2=bool(index & 1), has_decay=bool(index & 2), norms=norms), size)
    joined.check(benches, launches=2)


@pytest.mark.parametrize("norms", [False, True])
def test_matrices_of_a_shape_are_made_orthogonal_together(norms: bool, benches: tuple[CudaBench, ...]) -> None:
    joined = Joined()
    for index, shape in enumerate([(5, 7), (31, 40), (7, 5), (5, 7), (31, 40), (5, 7), (3, 2, 5)]):
        joined.update(UpdateMuon(has_decay=bool(index & 1), norms=norms, nesterov=index > 2, iterations=2), *shape)
    # Of four shapes: what comes first and last, and thrice three products and a sum.
    joined.check(benches, launches=4 * (3 + 2 * 4))


def test_large_matrices_are_made_orthogonal_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muon, "TOGETHER", 100)
    joined = Joined()
    for _ in range(5):
        joined.update(UpdateMuon(iterations=1), 7, 6)
    joined.check((CudaBench(), CudaBench(1)), launches=3 * (3 + 4))


@pytest.mark.parametrize("op", [UpdateAdam(norms=True), UpdateLAMB(), UpdateMuon()], ids=lambda op: op.name)
def test_no_array_changes_after_a_loss_that_is_not_finite(op: UpdateRule) -> None:
    joined = Joined()
    for size in SIZES:
        joined.update(op, *((size, 3) if isinstance(op, UpdateMuon) else (size,)))
    found = CudaBench().run(joined.single.calls, joined.inputs, halted=True)
    for id_, array in joined.inputs.items():
        np.testing.assert_array_equal(found[id_], array)


def test_calls_that_touch_one_another_are_not_joined() -> None:
    machine, rng = Interpreter(precision="float32"), np.random.default_rng(0)
    weights, limit = machine.value(rng.standard_normal(40)), machine.value(np.array([0.5]))
    calls = [machine.call(ClipValue(), weights, limit) for _ in range(2)]
    before = rng.standard_normal(40).astype(np.float32)
    bench = CudaBench()
    found = bench.run(calls, {weights.id: before, limit.id: machine.host(limit)})
    assert len(bench.works) == 2
    np.testing.assert_array_equal(found[weights.id], np.clip(before, -0.5, 0.5))


def test_norms_and_penalties_of_many_arrays(benches: tuple[CudaBench, ...]) -> None:
    joined = Joined()
    for sizes in ((5,), SIZES, (2000, 3)):
        joined.add(GradientNorm(), *(joined.rng.standard_normal(size) for size in sizes))
    joined.check(benches)
    joined = Joined()
    for l1, l2 in ((True, True), (False, True), (True, False)):
        arrays = (joined.rng.standard_normal(size) for size in (3000, 7))
        joined.add(PenaltyValue(l1, l2), np.array([0.3]), np.array([0.2]), *arrays)
    joined.check(benches)
    joined = Joined()
    for squared in (0.0, 4.0, 1e20):
        joined.add(ClipScale(), np.array([squared]), np.array([1.5]))
    joined.check(benches)


@pytest.mark.parametrize("op", [ClipValue(), SoftThreshold(), Average()], ids=lambda op: op.name)
def test_what_stands_beside_is_one_launch_for_many_arrays(op: Op, benches: tuple[CudaBench, ...]) -> None:
    joined = Joined()
    for size in SIZES:
        others = [joined.rng.standard_normal(size)] if isinstance(op, Average) else []
        joined.add(op, joined.rng.standard_normal(size), *others, np.array([0.4]))
    joined.check(benches)


def test_the_units_of_many_matrices_are_brought_back_at_once(benches: tuple[CudaBench, ...]) -> None:
    joined = Joined()
    for shape, bound in (((1, 1), 0.1), ((300, 9), 17.0), ((3, 3, 4, 16), 5.5), ((65, 7), 8.0), ((2, 40), 1.0)):
        joined.add(MaxNorm(), joined.rng.standard_normal(shape), np.array([bound]))
    joined.check(benches)


def test_pieces_grow_with_the_arrays_and_with_nothing_else() -> None:
    assert [piece_length(total) for total in (1, 10**6, 3 * 10**6, 10**7, 10**9)] == [1024, 1024, 4096, 16384, 16384]


# -- whole phases ------------------------------------------------------------------------------------------------------

STEPS = 4


class Phase:
    """The update phase of a program, on a state of random numbers: by the reference kernels, and on the device."""

    def __init__(self, program: Program, training: Any, order: int) -> None:
        declare()
        self.program, self.training = program, training
        self.calls = [call for call in program.calls if call.phase == "update"]
        rng = np.random.default_rng(0)
        size = program.layout.parameter_length
        arenas = {where.arena for where in program.locations.values() if where.arena != "buffers"}
        # Slots hold squares and means: a mean whose square is larger than that of the squares does not occur.
        self.host = {name: rng.uniform(0.5, 1.0, size).astype(np.float32) for name in sorted(arenas)}
        self.host["parameters"] = rng.standard_normal(size).astype(np.float32)
        self.gradients = rng.standard_normal((STEPS, size)).astype(np.float32)
        self.device = FakeDevice(order=order)
        self.arenas = {name: self.device.xp.asarray(array) for name, array in self.host.items()}
        self.arrays, self.reference = self._arrays(self.device.xp, self.arenas), self._arrays(np, self.host)
        self.covered = self._cover()

    def _arrays(self, xp: Any, arenas: dict[str, Any]) -> dict[int, Any]:
        found = {}
        for value in {v.id: v for call in self.calls for v in (*call.inputs, *call.outputs, *call.scratch)}.values():
            where = self.program.locations.get(value.id)
            if where is not None:
                found[value.id] = arenas[where.arena][where.start : where.start + where.size].reshape(value.shape)
            else:
                found[value.id] = xp.zeros(value.shape, kind_of(value))
        return found

    def _cover(self) -> list[Covered]:
        halt = self.device.xp.zeros(1, np.int32)
        self._halt = halt
        groups = tuple(group for group in self.program.groups if group.phase == "update")
        part: Any = SimpleNamespace(
            calls=self.calls, groups=groups, predictions={}, losses={}, observe=False, outputs={}
        )
        binding = Binding(part, self.arrays, self.device.xp, pointer_to(halt))
        self._binding = binding
        return binding.settled(lambda: cover(binding))

    def step(self, count: int) -> None:
        numbers = update_scalars(self.training, self.training.optimizer.learning_rate, count)
        for call in self.calls:
            for value in call.inputs:
                if value.role is Role.CONTROL:
                    self.arrays[value.id]._host[...] = self.reference[value.id][...] = numbers[value.name]
        self.host["gradients"][...] = self.arenas["gradients"]._host[...] = self.gradients[count - 1]
        for call in self.calls:
            values = (*call.inputs, *call.outputs, *call.scratch)
            KERNELS[call.op.name](np, *(self.reference[v.id] for v in values), **call.op.attributes())
        with self.device.xp.kernel():
            for item in self.covered:
                for work in item.works:
                    if isinstance(work, Launch):
                        self.device.launch(work.kernel, work.size, work.block, work.pack())
                    else:
                        work.issue(self.device.blas, "float32")
        self.device.xp.check_guards()

    def outputs(self) -> list[tuple[str, np.ndarray, np.ndarray]]:
        values = [value for call in self.calls for value in call.outputs]
        return [(value.name, self.arrays[value.id]._host, self.reference[value.id]) for value in values]

    @property
    def kernels(self) -> list[str]:
        return [work.kernel for item in self.covered for work in item.works if isinstance(work, Launch)]


def phase(observe: bool = False, order: int = 0, **training: Any) -> Phase:
    case = small("float32", **training)
    report = check(case.experiment.network, case.signature)
    program = compile(
        case.experiment, report, case.signature, batch_size=case.batch, training=True, observe=observe, alignment=256
    )
    return Phase(program, case.experiment.training, order)


GROUPS = (
    ParameterGroup(nodes=("conv2d_1",), parameters="weights", rate=0.5, own_penalties=True, penalties=(L2(),)),
    ParameterGroup(nodes=("dense_2",), frozen=True, parameters="biases"),
)
PHASES: dict[str, dict[str, Any]] = {
    "plain": {"optimizer": SGD(learning_rate=0.1)},
    "adam": {"optimizer": Adam(), "penalties": (WeightDecay(strength=0.1),)},
    "network": {"optimizer": AMSGrad(), "penalties": (ElasticNet(strength=0.01),), "clipping": ClipByGlobalNorm()},
    "layer": {"optimizer": RMSprop(), "penalties": (L2(strength=0.01),), "clipping": ClipByLayerNorm(max_norm=0.1)},
    "value": {"optimizer": Adam(), "groups": GROUPS, "clipping": ClipByValue(max_value=0.01)},
    "beside": {
        "optimizer": Adam(),
        "penalties": (L1(strength=1e-3, method="proximal"), MaxNormPenalty(bound=1.0)),
        "averaging": ExponentialAverage(decay=0.9),
    },
    "lamb": {"optimizer": LAMB(), "clipping": ClipByLayerNorm(max_norm=0.1)},
    "muon": {"optimizer": Muon()},
}


@pytest.mark.parametrize("observe", [False, True])
@pytest.mark.parametrize("name", PHASES)
def test_a_whole_phase_does_what_the_array_executor_does(name: str, observe: bool) -> None:
    ours = phase(observe, **PHASES[name])
    for count in range(1, STEPS + 1):
        ours.step(count)
        for what, found, expected in ours.outputs():
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6, err_msg=f"{what}, step {count}")
    for arena, array in ours.host.items():
        np.testing.assert_allclose(ours.arenas[arena]._host, array, rtol=1e-4, atol=2e-5, err_msg=arena)


@pytest.mark.parametrize("name", PHASES)
def test_instruments_change_no_bit(name: str) -> None:
    plain, seen = (phase(observe, **PHASES[name]) for observe in (False, True))
    for ours in (plain, seen):
        ours.step(1), ours.step(2)
    for segment in plain.program.layout.parameters:
        for arena in sorted(
            {"parameters", "average", *(name for name in plain.arenas if ":" in name)} & set(plain.arenas)
        ):
            here = slice(segment.start, segment.start + segment.size)
            np.testing.assert_array_equal(plain.arenas[arena]._host[here], seen.arenas[arena]._host[here], arena)


@pytest.mark.parametrize("name", ["network", "layer", "lamb"])
def test_a_whole_phase_gives_the_same_bits_in_any_order(name: str) -> None:
    first, *others = (phase(True, order, **PHASES[name]) for order in ORDERS)
    for ours in (first, *others):
        ours.step(1)
    for other in others:
        for arena, array in first.arenas.items():
            np.testing.assert_array_equal(other.arenas[arena]._host, array._host)
        for (_, found, _), (_, same, _) in zip(first.outputs(), other.outputs(), strict=True):
            np.testing.assert_array_equal(found, same)


@pytest.mark.parametrize(
    ("name", "kernels"),
    [
        ("adam", ["update_adam"]),
        ("network", ["sum_of_arrays", "sum_of_arrays", "clip_scale", "update_amsgrad"]),
        ("layer", ["sum_of_arrays", "sum_of_arrays", "clip_scale", "update_rmsprop"]),
        ("lamb", ["sum_of_arrays", "clip_scale", "lamb_moments", "lamb_step"]),
    ],
)
@pytest.mark.parametrize("observe", [False, True])
def test_a_whole_phase_is_a_few_launches(name: str, kernels: list[str], observe: bool) -> None:
    assert phase(observe, **PHASES[name]).kernels == kernels
