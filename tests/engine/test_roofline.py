"""What a machine can do and what a program must: the arithmetic of the roofline."""

from __future__ import annotations

from msgspec.structs import replace

from engine.experiment import Experiment
from engine.graph import check
from engine.plan import Program, compile
from engine.roofline import Level, Machine, Work, bound, work_of
from tests.support.examples import blobs, make

MACHINE = Machine(2, flops=100.0, levels=(Level(1000, 50.0), Level(8000, 10.0)), method="told")


def program(experiment: Experiment, **options: bool) -> Program:
    from engine.data.signature import DataSignature, TargetSignature

    signature = DataSignature(inputs={"x": (2,)}, targets={"y": TargetSignature(classes=3)}, train_size=60)
    report = check(experiment.network, signature)
    return compile(experiment, report, signature, batch_size=16, **({"training": True} | options))


def test_the_slower_of_arithmetic_and_memory_bounds_a_step() -> None:
    assert bound(Work(flops=400, bytes=100, resident=500), MACHINE) == bound(Work(400, 0, 0), MACHINE)
    assert bound(Work(400, 100, 500), MACHINE).limit == "arithmetic"
    found = bound(Work(flops=400, bytes=500, resident=500), MACHINE)
    assert (found.seconds, found.limit) == (10.0, "memory")


def test_a_working_set_streams_from_the_smallest_memory_that_holds_it() -> None:
    assert [MACHINE.bandwidth(size) for size in (1, 1000, 1001, 8000, 10**9)] == [50.0, 50.0, 10.0, 10.0, 10.0]


def test_the_work_of_a_chain_is_counted_by_hand() -> None:
    plain = replace(blobs(), training=replace(blobs().training, optimizer=make("optimizer", "sgd"), penalties=()))
    found = work_of(program(plain, training=False))
    # 2-8-3 on 16 samples, forward. A group reads its inputs and writes what others read: x, w, b -> hidden (relu inside
    # the group); hidden, w, b -> logits; logits, labels -> loss, probabilities.
    first = 16 * 2 + 2 * 8 + 8 + 16 * 8
    second = 16 * 8 + 8 * 3 + 3 + 16 * 3
    loss = 16 * 3 + 1 + 16 * 3
    assert found.bytes == 4 * (first + second + loss) + 8 * 16
    assert found.flops == program(plain, training=False).flops


def test_an_update_writes_what_it_changes() -> None:
    def bytes_with(optimizer: str) -> int:
        base = blobs()
        training = replace(base.training, optimizer=make("optimizer", optimizer), penalties=())
        return work_of(program(replace(base, training=training))).bytes

    layout = program(blobs()).layout
    # Adam keeps two arrays beside the parameters and SGD one, read and written; and Adam reads five scalars more.
    assert bytes_with("adam") - bytes_with("sgd") == 2 * 4 * layout.parameter_length + 4 * 5


def test_the_working_set_holds_parameters_slots_batch_and_arena() -> None:
    found = program(blobs())
    arenas = 2 + 2  # parameters, gradients, and Adam's two
    batch = 16 * 2 * 4 + 16 * 8
    assert work_of(found).resident == arenas * 4 * found.layout.parameter_length + batch + found.arena_bytes
