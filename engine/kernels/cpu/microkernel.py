"""LLVM IR for the two pieces that no compiler makes by itself: the register tile and the transposition of a block.

The tile holds rows x vectors accumulators in registers. Each step of the sum loads `vectors` vectors of b, broadcasts
one number of a for each row, and issues rows x vectors fused multiply-adds, so that both operands are read far less
often than they are used. Source of the scheme: Goto and van de Geijn, "Anatomy of High-Performance Matrix
Multiplication", ACM TOMS 34 (2008). One function is made for each number of rows and vectors, because an accumulator
must be a register with a name; `tile` chooses among them at run time.
"""

from __future__ import annotations

from llvmlite import ir

from engine.kernels.cpu.target import Target

__all__ = ["broadcast", "emit_tile", "emit_transpose"]

I64 = ir.IntType(64)
I32 = ir.IntType(32)
F32 = ir.FloatType()
VOID = ir.VoidType()

UNROLL = 4
"""Steps of the sum in one turn of the loop, where the sum is that long."""


def emit_tile(module: ir.Module, target: Target) -> ir.Function:
    """The function `tile` of `engine.kernels.cpu.language` in `module`, made once."""
    name = "descent_tile"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(VOID, [I64] * 14), name)
    function.linkage = "linkonce_odr"
    rows, vectors, *rest = function.args
    b = ir.IRBuilder(function.append_basic_block("choose"))
    wrong = function.append_basic_block("none")
    choice = b.switch(b.add(b.mul(vectors, I64(64)), rows), wrong)
    ir.IRBuilder(wrong).ret_void()
    for columns in range(1, target.vectors + 1):
        for height in range(1, target.rows + 1):
            block = function.append_basic_block(f"tile_{height}x{columns}")
            choice.add_case(I64(columns * 64 + height), block)
            inner = ir.IRBuilder(block)
            inner.call(_tile(module, target, height, columns), rest)
            inner.ret_void()
    return function


