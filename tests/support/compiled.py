"""Runs single operations by compiled kernels, as the compiled executor does, on arrays of a test's own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace

import numpy as np

from engine.fuse import Group
from engine.kernels.cpu import declare
from engine.kernels.cpu.library import Library, load
from engine.kernels.cpu.rows import Binding, cover_group
from engine.kernels.cpu.team import Team
from engine.ops.base import Call, DType, Value
from tests.support.records import NONSENSE

GUARD = 32
"""Elements around each array that nobody may write."""


class NotCompiled(Exception):
    """No compiled kernel does this."""


@cache
def library() -> Library:
    """The compiled kernels, compiled first where that was never done for their present sources."""
    declare()
    return load()


class Bench:
    """A team of threads, and the memory of calls that it runs."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.library = library()
        self.team = Team(self.library, threads)
        self.names: list[str] = []
        """What ran last: one name for each pass, of all operations in it."""

    def close(self) -> None:
        self.team.close()

    def run(
        self,
        calls: Sequence[Call],
        inputs: dict[int, np.ndarray],
        *,
        shared: dict[int, int] | None = None,
        times: int = 1,
    ) -> dict[int, np.ndarray]:
        """Run calls that form one group; returns the arrays of all values by id.

        `inputs` are arrays by value id, copied first; `shared` says which values (by id) are another value's memory;
        `times` runs the calls again, each time from the same inputs.

        Raises NotCompiled where a call has no compiled kernel, and AssertionError where one wrote beyond its arrays.
        """
        memory = _Memory(calls, inputs, shared or {})
        program = SimpleNamespace(calls=tuple(calls), predictions={}, losses={}, observe=False, outputs={})
        binding = Binding(program, memory.arrays, self.threads, self.team.shared)  # type: ignore[arg-type]
        while True:
            covered = cover_group(Group(tuple(calls)), binding)
            if binding.settle():
                break
        self.names = [item.name for item in covered]
        rows = [row for item in covered for row in item.rows]
        for item in covered:
            if not item.rows and not all(call.op.view for call in item.calls):
                raise NotCompiled(item.name)
        table = np.array([row.encode(self.library.addresses) for row in rows], np.int64)
        # See `engine.kernels.cpu.interpreter.interpret`.
        done, arguments = np.zeros(1, np.int64), np.zeros(7, np.int64)
        arguments[:5] = table.ctypes.data, len(table), self.team.shared, 0, done.ctypes.data
        arguments[5] = arguments.ctypes.data
        for _ in range(times):
            memory.fill(inputs)
            done[0] = 0
            self.team.run(arguments, 1, self.threads)
            assert done[0] == 1
        memory.check()
        return {id_: array.copy() for id_, array in memory.arrays.items()}


class _Memory:
    """The arrays of some calls, each between guards."""

    def __init__(self, calls: Sequence[Call], inputs: dict[int, np.ndarray], shared: dict[int, int]) -> None:
        self.arrays: dict[int, np.ndarray] = {}
        self._whole: list[np.ndarray] = []
        self._shared = shared
        self._values = {v.id: v for call in calls for v in (*call.inputs, *call.outputs, *call.scratch)}
        self._written = {v.id for call in calls for v in (*call.outputs, *call.scratch)} - set(shared)
        for value in self._values.values():
            if value.id not in shared:
                self.arrays[value.id] = self._take(value)
        for id_, other in shared.items():
            self.arrays[id_] = self.arrays[other].reshape(self._values[id_].shape)

    def _take(self, value: Value) -> np.ndarray:
        kind = np.dtype("float32" if value.dtype is DType.FLOAT else str(value.dtype))
        size = value.size
        raw = np.empty((size + 2 * GUARD) * kind.itemsize + 64, np.uint8)
        start = -raw.ctypes.data % 64
        whole = raw[start : start + (size + 2 * GUARD) * kind.itemsize].view(kind)
        whole[...] = NONSENSE[kind.kind]
        self._whole.append(whole)
        return whole[GUARD : GUARD + size].reshape(value.shape)

    def fill(self, inputs: dict[int, np.ndarray]) -> None:
        """What the calls begin with: inputs, and nonsense where they write."""
        for id_, array in self.arrays.items():
            if id_ in self._written:
                array[...] = NONSENSE[array.dtype.kind]
        for id_, array in inputs.items():
            self.arrays[id_][...] = array

    def check(self) -> None:
        for whole in self._whole:
            expected = np.full(GUARD, NONSENSE[whole.dtype.kind], whole.dtype)
            np.testing.assert_array_equal(whole[:GUARD], expected, "written before the array")
            np.testing.assert_array_equal(whole[-GUARD:], expected, "written behind the array")
