"""The cadence of observed steps, on a clock that the test turns."""

from itertools import pairwise

import pytest

from engine.training.probes import BUDGET, ProbePolicy

WATCHED = frozenset({"activations"})
NOTHING: frozenset[str] = frozenset()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(
    policy: ProbePolicy, clock: Clock, seconds: float, plain: float, observed: float, topics: frozenset[str]
) -> int:
    """Steps for so long; returns the number of observed ones."""
    count, end = 0, clock.now + seconds
    while clock.now < end:
        if policy.observe(topics, first=False, epoch_end=False, by_hand=False):
            clock.now += observed
            policy.observed(observed)
            count += 1
        else:
            clock.now += plain
            policy.plain_steps.append(plain)
    return count


def test_nothing_watched_nothing_observed_but_first_step_and_epoch_ends() -> None:
    clock = Clock()
    policy = ProbePolicy(clock=clock)
    assert policy.observe(NOTHING, first=True, epoch_end=False, by_hand=False)
    assert run(policy, clock, 1.0, 0.001, 0.002, NOTHING) == 0
    assert policy.observe(NOTHING, first=False, epoch_end=True, by_hand=False)
    assert not policy.observe(NOTHING, first=False, epoch_end=False, by_hand=True)


def test_at_most_five_frames_a_second() -> None:
    clock = Clock()
    policy = ProbePolicy(clock=clock)
    assert 45 <= run(policy, clock, 10.0, 0.001, 0.0011, WATCHED) <= 51


@pytest.mark.parametrize("cost", [0.02, 0.1, 0.5])
def test_the_share_stays_within_the_budget(cost: float) -> None:
    clock = Clock()
    policy = ProbePolicy(budget=0.05, clock=clock)
    run(policy, clock, 1.0, 0.01, 0.01 + cost, WATCHED)
    frames = run(policy, clock, 100.0, 0.01, 0.01 + cost, WATCHED)
    assert frames >= 1
    assert frames * cost / 100.0 <= 0.0505


def test_everything_together_keeps_to_the_budget_and_nothing_goes_short() -> None:
    clock = Clock()
    policy = ProbePolicy(clock=clock)
    topics = frozenset({"activations", "surface", "filters", "confusion", "timeline"})
    begun = clock.now
    taken = dict.fromkeys(("frames", "surface", "filters", "timeline"), 0.0)
    for _ in range(20_000):
        if policy.observe(topics, first=False, epoch_end=False, by_hand=False):
            clock.now += 0.06
            policy.observed(0.06)
            taken["frames"] += 0.05
        else:
            clock.now += 0.01
            policy.plain_steps.append(0.01)
        for name, wants in (
            ("surface", policy.wants_surface),
            ("filters", policy.wants_filters),
            ("timeline", policy.wants_timeline),
        ):
            if wants(topics):
                clock.now += 0.02
                policy.spent(getattr(policy, name), 0.02)
                taken[name] += 0.02
    shares = {name: value / (clock.now - begun) for name, value in taken.items()}
    assert 0.7 * BUDGET <= sum(shares.values()) <= 1.1 * BUDGET
    assert all(share >= 0.15 * BUDGET for share in shares.values())


def test_a_cheap_neighbour_leaves_its_part_of_the_budget() -> None:
    def frames(topics: frozenset[str]) -> int:
        clock = Clock()
        policy = ProbePolicy(clock=clock)
        count = 0
        while clock.now < 150.0:
            count += run(policy, clock, 0.2, 0.01, 0.06, topics)
            if policy.wants_filters(topics):
                policy.spent(policy.filters, 1e-5)
        return count

    alone, together = frames(WATCHED), frames(WATCHED | {"filters"})
    assert alone >= 0.8 * BUDGET * 50.0 / 0.05
    assert together >= 0.95 * alone


def test_share_is_what_was_spent_in_the_last_two_seconds() -> None:
    clock = Clock()
    policy = ProbePolicy(clock=clock)
    clock.now += 4.0
    policy.spent(policy.surface, 0.1)
    assert policy.share() == pytest.approx(0.05)
    clock.now += 3.0
    assert policy.share() == 0.0


