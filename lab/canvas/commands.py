"""What a person can do to the network on the canvas, each as one labelled undo step. Knows documents, not pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine import block_edits, clipboard, edits, graph
from engine.diagnostics import Diagnostic
from engine.edits import EditError
from engine.experiment import Block, Experiment, NetworkSpec, Node
from engine.layers.base import Loss, NodeComponent
from engine.schema import info_of
from lab.canvas.fitting import Fit, fit
from lab.canvas.layout import arrange, is_tidy, placed, rearranged, with_room
from lab.document import Document, Selection

__all__ = ["Commands"]

Point = tuple[float, float]


class Commands:
    """Edits of `document` that start from `selection`. `columns` is how many cards fit in a row of the view.

    A network that lies as auto-layout put it stays so: what is added or removed closes up. Raises EditError in words.
    """

    def __init__(self, document: Document, selection: Selection) -> None:
        self.document, self.selection = document, selection
        self.columns = 6

    @property
    def network(self) -> NetworkSpec:
        return self.document.experiment.network

    # -- adding --------------------------------------------------------------------------------------------------------

    def add(self, component: NodeComponent, at: Point | None = None) -> str:
        """Add a node: wired after the selection unless a place is given. Selects it and returns its id.

        After a node that others read, it goes in between; before a loss when that is selected; a merging layer reads
        all selected nodes.
        """
        experiment = self._settled()
        network = experiment.network
        chosen = [network.node(item) for item in self.selection.nodes]
        sources = [node for node in chosen if not isinstance(node.component, Loss)]
        takes_input = component.max_inputs != 0
        new_id = edits.unique_id(network, info_of(component).tag)
        if at is not None or not takes_input:
            after = edits.add_node(experiment, component, at=at, node_id=new_id)
        elif len(sources) > 1 and component.max_inputs is None:
            after = edits.add_node(experiment, component, node_id=new_id, at=_beside(sources))
            for node in sources:
                after = edits.connect(after, node.id, new_id)
        elif chosen and isinstance(chosen[-1].component, Loss):
            loss = chosen[-1]
            if isinstance(component, Loss):
                after = edits.add_node(experiment, component, node_id=new_id)
            elif loss.inputs:
                after = edits.insert_before(experiment, component, loss.id, node_id=new_id)
            else:
                after = edits.add_node(experiment, component, node_id=new_id)
                after = edits.connect(after, new_id, loss.id)
        else:
            source = chosen[-1] if chosen else _open_end(network)
            after = edits.add_node(experiment, component, after=source.id if source else None, node_id=new_id)
        self._apply(f"Add {component.title()}", after, tidy=at is None)
        self.selection.set([new_id])
        return new_id

    def add_wired(self, component: NodeComponent, at: Point, *, source: str = "", target: str = "") -> str:
        """Add a node at a place and wire it: from `source`, or to `target`."""
        experiment = self._settled()
        new_id = edits.unique_id(experiment.network, info_of(component).tag)
        after = edits.add_node(experiment, component, at=at, node_id=new_id)
        if source:
            after = edits.connect(after, source, new_id)
        if target:
            after = edits.connect(after, new_id, target, replacing=True)
        self._apply(f"Add {component.title()}", after)
        self.selection.set([new_id])
        return new_id

    def insert(self, component: NodeComponent, source: str, target: str, at: Point | None = None) -> str:
        """Put a new node on a wire; what it would cover makes room."""
        experiment = self._settled()
        new_id = edits.unique_id(experiment.network, info_of(component).tag)
        place = None if is_tidy(experiment.network) else at
        after = edits.insert_on_edge(experiment, component, source, target, node_id=new_id, at=place)
        if place is not None:
            after = edits.move(after, with_room(after.network, new_id, source))
        self._apply(f"Insert {component.title()}", after, tidy=True)
        self.selection.set([new_id])
        return new_id

    def splice(self, node_id: str, source: str, target: str, at: Point) -> None:
        """Move an unwired node onto a wire; what it would cover makes room."""
        experiment = edits.move(self._settled(), {node_id: at})
        after = edits.disconnect(experiment, source, target)
        after = edits.connect(after, source, node_id)
        after = _in_place_of(after, target, source, node_id, experiment)
        rest = edits.remove_nodes(experiment, [node_id], reconnect=False).network
        if is_tidy(rest):
            after = edits.move(after, rearranged(rest, after.network, self.columns))
        else:
            after = edits.move(after, with_room(after.network, node_id, source))
        self._apply(f"Insert {_title(self.network.node(node_id))}", after)

    # -- wires ---------------------------------------------------------------------------------------------------------

    def fit(self, source: str, target: str) -> Fit:
        """Whether a wire can lead from `source` to `target`, and why not."""
        return fit(self.network, self.document.report, source, target)

    def connect(self, source: str, target: str) -> None:
        """Lead a wire; it takes the place of the only one that `target` can read, and an adapter (Flatten) is put in
        between where the shapes ask for one."""
        found = self.fit(source, target)
        if not found.ok:
            raise EditError(target, found.reason)
        experiment = self._settled()
        after = edits.connect(experiment, source, target, replacing=True)
        label = f"Connect {_title(self.network.node(source))} to {_title(self.network.node(target))}"
        if found.adapter is not None:
            after = edits.insert_on_edge(after, found.adapter, source, target)
        self._apply(label, after, tidy=found.adapter is not None)

    def rewire(self, source: str, old_target: str, new_target: str) -> None:
        """Lead an existing wire to another node."""
        if old_target == new_target:
            return
        experiment = edits.disconnect(self._settled(), source, old_target)
        report = graph.check(experiment.network, self.document.signature)
        found = fit(experiment.network, report, source, new_target)
        if not found.ok:
            raise EditError(new_target, found.reason)
        after = edits.connect(experiment, source, new_target, replacing=True)
        if found.adapter is not None:
            after = edits.insert_on_edge(after, found.adapter, source, new_target)
        self._apply("Rewire", after)

    def disconnect(self, source: str, target: str) -> None:
        self._apply("Remove wire", edits.disconnect(self._settled(), source, target))

    # -- the selection -------------------------------------------------------------------------------------------------

    def delete(self, label: str = "Delete") -> None:
        """Remove the selected nodes; their neighbours are wired to each other where shapes allow."""
        chosen = self.selection.nodes
        if not chosen:
            return
        experiment = self._settled()
        gone = set(chosen)
        tidy = is_tidy(experiment.network)
        after = edits.remove_nodes(experiment, chosen, reconnect=True)
        report = graph.check(after.network, self.document.signature)
        before = {node.id: node for node in experiment.network.nodes}
        for node in after.network.nodes:
            if gone.intersection(before[node.id].inputs) and _refuses(node, report.of(node.id)):
                kept = {item for item in before[node.id].inputs if item not in gone}
                for item in node.inputs:
                    if item not in kept:
                        after = edits.disconnect(after, item, node.id)
        heir = next((item for node in chosen for item in before[node].inputs if item not in gone), None)
        self.selection.set([heir] if heir else [])
        self._apply(f"{label} {self._counted(chosen)}", after, tidy=tidy)

    def bypass(self) -> None:
        """Take the selected nodes out of the network without deleting them, or back in."""
        if not self.selection.nodes:
            return
        on = not self.network.node(self.selection.nodes[0]).bypass
        label = f"{'Bypass' if on else 'Use again'} {self._counted(self.selection.nodes)}"
        self._apply(label, edits.bypass(self.document.experiment, self.selection.nodes, on))

    # -- groups --------------------------------------------------------------------------------------------------------

    @property
    def block(self) -> Block | None:
        """The group that the layer selected last belongs to."""
        current = self.selection.current
        return block_edits.block_of(self.network, current) if current is not None else None

    def can_group(self) -> bool:
        """Whether the selected nodes can be repeated as a group."""
        return not block_edits.why_not_group(self.network, self.selection.nodes)

    def group(self) -> None:
        """Make the selected nodes a group that is repeated twice."""
        chosen = self.selection.nodes
        self._apply(f"Group {self._counted(chosen)}", block_edits.group(self._settled(), chosen))

    def ungroup(self) -> None:
        """Take the group of the selected node apart."""
        if self.selection.current is not None:
            self._apply("Ungroup", block_edits.ungroup(self._settled(), self.selection.current))

    def repeat(self, times: int, *_: object) -> None:
        """Repeat the group of the selected node so many times."""
        if self.selection.current is not None:
            after = block_edits.repeat(self._settled(), self.selection.current, times)
            self._apply(f"Repeat ×{times}", after)

    def unroll(self) -> None:
        """Write the copies of the selected node's group out."""
        if self.selection.current is not None:
            self._apply("Write the copies out", block_edits.unroll(self._settled(), self.selection.current))

    def copy_text(self) -> str:
        """The selected nodes as they stand in an experiment file, or an empty string."""
        return clipboard.copy_nodes(self._settled(), self.selection.nodes) if self.selection.nodes else ""

    def paste(self, text: str, at: Point | None = None) -> None:
        """Add the nodes of a text, at a place (upper left corner) or beside where they were, and select them."""
        experiment = self._settled()
        taken = {node.position for node in experiment.network.nodes}
        for number in range(1, 100):
            after = clipboard.paste_nodes(experiment, text, at=at, offset=(40.0 * number, 40.0 * number))
            new = after.network.nodes[len(experiment.network.nodes) :]
            if at is not None or not taken.intersection(node.position for node in new):
                break
        self._paste("Paste", after, experiment)

    def duplicate(self) -> None:
        """Copy the selected nodes beside themselves."""
        if self.selection.nodes:
            experiment = self._settled()
            self._paste("Duplicate", clipboard.duplicate(experiment, self.selection.nodes), experiment)

    def _paste(self, label: str, after: Experiment, before: Experiment) -> None:
        old = {node.id for node in before.network.nodes}
        new = [node.id for node in after.network.nodes if node.id not in old]
        if new:
            self._apply(f"{label} {_counted(after.network, new)}", after)
            self.selection.set(new)

    # -- places --------------------------------------------------------------------------------------------------------

    def move(self, positions: Mapping[str, Point], merge_key: str | None = None) -> None:
        """Put nodes at new places."""
        after = edits.move(self._settled(), positions)
        self._apply(f"Move {self._counted(tuple(positions))}", after, merge_key=merge_key)

    def lay_out(self, columns: int | None = None) -> None:
        """Arrange the whole network in rows of at most so many nodes (as many as fit)."""
        after = edits.move(self.document.experiment, arrange(self.network, columns or self.columns))
        self._apply("Arrange", after)

    def select_all(self) -> None:
        self.selection.set(node.id for node in self.network.nodes)

    # -- findings ------------------------------------------------------------------------------------------------------

    def next_problem(self) -> Diagnostic | None:
        """Select the next node with an error or warning, in order of the list, and return the finding."""
        known = {node.id for node in self.network.nodes}
        found = [item for item in self.document.report.diagnostics if item.node in known and item.severity != "info"]
        if not found:
            return None
        nodes = list(dict.fromkeys(item.node for item in found))
        current = self.selection.current
        node = nodes[(nodes.index(current) + 1) % len(nodes)] if current in nodes else nodes[0]
        self.selection.set([node])
        return next(item for item in found if item.node == node)

    # -- helpers -------------------------------------------------------------------------------------------------------

    def _settled(self) -> Experiment:
        """The experiment with the places that are shown, also where none were ever given."""
        experiment = self.document.experiment
        shown = placed(experiment.network, self.columns)
        if all(shown[node.id] == node.position for node in experiment.network.nodes):
            return experiment
        return edits.move(experiment, shown)

    def _apply(self, label: str, after: Experiment, *, tidy: bool = False, merge_key: str | None = None) -> None:
        before = self._settled().network
        if tidy and is_tidy(before):
            after = edits.move(after, rearranged(before, after.network, self.columns))
        self.document.apply(label, after, merge_key)

    def _counted(self, nodes: Iterable[str]) -> str:
        return _counted(self.network, nodes)


