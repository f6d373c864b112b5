"""Where the observers of a program go: large arrays are measured where they arise, small ones together at the end."""

from __future__ import annotations

from dataclasses import dataclass

from engine.builder import Builder
from engine.experiment import Node
from engine.ops import Observe, ObserveMany, ObserveUnits
from engine.ops.base import Call, Value
from engine.ops.observe import SMALL
from engine.ops.tiling import BLOCK

__all__ = ["HISTOGRAM_BINS", "Instruments", "Measured"]

HISTOGRAM_BINS = 64


@dataclass(frozen=True)
class Measured:
    """Where the statistics of an array lie: the results of an `Observe`, or those of index `place` in an
    `ObserveMany`. `units` is the length of the array's last axis; `per_unit` are the results of an `ObserveUnits`."""

    stats: Value
    alive: Value
    histogram: Value
    units: int
    place: int | None = None
    per_unit: Value | None = None


@dataclass(eq=False)
class _Watched:
    """An array to be measured. `root` is the value whose memory it is; `source` what was measured in its place."""

    into: dict[str, Measured]
    name: str
    value: Value
    root: int
    bins: int
    limits: tuple[float | None, float | None]
    source: _Watched | None = None
    per_unit: Value | None = None
    measured: Measured | None = None


class Instruments:
    """Puts observers into the program that `builder` is making.

    An array is kept, if it is small, until all of those are measured in one go; `replaced` says which values were
    exchanged since. A view, such as the output of a flatten layer, shows what its source shows, dead units included.
    """

    def __init__(self, builder: Builder, nodes: dict[str, Node]) -> None:
        self.b, self.nodes = builder, nodes
        self.replaced: dict[int, Value] = {}
        self._watched: list[_Watched] = []

    def watch(
        self,
        into: dict[str, Measured],
        name: str,
        value: Value,
        node: str,
        *,
        histogram: bool = True,
        per_unit: bool = False,
    ) -> None:
        """Measure `value` of `node` as it is at this place of the program, as `into[name]`; the first one counts. With
        `per_unit`, each unit by itself as well."""
        if any(item.into is into and item.name == name for item in self._watched):
            return
        component = self.nodes[node].component
        low, high = getattr(component, "saturation", None) or (None, None)
        item = _Watched(into, name, value, self._root(value), HISTOGRAM_BINS if histogram else 0, (low, high))
        item.source = next((other for other in self._watched if self._same(item, other)), None)
        self._watched.append(item)
        if item.source is not None:
            return
        if per_unit:
            (item.per_unit,) = self._call(ObserveUnits(), node, value).outputs
        if value.size > SMALL:
            call = self._call(Observe(bins=item.bins, low=low, high=high), node, value)
            item.measured = _measured(call, item)

    def finish(self) -> None:
        """Measure what is still to be measured, in groups that fit the cache, and hand out all results."""
        waiting = [item for item in self._watched if item.measured is None and item.source is None]
        waiting.sort(key=lambda item: (item.bins, -item.value.size))
        while waiting:
            first = waiting[0]
            many = max(1, BLOCK // first.value.size)
            group = [item for item in waiting[:many] if item.bins == first.bins]
            waiting = waiting[len(group) :]
            lows, highs = zip(*(item.limits for item in group), strict=True)
            values = [self.replaced.get(item.value.id, item.value) for item in group]
            call = self._call(ObserveMany(first.bins, lows, highs), "", *values)
            for place, item in enumerate(group):
                item.measured = _measured(call, item, place)
        for item in self._watched:
            found = (item.source or item).measured
            assert found is not None
            item.into[item.name] = found

    @staticmethod
    def _same(item: _Watched, other: _Watched) -> bool:
        return (
            other.source is None
            and other.root == item.root
            and other.bins == item.bins
            and other.limits == item.limits
            and (item.value.id == other.value.id or item.into is other.into)
        )

    def _root(self, value: Value) -> int:
        """The value whose memory `value` shows under another shape."""
        views = {call.outputs[0].id: call.inputs[0].id for call in self.b.calls if call.op.view}
        root = value.id
        while root in views:
            root = views[root]
        return root

    def _call(self, op: Observe | ObserveMany | ObserveUnits, node: str, *values: Value) -> Call:
        phase, self.b.phase, before, self.b.node = self.b.phase, "observe", self.b.node, node
        call = self.b.call(op, *values)
        self.b.phase, self.b.node = phase, before
        return call


def _measured(call: Call, item: _Watched, place: int | None = None) -> Measured:
    stats, alive, histogram = call.outputs
    return Measured(stats, alive, histogram, item.value.shape[-1], place, item.per_unit)
