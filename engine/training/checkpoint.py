"""Checkpoints: everything that a run needs to go on bit for bit, in two files that survive a crash.

`NAME.safetensors` holds the arrays, `NAME.json` the counters, the SHA-256 of the arrays' file and a digest of itself.
The JSON is written last: a checkpoint without it does not exist. Both are written to a temporary file, synced and
renamed. No pickled objects anywhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import safetensors
import safetensors.numpy
from msgspec import Struct

from engine.files import write_atomically
from engine.training.database import StoreError, os_error_in_words

__all__ = [
    "CheckpointError",
    "CheckpointFile",
    "delete_checkpoint",
    "read_checkpoint",
    "sweep",
    "thin",
    "write_checkpoint",
]

FORMAT = 1
_NAME = re.compile(r"step-\d{12}-[0-9a-f]{8}")


class CheckpointError(StoreError):
    """A checkpoint cannot be written or read; the message is for people."""


class CheckpointFile(Struct, frozen=True, kw_only=True):
    """What was written: `name` without suffix, the arrays' SHA-256, and the bytes on disk of both files."""

    name: str
    sha256: str
    bytes: int


def write_checkpoint(folder: Path, arrays: dict[str, np.ndarray], counters: dict[str, Any]) -> CheckpointFile:
    """Write a checkpoint into `folder` (made when missing) and return what was written.

    `counters` holds JSON types and has a whole number `step`. Raises CheckpointError.
    """
    step = int(counters["step"])
    name = f"step-{step:012d}-{secrets.token_hex(4)}"
    where = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        data = safetensors.numpy.save({key: np.ascontiguousarray(arrays[key]) for key in sorted(arrays)})
        digest = hashlib.sha256(data).hexdigest()
        head: dict[str, Any] = {
            "format": FORMAT,
            "arrays": {key: [str(arrays[key].dtype), list(arrays[key].shape)] for key in sorted(arrays)},
            "bytes": len(data),
            "sha256": digest,
            "counters": counters,
        }
        text = _canonical({**head, "digest": hashlib.sha256(_canonical(head)).hexdigest()})
        write_atomically(where.with_suffix(".safetensors"), data)
        write_atomically(where.with_suffix(".json"), text)
    except OSError as error:
        delete_checkpoint(folder, name)
        raise CheckpointError(os_error_in_words(error, "The checkpoint cannot be saved")) from error
    return CheckpointFile(name=name, sha256=digest, bytes=len(data) + len(text))


def read_checkpoint(folder: Path, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and counters of a checkpoint, after checking every byte of both files. Raises CheckpointError."""
    if not _NAME.fullmatch(name):
        raise CheckpointError(f"“{name[:60]}” is not the name of a checkpoint.")
    where = folder / name
    try:
        head = _parse(where.with_suffix(".json").read_bytes(), name)
        data = where.with_suffix(".safetensors").read_bytes()
    except OSError as error:
        raise CheckpointError(os_error_in_words(error, f"The checkpoint {name} cannot be read")) from error
    if len(data) != head["bytes"]:
        raise CheckpointError(
            f"The checkpoint {name} is damaged: its file has {len(data)} bytes instead of {head['bytes']}."
        )
    if hashlib.sha256(data).hexdigest() != head["sha256"]:
        raise CheckpointError(f"The checkpoint {name} is damaged: its content does not match its checksum.")
    try:
        arrays = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"The checkpoint {name} cannot be read: {error}.") from error
    return arrays, head["counters"]


def _canonical(value: Any) -> bytes:
    # msgspec would write NaN as null; json writes it as NaN, which comes back.
    return json.dumps(msgspec.to_builtins(value), sort_keys=True, separators=(",", ":")).encode()


def _parse(text: bytes, name: str) -> dict[str, Any]:
    damaged = CheckpointError(f"The checkpoint {name} is damaged: its description does not match its checksum.")
    try:
        head = json.loads(text)
        digest = head.pop("digest")
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise damaged from None
    # Comparing the whole text, not only the content: a changed space is a changed file.
    if hashlib.sha256(_canonical(head)).hexdigest() != digest or _canonical({**head, "digest": digest}) != text:
        raise damaged
    if head.get("format") != FORMAT:
        raise CheckpointError(
            f"The checkpoint {name} was written by another version of Descent Lab (format {head.get('format')})."
        )
    return head


def delete_checkpoint(folder: Path, name: str) -> None:
    """Remove a checkpoint's files; what is not there is no error. The description goes first."""
    for suffix in (".json", ".safetensors"):
        with contextlib.suppress(OSError):
            os.unlink((folder / name).with_suffix(suffix))


def sweep(folder: Path, names: Collection[str]) -> None:
    """Remove what a crash left in a folder: checkpoints other than `names`, and temporary files."""
    with contextlib.suppress(OSError):
        for path in list(folder.iterdir()):
            known = _NAME.fullmatch(path.stem) and path.suffix in (".json", ".safetensors")
            if (known and path.stem not in names) or (path.name.startswith(".step-") and path.suffix == ".tmp"):
                with contextlib.suppress(OSError):
                    path.unlink()


def thin(steps: Sequence[int], sizes: Sequence[int], *, count: int, budget: int) -> list[int]:
    """Which of the checkpoints between (indices, in order of steps) to let go, so that at most `count` remain and
    their `sizes` add up to at most `budget` bytes; the rest stay about evenly spread over the run."""
    kept = list(range(len(steps)))
    dropped = []
    while kept and (len(kept) > count or sum(sizes[i] for i in kept) > budget):
        gaps = [
            steps[kept[k + 1]] - (steps[kept[k - 1]] if k else 0) if k + 1 < len(kept) else float("inf")
            for k in range(len(kept))
        ]
        dropped.append(kept.pop(gaps.index(min(gaps))))
    return sorted(dropped)
