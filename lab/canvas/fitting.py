"""Whether a wire can lead from one node to another, and why not, in words. Pure functions."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from engine.diagnostics import Report
from engine.edits import why_not_connect
from engine.experiment import NetworkSpec
from engine.layers.base import Loss, NodeComponent, Shape, ShapeProblem
from engine.schema import Unknown, from_plain

__all__ = ["Fit", "accepts", "fit", "fits_after", "fits_before"]


class Fit(Struct, frozen=True):
    """`reason` says why not, or, when `adapter` is to be put in between, what is added."""

    ok: bool
    reason: str = ""
    adapter: NodeComponent | None = None


def fit(network: NetworkSpec, report: Report, source: str, target: str) -> Fit:
    """Whether `target` can read `source`. Shapes count where the check knows them."""
    reason = why_not_connect(network, source, target, replacing=True)
    if reason:
        return Fit(False, _sentence(reason))
    component = network.node(target).component
    if isinstance(component, Unknown):
        return Fit(True)
    shapes = {node: item.shape for node, item in report.nodes.items()}
    kept = () if component.max_inputs == 1 else network.node(target).inputs
    wanted = [shapes.get(item) for item in (*kept, source)]
    if any(shape is None for shape in wanted):
        return Fit(True)
    return accepts(component, tuple(shape for shape in wanted if shape is not None))


def accepts(component: NodeComponent, shapes: tuple[Shape, ...]) -> Fit:
    """Whether a component can read outputs of these shapes."""
    if component.max_inputs == 0:
        return Fit(False, "It takes no input: it reads the data.")
    if len(shapes) < component.min_inputs:
        return Fit(True)
    try:
        component.infer(shapes)
    except ShapeProblem as problem:
        adapter = _adapter(problem, shapes, component)
        if adapter is not None:
            return Fit(True, f"Adds {adapter.title()} in between.", adapter)
        return Fit(False, _sentence(problem.message))
    return Fit(True)


def fits_after(shape: Shape | None) -> Callable[[NodeComponent], bool]:
    """A filter: what can read an output of this shape (None: any)."""

    def check(component: NodeComponent) -> bool:
        if component.max_inputs == 0:
            return False
        if shape is None or component.min_inputs > 1:
            return True
        found = accepts(component, (shape,))
        return found.ok and found.adapter is None

    return check


def fits_before(component: NodeComponent) -> bool:
    """A filter: what can be read at all."""
    return not isinstance(component, Loss)


def _adapter(problem: ShapeProblem, shapes: tuple[Shape, ...], component: NodeComponent) -> NodeComponent | None:
    """The layer that the problem itself proposes to put before, if it does mend it."""
    if len(shapes) != 1 or not problem.fix or problem.fix[0] != "insert":
        return None
    _, tag, values = problem.fix
    adapter = from_plain("layer", {"type": tag, **dict(values or {})})
    if not isinstance(adapter, NodeComponent):
        return None
    try:
        component.infer((adapter.infer(shapes),))
    except ShapeProblem:
        return None
    return adapter


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
