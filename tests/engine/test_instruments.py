"""Where observers are put: what is small together, what is large alone, what is a view not at all."""

from __future__ import annotations

from engine.graph import check
from engine.ops import Observe, ObserveMany, ObserveUnits
from engine.ops.observe import SMALL
from engine.plan import Program, compile
from tests.engine.test_executor import large_case
from tests.support.random_networks import Case, random_case


def program_of(case: Case, *, training: bool = True) -> Program:
    report = check(case.experiment.network, case.signature)
    return compile(case.experiment, report, case.signature, batch_size=case.batch, training=training, observe=True)


def test_small_arrays_share_an_observer_and_large_ones_have_their_own() -> None:
    program = program_of(large_case())
    alone = [call for call in program.calls if isinstance(call.op, Observe)]
    together = [call for call in program.calls if isinstance(call.op, ObserveMany)]
    assert alone and all(call.inputs[0].size > SMALL for call in alone)
    assert together and all(value.size <= SMALL for call in together for value in call.inputs)
    assert len(together) < sum(len(call.inputs) for call in together) / 4


def test_a_view_shows_the_measurement_of_its_source() -> None:
    observed = program_of(large_case()).observed
    assert observed.activations["flatten_1"] == observed.activations["max_pool2d_1"]
    assert observed.adjoints["flatten_1"] == observed.adjoints["max_pool2d_1"]


def test_everything_is_measured_in_training_and_what_goes_forward_in_evaluation() -> None:
    for seed in range(8):
        case = random_case(seed)
        program = program_of(case)
        assert program.observed.activations.keys() == program.outputs.keys() | program.predictions.keys()
        assert program.observed.weights.keys() == program.observed.gradients.keys() == program.observed.norms.keys()
        assert not program_of(case, training=False).observed.gradients
        assert program_of(case, training=False).observed.activations.keys() == program.observed.activations.keys()


def test_the_channels_of_a_layer_s_images_are_measured_by_themselves() -> None:
    program = program_of(large_case())
    inputs = {value.id for value in program.inputs.values()}
    images = {
        node
        for node, value in program.outputs.items()
        if len(value.shape) == 4 and value.id not in inputs and node in program.observed.activations
    }
    assert images
    for node in images:
        assert program.observed.activations[node].per_unit is not None
    measured = [call.inputs[0].id for call in program.calls if isinstance(call.op, ObserveUnits)]
    assert len(measured) == len(set(measured)), "each once"
    assert all(len(call.inputs[0].shape) == 4 for call in program.calls if isinstance(call.op, ObserveUnits))


def test_observers_part_no_group_of_the_forward_pass() -> None:
    case = large_case()
    report = check(case.experiment.network, case.signature)
    plain = compile(case.experiment, report, case.signature, batch_size=case.batch, training=True)
    names = [[group.name for group in program.groups if group.phase == "forward"] for program in
             (plain, program_of(case))]  # fmt: skip
    assert names[0] == names[1]
    assert any("+" in name for name in names[0])
