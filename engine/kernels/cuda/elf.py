"""What the machine code of a GPU says of itself: a 64-bit ELF file whose sections `.nv.info.KERNEL` hold attributes.

The attributes are those that NVIDIA's `cuobjdump -elf` prints (CUDA Binary Utilities): one byte for the form, one for
the kind, then two bytes that are the value, or, in the form 4, the number of bytes of it that follow.
"""

from __future__ import annotations

import struct

__all__ = ["launch_bounds"]

_INFO = ".nv.info."
_MAX_THREADS = 0x05
"""EIATTR_MAX_THREADS: three 32-bit numbers, the block's greatest extent by its dimensions."""
_SIZED = 4


def launch_bounds(cubin: bytes) -> dict[str, int]:
    """The most threads of a block by kernel, for the kernels that declare `__launch_bounds__`."""
    found = {}
    for name, content in _sections(cubin):
        at = 0
        while name.startswith(_INFO) and at + 4 <= len(content):
            form, kind, size = struct.unpack_from("<BBH", content, at)
            at += 4
            if form == _SIZED:
                if kind == _MAX_THREADS:
                    x, y, z = struct.unpack_from("<III", content, at)
                    found[name[len(_INFO) :]] = x * y * z
                at += size
    return found


def _sections(file: bytes) -> list[tuple[str, bytes]]:
    """Name and content of each section (System V Application Binary Interface, chapter 4)."""
    start = struct.unpack_from("<Q", file, 40)[0]
    size, count, names = struct.unpack_from("<HHH", file, 58)
    headers = [struct.unpack_from("<IIQQQQ", file, start + index * size) for index in range(count)]
    if not headers:
        return []
    base = headers[names][4]
    found = []
    for offset, kind, _, _, begin, length in headers:
        at = base + offset
        name = file[at : file.index(b"\0", at)].decode(errors="replace")
        found.append((name, b"" if kind == 8 else file[begin : begin + length]))  # 8: takes no room in the file
    return found
