"""`descent check` and `descent program`: what an experiment comes to, without training it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lab.cli.changes import add_set_argument, with_changes
from lab.cli.common import (
    Parser,
    UserError,
    count_text,
    finding_text,
    print_json,
    print_table,
    read_experiment,
    sentence,
    shape_text,
    signature_of,
)

if TYPE_CHECKING:
    from engine.diagnostics import Diagnostic, Report
    from engine.experiment import Experiment
    from engine.plan import Program

__all__ = ["add_check_arguments", "add_program_arguments", "run_check", "run_program"]


def add_check_arguments(parser: Parser) -> None:
    """FILE [--set PATH=VALUE] [--json]"""
    parser.add_argument("file", metavar="FILE", help="an experiment (.dlab)")
    add_set_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def run_check(options: argparse.Namespace) -> int:
    """Print nodes and findings; status 1 when a finding stands in the way of training."""
    from engine.data.errors import DataError
    from engine.diagnostics import Diagnostic
    from engine.graph import check_experiment

    experiment = with_changes(read_experiment(options.file), options.changes)
    findings: tuple[Diagnostic, ...] = ()
    try:
        signature = signature_of(experiment)
    except DataError as error:
        signature = None
        place = f"data.{error.field}" if error.field else "data"
        findings = (Diagnostic(node="", field=place, severity="error", message=str(error)),)
    report = check_experiment(experiment, signature)
    # What has kept the data from being loaded may be found a second time, without its place.
    findings += tuple(item for item in report.diagnostics if not (findings and item.field == "data"))
    failed = any(item.severity == "error" for item in findings)
    if options.json:
        print_json(_as_json(experiment, report, findings, ok=not failed), indent=1)
    else:
        _print_report(experiment, report, findings)
    return 1 if failed else 0


def _as_json(experiment: Experiment, report: Report, findings: tuple[Diagnostic, ...], *, ok: bool) -> dict[str, Any]:
    from engine.blocks import unrolled_network
    from engine.schema import info_of

    nodes = []
    for node in unrolled_network(experiment.network).nodes:
        found = report.nodes[node.id]
        nodes.append(
            {
                "id": node.id,
                "type": info_of(node.component).tag,
                "inputs": node.inputs,
                "bypass": node.bypass,
                "input_shapes": found.input_shapes,
                "shape": found.shape,
                "parameters": found.parameter_count,
                "arrays": {spec.name: spec.shape for spec in found.parameters},
                "flops": found.flops,
            }
        )
    return {
        "ok": ok,
        "parameters": report.parameter_count,
        "flops": report.flops,
        "order": report.order,
        "nodes": nodes,
        "diagnostics": [
            {
                "node": item.node,
                "field": item.field,
                "severity": item.severity,
                "message": item.message,
                "fix": item.fix.label if item.fix is not None else None,
            }
            for item in findings
        ],
    }


def _print_report(experiment: Experiment, report: Report, findings: tuple[Diagnostic, ...]) -> None:
    from engine.blocks import unrolled_network
    from engine.layers.words import title_of

    rows = [("NODE", "LAYER", "OUTPUT", "PARAMETERS", "FLOPS")]
    for node in unrolled_network(experiment.network).nodes:
        found = report.nodes[node.id]
        title = title_of(node) + (" (bypassed)" if node.bypass else "")
        shape = shape_text(found.shape) if found.shape is not None else "–"
        rows.append((node.id, title, shape, count_text(found.parameter_count), count_text(found.flops)))
    print_table(rows, right=(3, 4))
    print(f"\n{report.parameter_count:,} parameters, {count_text(report.flops)} FLOPs forward per sample")
    for item in findings:
        print(sentence(f"{item.severity}: {finding_text(item)}"))


def add_program_arguments(parser: Parser) -> None:
    """FILE [--executor array|cpu|cuda]"""
    parser.add_argument("file", metavar="FILE", help="an experiment (.dlab)")
    parser.add_argument(
        "--executor",
        choices=("array", "cpu", "cuda"),
        default="array",
        help="also what runs each group of operations: with cpu the compiled kernel, with cuda the kernels of a GPU",
    )


def run_program(options: argparse.Namespace) -> int:
    """Print the listing of the training step."""
    from engine.graph import check_experiment
    from engine.listing import listing
    from engine.plan import compile

    experiment = read_experiment(options.file)
    signature = signature_of(experiment)
    report = check_experiment(experiment, signature)
    if not report.ok:
        first = next(item for item in report.diagnostics if item.severity == "error")
        raise UserError(f"{options.file}: {first.node or first.field or 'network'}: {first.message}")
    size = min(experiment.training.batch_size, signature.train_size or experiment.training.batch_size)
    program = compile(experiment, report, signature, batch_size=size, training=True, observe=False)
    print(listing(program, _kernels(program, options.executor) if options.executor != "array" else None))
    return 0


def _kernels(program: Program, executor: str) -> list[str]:
    """What runs each group of a program on the compiled executor, or on a GPU: then without one as well."""
    from engine.executors import unavailable
    from engine.kernels import cpu, cuda

    if executor == "cpu" and (reason := unavailable()):
        raise UserError(f"--executor cpu: {reason}")
    if program.precision != "float32":
        name = "compiled" if executor == "cpu" else "CUDA"
        raise UserError(
            f"--executor {executor}: the {name} executor computes float32, this experiment {program.precision}"
        )
    return cpu.plan_names(program) if executor == "cpu" else cuda.plan_names(program)
