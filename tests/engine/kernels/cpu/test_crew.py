"""How many threads steps are run on: all, until somebody else takes a core, and all again afterwards."""

from __future__ import annotations

from engine.kernels.cpu.crew import IN_A_ROW, PATIENCE, Crew


class Machine:
    """Steps of one millisecond on two threads; `busy`, they take five there, and two on one thread in any case."""

    def __init__(self, most: int = 2) -> None:
        self.now, self.busy = 0.0, False
        self.crew = Crew(most, lambda: self.now)

    def chunk(self, steps: int = 4) -> int:
        threads = self.crew.size()
        seconds = steps * (0.002 if threads == 1 else 0.005 if self.busy else 0.001)
        self.now += seconds
        self.crew.took(threads, steps, seconds)
        return threads

    def run(self, seconds: float) -> list[int]:
        end, used = self.now + seconds, []
        while self.now < end:
            used.append(self.chunk())
        return used


def test_on_a_quiet_machine_all_threads_work_always() -> None:
    assert set(Machine().run(20.0)) == {2}


def test_when_a_core_is_taken_one_thread_goes_on_and_all_come_back() -> None:
    machine = Machine()
    machine.run(5.0)
    machine.busy = True
    machine.run(1.5 * PATIENCE)
    used = machine.run(10.0)
    assert used.count(1) > 0.97 * len(used), "tried now and then"
    assert 2 in used
    machine.busy = False
    machine.run(2 * PATIENCE)
    assert set(machine.run(10.0)) == {2}


def test_another_program_s_moment_changes_nothing() -> None:
    machine = Machine()
    for _ in range(20):
        machine.run(1.0)
        machine.busy = True
        assert [machine.chunk() for _ in range(IN_A_ROW - 1)] == [2] * (IN_A_ROW - 1)
        machine.busy = False
        assert machine.chunk() == 2


def test_a_team_of_one_has_no_choice() -> None:
    machine = Machine(most=1)
    machine.busy = True
    assert set(machine.run(3.0)) == {1}
