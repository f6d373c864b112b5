"""From the calls of a program to rows of the interpreter's table.

Each module of kernels says, beside its kernels, which rows an operation becomes (`@rows_of`) or which stage it is
(`@stage_of`). A group of calls becomes the rows of its first call, and the calls after it become stages of that row
where they can; what nothing here can run is left to the reference kernels.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from engine.fuse import Group
from engine.kernels.cpu.interpreter import ARGUMENTS, WIDTH
from engine.ops.base import Call, Op, Value
from engine.plan import Program

__all__ = [
    "Binding",
    "Covered",
    "Label",
    "Row",
    "Stage",
    "alone",
    "bits",
    "cover",
    "cover_group",
    "relabelled",
    "rows_of",
    "stage_of",
]

Argument = int | float
STAGE_LIMIT = 4
STAGES_AT = WIDTH - (1 + 6 * STAGE_LIMIT)
"""Where a row keeps its list of stages: behind the arguments, at the same place in every row."""


def bits(number: float) -> int:
    """The int64 with the bits of a float64."""
    return int(struct.unpack("<q", struct.pack("<d", number))[0])


def address(array: np.ndarray) -> int:
    """Of an array's first element; several times as fast as `array.ctypes.data`."""
    return int(array.__array_interface__["data"][0])


@dataclass(frozen=True)
class Stage:
    """An elementwise operation on a piece: see `engine.kernels.cpu.stages`. `more` are its last three numbers."""

    code: int
    other: int = 0
    number: float = 0.0
    more: tuple[int, int, int] = (0, 0, 0)

    def encoded(self) -> list[int]:
        return [self.code, self.other, bits(self.number), *self.more]


@dataclass(frozen=True)
class Label:
    """What a row is: its name, the node and the phase it belongs to, its floating-point operations (NaN: unknown)."""

    name: str
    node: str = ""
    phase: str = ""
    flops: float = math.nan


@dataclass
class Row:
    """One line of the table: a kernel and its arguments (floats go as their bits).

    `output` is the place in `arguments` of the address that the row writes its result to, where the kernel ends with
    stages; None where it takes none. `barrier` is 1 where the threads wait for one another behind it, 2 where they also
    look whether to stop, 0 where they go on at once. `main` marks the row that does a call's work where that is not its
    last. `label` says for people what it is, once `cover` has made it part
    of a program.
    """

    kernel: str
    arguments: Sequence[Argument]
    output: int | None = None
    stages: list[Stage] = field(default_factory=list)
    barrier: int = 1
    label: Label | None = None
    main: bool = False

    def encode(self, addresses: dict[str, int]) -> list[int]:
        """The row's int64."""
        cells = [addresses[self.kernel], self.barrier]
        cells += [bits(item) if isinstance(item, float) else int(item) for item in self.arguments]
        assert len(cells) <= STAGES_AT, f"{self.kernel} has too many arguments"
        cells += [0] * (STAGES_AT - len(cells))
        cells.append(len(self.stages))
        for stage in self.stages:
            cells += stage.encoded()
        return cells + [0] * (WIDTH - len(cells))


STAGES_ARGUMENT = STAGES_AT - ARGUMENTS
"""The index among a kernel's arguments at which its list of stages begins."""


