"""The tables of a compiled program: rows as numbers in memory, for one step or for many, and what their stamps tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.executor import BoundProgram, Chunk
from engine.kernels.cpu.interpreter import ARGUMENTS, WIDTH
from engine.kernels.cpu.library import Library
from engine.kernels.cpu.rows import Binding, Label, Row, address

if TYPE_CHECKING:
    from engine.timeline import Timeline

__all__ = ["Aside", "ChunkTable", "Table", "read_timeline"]

HEAD = 7
"""int64 of the arguments of a run; see `engine.kernels.cpu.interpreter.interpret`."""


class Table:
    """Rows as int64 in memory, and the arguments of a run over them."""

    def __init__(self, rows: Sequence[Row], library: Library, done: np.ndarray, shared: int) -> None:
        self.rows = tuple(rows)
        self.library, self.done = library, done
        self.cells = np.array([row.encode(library.addresses) for row in rows], np.int64).reshape(-1, WIDTH)
        self.arguments = np.zeros(HEAD, np.int64)
        self.arguments[:6] = address(self.cells), len(rows), shared, 0, address(done), address(self.arguments)
        self.stamps = np.zeros((0, len(rows), 3), np.int64)
        self.begun = 0.0
        """When it was last run, by `time.perf_counter`: what the ticks of its stamps are held against."""

    @property
    def stamped(self) -> bool:
        """Whether the last run was timed."""
        return bool(self.arguments[3])

    def stamp(self, wanted: bool, threads: int) -> None:
        """Time the next run, or do not."""
        if wanted:
            self.stamps = np.zeros((threads, len(self.rows), 3), np.int64)
        self.arguments[3] = address(self.stamps) if wanted else 0


@dataclass
class Aside:
    """An array operation between two tables; `begin` and `end` of its last run that was timed, as `Table.begun`."""

    function: Callable[[], object]
    label: Label
    begin: float = 0.0
    end: float = 0.0

    def run(self, stamping: bool) -> None:
        """Run it, overflow being a result."""
        begin = time.perf_counter() if stamping else 0.0
        with np.errstate(all="ignore"):
            self.function()
        if stamping:
            self.begin, self.end = begin, time.perf_counter()


class ChunkTable:
    """A program's table between rows that bring in each step's numbers and batch and rows that keep its results."""

    def __init__(self, program: BoundProgram, table: Table, binding: Binding, counters: tuple[np.ndarray, np.ndarray]):
        spec, shared = program.program, binding.shared
        control, counted = counters
        # One name may be both: an autoencoder is to predict what it is fed.
        loads = [*program.inputs.items(), *program.targets.items()]
        sizes = [(array, spec.batch_size, array.nbytes // spec.batch_size) for _, array in loads]
        first = [Row("begin", [0, control.size, address(control), address(counted), 0, 0])]
        first += [Row("gather", [shared, 0, 0, address(array), *numbers]) for array, *numbers in sizes]
        kept = [*spec.predictions.values(), *([spec.penalty] if spec.penalty is not None else [])]
        last = [Row("keep", [binding.address(value), 0, 0], barrier=0) for value in kept]
        last.append(Row("keep", [0, 0, 0]))
        for row in (*first, *last):
            row.label = Label({"begin": "numbers", "gather": "batch", "keep": "results"}[row.kernel])
        self.table = Table([*first, *table.rows, *last], table.library, table.done, shared)
        self._penalty = program.penalty if spec.penalty is not None else None
        # The arguments that change from chunk to chunk, row by row.
        cells = self.table.cells[:, ARGUMENTS:]
        watch = next(index for index, row in enumerate(self.table.rows) if row.kernel == "watch")
        ends = cells[len(cells) - len(last) :]
        self._begin, self._watch, self._penalties = cells[0], cells[watch], ends[-2]
        self._gathers = [(name, row) for (name, _), row in zip(loads, cells[1:], strict=False)]
        self._outputs = {node: (value, end) for (node, value), end in zip(spec.predictions.items(), ends, strict=False)}
        self._samples: dict[str, np.ndarray] = {}
        self._controls = control.size
        self._reserve(1)

    def _reserve(self, count: int) -> None:
        """Make room for so many steps."""
        self.controls = np.empty((count, max(1, self._controls)), np.float32)
        self._losses, self._penalty_parts = np.empty(count), np.zeros(count, np.float32)
        self._begin[0], self._watch[1] = address(self.controls), address(self._losses)
        if self._penalty is not None:
            self._penalties[1:3] = 4, address(self._penalty_parts)

    def room(self, count: int) -> np.ndarray:
        """Where the controls of `count` steps are to be written, (count, controls), before `prepare`."""
        if count > len(self.controls):
            self._reserve(2 * count)
        return self.controls[:count]

    def prepare(self, arrays: dict[str, np.ndarray], indices: np.ndarray, step: int, seed: int, outputs: bool) -> None:
        """Put the chunk's addresses into the rows."""
        count = len(indices)
        self._begin[4], self._begin[5] = step, seed if seed < 1 << 63 else seed - (1 << 64)
        self._indices, at = indices, address(indices)
        for name, row in self._gathers:
            if arrays[name] is not self._samples.get(name):
                row[1] = address(arrays[name])
            row[2] = at
        self._samples = {name: arrays[name] for name, _ in self._gathers}
        self.outputs: dict[str, np.ndarray] = {}
        for node, (value, row) in self._outputs.items():
            row[1] = 0
            if outputs:
                kept = self.outputs[node] = np.empty((count, *value.shape), np.float32)
                row[1], row[2] = 4 * value.size, address(kept)

    def result(self, done: int, count: int) -> Chunk:
        """What a chunk of `count` steps left behind, of which `done` were completed."""
        ran = min(done + 1, count)
        if done < ran and self._penalty is not None:
            self._penalty_parts[done] = self._penalty()
        outputs = self.outputs if done == count else {node: kept[:done] for node, kept in self.outputs.items()}
        return Chunk(done, self._losses[:ran].copy(), self._penalty_parts[:ran].astype(np.float64), outputs)

    def samples(self, arrays: dict[str, np.ndarray]) -> int:
        """How many samples all of the arrays that the program reads have."""
        return min((len(arrays[name]) for name, _ in self._gathers), default=0)

    def takes(self, arrays: dict[str, np.ndarray], program: BoundProgram) -> bool:
        """Whether batches of these arrays can be copied as they are."""
        if all(arrays[name] is held for name, held in self._samples.items()) and self._samples:
            return True
        return all(
            arrays[name].dtype == array.dtype
            and arrays[name].shape[1:] == array.shape[1:]
            and arrays[name].flags.c_contiguous
            for group in (program.inputs, program.targets)
            for name, array in group.items()
        )