def _tile(module: ir.Module, target: Target, rows: int, vectors: int) -> ir.Function:
    """The tile of one size: (accumulate, c, c_row, a, a_row, a_step, a_run, b, b_step, b_run, length, runs)."""
    function = ir.Function(module, ir.FunctionType(VOID, [I64] * 12), f"descent_tile_{rows}x{vectors}")
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    accumulate, c, c_row, a, a_row, a_step, a_run, b, b_step, b_run, length, runs = function.args
    vector = ir.VectorType(F32, target.lanes)
    count = rows * vectors

    entry = function.append_basic_block("entry")
    outer = function.append_basic_block("run")
    body = function.append_basic_block("steps")
    tail_test = function.append_basic_block("tail_test")
    tail = function.append_basic_block("tail")
    next_run = function.append_basic_block("next_run")
    store = function.append_basic_block("store")

    build = ir.IRBuilder(entry)
    four = I64(4)
    # Strides in bytes.
    c_row, a_row, a_step, a_run, b_step, b_run = (
        build.mul(item, four) for item in (c_row, a_row, a_step, a_run, b_step, b_run)
    )
    row_offsets = [build.mul(a_row, I64(i)) for i in range(rows)]
    unrolled = build.and_(length, I64(-UNROLL))
    a_turn, b_turn = build.mul(a_step, I64(UNROLL)), build.mul(b_step, I64(UNROLL))
    build.branch(outer)

    def phis(builder: ir.IRBuilder) -> list[ir.PhiInstr]:
        return [builder.phi(vector) for _ in range(count)]

    zero = ir.Constant(vector, [0.0] * target.lanes)
    # Two instructions where the processor has none for both; `llvm.fma` would there be a function of the C library.
    fma = _intrinsic(module, f"llvm.fmuladd.v{target.lanes}f32", vector, 3)

    def step(builder: ir.IRBuilder, at_a: ir.Value, at_b: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
        """One step of the sum."""
        columns = [
            _load(builder, builder.add(at_b, I64(4 * target.lanes * j)), vector, align=4) for j in range(vectors)
        ]
        result = []
        for i in range(rows):
            number = _load(builder, builder.add(at_a, row_offsets[i]), F32, align=4)
            spread = broadcast(builder, number, vector)
            result += [builder.call(fma, [spread, columns[j], sums[i * vectors + j]]) for j in range(vectors)]
        return result

    # One run after the other.
    build = ir.IRBuilder(outer)
    run = build.phi(I64)
    run_a, run_b = build.phi(I64), build.phi(I64)
    run_sums = phis(build)
    build.cbranch(build.icmp_signed(">", unrolled, I64(0)), body, tail_test)

    # Several steps a turn.
    build = ir.IRBuilder(body)
    k, body_a, body_b = build.phi(I64), build.phi(I64), build.phi(I64)
    body_sums = phis(build)
    sums: list[ir.Value] = list(body_sums)
    at_a, at_b = body_a, body_b
    for turn in range(UNROLL):
        if turn:
            at_a, at_b = build.add(at_a, a_step), build.add(at_b, b_step)
        sums = step(build, at_a, at_b, sums)
    k_next = build.add(k, I64(UNROLL))
    a_next, b_next = build.add(body_a, a_turn), build.add(body_b, b_turn)
    build.cbranch(build.icmp_signed("<", k_next, unrolled), body, tail_test)
    for phi, start, again in (
        (k, I64(0), k_next),
        (body_a, run_a, a_next),
        (body_b, run_b, b_next),
        *zip(body_sums, run_sums, sums, strict=True),
    ):
        phi.add_incoming(start, outer)
        phi.add_incoming(again, body)

    # What is left of the run, step by step.
    build = ir.IRBuilder(tail_test)
    left_k, left_a, left_b = build.phi(I64), build.phi(I64), build.phi(I64)
    left_sums = phis(build)
    for phi, from_outer, from_body in (
        (left_k, I64(0), k_next),
        (left_a, run_a, a_next),
        (left_b, run_b, b_next),
        *zip(left_sums, run_sums, sums, strict=True),
    ):
        phi.add_incoming(from_outer, outer)
        phi.add_incoming(from_body, body)
    build.cbranch(build.icmp_signed("<", left_k, length), tail, next_run)

    build = ir.IRBuilder(tail)
    tail_k, tail_a, tail_b = build.phi(I64), build.phi(I64), build.phi(I64)
    tail_sums = phis(build)
    stepped = step(build, tail_a, tail_b, list(tail_sums))
    tail_next = build.add(tail_k, I64(1))
    tail_a_next, tail_b_next = build.add(tail_a, a_step), build.add(tail_b, b_step)
    build.cbranch(build.icmp_signed("<", tail_next, length), tail, next_run)
    for phi, start, again in (
        (tail_k, left_k, tail_next),
        (tail_a, left_a, tail_a_next),
        (tail_b, left_b, tail_b_next),
        *zip(tail_sums, left_sums, stepped, strict=True),
    ):
        phi.add_incoming(start, tail_test)
        phi.add_incoming(again, tail)

    build = ir.IRBuilder(next_run)
    done = phis(build)
    for phi, from_test, from_tail in zip(done, left_sums, stepped, strict=True):
        phi.add_incoming(from_test, tail_test)
        phi.add_incoming(from_tail, tail)
    run_next = build.add(run, I64(1))
    run_a_next, run_b_next = build.add(run_a, a_run), build.add(run_b, b_run)
    build.cbranch(build.icmp_signed("<", run_next, runs), outer, store)
    for phi, start, again in (
        (run, I64(0), run_next),
        (run_a, a, run_a_next),
        (run_b, b, run_b_next),
        *((item, zero, end) for item, end in zip(run_sums, done, strict=True)),
    ):
        phi.add_incoming(start, entry)
        phi.add_incoming(again, next_run)

    # Onto what c holds, or in its place.
    build = ir.IRBuilder(store)
    adds = build.icmp_signed("!=", accumulate, I64(0))
    with build.if_else(adds) as (onto, instead):
        for branch, add in ((onto, True), (instead, False)):
            with branch:
                for i in range(rows):
                    at = build.add(c, build.mul(c_row, I64(i)))
                    for j in range(vectors):
                        place = build.add(at, I64(4 * target.lanes * j))
                        value: ir.Value = done[i * vectors + j]
                        if add:
                            value = build.fadd(value, _load(build, place, vector, align=4))
                        _store(build, value, place, align=4)
    build.ret_void()
    return function


def emit_transpose(module: ir.Module, target: Target) -> ir.Function:
    """The function `transpose` of `engine.kernels.cpu.language` in `module`, made once.

    log2(lanes) rounds of shuffles; in round r, rows i and i + 2^r exchange blocks of 2^r elements.
    """
    name = "descent_transpose"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(VOID, [I64] * 4), name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    lanes = target.lanes
    vector = ir.VectorType(F32, lanes)
    out, out_row, source, source_row = function.args
    build = ir.IRBuilder(function.append_basic_block("entry"))
    out_row, source_row = build.mul(out_row, I64(4)), build.mul(source_row, I64(4))
    rows = [_load(build, build.add(source, build.mul(source_row, I64(i))), vector, align=4) for i in range(lanes)]
    half = 1
    while half < lanes:
        for i in range(lanes):
            if i & half:
                continue
            upper, lower = rows[i], rows[i + half]
            first = [j if not j & half else lanes + j - half for j in range(lanes)]
            second = [j + half if not j & half else lanes + j for j in range(lanes)]
            rows[i] = _shuffle(build, upper, lower, first)
            rows[i + half] = _shuffle(build, upper, lower, second)
        half *= 2
    for i, row in enumerate(rows):
        _store(build, row, build.add(out, build.mul(out_row, I64(i))), align=4)
    build.ret_void()
    return function


def _intrinsic(module: ir.Module, name: str, kind: ir.Type, arguments: int) -> ir.Function:
    if name not in module.globals:
        ir.Function(module, ir.FunctionType(kind, [kind] * arguments), name)
    return module.globals[name]


def _load(build: ir.IRBuilder, address: ir.Value, kind: ir.Type, align: int) -> ir.Value:
    return build.load(build.inttoptr(address, kind.as_pointer()), align=align, typ=kind)


def _store(build: ir.IRBuilder, value: ir.Value, address: ir.Value, align: int) -> None:
    build.store(value, build.inttoptr(address, value.type.as_pointer()), align=align)


def broadcast(build: ir.IRBuilder, number: ir.Value, vector: ir.VectorType) -> ir.Value:
    """The vector of one number over and over."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = build.insert_element(undefined, number, I32(0))
    return build.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, vector.count), [0] * vector.count))


def _shuffle(build: ir.IRBuilder, a: ir.Value, b: ir.Value, indices: list[int]) -> ir.Value:
    return build.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(indices)), indices))
