"""Which way an operation goes, as measured on the device: once for each operation and its sizes, and then remembered.

What was measured is kept in the user's folder for caches (`cuda-choices.json`), by the device, its driver and
libraries, and the present kernels. Where that file is lost or cannot be read, or anything of this changes, it is
measured again, and an operation whose ways are about as fast as each other may then go another one: its results agree
with those before to within rounding, and no longer bit for bit. A run that hands on what it took (`Chooser.taken`) does
not depend on the file.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from engine.cuda_works import Prepared, prepare
from engine.kernels.cpu.library import cache_folder
from engine.kernels.cuda import cache
from engine.kernels.cuda.binding import Binding, kind_of, pointer_to
from engine.kernels.cuda.choice import Candidate, Chooser, Unusable
from engine.kernels.cuda.launches import Launch, blocks, elementwise
from engine.kernels.cuda.signatures import FOLDER
from engine.ops.base import Call, DType, Value

if TYPE_CHECKING:
    from engine.kernels.cuda.device import Device

__all__ = ["PLACES", "Memory", "TimingChooser"]

LIKELY = 5.0
"""A way that is expected to take so many times as long as the best one is not measured."""
HOPELESS = 2.0
"""One that takes so many times as long as the best one so far is measured no further."""
AWAKE = 0.02
"""Seconds that a device is kept busy before anything is measured: one that has rested has a low clock at first."""
LONG, MOST = 1e-3, 32
"""What is measured is repeated until it takes so many seconds, or until it was done so many times."""
PLACES, KEYS = 8, 4096
"""Devices, and operations of each, that are remembered."""


@dataclass(frozen=True)
class _Room:
    """Work memory in place of a call's values, by their ids, and of the word that stops a program."""

    arrays: dict[int, Any]
    halt: Any


