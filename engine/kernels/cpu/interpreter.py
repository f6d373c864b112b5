"""The loop that runs a program: rows of a table, each the address of a kernel and its arguments, step after step.

Every thread of the team goes through the same rows; a barrier follows each row that says so. The state of a team lies
in one piece of memory, `Shared`; the table is data, so that a new network needs no new machine code.
"""

from __future__ import annotations

from typing import Any

from engine.kernels.cpu.language import (
    atomic_add,
    atomic_load,
    atomic_store,
    call,
    device,
    flush_denormals,
    i64,
    kernel,
    nap,
    pause,
    restore_mode,
    ticks,
    yield_core,
)

__all__ = ["ARGUMENTS", "BARRIER", "KERNEL", "SHARED_BYTES", "STOP", "WIDTH"]

# A row of the table, in int64.
WIDTH = 48
KERNEL, BARRIER, ARGUMENTS = 0, 1, 2

# What a team shares, in bytes from its start. What several threads write lies on lines of its own.
CLAIMED, ARRIVED, ROUND, STOP, ORDER, LEFT, PARKED, CLOSING, HOLD = range(0, 1152, 128)
SHARED_BYTES = 1152

SPINS = 4000
"""Turns of a waiting loop before the core is offered to others: some ten microseconds."""

YIELDS = 200
"""Offers before the thread sleeps for moments at a time: someone else needs this core."""


@device
def barrier(shared: int, team: int) -> None:
    """Wait for all threads of the team. Whoever comes last gives the work counter back."""
    turn = atomic_load(shared + ROUND)
    if atomic_add(shared + ARRIVED, 1) == team - 1:
        atomic_store(shared + ARRIVED, 0)
        atomic_store(shared + CLAIMED, 0)
        atomic_store(shared + ROUND, turn + 1)
        return
    waited = 0
    while atomic_load(shared + ROUND) == turn:
        waited += 1
        if waited < SPINS:
            pause()
        elif waited < SPINS + YIELDS:
            yield_core()
        else:
            nap(20)


@device
def claim(shared: int) -> int:
    """The number of the next piece of work in this row: each is handed out once."""
    return atomic_add(shared + CLAIMED, 1)


@device
def interpret(a: Any, me: int, team: int, steps: int) -> None:
    """Run `steps` steps. Arguments: table, rows, shared, stamps (0: none), done, their own address, and one for `post`.

    Stops early, all threads alike, when a row has set the stop flag; `done` counts whole steps. `stamps` is an int64
    array (team, rows, 3): when the thread began the row, finished its part, and was let through the barrier, of the
    last step.
    """
    table, rows, shared, stamps = a[0], a[1], a[2], a[3]
    mode = flush_denormals()
    for step in range(steps):
        stopped = False
        for row in range(rows):
            at = table + row * (WIDTH * 8)
            entry = i64(at)
            if stamps != 0 and step == steps - 1:
                mark = i64(stamps + (me * rows + row) * 24)
                mark[0] = ticks()
                call(entry[KERNEL], at + ARGUMENTS * 8, me, team, step)
                mark[1] = ticks()
                if entry[BARRIER] != 0 and team > 1:
                    barrier(shared, team)
                mark[2] = ticks()
            else:
                call(entry[KERNEL], at + ARGUMENTS * 8, me, team, step)
                if entry[BARRIER] != 0 and team > 1:
                    barrier(shared, team)
            if team == 1:
                i64(shared + CLAIMED)[0] = 0
            if entry[BARRIER] == 2 and atomic_load(shared + STOP) != 0:
                stopped = True
                break
        if stopped:
            break
        if me == 0:
            i64(a[4])[0] = step + 1
    restore_mode(mode)


PATIENCE = 300
"""Microseconds, roughly, that a worker watches for the next order before it goes to sleep."""


@kernel
def post(a: Any, me: int, team: int, steps: int) -> None:
    """Let no thread of the team go to sleep until `lead` has given its order. The last argument becomes how many sleep
    and must be woken."""
    shared = a[2]
    atomic_store(shared + HOLD, 1)
    a[6] = atomic_load(shared + PARKED)


@kernel
def lead(a: Any, me: int, team: int, steps: int) -> None:
    """Run a table as the first thread of a team, after `post` where there are others, and wait until all have left. The
    order is given here, so that nobody waits for a leader that an interrupt has kept from coming."""
    shared = a[2]
    atomic_store(shared + STOP, 0)
    if team > 1:
        order = i64(shared + ORDER)
        order[1], order[2] = a[5], steps
        atomic_store(shared + LEFT, 0)
        atomic_add(shared + ORDER, 1)
        atomic_store(shared + HOLD, 0)
    interpret(a, 0, team, steps)
    waited = 0
    while team > 1 and atomic_load(shared + LEFT) < team - 1:
        waited += 1
        if waited < SPINS:
            pause()
        else:
            yield_core()


@kernel
def follow(a: Any, me: int, team: int, step: int) -> None:
    """Run what is ordered as one of the other threads, until nothing comes for a while or the team closes. Arguments:
    shared; the last order obeyed and whether the thread has slept, both written back."""
    shared = a[0]
    if a[2] != 0:
        atomic_add(shared + PARKED, -1)
        a[2] = 0
    idle = 0
    while atomic_load(shared + CLOSING) == 0:
        if atomic_load(shared + ORDER) != a[1]:
            idle = 0
            a[1] += 1
            order = i64(shared + ORDER)
            interpret(i64(order[1]), me, team, order[2])
            atomic_add(shared + LEFT, 1)
            continue
        idle += 1
        if idle < SPINS:
            pause()
        elif idle < SPINS + PATIENCE:
            yield_core()
        else:
            atomic_add(shared + PARKED, 1)
            if atomic_load(shared + HOLD) == 0 and atomic_load(shared + ORDER) == a[1]:
                a[2] = 1
                return
            atomic_add(shared + PARKED, -1)


@kernel
def clock(a: Any, me: int, team: int, step: int) -> None:
    """The counter of ticks, into the first argument."""
    a[0] = ticks()
