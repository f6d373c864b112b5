"""A pretended GPU on which time is what a test says."""

from __future__ import annotations

from collections.abc import Callable

from engine.kernels.cuda.signatures import Packed
from tests.support.fake_cuda import FakeBlas, FakeDevice

__all__ = ["Clock"]


class Clock(FakeDevice):
    """A device on which time is what a test says: seconds by kernel, "cublas", or what else is taken, and 1 for all
    others."""

    def __init__(self, seconds: dict[str, float]) -> None:
        super().__init__()
        self.cost, self.now = seconds, 0.0
        self.done: list[str] = []
        self.blas = FakeBlas(self.xp, lambda act: self.take("cublas", act))

    def launch(self, function: str, grid: tuple[int, int, int], block: int, packed: Packed) -> None:
        super().launch(function, grid, block, packed)
        self.take(function, lambda: None)

    def take(self, name: str, act: Callable[[], None]) -> None:
        """Do something, which takes its time, or keep it for the graph that is captured."""

        def taken() -> None:
            act()
            self.done.append(name)
            self.now += self.cost.get(name, 1.0)

        self._act(taken)

    def record(self, mark: list[float]) -> None:
        self._act(lambda: mark.__setitem__(0, self.now))
