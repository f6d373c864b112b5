"""What is wrong with groups of layers, and findings about copies told of the layers that a person sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from engine.blocks import BlockProblem, copy_number, ends_of, is_copy, template_of
from engine.diagnostics import Diagnostic, Fix
from engine.experiment import Block, Experiment, NetworkSpec

__all__ = ["block_findings", "collapsed"]


def block_findings(network: NetworkSpec) -> Iterator[Diagnostic]:
    """Groups that cannot be repeated."""
    for block in network.blocks:
        try:
            ends_of(network, block.nodes)
        except BlockProblem as problem:
            if block.repeat > 1:
                words = str(problem)
                yield Diagnostic(
                    node=block.nodes[0],
                    field="",
                    severity="error",
                    message=f"This group cannot be repeated: {words}.",
                    fix=Fix("Ungroup", _ungrouped(block)),
                )


def _ungrouped(block: Block) -> Callable[[Experiment], Experiment]:
    def edit(experiment: Experiment) -> Experiment:
        network = experiment.network
        kept = tuple(item for item in network.blocks if item.nodes != block.nodes)
        return replace(experiment, network=replace(network, blocks=kept))

    return edit


def collapsed(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The findings with those about copies told of their templates, once each."""
    found: dict[tuple[str, str, str], Diagnostic] = {}
    for item in diagnostics:
        copy = is_copy(item.node)
        key = (template_of(item.node), item.field, item.message)
        if key in found:
            continue
        if copy:
            words = f"In repetition {copy_number(item.node)}: {item.message[0].lower()}{item.message[1:]}"
            item = replace(item, node=template_of(item.node), message=words)
            if any(other.node == item.node and "In repetition" in other.message for other in found.values()):
                continue
        found[key] = item
    return tuple(found.values())
