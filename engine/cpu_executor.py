"""The compiled executor: a program as a table of machine-code kernels, run for many steps at a time without Python.

It stands on the array executor: values lie where that puts them, results are read as there, and an operation that has
no compiled kernel is run by the reference kernel, between two pieces of the table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from engine.backend import choose
from engine.executor import ArrayExecutor, BoundProgram, Chunk
from engine.kernels.cpu import declare
from engine.kernels.cpu.interpreter import ARGUMENTS, WIDTH
from engine.kernels.cpu.library import Library, load
from engine.kernels.cpu.rows import Binding, Covered, Label, Row, cover
from engine.kernels.cpu.team import Team, default_threads

if TYPE_CHECKING:
    from engine.plan import Program
    from engine.state import State
    from engine.timeline import Timeline

__all__ = ["CompiledProgram", "CPUExecutor"]

ALONE = 3_000_000
"""FLOP of a step below which one thread is faster than several that wait for one another at each row."""

HEAD = 7
"""int64 of the arguments of a run; see `engine.kernels.cpu.interpreter.interpret`."""


class CPUExecutor:
    """Runs float32 programs with compiled kernels on `threads` threads (one for each core).

    Unless `keep_gradients`, the gradients of large weights are nowhere to be seen after a step that is not observed:
    they go to the optimizer piece by piece, in the cache. A float64 program, as the gradient check uses, is run by the
    array executor. Raises LibraryError where the kernels cannot be compiled or loaded.
    """

    kind: Literal["cpu"] = "cpu"

    def __init__(
        self,
        state: State,
        threads: int | None = None,
        *,
        keep_gradients: bool = True,
        library: Library | None = None,
    ) -> None:
        self.state = state
        self._keeps_gradients = keep_gradients
        self._arrays = ArrayExecutor(state)
        self._library = library or load()
        self._team = Team(self._library, threads or default_threads())

    @property
    def threads(self) -> int:
        """How many threads it runs on."""
        return self._team.threads

    @property
    def label(self) -> str:
        """What it runs on: "Compiled · 2 threads"."""
        return f"Compiled · {self.threads} thread{'' if self.threads == 1 else 's'}"

    def bind(self, program: Program) -> BoundProgram:
        """Give the program its memory, ready to be run. Bind the largest program first."""
        if program.precision != "float32":
            return self._arrays.bind(program)
        arena = self._arrays.arena(program)
        return CompiledProgram(program, self.state, arena, self._library, self._team, self._keeps_gradients)

    def close(self) -> None:
        """Send the threads away. Programs must not be run afterwards; closing twice is harmless."""
        self._team.close()


def paper_binding(program: Program) -> Binding:
    """A binding on memory that nothing is ever written to: it tells which rows a program would become."""

    length = 1 + max(program.layout.parameter_length, program.layout.buffer_length)

    class Paper:
        backend = choose("cpu")
        arenas: ClassVar[dict[str, np.ndarray]] = defaultdict(lambda: np.empty(length, program.precision))

    arena = np.empty(program.arena_bytes + 1, np.uint8)
    bound = BoundProgram(program, Paper(), arena)  # type: ignore[arg-type]
    return Binding(program, bound.arrays, 1, 0)


class CompiledProgram(BoundProgram):
    """A program with its arrays and its table."""

    def __init__(
        self, program: Program, state: State, arena: Any, library: Library, team: Team, keep_gradients: bool
    ) -> None:
        super().__init__(program, state, arena)
        declare()
        self._keeps_gradients = keep_gradients
        self._library, self._team = library, team
        self.threads = team.threads if program.flops >= ALONE else 1
        # See `engine.kernels.cpu.turns`.
        self._rotation = np.array([1, self._counters.ctypes.data], np.int64)
        self._binding, self.covered = self._cover()
        pairs = [
            address
            for node, value in program.losses.items()
            for address in (self._binding.address(value), self._control_address(program.loss_weights[node]))
        ]
        self._watched = np.zeros(1)
        watch = Row(
            "watch",
            [team.shared, self._watched.ctypes.data, len(pairs) // 2, self._binding.constants(pairs)],
            barrier=2,
            label=Label("loss", phase="loss"),
        )
        self._done = np.zeros(1, np.int64)
        self._pieces = self._cut(watch)
        self._chunk: _ChunkTable | None = None
        self.stamping = False
        """Whether the last step of each run is timed, row by row and thread by thread."""

    # -- a step ----------------------------------------------------------------------------------------------------

    def run(self, scalars: dict[str, float] | None = None, step: int = 0, seed: int = 0) -> bool:
        self._write_controls(scalars, step, seed)
        for piece in self._pieces:
            if isinstance(piece, _Table):
                piece.stamp(self.stamping, self.threads)
                self._done[0] = 0  # a first step that is stopped leaves it as it is
                self._team.run(piece.arguments, 1, self.threads)
                if not self._done[0]:
                    return False
            else:
                with np.errstate(all="ignore"):
                    piece()
        return True

    def run_chunk(
        self,
        arrays: dict[str, np.ndarray],
        indices: np.ndarray,
        scalars: Mapping[str, float | np.ndarray],
        step: int,
        seed: int,
        outputs: bool = False,
    ) -> Chunk:
        if len(self._pieces) > 1 or not self._takes(arrays):
            return super().run_chunk(arrays, indices, scalars, step, seed, outputs)
        (table,) = self._pieces
        assert isinstance(table, _Table)
        chunk = self._chunk = self._chunk or _ChunkTable(self, table, self._binding)
        controls = np.empty((len(indices), max(1, len(self._control_names))), np.float32)
        controls[:, : len(self._control_host)] = self._control_host
        for name, value in scalars.items():
            index = self._index.get(name)
            if index is not None:
                controls[:, index] = value
        chunk.table.stamp(self.stamping, self.threads)
        self._done[0] = 0
        chunk.prepare(arrays, np.ascontiguousarray(indices, np.int64), controls, step, seed, outputs)
        self._team.run(chunk.arguments, len(indices), self.threads)
        self._control_host[:] = controls[-1, : len(self._control_host)]
        return chunk.result(int(self._done[0]))

    def rotate(self, period: int) -> None:
        self._rotation[0] = max(1, period)

    def _takes(self, arrays: dict[str, np.ndarray]) -> bool:
        """Whether batches of these arrays can be copied as they are."""
        return all(
            arrays[name].dtype == array.dtype and arrays[name].flags.c_contiguous
            for group in (self.inputs, self.targets)
            for name, array in group.items()
        )

    def timeline(self) -> Timeline | None:
        """When each thread worked on what in the last step that was run with `stamping` on; None before."""
        tables = [piece for piece in self._pieces if isinstance(piece, _Table)]
        if self._chunk is not None and self._chunk.table.stamped:
            tables = [self._chunk.table]
        return read_timeline(tables, self._library) if all(table.stamped for table in tables) else None

    @property
    def team(self) -> Team:
        """The threads it runs on."""
        return self._team

    @property
    def control_arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The scalars and the counters that its rows read."""
        return self._control, self._counters

    # -- binding ---------------------------------------------------------------------------------------------------

    def _cover(self) -> tuple[Binding, list[Covered]]:
        rotation = int(self._rotation.ctypes.data)
        binding = Binding(self.program, self._arrays, self.threads, self._team.shared, rotation)
        while True:
            covered = cover(binding, keep_gradients=self._keeps_gradients)
            if binding.settle():
                return binding, covered

    def _control_address(self, name: str) -> int:
        return int(self._control.ctypes.data) + 4 * self._index[name]

    def _cut(self, watch: Row) -> list[_Table | Callable[[], object]]:
        """The tables, and between them the calls of reference kernels; `watch` comes as soon as the loss is known."""
        items: list[Row | Callable[[], object]] = []
        watched = False
        for item in self.covered:
            if not watched and item.calls[0].phase in ("backward", "update"):
                items.append(watch)
                watched = True
            items += item.rows
            if not item.rows:
                functions = [self._bind_call(call) for call in item.calls]
                items += [function for function in functions if function is not None]
        if not watched:
            items.append(watch)
        pieces: list[_Table | Callable[[], object]] = []
        for is_row, run in groupby(items, key=lambda item: isinstance(item, Row)):
            part = list(run)
            pieces += [_Table(part, self._library, self._done, self._team.shared)] if is_row else part  # type: ignore[arg-type,list-item]
        return pieces


