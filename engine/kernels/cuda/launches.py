"""From the calls of a program to what the device is asked to do: launches of kernels, matrix products of cuBLAS, plans
of cuDNN.

Each module of this package says, for its subject, what an operation launches (`@launches_of`), what several of its
calls do (`@joined_of`), or which stage it is (`@stage_of`). A group of calls becomes the launches of its first call,
and the calls after it become stages of the last of those where they can; or neighbours become launches together. There
is no way out: an operation that is declared nowhere cannot run on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from engine.fuse import Group
from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.signatures import Argument, Packed, Pointer, SignatureError, signatures
from engine.kernels.cuda.spans import Spans
from engine.kernels.cuda.stages import KEEP, LIMIT, Stage, encode
from engine.ops.base import Call, Op, Value

if TYPE_CHECKING:
    from engine.kernels.cuda.cudnn import Convolution

__all__ = [
    "BLOCK",
    "WARP",
    "Covered",
    "Launch",
    "Library",
    "Missing",
    "Product",
    "Work",
    "alone",
    "blocks",
    "cover",
    "cover_group",
    "joined_of",
    "launches_of",
    "stage_of",
]

BLOCK = 256
"""Threads of a block where nothing speaks for another number."""

WARP = 32
"""Threads that run together: they exchange numbers, which all of them have to be there for."""

MOST_BLOCKS = 4096
"""Blocks of a kernel that walks over an array: enough for every card, so that no result depends on which one it is."""


class Missing(LookupError):
    """An operation of which nothing says how the device does it."""


def blocks(count: int, each: int = BLOCK) -> int:
    """How many blocks walk over `count` elements, where one takes `each` at a time."""
    return max(1, min(-(-count // each), MOST_BLOCKS))


@dataclass
class Launch:
    """A kernel, its arguments, and the grid. The argument `output` is where the result is written, for a kernel that
    ends with stages (None: it takes none); `columns` is then the length of the result's last axis."""

    kernel: str
    arguments: Sequence[Argument]
    grid: int | tuple[int, int] | tuple[int, int, int] = 1
    block: int = BLOCK
    output: int | None = None
    columns: int = 1
    stages: list[Stage] = field(default_factory=list)
    parts: tuple[Launch, ...] = ()
    """Earlier launches that make other parts of the same result: they end with the same stages. Each is given where the
    whole result begins, and where its own part does."""

    def then(self, stages: Sequence[Stage], result: Pointer) -> None:
        """End with these stages too, and write to `result`."""
        assert self.output is not None
        for launch in (*self.parts, self):
            launch.stages = [*launch.stages, *stages]
            launch.arguments = [*launch.arguments[: self.output], result, *launch.arguments[self.output + 1 :]]

    def pack(self) -> Packed:
        """The arguments as the kernel wants them. Raises SignatureError where something does not fit."""
        signature = signatures().get(self.kernel)
        if signature is None:
            raise SignatureError(f"there is no kernel “{self.kernel}”")
        if not 1 <= self.block <= signature.threads:
            raise SignatureError(f"{self.kernel} runs with up to {signature.threads} threads a block, not {self.block}")
        if self.block % WARP:
            raise SignatureError(
                f"{self.kernel}: a block is made of whole warps, {WARP} threads each, not {self.block}"
            )
        if any(not 1 <= size <= limit for size, limit in zip(self.size, (2**31 - 1, 65535, 65535), strict=True)):
            raise SignatureError(f"{self.kernel}: no device has a grid of {self.size} blocks")
        if signature.staged != (self.output is not None):
            raise SignatureError(f"{self.kernel}: a kernel that ends with stages says where its result goes, no other")
        arguments = [*self.arguments, encode(self.stages, self.columns)] if signature.staged else self.arguments
        return signature.pack(arguments)

    @property
    def size(self) -> tuple[int, int, int]:
        """The grid, in three numbers."""
        grid = self.grid if isinstance(self.grid, tuple) else (self.grid,)
        x, y, z = (*grid, 1, 1)[:3]
        return x, y, z