def _counted(network: NetworkSpec, nodes: Iterable[str]) -> str:
    nodes = tuple(nodes)
    return _title(network.node(nodes[0])) if len(nodes) == 1 else f"{len(nodes)} layers"


def _title(node: Node) -> str:
    return graph.title_of(node)


def _open_end(network: NetworkSpec) -> Node | None:
    """The one node that could be read and is not, if there is exactly one."""
    read = {item for node in network.nodes for item in node.inputs}
    ends = [node for node in network.nodes if node.id not in read and not isinstance(node.component, Loss)]
    return ends[0] if len(ends) == 1 else None


def _beside(nodes: list[Node]) -> Point:
    from lab.canvas.geometry import COLUMN

    return (max(node.position[0] for node in nodes) + COLUMN, min(node.position[1] for node in nodes))


def _refuses(node: Node, findings: tuple[Diagnostic, ...]) -> bool:
    """Whether a node's own check fails, so that a new wire to it would not fit."""
    return any(item.severity == "error" for item in findings)


def _in_place_of(after: Experiment, target: str, old: str, new: str, before: Experiment) -> Experiment:
    """Wire `new` to `target` at the place among its inputs where `old` was."""
    order = before.network.node(target).inputs
    after = edits.connect(after, new, target)
    wanted = [new if item == old else item for item in order]
    for item in wanted:
        after = edits.disconnect(after, item, target)
    for item in wanted:
        after = edits.connect(after, item, target)
    return after
