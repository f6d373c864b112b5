"""Compiles the GPU's kernels with NVRTC, the run-time compiler of CUDA: it needs neither a GPU nor a driver.

The sources are the `.cu` files of this folder; they may include its `.cuh` files, and nothing else: NVRTC comes without
the headers of CUDA and of C++. The machine code is kept on the disk (`engine.kernels.cuda.cache`).
Source of the calls and options: NVIDIA, "NVRTC", CUDA Toolkit Documentation 13.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
from dataclasses import dataclass
from functools import cache, cached_property

import msgspec

from engine.device_errors import DeviceError
from engine.kernels.cuda import cache as disk
from engine.kernels.cuda import elf, libraries
from engine.kernels.cuda.signatures import FOLDER

__all__ = ["Compiled", "CompileError", "Entry", "architecture", "compile", "sources", "uncompiled", "version"]


class CompileError(DeviceError):
    """Kernels cannot be compiled; the message names the file and holds what the compiler says."""


@dataclass(frozen=True)
class Entry:
    """A kernel of a compiled file: the registers of a thread, the bytes of a thread's stack and of what did not find
    room in registers, and the threads of a block that its `__launch_bounds__` allow; None where it has none."""

    name: str
    registers: int
    stack: int
    spilled: int
    threads: int | None


@dataclass(frozen=True)
class Compiled:
    """Machine code for one GPU, and what the compiler said while it made it."""

    cubin: bytes
    log: str

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The kernels, by name, as the assembler reports them. Functions that are called, not inlined, are none."""
        found = []
        for block in re.split(r"^ptxas info\s*: Compiling entry function ", self.log, flags=re.MULTILINE)[1:]:
            name = re.match(r"'([^']+)'", block)
            # A block may list the properties of called functions too: the entry's own stand under its name.
            own = block.partition(f"Function properties for {name[1]}")[2] if name else ""
            frame = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", own)
            registers = re.search(r"Used (\d+) registers", block)
            if not (name and frame and registers):
                raise CompileError(f"The assembler's report of a kernel cannot be read:\n{block[:500]}")
            stack, stores, loads = (int(item) for item in frame.groups())
            threads = elf.launch_bounds(self.cubin).get(name[1])
            found.append(Entry(name[1], int(registers[1]), stack, max(stores, loads), threads))
        return tuple(sorted(found, key=lambda entry: entry.name))

    @cached_property
    def warnings(self) -> str:
        """What the compiler and the assembler complain of; empty when they have nothing to say."""
        lines = self.log.splitlines()
        return "\n".join(line for line in lines if line.strip() and not _REPORT.match(line))


_REPORT = re.compile(r"ptxas (info\s*:|\s*\.\s+\d+ bytes stack frame)")


class _Kept(msgspec.Struct, array_like=True):
    cubin: bytes
    log: str


def sources() -> tuple[str, ...]:
    """The names of the kernels' files, without the ending."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.cu")))


def compile(name: str, arch: str = "sm_90") -> Compiled:
    """The kernels of `name`.cu as machine code for `arch` ("sm_75" to "sm_121"; see `architecture`), compiled once and
    kept. Several threads may compile at a time. Raises CompileError, and MissingLibrary where there is no NVRTC."""
    source, headers = _source(name)
    options = _options(arch)
    stem, digest = f"{name}-{arch}", _digest(f"{name}.cu", source, headers, options)
    if (kept := _kept(stem, digest)) is not None:
        return kept
    compiled = _compile(f"{name}.cu", source, headers, options)
    disk.write(stem, digest, msgspec.msgpack.encode(_Kept(compiled.cubin, compiled.log)))
    return compiled


def uncompiled(arch: str) -> tuple[str, ...]:
    """The names of the files that are not compiled for `arch` yet. Raises CompileError, and MissingLibrary."""
    options, found = _options(arch), []
    for name in sources():
        source, headers = _source(name)
        if _kept(f"{name}-{arch}", _digest(f"{name}.cu", source, headers, options)) is None:
            found.append(name)
    return tuple(found)


def _source(name: str) -> tuple[bytes, dict[str, bytes]]:
    """A file, and all headers by name. Raises CompileError."""
    path = FOLDER / f"{name}.cu"
    try:
        return path.read_bytes(), {item.name: item.read_bytes() for item in sorted(FOLDER.glob("*.cuh"))}
    except OSError as error:
        raise CompileError(f"The kernels in {path} cannot be read: {error.strerror}.") from error


def _kept(stem: str, digest: str) -> Compiled | None:
    """What was compiled before, if that is there and whole."""
    if (content := disk.read(stem, digest)) is None:
        return None
    try:
        found = msgspec.msgpack.decode(content, type=_Kept)
    except msgspec.DecodeError:
        return None
    return Compiled(found.cubin, found.log)


@cache
def version() -> tuple[int, int]:
    """NVRTC's version: (13, 0). Raises MissingLibrary."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    _check(_library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)), "tell its version")
    return major.value, minor.value