class TimingChooser(Chooser):
    """Takes what is fastest on a device, on work memory of its own: no state of a program is touched.

    Bind programs with it outside captures. Where there is no memory for that, it takes what is expected to be fastest,
    and remembers nothing.
    """

    def __init__(self, device: Device, given: Mapping[str, str] | None = None) -> None:
        super().__init__(given)
        self._device = device
        software = device.software
        if device.convolutions is not None:
            software += f", cuDNN {device.convolutions.version}"
        self._memory = Memory(f"{device.name} · {software} · kernels {_digest()}")
        self._tried: set[tuple[str, str]] = set()

    def _decide(self, key: str, call: Call, binding: Binding, candidates: Mapping[str, Candidate]) -> str:
        if len(candidates) == 1:
            return next(iter(candidates))
        if (name := self._memory.get(key)) in candidates:
            return cast(str, name)
        try:
            name = self._fastest(key, call, binding, candidates)
        except MemoryError:  # CuPy's is one, too
            return super()._decide(key, call, binding, candidates)
        self._memory.put(key, name)
        return name

    def _fastest(self, key: str, call: Call, binding: Binding, candidates: Mapping[str, Candidate]) -> str:
        room = self._room(call)
        expected = min(item.expected for item in candidates.values())
        best, name = float("inf"), ""
        for item in sorted(candidates.values(), key=lambda item: item.expected):
            # What is optional comes last, and of it nothing is expected.
            if item.expected > LIKELY * expected and not item.optional:
                continue
            # A binding for each, so that no more than one has its work memory.
            trial = self._trial(call, binding, room)
            try:
                acts = self._prepared(item, call, trial)
                if not name:
                    self._wake(acts)
                seconds = self._seconds(acts, best)
            except Exception as error:
                if not item.optional:
                    raise
                self._drop(key, item.name, error)
                continue
            self._tried.add((key, item.name))
            if seconds < best:
                best, name = seconds, item.name
        return name

    def _try(self, key: str, item: Candidate, call: Call, binding: Binding) -> None:
        if (key, item.name) in self._tried:
            return
        try:
            room = self._room(call)
            trial = self._trial(call, binding, room)
            acts = self._prepared(item, call, trial)
            for act in acts:
                act()
            self._replayed(acts, 1, 1)
        except Exception as error:  # of the library, of memory, of the capture: all the same here
            raise Unusable(str(error)) from error
        self._tried.add((key, item.name))

    def _room(self, call: Call) -> _Room:
        """Raises MemoryError."""
        values = {value.id: value for value in (*call.inputs, *call.outputs)}
        if 2 * sum(value.size * kind_of(value).itemsize for value in values.values()) > self._device.free_memory():
            raise MemoryError
        halt = self._device.xp.zeros(1, dtype=np.int32)
        return _Room({id_: self._array(value) for id_, value in values.items()}, halt)

    def _trial(self, call: Call, binding: Binding, room: _Room) -> Binding:
        """As `binding`, with room in place of what is a program's."""
        program = SimpleNamespace(calls=(call,), predictions={}, losses={}, observe=False, outputs={})
        trial = Binding(cast(Any, program), room.arrays, self._device.xp, pointer_to(room.halt))
        trial.followed, trial.math, trial.convolutions = binding.followed, binding.math, binding.convolutions
        return trial

    def _array(self, value: Value) -> Any:
        """Memory for a value, of ones where it holds float32: what multiplies zeros draws less power."""
        made = self._device.xp.zeros(value.shape, dtype=kind_of(value))
        if value.dtype is DType.FLOAT:
            fill = Launch("fill", [pointer_to(made), value.size, 1.0], blocks(value.size))
            for act in prepare([fill], self._device, "float32"):
                act()
        return made

    def _prepared(self, item: Candidate, call: Call, trial: Binding) -> list[Prepared]:
        """What a way launches, and the pass that has to follow it."""
        works = trial.settled(lambda: item.make(trial))
        last = works[-1]
        if trial.followed and not (isinstance(last, Launch) and last.output is not None):
            y = call.outputs[0]
            works = [*works, elementwise(trial.pointer(y), y, [], trial)]
        return prepare(works, self._device, trial.math)

    def _wake(self, acts: list[Prepared]) -> None:
        """Let the device do something for a while."""
        until = time.perf_counter() + AWAKE
        while time.perf_counter() < until:
            for act in acts:
                act()
            self._device.synchronize()

    def _seconds(self, acts: list[Prepared], best: float) -> float:
        """How long the acts take; roughly, where that is hopeless."""
        # The first time, modules are loaded, which a graph cannot do.
        for act in acts:
            act()
        once = min(self._replayed(acts, 1, 2))
        if once > HOPELESS * best:
            return once
        count = max(1, min(MOST, int(LONG / max(once, 1e-9))))
        return statistics.median(self._replayed(acts, count, 5 if once < LONG else 3))

    def _replayed(self, acts: list[Prepared], count: int, times: int) -> list[float]:
        """Seconds for the acts, done `count` times in a graph, which is replayed some times: as in a run, where nobody
        waits for the host between launches."""
        device = self._device
        with device.capture() as graph:
            for _ in range(count):
                for act in acts:
                    act()
        found = []
        for _ in range(times):
            begin, end = device.mark(), device.mark()
            device.record(begin)
            device.replay(graph)
            device.record(end)
            device.synchronize()
            found.append(device.seconds(begin, end) / count)
        return found


# -- what is remembered ------------------------------------------------------------------------------------------------


class Memory:
    """What was measured at a place: a device, its software and our kernels. A file that is damaged counts as none, and
    one that cannot be written costs time at the next start, and nothing else."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._known = self._read().get(place, {})

    def get(self, key: str) -> str | None:
        """What was put there."""
        return self._known.get(key)

    def put(self, key: str, name: str) -> None:
        """Keep it, beside what others have put there meanwhile."""
        everything = self._read()
        known = {**everything.pop(self.place, {}), **self._known}
        known.pop(key, None)
        known[key] = name
        self._known = dict(list(known.items())[-KEYS:])
        # The latest place last.
        places = [*everything.items(), (self.place, self._known)][-PLACES:]
        with contextlib.suppress(OSError):
            cache.replace(_path(), json.dumps(dict(places), indent=1).encode())

    @staticmethod
    def _read() -> dict[str, dict[str, str]]:
        try:
            found = json.loads(_path().read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(found, dict):
            return {}
        return {place: _texts(known) for place, known in found.items() if isinstance(known, dict)}


def _texts(known: dict[str, Any]) -> dict[str, str]:
    return {key: name for key, name in known.items() if isinstance(name, str)}


def _path() -> Path:
    return cache_folder() / "cuda-choices.json"


@functools.cache
def _digest() -> str:
    """Of all that the kernels are made from."""
    found = hashlib.blake2b(digest_size=8)
    for path in sorted(FOLDER.glob("*.cu*")):
        content = path.read_bytes()
        found.update(f"{path.name} {len(content)}\n".encode() + content)
    return found.hexdigest()
