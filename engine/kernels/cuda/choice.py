"""Which way an operation goes that can go several: by cuBLAS, by tiles of our own of one size or another, by patches.

A way of a library that need not be there (`Candidate.optional`) is only taken where it was tried: whatever fails of it
takes it out, and another way is gone.

All ways give the same result but for rounding, so a run is bit for bit the same only as long as it goes the same ways.
`Chooser` decides by sizes alone, hence always alike. `engine.kernels.cuda.timing.TimingChooser` measures on the device,
once for each operation and its sizes, and remembers; what it decided stands in `taken`, and handed to another chooser
as `given` it is decided so again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.ops.base import Call

if TYPE_CHECKING:
    from engine.kernels.cuda.binding import Binding
    from engine.kernels.cuda.launches import Work

__all__ = ["Candidate", "Chooser", "Unusable"]

log = logging.getLogger(__name__)


class Unusable(RuntimeError):
    """An optional way that cannot be gone; the message says why."""


@dataclass(frozen=True)
class Candidate:
    """One way: its name, what it launches for a binding, and the seconds that it is expected to take on a large card:
    an estimate that was measured nowhere; what matters is which is the least. `single`: it multiplies float32 by
    kernels of our own, and so is none where products are asked for in TF32 or bfloat16. `optional`: it may turn out not
    to work, and then is none."""

    name: str
    make: Callable[[Binding], list[Work]]
    expected: float
    single: bool = True
    optional: bool = False


class Chooser:
    """Takes what is expected to be fastest. `given`, by operation and sizes, are ways that are taken wherever they
    exist: those that a run took before."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self.taken: dict[str, str] = {}
        """By operation and sizes, the name of the way that was taken."""
        self._given = dict(given or {})
        self._dropped: set[tuple[str, str]] = set()

    def pick(self, call: Call, binding: Binding, candidates: Sequence[Candidate]) -> list[Work]:
        """The works of the way that is taken. Some candidate must be good for every kind of products."""
        usable = {item.name: item for item in candidates if binding.math == "float32" or not item.single}
        key = self.key(call, binding)
        while True:
            usable = {name: item for name, item in usable.items() if (key, name) not in self._dropped}
            name = self.taken.get(key, self._given.get(key, ""))
            if name not in usable:
                name = self._decide(key, call, binding, usable)
            try:
                if usable[name].optional:
                    self._try(key, usable[name], call, binding)
                works = usable[name].make(binding)
            except Unusable as error:
                self._drop(key, name, error)
                continue
            self.taken[key] = name
            return works

    def key(self, call: Call, binding: Binding) -> str:
        """What decides: the operation, its sizes, whether a stage follows, and how products are computed."""
        given = ",".join(f"{name}={value}" for name, value in call.op.attributes().items())
        sizes = " ".join("x".join(map(str, value.shape)) for value in call.inputs)
        return f"{call.op.name}[{given}] {sizes} {binding.math}{' +' if binding.followed else ''}"

    def _decide(self, key: str, call: Call, binding: Binding, candidates: Mapping[str, Candidate]) -> str:
        return min(candidates.values(), key=lambda item: item.expected).name

    def _try(self, key: str, item: Candidate, call: Call, binding: Binding) -> None:
        """See whether an optional way can be gone. Raises Unusable."""

    def _drop(self, key: str, name: str, error: Exception) -> None:
        """An optional way that failed is none any more."""
        self._dropped.add((key, name))
        log.info("%s does not go by “%s”: %s", key, name, error)
