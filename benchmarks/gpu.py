"""Training steps of the engine on an NVIDIA GPU beside PyTorch's, in one process, in turn.

    python3 benchmarks/gpu.py [W1 ... W7 G1 ...] [--products float32,tf32] [--peers eager,graph] [--record]
    python3 benchmarks/gpu.py --dry       runs every part once on the processor and measures nothing

Every side trains the same networks with the same numbers: where the losses of the first five steps differ too much, the
command says so and fails. docs/performance.md tells what is measured.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.gpu_names import LABELS, OURS
from engine.backend import MATH_MODES

if TYPE_CHECKING:
    from benchmarks.gpu_device import Device
    from engine.backend import MathMode
    from engine.executors import ExecutorKind

ROOT = Path(__file__).resolve().parents[1]
PEERS = [name for name in LABELS if name != OURS]
PRESETS = ("spiral-mlp", "mnist-mlp", "mnist-cnn")
"""Whose runs tell what instruments take at the trainer's own cadence."""
CADENCE = 4.0
"""Seconds of each of these runs."""


class Unavailable(RuntimeError):
    """Something that was asked for is not on this machine, or does not exist; the message says what to do."""


def main(arguments: list[str] | None = None) -> int:
    """0, or 1 where something is missing or two sides do not compute the same, or 2 where the call was wrong."""
    options = _parser().parse_args(arguments)
    from engine.executors import ExecutorError

    try:
        _check_names(options)
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 2
    try:
        device, kind = _device(options)
        results = measure(options, device, kind)
    except (Unavailable, ExecutorError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.dry:
        return _rehearse(results)
    from benchmarks.gpu_tables import tables
    from benchmarks.tables import text

    for table in tables(results):
        print(f"\n{text(table)}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.record:
        for path in write(results, ROOT / "benchmarks" / "results"):
            print(f"written: {path}")
    if results["mismatches"]:
        print(f"{results['mismatches']} comparisons failed: see “What was not compared”.", file=sys.stderr)
    return 1 if results["mismatches"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    several = {"type": lambda text: [item for item in text.split(",") if item]}
    parser.add_argument("workloads", metavar="W", nargs="*", help="W1 ... W7, G1 ... G3; all without")
    parser.add_argument("--products", metavar="A,B", default=list(MATH_MODES), **several, help=", ".join(MATH_MODES))
    parser.add_argument("--peers", metavar="A,B", default=list(PEERS), **several, help=", ".join(PEERS))
    parser.add_argument("--mode", default="max-autotune", help="of torch.compile")
    parser.add_argument("--rounds", metavar="N", type=int, default=15)
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--record", action="store_true", help="write benchmarks/results/DATE-gpu-CARD.json and .md")
    parser.add_argument("--dry", action="store_true", help="run every part once on the processor; measures nothing")
    return parser


def _check_names(options: argparse.Namespace) -> None:
    from benchmarks.gpu_workloads import NAMES

    for what, given, known in (
        ("workload", options.workloads, NAMES),
        ("way to multiply", options.products, MATH_MODES),
        ("peer", options.peers, PEERS),
    ):
        for name in given:
            if name not in known:
                raise Unavailable(f"There is no {what} “{name}”; there are {', '.join(known)}.")
    if options.rounds < 1:
        raise Unavailable("--rounds is at least 1.")


def _device(options: argparse.Namespace) -> tuple[Device, ExecutorKind]:
    """The device to measure, and the engine's executor there. Raises Unavailable where there is none."""
    if find_spec("torch") is None:
        raise Unavailable(
            "PyTorch is not installed, so that there is nothing to compare with: run "
            f"{sys.executable} -m pip install torch."
        )
    from benchmarks.gpu_device import Card, Processor

    if options.dry:
        return Processor(), "array"
    import torch

    from engine.backend import BackendError, choose

    try:
        choose("cuda")
    except BackendError as error:
        raise Unavailable(f"There is no GPU to measure: {error}") from error
    if not torch.cuda.is_available():
        raise Unavailable(
            f"PyTorch {torch.__version__} finds no NVIDIA GPU: install a build for CUDA (https://pytorch.org)."
        )
    return Card(options.mode), "cuda"


def measure(options: argparse.Namespace, device: Device, kind: ExecutorKind) -> dict[str, Any]:
    """All rows, and the card's limits. What two sides do not compute alike, or what the card is too small for, is left
    out with a sentence: the rest of an hour's work is kept. Raises Unavailable."""
    from benchmarks import gpu_limits, gpu_sides, sections
    from benchmarks.gpu_workloads import LARGE, NAMES, WEIGHTY, gpu_workload
    from benchmarks.losses import Mismatch

    rounds, weighty = (1, LARGE) if options.dry else (options.rounds, WEIGHTY)
    maths: list[MathMode] = [math for math in MATH_MODES if math in options.products]
    results: dict[str, Any] = {
        "machine": _machine(device),
        "rounds": rounds,
        "mode": options.mode,
        "peers": options.peers,
        "rows": [],
        "skipped": [],
        "mismatches": 0,
    }
    _note("what the card can do")
    results["limits"] = gpu_limits.measure(maths, device, dry=options.dry)
    for name in options.workloads or NAMES:
        workload = gpu_workload(name, dry=options.dry)
        reference = None
        for math in maths:
            if math != "float32" and name not in weighty:
                continue
            # The processor multiplies float32 alone.
            ours = "float32" if options.dry else math
            try:
                row = gpu_sides.measure(
                    *(workload, math, device, kind, options.peers, rounds, reference, _note), ours=ours
                )
            except Mismatch as error:
                results["skipped"].append([name, str(error)])
                results["mismatches"] += 1
                continue
            except Exception as error:
                results["skipped"].append([name, _too_large(error)])
                break
            finally:
                device.free()
            reference = reference or row["reference"]
            results["rows"].append(row)
    _note("instruments in a run")
    presets, seconds = (PRESETS[:1], 0.1) if options.dry else (PRESETS, CADENCE)
    results["cadence"] = sections.cadence(presets, [kind], seconds, device.name)
    return results


def _too_large(error: Exception) -> str:
    """Why a network cannot be trained here, in words. Raises Unavailable where the card can do nothing any more, and
    the error itself where it is of another kind."""
    import torch

    from engine.device_errors import DeviceError, OutOfDeviceMemory, translated
    from engine.training.result import TrainingError

    if isinstance(error, TrainingError | torch.OutOfMemoryError):
        return str(error)
    found = translated(error)
    if isinstance(found, OutOfDeviceMemory):
        return found.message
    if isinstance(found, DeviceError):
        raise Unavailable(found.message) from error
    raise error


def _machine(device: Device) -> dict[str, str]:
    from benchmarks.environment import machine

    return machine() | device.describe() | {"commit": _commit()}


def _commit() -> str:
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def write(results: dict[str, Any], folder: Path) -> list[Path]:
    """Write the results and their tables into the folder, by date and card; returns the files."""
    from benchmarks.gpu_tables import document

    card = re.sub(r"[^a-z0-9]+", "-", results["machine"]["card"].lower().replace("nvidia", "")).strip("-")
    stem = f"{results['machine']['date']}-gpu-{card}"
    files = {
        folder / f"{stem}.json": json.dumps(results, indent=1) + "\n",
        folder / f"{stem}.md": document(results),
    }
    for path, content in files.items():
        path.write_text(content, encoding="utf-8")
    return list(files)


def _rehearse(results: dict[str, Any]) -> int:
    """What follows a measurement, without showing figures that mean nothing."""
    with tempfile.TemporaryDirectory() as folder:
        write(results, Path(folder))
    for row in results["rows"]:
        for name, why in row["left_out"].items():
            print(f"{row['name']} ({row['math']}): {LABELS[name]} failed: {why}", file=sys.stderr)
    for name, why in results["skipped"]:
        print(f"{name}: {why}", file=sys.stderr)
    failed = sum(len(row["left_out"]) for row in results["rows"]) + len(results["skipped"])
    print(f"Every part was run on the processor, {len(results['rows'])} rows; nothing was measured. Failed: {failed}.")
    return 1 if failed else 0


def _note(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
