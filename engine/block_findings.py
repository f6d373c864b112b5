"""What is wrong with groups of layers, and findings about copies told of the layers that a person sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from msgspec.structs import replace

from engine.blocks import BlockProblem, copy_number, ends_of, is_copy, template_of, without_block
from engine.diagnostics import Diagnostic, Fix
from engine.experiment import NetworkSpec

__all__ = ["block_findings", "collapsed"]

REPETITION = "In repetition "
"""How a finding about a copy begins."""


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
                    fix=Fix("Ungroup", partial(without_block, block=block)),
                )


def collapsed(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The findings with those about copies told of their templates, once each."""
    found: dict[tuple[str, str, str], Diagnostic] = {}
    told: set[tuple[str, str, str]] = set()
    """Of what is told of a copy, the template, the field and the severity."""
    for item in diagnostics:
        template = template_of(item.node)
        key, place = (template, item.field, item.message), (template, item.field, item.severity)
        if item.message.startswith(REPETITION):  # collapsed before
            told.add(place)
        if key in found:
            continue
        if is_copy(item.node):
            # What goes wrong in one copy goes wrong in those after it, in other words.
            if place in told:
                continue
            told.add(place)
            words = f"{REPETITION}{copy_number(item.node)}: {item.message[0].lower()}{item.message[1:]}"
            item = replace(item, node=template, message=words)
        found[key] = item
    return tuple(found.values())