@dataclass(frozen=True)
class Product:
    """y (rows, columns) = alpha op(a) op(b) + beta y, row by row in memory, with `inner` terms in each sum; op
    transposes where it is said. `count` such products lie `steps` elements apart in a, b and y. `strides` are the
    lengths of a row in memory of a, b and y, where they are not those of matrices that lie whole."""

    library: ClassVar[str] = "cuBLAS"
    a: Pointer
    b: Pointer
    y: Pointer
    rows: int
    columns: int
    inner: int
    transpose_a: bool = False
    transpose_b: bool = False
    alpha: float = 1.0
    beta: float = 0.0
    count: int = 1
    steps: tuple[int, int, int] = (0, 0, 0)
    strides: tuple[int, int, int] | None = None

    @property
    def leading(self) -> tuple[int, int, int]:
        """The lengths of the rows of a, b and y in memory."""
        if self.strides is not None:
            return self.strides
        a = self.rows if self.transpose_a else self.inner
        b = self.inner if self.transpose_b else self.columns
        return a, b, self.columns

    def issue(self, blas: Any, math_mode: str) -> None:
        """Ask cuBLAS for it. That thinks column by column, where y reads as its transpose: op(b)ᵀ op(a)ᵀ."""
        a, b, y = self.leading
        sizes = (self.transpose_b, self.transpose_a, self.columns, self.rows, self.inner, self.alpha)
        if self.count == 1:
            blas.gemm(*sizes, self.b.address, b, self.a.address, a, self.beta, self.y.address, y, math_mode)
            return
        step_a, step_b, step_y = self.steps
        blas.gemm_batched(
            *sizes, self.b.address, b, step_b, self.a.address, a, step_a, self.beta, self.y.address, y, step_y,
            self.count, math_mode,
        )  # fmt: skip


@dataclass(frozen=True)
class Library:
    """y = plan(a, b), as cuDNN computes it, in a workspace of as many bytes as the plan says."""

    library: ClassVar[str] = "cuDNN"
    plan: Convolution
    a: Pointer
    b: Pointer
    y: Pointer
    workspace: Pointer

    def issue(self) -> None:
        """Ask cuDNN for it."""
        self.plan.execute(self.a.address, self.b.address, self.y.address, self.workspace.address)


Work = Launch | Product | Library

Maker = Callable[[Call, Binding], list[Work]]
JoinedMaker = Callable[[Sequence[Call], Binding], list[Work]]
StageMaker = Callable[[Call, Binding], Stage | None]

_LAUNCHES: dict[str, Maker] = {}
_JOINED: dict[str, JoinedMaker] = {}
_STAGES: dict[str, tuple[int, StageMaker]] = {}


def launches_of(*operations: type[Op]) -> Callable[[Maker], Maker]:
    """Declare what a call of one of these operations launches, in order."""

    def declare(maker: Maker) -> Maker:
        for op in operations:
            assert op.name not in _LAUNCHES, op.name
            _LAUNCHES[op.name] = maker
        return maker

    return declare


def joined_of(*operations: type[Op]) -> Callable[[JoinedMaker], JoinedMaker]:
    """Declare what neighbouring calls of these operations launch together: one call or many, of any of the operations,
    none of which touches what another one writes."""

    def declare(maker: JoinedMaker) -> JoinedMaker:
        for op in operations:
            assert op.name not in _JOINED, op.name
            _JOINED[op.name] = maker
        return maker

    return declare


def stage_of(*operations: type[Op], chain: int = 0) -> Callable[[StageMaker], StageMaker]:
    """Declare how a call becomes a stage; `chain` is the input that it changes. A maker gives None where another must
    be launched by itself, as `launches_of` then says."""

    def declare(maker: StageMaker) -> StageMaker:
        for op in operations:
            assert op.name not in _STAGES, op.name
            _STAGES[op.name] = (chain, maker)
        return maker

    return declare


@dataclass(frozen=True)
class Covered:
    """Some calls of a group (the program's `group`-th) and what does them; nothing does a view."""

    calls: tuple[Call, ...]
    works: tuple[Work, ...]
    group: int = 0

    @property
    def name(self) -> str:
        """What runs, for people: "matmul+add_bias+relu"."""
        return Group(self.calls).name

    @property
    def flops(self) -> float:
        """Floating-point operations of the calls."""
        return float(sum(call.op.flops(*(value.tensor for value in call.inputs)) for call in self.calls))


