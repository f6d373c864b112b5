"""Runs single operations by the GPU's kernels, on the pretended device or on a real one, on arrays of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np

from engine.cuda_works import prepare
from engine.fuse import Group
from engine.kernels.cuda import declare
from engine.kernels.cuda.binding import Binding, kind_of, pointer_to
from engine.kernels.cuda.choice import Chooser
from engine.kernels.cuda.launches import Work, cover_group
from engine.ops.base import Call
from tests.support.fake_cuda import FakeDevice
from tests.support.records import NONSENSE

__all__ = ["ORDERS", "CudaBench"]

ORDERS = (0, 1, 2)
"""Orders of the pretended device's threads and blocks: forward, backward, scattered; see the shim."""


class CudaBench:
    """A device, the pretended one unless another is given, and the memory of calls that it runs. `order` is the order
    of the pretended one's threads and blocks; on a real device there are no guards around arrays."""

    def __init__(self, order: int = 0, device: Any = None) -> None:
        declare()
        self.device = device or FakeDevice(order=order)
        self.names: list[str] = []
        """What ran last: one name for each pass, of all operations in it."""
        self.works: list[Work] = []
        self.chooser: Callable[[], Chooser] = Chooser
        self.math = "float32"

    def run(
        self,
        calls: Sequence[Call],
        inputs: dict[int, np.ndarray],
        *,
        shared: dict[int, int] | None = None,
        times: int = 1,
        halted: bool = False,
    ) -> dict[int, np.ndarray]:
        """Run calls that form one group; returns the arrays of all values by id.

        `inputs` are arrays by value id, copied first; `shared` says which values (by id) are another value's memory;
        `times` runs the calls again, each time from the same inputs; `halted`: as after a loss that was not finite.
        """
        xp = self.device.xp
        values = {v.id: v for call in calls for v in (*call.inputs, *call.outputs, *call.scratch)}
        arrays: dict[int, Any] = {}
        for value in values.values():
            if value.id not in (shared or {}):
                arrays[value.id] = xp.empty(value.shape, kind_of(value))
        for id_, other in (shared or {}).items():
            arrays[id_] = arrays[other].reshape(values[id_].shape)
        halt = xp.zeros(1, np.int32)
        if halted:
            halt.fill(1)
        program = SimpleNamespace(calls=tuple(calls), predictions={}, losses={}, observe=False, outputs={})
        binding = Binding(program, arrays, xp, pointer_to(halt))  # type: ignore[arg-type]
        binding.chooser, binding.math = self.chooser(), self.math
        binding.convolutions = self.device.convolutions
        covered = binding.settled(lambda: cover_group(Group(tuple(calls)), binding))
        self.names = [item.name for item in covered]
        self.works = [work for item in covered for work in item.works]
        written = {v.id for call in calls for v in (*call.outputs, *call.scratch)} - set(shared or {})
        prepared = prepare(self.works, self.device, self.math)
        pretended = isinstance(self.device, FakeDevice)
        for _ in range(times):
            for id_ in written:
                arrays[id_].fill(NONSENSE[arrays[id_].dtype.kind])
            for id_, array in inputs.items():
                arrays[id_].set(np.ascontiguousarray(array, arrays[id_].dtype).reshape(arrays[id_].shape))
            with xp.kernel() if pretended else nullcontext():
                for work in prepared:
                    work()
        if pretended:
            xp.check_guards()
        return {id_: array.get() for id_, array in arrays.items()}
