"""What a chunk of steps reads and leaves on the device: its numbers, its samples, its losses.

Arrays that never change (a data set's are not writeable) are copied to the device once, as long as there is room, and
samples are gathered there by their indices. Others are gathered on the host, into pinned memory, and copied ahead:
while the device works on one part of the chunk, the next is on its way.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.cuda_works import Prepared, prepare
from engine.kernels.cuda.binding import address_of, pointer_to
from engine.kernels.cuda.launches import Launch, blocks
from engine.kernels.cuda.signatures import NULL, Pointer

if TYPE_CHECKING:
    from engine.executor import BoundProgram
    from engine.kernels.cuda.device import Device

__all__ = ["Frame", "Part", "Residence"]

STEPS = 1024
"""Steps that a part of a chunk has at most."""
INDEX_BYTES, STAGING_BYTES, OUTPUT_BYTES = 8 << 20, 32 << 20, 8 << 20
"""Memory for the indices of a part, for its samples where they are brought along, and for the predictions kept."""
RESIDENT_SHARE = 0.5
"""Of the memory that is free: what a data set may take to stay on the device."""

UINT32, UINT64, INT32, INT64 = (np.dtype(kind) for kind in (np.uint32, np.uint64, np.int32, np.int64))
FLOAT, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


class Residence:
    """Host arrays that are on the device as well, as long as the host has them."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._kept: dict[tuple[int, str], tuple[weakref.ref[np.ndarray], Any]] = {}

    def find(self, array: np.ndarray, kind: np.dtype) -> Any:
        """The array on the device, as `kind`; None where it may change, or where there is too little room."""
        key = id(array), kind.str
        held = self._kept.get(key)
        if held is not None and held[0]() is array:
            return held[1]
        if array.flags.writeable:
            return None
        nbytes = array.size * kind.itemsize
        if nbytes > RESIDENT_SHARE * self._device.free_memory():
            return None
        there = self._device.xp.empty(array.shape, dtype=kind)
        there.set(np.ascontiguousarray(array, kind))
        self._kept[key] = weakref.ref(array, lambda _: self._kept.pop(key, None)), there
        return there

    def clear(self) -> None:
        """Let all copies go."""
        self._kept.clear()


@dataclass
class Part:
    """Steps of a chunk that are run in one go: the indices (steps, batch) into `sources`, addresses on the device.
    `used` is set once the samples may be overwritten."""

    indices: np.ndarray
    sources: list[int]
    ready: Any = None
    used: Any = None

    def __len__(self) -> int:
        return len(self.indices)


@dataclass
class _Staging:
    """Memory for the samples of a part, on the host and on the device."""

    host: list[np.ndarray]
    device: list[Any]
    copied: Any
    used: Any
    fresh: bool = field(default=True)