class Binding:
    """Where the values of one bound program lie, and the memory that its rows ask for.

    `team` is the number of threads, `shared` the address of what they share, `rotation` that of how observers take
    turns (see `engine.kernels.cpu.turns`; 0: they do not).
    """

    def __init__(
        self, program: Program, arrays: dict[int, np.ndarray], team: int, shared: int, rotation: int = 0
    ) -> None:
        self.program, self.team, self.shared, self.rotation = program, team, shared, rotation
        self._turns: dict[int, int] = {}
        self._arrays = arrays
        self._held: list[np.ndarray] = []
        self._wanted = 64
        self._scratch = _aligned(self._wanted * team)
        self._readers: dict[int, int] = {}
        for call in program.calls:
            for value in call.inputs:
                self._readers[value.id] = self._readers.get(value.id, 0) + 1
        self._shown = {value.id for group in (program.predictions, program.losses) for value in group.values()}
        if program.observe:
            self._shown |= {value.id for value in program.outputs.values()}

    def address(self, value: Value) -> int:
        """Of the value's first element."""
        return address(self._arrays[value.id])

    def span(self, value: Value) -> tuple[int, int]:
        """The addresses from and up to which the value lies."""
        array = self._arrays[value.id]
        return int(array.ctypes.data), int(array.ctypes.data) + int(array.nbytes)

    def memory(self, count: int, dtype: Any = np.float32) -> int:
        """The address of `count` zeros of the row's own, 64-byte aligned, kept as long as the program."""
        piece = _aligned(max(1, count) * np.dtype(dtype).itemsize)
        self._held.append(piece)
        return int(piece.ctypes.data)

    def constants(self, numbers: Sequence[int]) -> int:
        """The address of int64 that stay as they are: where a row has more arguments than it holds."""
        piece = np.array(numbers, np.int64)
        self._held.append(piece)
        return int(piece.ctypes.data)

    def numbers(self, values: np.ndarray) -> int:
        """The address of float32 that stay as they are."""
        piece = np.ascontiguousarray(values, np.float32)
        self._held.append(piece)
        return int(piece.ctypes.data)

    def scratch(self, count: int) -> tuple[int, int]:
        """(address, bytes for each thread) of work memory for `count` float32 a thread. All rows use the same memory:
        what is in it does not outlive the row."""
        size = -(-count * 4 // 4096) * 4096 + 192  # threads do not meet in the same sets of the cache
        self._wanted = max(self._wanted, size)
        return int(self._scratch.ctypes.data), self._scratch.nbytes // self.team // 64 * 64

    def turn(self, value: Value) -> int:
        """The place of a value among those that are observed, whichever of its observers asks first."""
        return self._turns.setdefault(value.id, len(self._turns))

    def settle(self) -> bool:
        """Whether there was scratch enough; else more is taken, and all rows must be made anew."""
        if self._wanted <= self._scratch.nbytes // self.team // 64 * 64:
            return True
        self._scratch = _aligned((self._wanted + 64) * self.team)
        self._held.clear()
        return False

    def is_read(self, value: Value) -> bool:
        """Whether more than one call reads the value, or someone after the program."""
        return self._readers.get(value.id, 0) > 1 or value.id in self._shown


def _aligned(size: int) -> np.ndarray:
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


Maker = Callable[[Call, Binding], list[Row] | None]
StageMaker = Callable[[Call, Binding], Stage | None]

_ROWS: dict[str, Maker] = {}
_STAGES: dict[str, tuple[int, StageMaker]] = {}


def rows_of(op: type[Op]) -> Callable[[Maker], Maker]:
    """Declare how a call of `op` becomes rows; the function returns None for what its kernels cannot do."""

    def declare(maker: Maker) -> Maker:
        assert op.name not in _ROWS, op.name
        _ROWS[op.name] = maker
        return maker

    return declare


def stage_of(op: type[Op], chain: int = 0) -> Callable[[StageMaker], StageMaker]:
    """Declare how a call of `op` becomes a stage; `chain` is the input that it changes in place."""

    def declare(maker: StageMaker) -> StageMaker:
        assert op.name not in _STAGES, op.name
        _STAGES[op.name] = (chain, maker)
        return maker

    return declare


@dataclass(frozen=True)
class Covered:
    """Some calls of a group (the program's `group`-th) and the rows that run them; without rows, the one call is the
    reference kernel's. `suffix` names what the rows do beside the calls."""

    calls: tuple[Call, ...]
    rows: tuple[Row, ...]
    group: int = 0
    suffix: str = ""

    @property
    def name(self) -> str:
        """What runs, for people: "matmul+add_bias+relu", or "array: <operation>" for a reference kernel."""
        names = "+".join(call.op.name for call in self.calls) + self.suffix
        return names if self.rows or all(call.op.view for call in self.calls) else f"array: {names}"

    @property
    def label(self) -> Label:
        """Of the row that does the work."""
        flops = sum(call.op.flops(*(value.tensor for value in call.inputs)) for call in self.calls)
        return Label(self.name, self.calls[0].node, self.calls[0].phase, float(flops))


def relabelled(item: Covered) -> Covered:
    """The same, its rows labelled: one does the work, the others prepare it or finish it off."""
    for row in item.rows:
        row.label = Label(row.kernel, item.calls[0].node, item.calls[0].phase)
    if item.rows:
        next((row for row in item.rows if row.main), item.rows[-1]).label = item.label
    return item


def cover(binding: Binding, *, keep_gradients: bool) -> list[Covered]:
    """The rows of the whole program, as few as can be. Unless `keep_gradients`, those of large weights are not kept:
    they go to the optimizer where they arise."""
    from engine.kernels.cpu.fused_update import fuse_updates

    found = [item for index, group in enumerate(binding.program.groups) for item in cover_group(group, binding, index)]
    return found if keep_gradients else fuse_updates(found, binding)


def cover_group(group: Group, binding: Binding, number: int = 0) -> list[Covered]:
    """The rows of one group, the program's `number`-th."""
    found = []
    calls = group.calls
    index = 0
    while index < len(calls):
        rows = _rows(calls[index], binding)
        count = 1
        if rows and rows[-1].output is not None:
            count = 1 + _absorb(rows[-1], calls[index:], binding)
            _drop_idle_load(rows[-1])
        found.append(relabelled(Covered(calls[index : index + count], tuple(rows or ()), number)))
        index += count
    return found


def _rows(call: Call, binding: Binding) -> list[Row] | None:
    if call.op.view:
        return []
    maker = _ROWS.get(call.op.name)
    if maker is not None:
        return maker(call, binding)
    if call.op.name in _STAGES:
        return alone(call, binding)
    return None


def alone(call: Call, binding: Binding) -> list[Row] | None:
    """An elementwise operation by itself: a pass that begins by loading its input."""
    from engine.kernels.cpu.stages import LOAD

    chain, maker = _STAGES[call.op.name]
    stage = maker(call, binding)
    if stage is None:
        return None
    source, result = call.inputs[chain], call.outputs[0]
    stages = [Stage(LOAD, binding.address(source)), stage]
    columns = result.shape[-1]
    row = Row(
        "elementwise",
        [binding.shared, binding.address(result), result.size // columns, columns],
        output=1,
        stages=stages,
    )
    return [row]


def _absorb(row: Row, calls: Sequence[Call], binding: Binding) -> int:
    """How many calls after the first become stages of its row."""
    from engine.kernels.cpu.stages import KEEP

    assert row.output is not None
    taken = 0
    for before, call in pairwise(calls):
        if call.op.name not in _STAGES:
            break
        chain, maker = _STAGES[call.op.name]
        if call.inputs[chain] is not before.outputs[0] or call.outputs[0].shape[-1] != before.outputs[0].shape[-1]:
            break
        stage = maker(call, binding)
        if stage is None:
            break
        if _meets(call, calls[: taken + 1], binding):
            break
        extra = [stage]
        old, new = binding.address(before.outputs[0]), binding.address(call.outputs[0])
        if old != new and binding.is_read(before.outputs[0]):
            extra.insert(0, Stage(KEEP, old))
        if len(row.stages) + len(extra) > STAGE_LIMIT:
            break
        row.stages += extra
        row.arguments = [*row.arguments[: row.output], new, *row.arguments[row.output + 1 :]]
        taken += 1
    return taken


def _drop_idle_load(row: Row) -> None:
    """A pass that ends where it began need not load."""
    from engine.kernels.cpu.stages import LOAD

    assert row.output is not None
    if row.stages and row.stages[0].code == LOAD and row.stages[0].other == row.arguments[row.output]:
        del row.stages[0]


def _meets(call: Call, earlier: Sequence[Call], binding: Binding) -> bool:
    """Whether an output of `call` lies where an earlier call of the same row still reads; the one that takes the place
    of the piece itself aside."""
    piece = binding.span(earlier[-1].outputs[0])
    for output in call.outputs:
        start, stop = binding.span(output)
        if (start, stop) == piece:
            continue
        for value in (item for other in earlier for item in (*other.inputs, *other.outputs)):
            first, last = binding.span(value)
            if first < stop and start < last:
                return True
    return False