def architecture(major: int, minor: int) -> str:
    """What to compile for, for a GPU of compute capability `major`.`minor`: "sm_86" for 8.6. Where this NVRTC does not
    know it, the nearest below of the same generation, whose machine code runs there too. Raises CompileError."""
    library = _library()
    count = ctypes.c_int()
    _check(library.nvrtcGetNumSupportedArchs(ctypes.byref(count)), "tell what it compiles for")
    known = (ctypes.c_int * count.value)()
    _check(library.nvrtcGetSupportedArchs(known), "tell what it compiles for")
    fitting = [item for item in known if item // 10 == major and item % 10 <= minor]
    if fitting:
        return f"sm_{max(fitting)}"
    way = "update CUDA's libraries" if major * 10 + minor > max(known) else "use the device “cpu”"
    raise CompileError(
        f"NVRTC {'.'.join(map(str, version()))} cannot compile for this GPU, of compute capability {major}.{minor}; "
        f"it can for {min(known) / 10:.1f} to {max(known) / 10:.1f}: {way}."
    )


def _options(arch: str) -> list[str]:
    options = [
        f"--gpu-architecture={arch}",
        "-std=c++17",
        "--fmad=true",
        # What each kernel takes stands in the log.
        "--ptxas-options=-v",
        "--ptxas-options=--warn-on-spills",
        "--ptxas-options=--warn-on-local-memory-usage",
    ]
    # There is one cache, ours; from that of the driver the log would come back empty.
    return [*options, "--no-cache"] if version() >= (13, 0) else options


def _digest(name: str, source: bytes, headers: dict[str, bytes], options: list[str]) -> str:
    found = hashlib.blake2b(digest_size=12)
    parts = [name.encode(), source, repr((options, version())).encode()]
    for part in (*parts, *(item for header in headers.items() for item in (header[0].encode(), header[1]))):
        found.update(len(part).to_bytes(8, "little") + part)
    return found.hexdigest()


def _compile(name: str, source: bytes, headers: dict[str, bytes], options: list[str]) -> Compiled:
    library = _library()
    program = ctypes.c_void_p()
    texts, names = _strings(list(headers.values())), _strings([item.encode() for item in headers])
    _check(
        library.nvrtcCreateProgram(ctypes.byref(program), source, name.encode(), len(headers), texts, names),
        f"take {name}",
    )
    try:
        status = library.nvrtcCompileProgram(program, len(options), _strings([item.encode() for item in options]))
        log = _text(program)
        if status:
            raise CompileError(
                f"The GPU's kernels in {name} cannot be compiled ({options[0].partition('=')[2]}, "
                f"{_words(status)}):\n{_shortened(log)}"
            )
        size = ctypes.c_size_t()
        _check(library.nvrtcGetCUBINSize(program, ctypes.byref(size)), f"hand over {name}")
        cubin = ctypes.create_string_buffer(size.value)
        _check(library.nvrtcGetCUBIN(program, cubin), f"hand over {name}")
        return Compiled(cubin.raw, log)
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def _text(program: ctypes.c_void_p) -> str:
    library, size = _library(), ctypes.c_size_t()
    _check(library.nvrtcGetProgramLogSize(program, ctypes.byref(size)), "hand over its log")
    log = ctypes.create_string_buffer(max(1, size.value))
    _check(library.nvrtcGetProgramLog(program, log), "hand over its log")
    return log.value.decode(errors="replace").strip()


def _shortened(log: str) -> str:
    lines = [line for line in log.splitlines() if line.strip()]
    return "\n".join(lines if len(lines) <= 40 else [*lines[:40], f"... and {len(lines) - 40} more lines"])


def _strings(items: list[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * len(items))(*items)


@cache
def _library() -> ctypes.CDLL:
    library = libraries.load("nvrtc")
    pointer, number, strings = ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)
    for name, arguments in {
        "nvrtcVersion": [ctypes.POINTER(number)] * 2,
        "nvrtcGetNumSupportedArchs": [ctypes.POINTER(number)],
        "nvrtcGetSupportedArchs": [ctypes.POINTER(number)],
        "nvrtcCreateProgram": [
            ctypes.POINTER(pointer),
            ctypes.c_char_p,
            ctypes.c_char_p,
            number,
            strings,
            strings,
        ],
        "nvrtcCompileProgram": [pointer, number, strings],
        "nvrtcGetProgramLogSize": [pointer, ctypes.POINTER(ctypes.c_size_t)],
        "nvrtcGetProgramLog": [pointer, ctypes.c_char_p],
        "nvrtcGetCUBINSize": [pointer, ctypes.POINTER(ctypes.c_size_t)],
        "nvrtcGetCUBIN": [pointer, ctypes.c_char_p],
        "nvrtcDestroyProgram": [ctypes.POINTER(pointer)],
    }.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, number
    library.nvrtcGetErrorString.argtypes, library.nvrtcGetErrorString.restype = [number], ctypes.c_char_p
    return library


def _words(status: int) -> str:
    return str((_library().nvrtcGetErrorString(status) or b"unknown").decode())


def _check(status: int, what: str) -> None:
    if status:
        raise CompileError(f"NVRTC could not {what}: {_words(status)}.")