class Frame:
    """What stands before and behind the works of a program's step; see step.cu."""

    def __init__(
        self, bound: BoundProgram, device: Device, residence: Residence, halt: int, control: Any, counters: Any
    ) -> None:
        program, xp = bound.program, device.xp
        self._device, self._residence = device, residence
        self._loads = [*program.inputs.items(), *program.targets.items()]
        arrays = [bound.arrays[value.id] for _, value in self._loads]
        self._kinds = [np.dtype(array.dtype) for array in arrays]
        self._shapes = [value.shape for _, value in self._loads]
        self._batch = program.batch_size
        self._predictions = {node: value.shape for node, value in program.predictions.items()}
        capacity = min(STEPS, max(1, INDEX_BYTES // (8 * self._batch)))
        per_step = sum(array.nbytes for array in arrays)
        self._capacity, self._staged = capacity, min(capacity, max(1, STAGING_BYTES // max(1, per_step)))
        self._sizes = [math.prod(shape) for shape in self._predictions.values()]
        self._kept_steps = min(capacity, max(1, OUTPUT_BYTES // max(1, 4 * sum(self._sizes))))
        self._staging: list[_Staging] = []
        self._controls = control.size

        # What the host writes before each part, and what the device leaves behind it.
        self._halt = Pointer(halt, INT32)
        self._place, self._done = xp.zeros(1, dtype=INT32), xp.zeros(1, dtype=INT32)
        self._clock = xp.zeros(4, dtype=UINT32)
        self._sources = xp.zeros(max(1, len(arrays)), dtype=UINT64)
        self._table = xp.zeros(capacity * max(1, control.size), dtype=FLOAT)
        self._indices = xp.zeros(capacity * self._batch, dtype=INT64)
        self._losses, self._penalties = xp.zeros(capacity, dtype=DOUBLE), xp.zeros(capacity, dtype=FLOAT)
        self._host = {
            name: device.pinned(size, kind)
            for name, size, kind in (
                ("zero", 1, INT32), ("clock", 4, UINT32), ("sources", max(1, len(arrays)), UINT64),
                ("table", capacity * max(1, control.size), FLOAT), ("indices", capacity * self._batch, INT64),
                ("done", 1, INT32),
            )
        }  # fmt: skip
        self._started: Any = None
        self._loaded: Any = None
        self._current = Part(np.empty((0, 0), INT64), [])
        self._collected: list[tuple[np.ndarray, np.ndarray]] = []
        self._kept_host: list[dict[str, np.ndarray]] = []
        self._kept: dict[str, Any] = {}

        words = [array.nbytes // self._batch // 4 for array in arrays]
        held = {
            "words": xp.array(np.array([*words, 0], INT32)),
            "targets": xp.array(np.array([*(array.data.ptr for array in arrays), 0], UINT64)),
            "losses": xp.array(self._addresses(bound, program.losses.values())),
            "weights": xp.array(
                np.array(
                    [
                        address_of(control) + 4 * list(program.controls).index(program.loss_weights[node])
                        for node in program.losses
                    ]
                    or [0],
                    UINT64,
                )
            ),
        }
        self._held = held
        place, done = pointer_to(self._place), pointer_to(self._done)
        longest = max((self._batch * count for count in words), default=1)
        begin = [
            self._halt, place, pointer_to(self._table), pointer_to(control), control.size, pointer_to(self._clock),
            pointer_to(counters), pointer_to(self._sources), pointer_to(held["targets"]), pointer_to(held["words"]),
            pointer_to(self._indices),
        ]  # fmt: skip
        grid = (blocks(longest), max(1, len(arrays)))
        self._begin = {
            True: self._prepared(Launch("begin_step", [*begin, self._batch if arrays else 0], grid)),
            False: self._prepared(Launch("begin_step", [*begin, 0])),
        }
        self.watch: Prepared = self._prepared(
            Launch(
                "watch_loss",
                [
                    self._halt, place, pointer_to(held["losses"]), pointer_to(held["weights"]), len(program.losses),
                    pointer_to(self._losses),
                ],
                block=32,
            )
        )  # fmt: skip
        penalty = NULL if program.penalty is None else pointer_to(bound.arrays[program.penalty.id])
        self._end = self._prepared(
            Launch("end_step", [self._halt, place, done, penalty, pointer_to(self._penalties)], block=32)
        )
        self._bound_predictions = [bound.arrays[value.id] for value in program.predictions.values()]
        self._keep: Prepared | None = None

    # -- before a part -------------------------------------------------------------------------------------------------

    def parts(self, arrays: dict[str, np.ndarray], indices: np.ndarray, outputs: bool) -> Iterator[Part]:
        """A chunk in parts that fit, each with its samples on the device or on their way."""
        self._collected, self._kept_host = [], []
        named = zip(self._loads, self._kinds, strict=True)
        found = [self._residence.find(arrays[name], kind) for (name, _), kind in named]
        resident = all(item is not None for item in found)
        size = self._capacity if resident else self._staged
        size = min(size, self._kept_steps) if outputs else size
        starts = range(0, len(indices), size)
        if resident:
            for start in starts:
                yield Part(indices[start : start + size], [address_of(item) for item in found])
            return
        ahead = self._stage(arrays, indices[:size], 0)
        for number, start in enumerate(starts):
            yield ahead
            if start + size < len(indices):
                # What comes next is gathered while the device is busy with what came before.
                ahead = self._stage(arrays, indices[start + size : start + 2 * size], number + 1)

    def bring(self, arrays: dict[str, np.ndarray], indices: np.ndarray) -> None:
        """Let `begin` gather these samples (1, batch), whatever was run before."""
        for part in self.parts(arrays, indices, False):
            self.start(np.zeros((1, self._controls), FLOAT), 0, 0)
            self.load(part)

    def start(self, controls: np.ndarray, step: int, seed: int, *, fresh: bool = True) -> None:
        """Write the numbers of the next steps, controls of shape (steps, controls). Unless `fresh`, they go on where
        others have ended, also if those have halted."""
        device, host = self._device, self._host
        self._await(self._started)
        host["zero"][0] = 0
        host["clock"][:] = (seed & 0xFFFFFFFF, seed >> 32, step & 0xFFFFFFFF, step >> 32)
        count = controls.size
        host["table"][:count] = controls.reshape(-1)
        device.to_device(address_of(self._place), host["zero"])
        if fresh:
            device.to_device(self._halt.address, host["zero"])
            device.to_device(address_of(self._done), host["zero"])
        device.to_device(address_of(self._clock), host["clock"])
        device.to_device(address_of(self._table), host["table"][:count])
        self._started = self._marked(self._started)

    def load(self, part: Part) -> None:
        """Let the next steps read the samples of a part."""
        device, host = self._device, self._host
        self._await(self._loaded)
        host["sources"][: len(part.sources)] = part.sources
        count = part.indices.size
        host["indices"][:count] = part.indices.reshape(-1)
        device.to_device(address_of(self._sources), host["sources"])
        device.to_device(address_of(self._indices), host["indices"][:count])
        if part.ready is not None:
            device.wait(part.ready)
        self._loaded = self._marked(self._loaded)
        self._current = part

    def _await(self, sent: Any) -> None:
        """Pinned memory may be written again once what was in it has been copied."""
        if sent is not None:
            self._device.wait_for(sent)

    def _marked(self, mark: Any) -> Any:
        mark = mark or self._device.mark()
        self._device.record(mark)
        return mark

    def _stage(self, arrays: dict[str, np.ndarray], indices: np.ndarray, number: int) -> Part:
        """Gather samples on the host and send them ahead."""
        device = self._device
        if not self._staging:
            self._staging = [self._new_staging() for _ in range(2)]
        room = self._staging[number % 2]
        if not room.fresh:
            device.wait_for(room.copied)
        flat = indices.reshape(-1)
        for (name, _), host, there in zip(self._loads, room.host, room.device, strict=True):
            source, target = arrays[name], host[: flat.size]
            if source.dtype == target.dtype:
                np.take(source, flat, axis=0, out=target, mode="clip")
            else:
                target[...] = source[flat]
            device.copy_ahead(address_of(there), target, room.used, room.copied)
        room.fresh = False
        order = np.arange(flat.size, dtype=np.int64).reshape(indices.shape)
        return Part(order, [address_of(there) for there in room.device], room.copied, room.used)

    def _new_staging(self) -> _Staging:
        rows = self._staged * self._batch
        host, there = [], []
        for shape, kind in zip(self._shapes, self._kinds, strict=True):
            size = rows * math.prod(shape[1:])
            host.append(self._device.pinned(max(1, size), kind)[:size].reshape(rows, *shape[1:]))
            there.append(self._device.xp.empty(max(1, size), dtype=kind))
        copied, used = self._device.mark(), self._device.mark()
        self._device.record(used)
        return _Staging(host, there, copied, used)

    # -- around a step -------------------------------------------------------------------------------------------------

    def begin(self, *, gather: bool) -> None:
        """The step's numbers, and its samples if `gather`."""
        self._begin[gather]()

    def end(self, outputs: bool) -> None:
        """Keep what the step left: its predictions if `outputs`."""
        if outputs and self._keep is not None:
            self._keep()
        self._end()

    # -- behind a part -------------------------------------------------------------------------------------------------

    def make_room(self) -> None:
        """Have memory for the predictions of a part."""
        if self._keep is not None or not self._predictions:
            return
        xp, sizes = self._device.xp, self._sizes
        self._kept = {
            node: xp.zeros(self._kept_steps * size, dtype=FLOAT)
            for node, size in zip(self._predictions, sizes, strict=True)
        }
        held = self._held
        held["outputs"] = xp.array(np.array([array.data.ptr for array in self._bound_predictions], UINT64))
        held["kept"] = xp.array(np.array([array.data.ptr for array in self._kept.values()], UINT64))
        held["sizes"] = xp.array(np.array(sizes, INT32))
        arguments = [self._halt, pointer_to(self._place), *(pointer_to(held[n]) for n in ("outputs", "kept", "sizes"))]
        self._keep = self._prepared(Launch("keep_outputs", arguments, (blocks(max(sizes)), len(sizes))))
        # Once before a graph is captured, as the driver may load it only then; for the first step's place.
        self._host["zero"][0] = 0
        self._device.to_device(address_of(self._place), self._host["zero"])
        self._keep()

    def collect(self, count: int, outputs: bool) -> None:
        """Ask for what a part of so many steps has left, after its last step."""
        device = self._device
        losses, penalties = device.pinned(count, DOUBLE), device.pinned(count, FLOAT)
        device.to_host(losses, address_of(self._losses))
        device.to_host(penalties, address_of(self._penalties))
        self._collected.append((losses, penalties))
        if outputs:
            found = {}
            for (node, shape), size in zip(self._predictions.items(), self._sizes, strict=True):
                flat = device.pinned(count * size, FLOAT)
                device.to_host(flat, address_of(self._kept[node]))
                found[node] = flat.reshape(count, *shape)
            self._kept_host.append(found)
        if self._current.used is not None:
            device.record(self._current.used)

    def finish(self, count: int) -> tuple[np.ndarray, np.ndarray, int]:
        """Wait for all parts; losses and penalties, float64 (count,), and how many steps were completed."""
        device = self._device
        if not self._collected:
            self._current = Part(np.empty((count, 0), np.int64), [])
            self.collect(count, False)
        done = self._host["done"]
        device.to_host(done, address_of(self._done))
        device.synchronize()
        losses = np.concatenate([item for item, _ in self._collected])
        penalties = np.concatenate([item.astype(np.float64) for _, item in self._collected])
        self._collected = []
        return losses, penalties, int(done[0])

    def outputs(self, done: int) -> dict[str, np.ndarray]:
        """The predictions of the completed steps by loss node, after `finish`."""
        return {
            node: np.concatenate([kept[node] for kept in self._kept_host])[:done].copy() for node in self._predictions
        }

    # -- addresses -----------------------------------------------------------------------------------------------------

    def _addresses(self, bound: BoundProgram, values: Any) -> np.ndarray:
        return np.array([address_of(bound.arrays[value.id]) for value in values] or [0], UINT64)

    def _prepared(self, launch: Launch) -> Prepared:
        (found,) = prepare((launch,), self._device, "float32")
        return found