def test_a_step_by_hand_is_observed_when_something_is_watched() -> None:
    clock = Clock()
    policy = ProbePolicy(clock=clock)
    policy.plain_steps.append(0.001)
    policy.observed(10.0)
    assert not policy.observe(WATCHED, first=False, epoch_end=False, by_hand=False)
    assert policy.observe(WATCHED, first=False, epoch_end=False, by_hand=True)


def test_short_epochs_keep_to_the_budget_after_a_head_start() -> None:
    clock = Clock()
    policy = ProbePolicy(clock=clock)
    policy.plain_steps.append(0.0)
    taken: list[float] = []
    begun = clock.now
    while clock.now < begun + 10.0:
        if policy.observe(NOTHING, first=False, epoch_end=True, by_hand=False):
            policy.observed(0.001)
            taken.append(clock.now - begun)
            clock.now += 0.001
        clock.now += 0.002
    first = [at for at in taken if at < 1.0]
    assert BUDGET < 0.001 * len(first) <= 2 * BUDGET
    # Later, frames are as many as are drawn.
    assert 4.5 * 8 <= sum(at >= 2.0 for at in taken) <= 5 * 8
    assert max(b - a for a, b in pairwise(taken)) < 2.0


def test_the_classes_are_counted_at_the_ends_of_the_first_epochs_and_then_a_few_times_a_second() -> None:
    clock = Clock()
    policy = ProbePolicy(clock=clock)
    taken = []
    for _ in range(5000):
        clock.now += 0.002
        if policy.wants_confusion():
            policy.spent(policy.confusion, 1e-5)
            taken.append(clock.now - 100.0)
    assert sum(at < 1.0 for at in taken) == 500
    assert 4.5 * 8 <= sum(at >= 2.0 for at in taken) <= 5 * 8


def test_the_first_frame_counts_once_a_plain_step_is_known() -> None:
    clock = Clock()
    policy = ProbePolicy(clock=clock)
    clock.now += 0.5
    policy.observed(0.03)
    assert policy.share() == 0.0
    assert not policy.observe(WATCHED, first=False, epoch_end=False, by_hand=False)
    policy.plain_steps.append(0.01)
    assert policy.share() == pytest.approx(0.02 / 0.5)
    assert policy.frames.cost == pytest.approx(0.02)


def test_a_cheap_surface_moves_five_times_a_second() -> None:
    clock = Clock()
    policy = ProbePolicy(clock=clock)
    drawn, topics = 0, frozenset({"surface"})
    while clock.now < 110.0:
        if policy.wants_surface(topics):
            policy.spent(policy.surface, 0.003)
            drawn += 1
        clock.now += 0.004
    assert 45 <= drawn <= 51


def test_the_ends_of_the_first_epochs_have_a_surface_while_that_is_cheap() -> None:
    clock = Clock()
    policy = ProbePolicy(clock=clock)
    topics = frozenset({"surface"})
    assert not policy.wants_surface(WATCHED, epoch_end=True)
    early = late = 0
    for _ in range(1000):
        clock.now += 0.02
        if policy.wants_surface(topics, epoch_end=True):
            policy.spent(policy.surface, 0.003)
            early += clock.now < 101.0
            late += clock.now >= 102.0
    assert 1.5 * BUDGET <= early * 0.003 <= 2 * BUDGET
    assert 4.5 * 18 <= late <= 5 * 18


def test_surface_and_filters_only_when_watched() -> None:
    clock = Clock()
    policy = ProbePolicy(clock=clock)
    assert not policy.wants_surface(WATCHED) and not policy.wants_filters(WATCHED)
    assert policy.wants_surface(frozenset({"surface"})) and policy.wants_filters(frozenset({"filters"}))
    policy.spent(policy.surface, 0.0)
    clock.now += 0.19
    assert not policy.wants_surface(frozenset({"surface"}))
    clock.now += 0.02
    assert policy.wants_surface(frozenset({"surface"}))


def test_the_end_of_a_long_epoch_is_seen_although_one_look_takes_more_than_seconds_allow() -> None:
    clock = Clock()
    policy = ProbePolicy(budget=0.05, clock=clock)
    policy.plain_steps.append(0.1)
    policy.observed(0.4)  # a look costs 0.3 s, three times what two seconds allow
    clock.now += 3.0
    assert not policy.observe(NOTHING, first=False, epoch_end=True, by_hand=False)
    clock.now += 4.0
    assert policy.observe(NOTHING, first=False, epoch_end=True, by_hand=False)
