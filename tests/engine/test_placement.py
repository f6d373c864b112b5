"""Placement: values that live at the same time never share a byte, and what may be overwritten is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.signature import DataSignature, TargetSignature
from engine.graph import check
from engine.ops.base import Call, Role
from engine.placement import ARENA_ROLES, _pack, nbytes
from engine.plan import Program, compile
from tests.support.random_networks import Case, Chain, experiment_of, random_case


def program_of(case: Case, *, training: bool, observe: bool) -> Program:
    report = check(case.experiment.network, case.signature)
    return compile(case.experiment, report, case.signature, batch_size=case.batch, training=training, observe=observe)


def simulate(program: Program) -> None:
    """Walk through the calls with a map of who wrote each byte last, and check every read against it."""
    owner: dict[int, int] = {}
    roots = program.placement.roots

    def cells(value_id: int, size: int) -> range:
        start = program.placement.offsets[value_id]
        return range(start, start + size, 4)

    def check_reads(call: Call) -> None:
        for value in call.inputs:
            if value.id in program.placement.offsets:
                for cell in cells(value.id, nbytes(value, program.precision)):
                    assert owner.get(cell) == lineage(value.id), f"{value.name} was overwritten before {call.op.name}"

    names: dict[int, int] = {}

    def lineage(value_id: int) -> int:
        return names.setdefault(value_id, value_id)

    for call in program.calls:
        check_reads(call)
        if call.op.view:
            names[call.outputs[0].id] = lineage(call.inputs[0].id)
            continue
        written: set[int] = set()
        for value in (*call.outputs, *call.scratch):
            if value.id in program.placement.offsets:
                mine = set(cells(value.id, nbytes(value, program.precision)))
                assert not mine & written, f"two results of {call.op.name} overlap"
                written |= mine
                owner.update(dict.fromkeys(mine, lineage(value.id)))
        allowed = {(call.outputs[o].id, call.inputs[i].id) for o, i in call.op.in_place if i < len(call.inputs)}
        for value in call.inputs:
            if value.id not in program.placement.offsets:
                continue
            mine = set(cells(value.id, nbytes(value, program.precision)))
            for other in (*call.outputs, *call.scratch):
                if other.id in program.placement.offsets:
                    theirs = set(cells(other.id, nbytes(other, program.precision)))
                    shared = any(out == other.id and roots[inp] == roots[value.id] for out, inp in allowed)
                    assert shared or not mine & theirs, f"{call.op.name} overwrites its input {value.name}"
    kept = list(program.predictions.values()) + (list(program.outputs.values()) if program.observe else [])
    for value in kept:
        if value.id in program.placement.offsets:
            assert all(owner[cell] == lineage(value.id) for cell in cells(value.id, nbytes(value, program.precision)))


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("observe", [True, False])
def test_no_value_is_overwritten_while_it_is_needed(seed: int, training: bool, observe: bool) -> None:
    simulate(program_of(random_case(seed), training=training, observe=observe))


def test_memory_is_shared() -> None:
    program = program_of(random_case(1), training=True, observe=False)
    alone = sum(nbytes(v, "float32") for v in program.values if v.role in ARENA_ROLES)
    assert program.arena_bytes < alone / 2


def test_an_activation_takes_its_inputs_place_unless_a_probe_can_see_it() -> None:
    def places(observe: bool) -> tuple[int, int]:
        chain = Chain()
        for tag in ("input", "dense", "relu", "dense"):
            chain.add("layer", tag)
        chain.add("loss", "mean_squared_error")
        data = DataSignature(inputs={"x": (5,)}, targets={"y": TargetSignature(shape=(128,))}, train_size=100)
        program = program_of(Case(experiment_of(chain.nodes), data, {}, {}, 4), training=True, observe=observe)
        offsets = program.placement.offsets
        return offsets[program.outputs["dense_1"].id], offsets[program.outputs["relu_1"].id]

    plain, observed = places(False), places(True)
    assert plain[0] == plain[1]
    assert observed[0] != observed[1]


def test_inputs_and_parameters_are_never_in_the_arena() -> None:
    program = program_of(random_case(2), training=True, observe=True)
    for value in program.values:
        if value.role in (Role.INPUT, Role.PARAMETER, Role.GRADIENT, Role.SLOT, Role.BUFFER, Role.CONTROL):
            assert value.id not in program.placement.offsets


@given(
    st.lists(st.tuples(st.integers(1, 200), st.integers(0, 12), st.integers(0, 6)), max_size=30),
    st.sampled_from([1, 16, 64]),
)
def test_packing_takes_the_lowest_gap_that_nobody_alive_occupies(
    pieces: list[tuple[int, int, int]], alignment: int
) -> None:
    sizes = {i: size for i, (size, _, _) in enumerate(pieces)}
    births = {i: birth for i, (_, birth, _) in enumerate(pieces)}
    deaths = {i: birth + life for i, (_, birth, life) in enumerate(pieces)}
    offsets, total = _pack(sizes, births, deaths, alignment)

    def end(i: int) -> int:
        return offsets[i] + -(-sizes[i] // alignment) * alignment

    def together(i: int) -> list[int]:
        return [j for j in sizes if j != i and births[i] <= deaths[j] and births[j] <= deaths[i]]

    for i in sizes:
        assert all(end(i) <= offsets[j] or end(j) <= offsets[i] for j in together(i))
        assert offsets[i] == 0 or any(end(j) == offsets[i] for j in together(i))
    assert total == max((end(i) for i in sizes), default=0)
