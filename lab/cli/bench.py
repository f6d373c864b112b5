"""`descent bench`: how fast an experiment trains on this machine, and where a step's time goes."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from engine.backend import MATH_MODES
from engine.executors import EXECUTORS
from lab.cli.common import (
    Parser,
    UserError,
    count_text,
    device,
    in_help,
    print_json,
    print_table,
    read_experiment,
    warn,
)

if TYPE_CHECKING:
    from engine.backend import Device, MathMode
    from engine.benchmark import Measured
    from engine.executors import ExecutorKind
    from engine.experiment import Experiment
    from engine.roofline import Machine

__all__ = ["add_bench_arguments", "run_bench"]

USUAL = "mnist-mlp"
"""The preset that is measured when nothing else is named."""
SHOWN = 10
"""Operations that are listed."""


def add_bench_arguments(parser: Parser) -> None:
    """[FILE] and how to measure."""
    parser.add_argument(
        "what",
        metavar="FILE",
        nargs="?",
        default=USUAL,
        help=f"an experiment (.dlab), or a preset that “{in_help('presets')}” lists; {USUAL} without",
    )
    parser.add_argument(
        "--executor",
        choices=EXECUTORS,
        default="auto",
        help="measure arrays, compiled kernels (cpu), a GPU (cuda), or all of them that are to be had (auto)",
    )
    parser.add_argument(
        "--device",
        metavar="cpu|cuda[:N]",
        type=device,
        default="auto",
        help="the GPU to measure, or the processor alone; the first GPU that can be used without",
    )
    parser.add_argument(
        "--precision", choices=MATH_MODES, default="float32", help="how a GPU multiplies matrices; float32 without"
    )
    parser.add_argument("--seconds", metavar="N", type=_seconds, default=5.0, help="how long to measure, about")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def run_bench(options: argparse.Namespace) -> int:
    """Print figures and operations of each executor."""
    from engine import data
    from engine.benchmark import benchmark
    from engine.measure import Divergent
    from engine.peak import measure
    from lab.cores import usable_cores

    experiment = _what_to_measure(options.what)
    kinds = _kinds(options.executor, options.device, options.precision, experiment)
    dataset = data.load(experiment.data)
    machine = measure(usable_cores())
    try:
        found = benchmark(
            experiment,
            dataset,
            kinds,
            seconds=options.seconds,
            gpu=options.device if options.device != "auto" else "cuda",
            math=options.precision,
        )
    except Divergent as error:
        raise UserError(f"{options.what}: {error} Its initial weights or its data are at fault") from None
    if options.json:
        print_json(_as_json(experiment, machine, found), indent=1)
    else:
        _print(experiment, machine, found)
    return 0


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number of seconds, got “{text}”") from None
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"expected seconds above 0 and up to 3600, got {text}")
    return value


def _what_to_measure(name: str) -> Experiment:
    """The experiment in a file, or else of a preset."""
    from engine.presets import make, presets

    if not os.path.exists(name) and name in {preset.name for preset in presets()}:
        return make(name)
    return read_experiment(name)


def _kinds(asked: ExecutorKind, device: Device, math: MathMode, experiment: Experiment) -> list[ExecutorKind]:
    """The executors to measure: the CUDA executor first, then the compiled one."""
    refusal = f"--precision {math}: only a GPU computes so" if math != "float32" else ""
    if asked == "cuda" or (asked == "auto" and device != "cpu"):
        why = _no_gpu(device, experiment)
        if why and (asked == "cuda" or device != "auto"):
            raise UserError(why)
        if why and refusal:
            raise UserError(f"{refusal}. {why}")
        if asked == "cuda":
            return ["cuda"]
        return [*(() if why else ("cuda",)), *_processor_kinds(asked, experiment)]
    if device.startswith("cuda"):
        raise UserError(f"--executor {asked} is measured on the processor: use --executor cuda with --device {device}")
    if refusal:
        raise UserError(f"{refusal}, and none is measured")
    return _processor_kinds(asked, experiment)


def _no_gpu(device: Device, experiment: Experiment) -> str:
    """Why no GPU can be measured, in words, or nothing."""
    from engine.backend import BackendError, choose
    from engine.devices import detected

    if experiment.training.precision != "float32":
        return "The CUDA executor computes float32, and this experiment asks for float64."
    found = detected()
    if found.trouble is not None:
        return found.trouble.text
    try:
        choose(device if device != "auto" else "cuda")
    except BackendError as error:
        return str(error)
    return ""


def _processor_kinds(asked: ExecutorKind, experiment: Experiment) -> list[ExecutorKind]:
    """The executors of the processor, the compiled one first."""
    from engine import executors

    if asked == "array":
        return ["array"]
    why = executors.unavailable()
    if not why and experiment.training.precision != "float32":
        why = "The compiled executor computes float32, and this experiment asks for float64."
    if not why and not executors.compiled():
        why = _make_kernels()
    if why and asked == "cpu":
        raise UserError(f"{why} Use --executor array")
    if why:
        warn(why)
        return ["array"]
    return ["cpu"] if asked == "cpu" else ["cpu", "array"]


def _make_kernels() -> str:
    """Compile the kernels; why that cannot be done, in words, or nothing."""
    from engine.compilation import Compilation

    warn("the kernels are compiled first, once, which takes up to a minute")
    compilation = Compilation()
    try:
        compilation.start()
        compilation.wait()
    finally:
        compilation.cancel()
    return compilation.message


def _print(experiment: Experiment, machine: Machine, found: list[Measured]) -> None:
    work, batch = found[0].work, found[0].batch
    print(f"{experiment.name}: batch {batch}, {count_text(work.flops)} FLOPs a step")
    print(_limits_text(machine))
    print()
    rows = [("EXECUTOR", "MS A STEP", "SPREAD", "SAMPLES/S", "GFLOP/S", "OF PEAK", "MS ALONE", "OBSERVED")]
    for item in found:
        step = item.chunked
        rate = work.flops / step.median
        rows.append(
            (
                item.label,
                _ms(step.median),
                f"{_ms(step.low)} – {_ms(step.high)}",
                f"{batch / step.median:,.0f}",
                f"{rate / 1e9:.1f}",
                # The peak is the processor's.
                f"{rate / machine.flops:.0%}" if item.kind != "cuda" else "–",
                _ms(item.single.median),
                f"{item.observed:.2f}×",
            )
        )
    print_table(rows, right=range(1, 8))
    *others, last = found
    for item in others:
        share = item.chunked.median / last.chunked.median
        what = "A step" if len(others) == 1 else f"A step of {item.label}"
        print(f"\n{what} takes {share:.2f} times what it takes with arrays.")
    for item in found:
        if item.operations:
            print(f"\nThe slowest operations, {item.label}:")
            _print_operations(item)
        if item.fallbacks:
            print(f"\n{item.label} leaves to NumPy: {', '.join(dict.fromkeys(item.fallbacks))}")


def _limits_text(machine: Machine) -> str:
    memory = machine.levels[-1]
    threads = "1 thread" if machine.threads == 1 else f"{machine.threads} threads"
    return f"This machine: {machine.flops / 1e9:.0f} GFLOP/s and {memory.rate / 1e9:.0f} GB/s with {threads}"


def _print_operations(item: Measured) -> None:
    whole = sum(operation.seconds for operation in item.operations) or 1.0
    rows = [("OPERATION", "NODE", "PHASE", "MS", "SHARE", "GFLOP/S")]
    for operation in item.operations[:SHOWN]:
        rate = operation.flops / operation.seconds / 1e9 if operation.seconds else float("nan")
        rows.append(
            (
                operation.name,
                operation.node or "–",
                operation.phase,
                _ms(operation.seconds),
                f"{operation.seconds / whole:.0%}",
                f"{rate:.1f}" if rate == rate else "–",
            )
        )
    print_table(rows, right=(3, 4, 5))


def _ms(seconds: float) -> str:
    """Milliseconds to three digits."""
    value = 1e3 * seconds
    return f"{value:.4f}" if value < 0.1 else f"{value:.3f}" if value < 1 else f"{value:.4g}"


def _as_json(experiment: Experiment, machine: Machine, found: list[Measured]) -> dict[str, Any]:
    from dataclasses import asdict

    from engine.roofline import bound

    work = found[0].work
    least = bound(work, machine)
    return {
        "experiment": experiment.name,
        "batch": found[0].batch,
        "flops": work.flops,
        "bytes": work.bytes,
        "machine": asdict(machine),
        "bound": asdict(least),
        "executors": [
            {
                "executor": item.kind,
                "label": item.label,
                "seconds": asdict(item.chunked),
                "steps_a_call": item.chunk,
                "seconds_alone": asdict(item.single),
                "samples_per_second": item.batch / item.chunked.median,
                "flops_per_second": work.flops / item.chunked.median,
                "share_of_peak": work.flops / item.chunked.median / machine.flops if item.kind != "cuda" else None,
                "observed": item.observed,
                "operations": [asdict(operation) for operation in item.operations],
                "fallbacks": item.fallbacks,
            }
            for item in found
        ],
    }
