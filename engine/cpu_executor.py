"""The compiled executor: a program as a table of machine-code kernels, run for many steps at a time without Python.

It stands on the array executor: values lie where that puts them, results are read as there, and an operation that has
no compiled kernel is run by the reference kernel, between two pieces of the table.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from engine.cpu_tables import Aside, ChunkTable, Table, read_timeline
from engine.executor import ArrayExecutor, BoundProgram, Chunk, on_paper
from engine.kernels.cpu import declare
from engine.kernels.cpu.crew import Crew
from engine.kernels.cpu.library import Library, load
from engine.kernels.cpu.rows import Binding, Covered, Label, Row, cover
from engine.kernels.cpu.team import Team, default_threads

if TYPE_CHECKING:
    from engine.plan import Program
    from engine.state import State
    from engine.timeline import Timeline

__all__ = ["CompiledProgram", "CPUExecutor"]

ALONE = 3_000_000
"""FLOP of a step, or of a piece of it between reference kernels, below which one thread is faster than several that
wait for one another at each row."""


class CPUExecutor:
    """Runs float32 programs with compiled kernels on `threads` threads (one for each core).

    Unless `keep_gradients`, the gradients of large weights are nowhere to be seen after a step that is not observed:
    they go to the optimizer piece by piece, in the cache. A float64 program, as the gradient check uses, is run by the
    array executor. Raises LibraryError where the kernels cannot be compiled or loaded.
    """

    kind: Literal["cpu"] = "cpu"
    ways: ClassVar[dict[str, dict[str, str]]] = {}

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
    return Binding(program, on_paper(program).arrays, 1, 0)


class CompiledProgram(BoundProgram):
    """A program with its arrays and its table."""

    def __init__(
        self, program: Program, state: State, arena: Any, library: Library, team: Team, keep_gradients: bool
    ) -> None:
        super().__init__(program, state, arena)
        declare()
        self._keeps_gradients = keep_gradients
        self._library, self._team = library, team
        # What observers take is left out, so that an observed step is divided as a plain one is.
        work = sum(group.flops for group in program.groups if group.phase != "observe")
        self.threads = team.threads if work >= ALONE else 1
        # See `engine.kernels.cpu.turns`.
        self._rotation = np.array([1, self._counters.ctypes.data], np.int64)
        self._binding, self.covered = self._cover()
        if self.threads > 1 and self._piecework() < ALONE:
            self.threads = 1
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
        self._chunk: ChunkTable | None = None
        self._crew = Crew(self.threads)
        self._timed: tuple[Table | Aside, ...] = ()

    # -- a step ----------------------------------------------------------------------------------------------------

    def run(self, scalars: dict[str, float] | None = None, step: int = 0, seed: int = 0) -> bool:
        self._write_controls(scalars, step, seed)
        self._timed = ()
        for piece in self._pieces:
            if isinstance(piece, Table):
                piece.stamp(self.stamping, self.threads)
                self._done[0] = 0  # a first step that is stopped leaves it as it is
                piece.begun = time.perf_counter()
                self._team.run(piece.arguments, 1, self.threads)
                if not self._done[0]:
                    return False
            else:
                piece.run(self.stamping)
        if self.stamping:
            self._timed = tuple(self._pieces)
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
        if self._chunk is None and len(self._pieces) == 1:
            (table,) = self._pieces
            assert isinstance(table, Table)
            self._chunk = ChunkTable(self, table, self._binding, (self._control, self._counters))
        chunk = self._chunk
        if chunk is None or not chunk.takes(arrays, self):
            return super().run_chunk(arrays, indices, scalars, step, seed, outputs)
        count = len(indices)
        self._check(indices, chunk.samples(arrays))
        controls = chunk.room(count)
        host = self._control_host
        controls[:, : len(host)] = host
        for name, value in scalars.items():
            index = self._index.get(name)
            if index is not None:
                controls[:, index] = value
        threads = self._crew.size()
        chunk.table.stamp(self.stamping, threads)
        self._timed = (chunk.table,) if self.stamping else ()
        self._done[0] = 0
        chunk.prepare(arrays, np.ascontiguousarray(indices, np.int64), step, seed, outputs)
        begun = time.perf_counter()
        self._team.run(chunk.table.arguments, count, threads)
        self._crew.took(threads, count, time.perf_counter() - begun)
        host[:] = controls[-1, : len(host)]
        return chunk.result(int(self._done[0]), count)

    def rotate(self, period: int) -> None:
        self._rotation[0] = max(1, period)

    def timeline(self) -> Timeline | None:
        """When each thread worked on what in the last step that was run with `stamping` on; None before."""
        tables = [piece for piece in self._timed if isinstance(piece, Table)]
        stamped = bool(tables) and all(table.stamps[0, 0, 0] for table in tables)
        return read_timeline(self._timed, self._library) if stamped else None

    def _check(self, indices: np.ndarray, samples: int) -> None:
        """Refuse what a kernel would read past the end of the samples for."""
        if indices.ndim != 2 or indices.shape[1] != self.program.batch_size:
            raise ValueError(f"indices are (steps, {self.program.batch_size}), got {indices.shape}")
        if indices.size and not (int(indices.min()) >= 0 and int(indices.max()) < samples):
            raise ValueError(f"indices lie from 0 to {samples - 1}, got {indices.min()} to {indices.max()}")

    # -- binding ---------------------------------------------------------------------------------------------------

    def _cover(self) -> tuple[Binding, list[Covered]]:
        rotation = int(self._rotation.ctypes.data)
        binding = Binding(self.program, self._arrays, self.threads, self._team.shared, rotation)
        while True:
            covered = cover(binding, keep_gradients=self._keeps_gradients)
            if binding.settle():
                return binding, covered

    def _piecework(self) -> float:
        """FLOP of the compiled pieces between two reference kernels, on average: the threads are woken for each."""
        run_here = (item for item in self.covered if not all(call.op.view for call in item.calls))
        runs = [list(run) for is_table, run in groupby(run_here, key=lambda item: bool(item.rows)) if is_table]
        flops = sum(item.label.flops for run in runs for item in run if item.label.phase != "observe")
        return flops / max(1, len(runs))

    def _control_address(self, name: str) -> int:
        return int(self._control.ctypes.data) + 4 * self._index[name]

    def _cut(self, watch: Row) -> list[Table | Aside]:
        """The tables, and between them the calls of reference kernels; `watch` comes as soon as the loss is known."""
        items: list[Row | Aside] = []
        watched = False
        for item in self.covered:
            if not watched and item.calls[0].phase in ("backward", "update"):
                items.append(watch)
                watched = True
            items += item.rows
            if not item.rows:
                functions = [self._bind_call(call) for call in item.calls]
                items += [Aside(function, item.label) for function in functions if function is not None]
        if not watched:
            items.append(watch)
        pieces: list[Table | Aside] = []
        for is_row, run in groupby(items, key=lambda item: isinstance(item, Row)):
            part = list(run)
            pieces += [Table(part, self._library, self._done, self._team.shared)] if is_row else part  # type: ignore[arg-type,list-item]
        return pieces
