"""From kernels in Python to machine code: numba makes LLVM IR of each, LLVM makes one object file of all.

This is the only module that needs numba, and it runs once for each processor and version of the kernels; see
`engine.kernels.cpu.library` for where the result is kept. What numba gives is used without its runtime: kernels neither
raise nor touch Python objects, so that the object file loads into a process that never imports numba.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import types as numba_types
from numba.core.compiler import Flags, compile_extra
from numba.core.imputils import lower_builtin
from numba.core.registry import cpu_target
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import models, overload, register_model

from engine.kernels.cpu import language, microkernel
from engine.kernels.cpu import names as kernel_names
from engine.kernels.cpu.target import Target

__all__ = ["build"]

FASTMATH = {"contract", "reassoc", "nsz"}
"""Sums may be reordered and products fused, which vectors need; numbers that are not finite keep their meaning."""

types: Any = numba_types  # it fills its names in when it is imported

I64, I32, F32, F64 = ir.IntType(64), ir.IntType(32), ir.FloatType(), ir.DoubleType()
POINTERS = {
    "f32": (types.float32, F32),
    "f64": (types.float64, F64),
    "u32": (types.uint32, ir.IntType(32)),
    "i64": (types.int64, I64),
    "u8": (types.uint8, ir.IntType(8)),
}
KERNEL_TYPES = (types.CPointer(types.int64), types.int64, types.int64, types.int64)

Generator = Callable[[ir.IRBuilder, list[ir.Value]], ir.Value | None]


def build(target: Target, progress: Callable[[int, int, str], None] = lambda done, total, name: None) -> bytes:
    """Compile every kernel for `target`; returns an object file in which each has its own name.

    `progress(done, total, name)` is called before each kernel and once at the end.
    """
    names = kernel_names()
    _teach(target)
    module: llvm.ModuleRef | None = None
    for index, name in enumerate(names):
        progress(index, len(names), name)
        part = _compile(name, language.KERNELS[name])
        if module is None:
            module = part
        else:
            module.link_in(part)
    assert module is not None
    kept = {_symbol(name) for name in names}
    for function in module.functions:
        if not function.is_declaration and function.name not in kept:
            function.linkage = "internal"
    machine = llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="default"
    )
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = True
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    progress(len(names), len(names), "")
    return bytes(machine.emit_object(module))


def _symbol(name: str) -> str:
    return f"descent_{name}"


def _flags() -> Flags:
    flags = Flags()
    flags.enable_pyobject = False
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    flags.fastmath = FASTMATH
    flags.nrt = False
    return flags


def _compile(name: str, function: Callable[..., Any]) -> llvm.ModuleRef:
    """A module with `descent_<name>(arguments, me, team, step)` around what numba made of the function."""
    context = cpu_target.target_context
    result = compile_extra(cpu_target.typing_context, context, function, KERNEL_TYPES, types.void, _flags(), {})
    module = llvm.parse_assembly(result.library.get_llvm_str())
    inner = result.fndesc.llvm_func_name
    wrapper = f"""
        declare i32 @"{inner}"(ptr, ptr, ptr, i64, i64, i64)
        define void @{_symbol(name)}(ptr %a, i64 %me, i64 %team, i64 %step) {{
            %result = alloca ptr
            %error = alloca ptr
            %status = call i32 @"{inner}"(ptr %result, ptr %error, ptr %a, i64 %me, i64 %team, i64 %step)
            ret void
        }}
    """
    around = llvm.parse_assembly(wrapper)
    module.link_in(around)
    return module


_taught = False


def _teach(target: Target) -> None:
    """Tell numba what the names of `language` mean, once."""
    global _taught
    if _taught:
        return
    _taught = True
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    llvm.initialize_native_asmparser()
    for name, (element, machine_type) in POINTERS.items():
        _generate(
            getattr(language, name),
            types.CPointer(element),
            (types.int64,),
            partial(_as_pointer, machine_type),
        )
    i, f, d, void = types.int64, types.float32, types.float64, types.void
    _generate(language.number, d, (i,), lambda b, a: b.bitcast(a[0], F64))
    _generate(language.power_of_two, f, (f,), _power_of_two)
    _generate(language.exponent, f, (f,), _exponent)
    _generate(language.round_even, f, (f,), lambda b, a: b.call(b.module.declare_intrinsic("llvm.rint", [F32]), a))
    _generate(language.fma, f, (f, f, f), lambda b, a: b.call(_foreign(b, "llvm.fmuladd.f32", F32, (F32,) * 3), a))
    _generate(language.atomic_add, i, (i, i), lambda b, a: b.atomic_rmw("add", _pointer(b, a[0]), a[1], "seq_cst"))
    _generate(language.atomic_load, i, (i,), lambda b, a: b.load_atomic(_pointer(b, a[0]), "seq_cst", 8, typ=I64))
    _generate(language.atomic_store, void, (i, i), _atomic_store)
    _generate(language.stack, i, (i,), _stack(target))
    _generate(language.copy, void, (i, i, i), _memory("llvm.memcpy"))
    _generate(language.clear, void, (i, i), _memory("llvm.memset"))
    _generate(language.call, void, (i, i, i, i, i), _call)
    _generate(language.tile, void, (i,) * 14, lambda b, a: b.call(microkernel.emit_tile(b.module, target), a))
    _generate(language.transpose, void, (i,) * 4, lambda b, a: b.call(microkernel.emit_transpose(b.module, target), a))
    arm = target.triple.startswith(("aarch64", "arm64"))
    _generate(language.pause, void, (), lambda b, a: _assembly(b, "yield" if arm else "pause"))
    _generate(language.yield_core, void, (), lambda b, a: b.call(_foreign(b, "sched_yield", I32, ()), ()))
    _generate(language.nap, void, (i,), _nap)
    _generate(language.flush_denormals, i, (), _flush_denormals_arm if arm else _flush_denormals_x86)
    _generate(language.restore_mode, void, (i,), _restore_mode_arm if arm else _restore_mode_x86)
    _generate(language.ticks, i, (), _ticks_arm if arm else _ticks_x86)
    _teach_vectors(target)
    for function in language.DEVICE:
        overload(function, strict=False, inline="never", jit_options=DEVICE_OPTIONS)(_itself(function))
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()


def _teach_vectors(target: Target) -> None:
    """The type behind `language.vector`, and its arithmetic."""

    class Vector(types.Type):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__(name="Vector")

    machine_type = ir.VectorType(F32, target.lanes)
    vector = Vector()
    register_model(Vector)(lambda manager, kind: models.PrimitiveModel(manager, kind, machine_type))

    def at(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
        return _pointer(b, address, machine_type)

    def put(b: ir.IRBuilder, a: list[ir.Value]) -> None:
        b.store(a[1], at(b, a[0]), align=4)

    def broadcast(b: ir.IRBuilder, a: list[ir.Value]) -> ir.Value:
        return microkernel.broadcast(b, a[0], machine_type)

    flags = ("contract", "nsz")
    i, f = types.int64, types.float32
    _generate(language.vector, vector, (i,), lambda b, a: b.load(at(b, a[0]), align=4, typ=machine_type))
    _generate(language.put, types.void, (i, vector), put)
    _generate(language.broadcast, vector, (f,), broadcast)
    _generate(operator.add, vector, (vector, vector), lambda b, a: b.fadd(*a, flags=flags))
    _generate(operator.sub, vector, (vector, vector), lambda b, a: b.fsub(*a, flags=flags))
    _generate(operator.mul, vector, (vector, f), lambda b, a: b.fmul(a[0], broadcast(b, a[1:]), flags=flags))


DEVICE_OPTIONS = {"fastmath": FASTMATH, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def _itself(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: function


def _generate(
    function: Callable[..., Any],
    result: types.Type,
    arguments: tuple[types.Type, ...],
    generator: Callable[[ir.IRBuilder, Any], Any],
) -> None:
    """Calls of `function` become the instructions that `generator(builder, arguments)` appends."""

    class Template(ConcreteTemplate):
        key = function
        cases = [signature(result, *arguments)]

    infer_global(function)(Template)

    def lowered(context: Any, builder: ir.IRBuilder, sig: Any, values: list[ir.Value]) -> ir.Value:
        value = generator(builder, values)
        return context.get_dummy_value() if result is types.void else value

    lower_builtin(function, *arguments)(lowered)


# -- instructions ------------------------------------------------------------------------------------------------------


def _as_pointer(kind: ir.Type, b: ir.IRBuilder, a: list[ir.Value]) -> ir.Value:
    return b.inttoptr(a[0], kind.as_pointer())


def _pointer(b: ir.IRBuilder, address: ir.Value, kind: ir.Type = I64) -> ir.Value:
    return b.inttoptr(address, kind.as_pointer())


def _atomic_store(b: ir.IRBuilder, a: list[ir.Value]) -> None:
    b.store_atomic(a[1], _pointer(b, a[0]), "seq_cst", 8)


def _power_of_two(b: ir.IRBuilder, a: list[ir.Value]) -> ir.Value:
    return b.bitcast(b.shl(b.add(b.fptosi(a[0], I32), I32(127)), I32(23)), F32)


def _exponent(b: ir.IRBuilder, a: list[ir.Value]) -> ir.Value:
    return b.sitofp(b.sub(b.lshr(b.bitcast(a[0], I32), I32(23)), I32(127)), F32)


def _stack(target: Target) -> Callable[[ir.IRBuilder, list[ir.Value]], ir.Value]:
    def generate(b: ir.IRBuilder, a: list[ir.Value]) -> ir.Value:
        if not isinstance(a[0], ir.Constant):
            raise TypeError("the size of a piece of stack is a constant")
        with b.goto_entry_block():
            place = b.alloca(ir.ArrayType(F32, a[0].constant))
            place.align = 64
        return b.ptrtoint(place, I64)

    return generate


def _memory(name: str) -> Callable[[ir.IRBuilder, list[ir.Value]], ir.Value]:
    def generate(b: ir.IRBuilder, a: list[ir.Value]) -> ir.Value:
        byte = ir.IntType(8).as_pointer()
        target = _pointer(b, a[0], ir.IntType(8))
        no = ir.IntType(1)(0)
        if name == "llvm.memcpy":
            kind = [byte, byte, I64]
            return b.call(b.module.declare_intrinsic(name, kind), [target, _pointer(b, a[1], ir.IntType(8)), a[2], no])
        return b.call(b.module.declare_intrinsic(name, [byte, I64]), [target, ir.IntType(8)(0), a[1], no])

    return generate


def _call(b: ir.IRBuilder, a: list[ir.Value]) -> ir.Value:
    kind = ir.FunctionType(ir.VoidType(), [I64.as_pointer(), I64, I64, I64])
    return b.call(_pointer(b, a[0], kind), [_pointer(b, a[1]), *a[2:]])


def _foreign(b: ir.IRBuilder, name: str, result: ir.Type, arguments: tuple[ir.Type, ...]) -> ir.Function:
    """A function of the C library."""
    if name not in b.module.globals:
        ir.Function(b.module, ir.FunctionType(result, arguments), name)
    return b.module.globals[name]


def _nap(b: ir.IRBuilder, a: list[ir.Value]) -> ir.Value:
    return b.call(_foreign(b, "usleep", I32, (I32,)), [b.trunc(a[0], I32)])


def _assembly(
    b: ir.IRBuilder, code: str, result: ir.Type | None = None, constraint: str = "", values: tuple[ir.Value, ...] = ()
) -> ir.Value:
    kind = ir.FunctionType(result or ir.VoidType(), [value.type for value in values])
    return b.asm(kind, code, constraint, values, side_effect=True)


DENORMALS_X86 = 0x8040  # flush to zero, and take denormals for zero (Intel SDM volume 1, 10.2.3)
DENORMALS_ARM = 1 << 24  # FZ (Arm ARM, FPCR)


def _flush_denormals_x86(b: ir.IRBuilder, a: list[ir.Value]) -> ir.Value:
    with b.goto_entry_block():
        place = b.alloca(I32)
    _assembly(b, "stmxcsr ($0)", None, "r,~{memory}", (place,))
    before = b.load(place)
    b.store(b.or_(before, I32(DENORMALS_X86)), place)
    _assembly(b, "ldmxcsr ($0)", None, "r,~{memory}", (place,))
    return b.zext(before, I64)


def _restore_mode_x86(b: ir.IRBuilder, a: list[ir.Value]) -> ir.Value:
    with b.goto_entry_block():
        place = b.alloca(I32)
    b.store(b.trunc(a[0], I32), place)
    return _assembly(b, "ldmxcsr ($0)", None, "r,~{memory}", (place,))


def _ticks_x86(b: ir.IRBuilder, a: list[ir.Value]) -> ir.Value:
    return b.call(b.module.declare_intrinsic("llvm.readcyclecounter", (), ir.FunctionType(I64, [])), [])


def _flush_denormals_arm(b: ir.IRBuilder, a: list[ir.Value]) -> ir.Value:
    before = _assembly(b, "mrs $0, fpcr", I64, "=r")
    _assembly(b, "msr fpcr, $0", None, "r", (b.or_(before, I64(DENORMALS_ARM)),))
    return before


def _restore_mode_arm(b: ir.IRBuilder, a: list[ir.Value]) -> ir.Value:
    return _assembly(b, "msr fpcr, $0", None, "r", (a[0],))


def _ticks_arm(b: ir.IRBuilder, a: list[ir.Value]) -> ir.Value:
    return _assembly(b, "mrs $0, cntvct_el0", I64, "=r")