class _Table:
    """Rows as int64 in memory, and the arguments of a run over them."""

    def __init__(self, rows: Sequence[Row], library: Library, done: np.ndarray, shared: int) -> None:
        self.rows = tuple(rows)
        self.library, self.done = library, done
        self.cells = np.array([row.encode(library.addresses) for row in rows], np.int64).reshape(-1, WIDTH)
        self.arguments = np.zeros(HEAD, np.int64)
        self.arguments[:5] = self.cells.ctypes.data, len(rows), shared, 0, done.ctypes.data
        self.arguments[5] = self.arguments.ctypes.data
        self.stamps = np.zeros((0, len(rows), 3), np.int64)

    @property
    def stamped(self) -> bool:
        """Whether the last run was timed."""
        return bool(self.arguments[3])

    def stamp(self, wanted: bool, threads: int) -> None:
        """Time the next run, or do not."""
        if wanted and len(self.stamps) != threads:
            self.stamps = np.zeros((threads, len(self.rows), 3), np.int64)
        self.stamps[:] = 0
        self.arguments[3] = self.stamps.ctypes.data if wanted else 0


class _ChunkTable:
    """A program's table between rows that bring in each step's numbers and batch and rows that keep its results."""

    def __init__(self, program: CompiledProgram, table: _Table, binding: Binding) -> None:
        self.program = program
        self._loads = {**program.inputs, **program.targets}
        shared, spec = program.team.shared, program.program
        self._predictions = dict(spec.predictions)
        first = [Row("begin", [0] * 6)]
        first += [
            Row("gather", [shared, 0, 0, array.ctypes.data, spec.batch_size, array.nbytes // spec.batch_size])
            for array in self._loads.values()
        ]
        last = [Row("keep", [binding.address(v), 4 * v.size, 0], barrier=0) for v in self._predictions.values()]
        if spec.penalty is not None:
            last.append(Row("keep", [binding.address(spec.penalty), 4, 0], barrier=0))
        last.append(Row("keep", [0, 0, 0]))
        for row in (*first, *last):
            row.label = Label({"begin": "numbers", "gather": "batch", "keep": "results"}[row.kernel])
        self.table = _Table([*first, *table.rows, *last], table.library, table.done, shared)
        self.arguments = self.table.arguments
        names = [row.kernel for row in self.table.rows]
        self._watch = names.index("watch")
        self._keeps = [index for index, name in enumerate(names) if name == "keep"]
        self._held: list[np.ndarray] = []

    def prepare(
        self,
        arrays: dict[str, np.ndarray],
        indices: np.ndarray,
        controls: np.ndarray,
        step: int,
        seed: int,
        outputs: bool,
    ) -> None:
        """Put the chunk's addresses into the rows."""
        count = len(indices)
        rows = self.table.cells[:, ARGUMENTS:]
        control, counters = self.program.control_arrays
        rows[0, :6] = (
            controls.ctypes.data,
            control.size,
            control.ctypes.data,
            counters.ctypes.data,
            step,
            np.uint64(seed).view(np.int64),
        )
        for row, (name, _) in enumerate(self._loads.items(), start=1):
            rows[row, 1:3] = arrays[name].ctypes.data, indices.ctypes.data
        self.losses = np.zeros(count)
        rows[self._watch, 1] = self.losses.ctypes.data
        self.outputs: dict[str, np.ndarray] = {}
        for index, (node, value) in zip(self._keeps, self._predictions.items(), strict=False):
            rows[index, 1] = 0
            if outputs:
                kept = self.outputs[node] = np.empty((count, *value.shape), np.float32)
                rows[index, 1:3] = 4 * value.size, kept.ctypes.data
        self.penalties = np.zeros(count, np.float32)
        if self.program.program.penalty is not None:
            rows[self._keeps[len(self._predictions)], 2] = self.penalties.ctypes.data
        self._held = [indices, controls, *arrays.values()]

    def result(self, done: int) -> Chunk:
        """What the chunk's steps left behind."""
        ran = min(done + 1, len(self.losses))
        if done < ran and self.program.program.penalty is not None:
            self.penalties[done] = self.program.penalty()
        outputs = {node: kept[:done] for node, kept in self.outputs.items()}
        return Chunk(done, self.losses[:ran], self.penalties[:ran].astype(np.float64), outputs)


def read_timeline(tables: Sequence[_Table], library: Library) -> Timeline:
    """The stamps of the tables' last step in seconds."""
    from engine.timeline import Timeline

    stamps = np.concatenate([table.stamps for table in tables], axis=1).astype(np.float64)
    labels = [row.label or Label(row.kernel) for table in tables for row in table.rows]
    stamps[stamps == 0] = np.nan
    seconds = (stamps - np.nanmin(stamps)) / library.ticks_per_second()
    return Timeline(
        rows=tuple(label.name for label in labels),
        nodes=tuple(label.node for label in labels),
        phases=tuple(label.phase for label in labels),
        begin=seconds[:, :, 0],
        end=seconds[:, :, 1],
        wait=np.nan_to_num(seconds[:, :, 2] - seconds[:, :, 1]),
        flops=np.array([label.flops for label in labels]),
    )