def cover(binding: Binding) -> list[Covered]:
    """The works of the whole program, as few as can be. Raises Missing for an operation that nobody declared."""
    return [item for index, group in enumerate(binding.program.groups) for item in cover_group(group, binding, index)]


def cover_group(group: Group, binding: Binding, number: int = 0) -> list[Covered]:
    """The works of one group, the program's `number`-th."""
    found = []
    calls, index = group.calls, 0
    while index < len(calls):
        binding.next_call()
        if calls[index].op.name in _JOINED:
            run = _neighbours(calls[index:], binding)
            found.append(Covered(run, tuple(_JOINED[run[0].op.name](run, binding)), number))
            index += len(run)
            continue
        binding.followed = index + 1 < len(calls) and calls[index + 1].op.name in _STAGES
        works = _works(calls[index], binding)
        count = 1
        last = works[-1] if works else None
        if isinstance(last, Launch) and last.output is not None:
            count = 1 + _absorb(last, calls[index:], binding)
        found.append(Covered(calls[index : index + count], tuple(works), number))
        index += count
    return found


def _neighbours(calls: Sequence[Call], binding: Binding) -> tuple[Call, ...]:
    """The calls, from the first on, that are launched together."""
    maker = _JOINED[calls[0].op.name]
    written, read = Spans(), Spans()
    for count, call in enumerate(calls):
        changed = (*call.outputs, *(call.inputs[i] for i in call.op.mutates))
        reads, writes = ([binding.span(value) for value in values] for values in (call.inputs, changed))
        meets = any(written.meets(*span) for span in (*reads, *writes)) or any(read.meets(*span) for span in writes)
        if meets or _JOINED.get(call.op.name) is not maker:
            return tuple(calls[:count])
        for span in reads:
            read.add(*span)
        for span in writes:
            written.add(*span)
    return tuple(calls)


def _works(call: Call, binding: Binding) -> list[Work]:
    if call.op.view:
        return []
    maker = _LAUNCHES.get(call.op.name)
    if maker is not None:
        return maker(call, binding)
    if call.op.name in _STAGES:
        return alone(call, binding)
    raise Missing(f"nothing says how the device does “{call.op.name}”")


def alone(call: Call, binding: Binding) -> list[Work]:
    """An elementwise operation by itself."""
    chain, maker = _STAGES[call.op.name]
    stage = maker(call, binding)
    if stage is None:
        raise Missing(f"“{call.op.name}” is a stage that cannot stand alone")
    return [elementwise(binding.pointer(call.inputs[chain]), call.outputs[0], [stage], binding)]


def elementwise(source: Pointer, result: Value, stages: list[Stage], binding: Binding) -> Launch:
    """result = stages(source), number by number."""
    columns = result.shape[-1] if result.shape else 1
    arguments: list[Argument] = [source, binding.pointer(result), result.size]
    grid = blocks(result.size, 4 * BLOCK)
    return Launch("elementwise", arguments, grid, output=1, columns=columns, stages=stages)


def _absorb(launch: Launch, calls: Sequence[Call], binding: Binding) -> int:
    """How many calls after the first become stages of its launch."""
    assert launch.output is not None
    taken = 0
    for before, call in pairwise(calls):
        if call.op.name not in _STAGES:
            break
        chain, maker = _STAGES[call.op.name]
        if call.inputs[chain] is not before.outputs[0] or call.outputs[0].shape[-1] != before.outputs[0].shape[-1]:
            break
        stage = maker(call, binding)
        if stage is None or _meets(call, calls[: taken + 1], binding):
            break
        extra = [stage]
        old, new = binding.pointer(before.outputs[0]), binding.pointer(call.outputs[0])
        if old != new and binding.is_read(before.outputs[0]):
            extra.insert(0, Stage(KEEP, old))
        if len(launch.stages) + len(extra) > LIMIT:
            break
        launch.then(extra, new)
        taken += 1
    return taken


def _meets(call: Call, earlier: Sequence[Call], binding: Binding) -> bool:
    """Whether an output of `call` lies where an earlier call of the same launch still reads; the one that takes the
    place of the result itself aside."""
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