def read_timeline(pieces: Sequence[Table | Aside], library: Library) -> Timeline:
    """The stamps of the last step in seconds; the first thread runs what lies between the tables."""
    from engine.timeline import Timeline

    rate = library.ticks_per_second()
    first = next(piece for piece in pieces if isinstance(piece, Table))
    threads, zero = len(first.stamps), first.stamps[0, 0, 0]
    columns, labels = [], []
    for piece in pieces:
        if isinstance(piece, Table):
            columns.append(piece.stamps.astype(np.float64))
            labels += [row.label or Label(row.kernel) for row in piece.rows]
        else:
            own = np.zeros((threads, 1, 3))
            own[0, 0] = zero + rate * (np.array([piece.begin, piece.end, piece.end]) - first.begun)
            columns.append(own)
            labels.append(piece.label)
    stamps = np.concatenate(columns, axis=1)
    stamps[stamps == 0] = np.nan
    seconds = (stamps - np.nanmin(stamps)) / rate
    return Timeline(
        rows=tuple(label.name for label in labels),
        nodes=tuple(label.node for label in labels),
        phases=tuple(label.phase for label in labels),
        begin=seconds[:, :, 0],
        end=seconds[:, :, 1],
        wait=np.nan_to_num(seconds[:, :, 2] - seconds[:, :, 1]),
        flops=np.array([label.flops for label in labels]),
    )
