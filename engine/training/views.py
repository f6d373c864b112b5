"""The heavier views of a run: the decision surface and the first layer's weights, drawn when watched and due."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from engine.blocks import unrolled_network
from engine.data.errors import DataError
from engine.layers.special_convolution import ConvTranspose2D
from engine.training import events
from engine.training.surface import FINE, MOVING, Grid, surface_input

if TYPE_CHECKING:
    from engine.data import Dataset
    from engine.experiment import Experiment
    from engine.training.evaluate import Head
    from engine.training.probes import ProbePolicy
    from engine.training.programs import Programs

__all__ = ["Views", "first_filters"]


class Views:
    """Draws on request and times itself for the policy. Nothing is prepared before it is first watched."""

    def __init__(
        self,
        programs: Programs,
        dataset: Dataset,
        heads: tuple[Head, ...],
        inputs: tuple[str, ...],
        policy: ProbePolicy,
        run: str,
        emit: Callable[[events.Event], None],
    ) -> None:
        self._programs, self._dataset, self._heads = programs, dataset, heads
        self._policy, self._run, self._emit = policy, run, emit
        self._surface_input = surface_input(dataset.signature, inputs)
        self._grids: dict[int, Grid] = {}
        self._level = 0
        """The index into `MOVING` of the grid in use."""

    def draw_due(
        self,
        step: int,
        topics: frozenset[str],
        scalars: Callable[[], dict[str, float]],
        experiment: Experiment,
        *,
        epoch_end: bool = False,
    ) -> None:
        """Draw what is watched and due."""
        if self._surface_input and self._policy.wants_surface(topics, epoch_end=epoch_end):
            self._moving_surface(step, scalars())
        if epoch_end:
            return
        if self._policy.wants_filters(topics):
            self._filters(step, experiment)

    def refresh(
        self,
        step: int,
        topics: frozenset[str],
        scalars: dict[str, float],
        experiment: Experiment,
        *,
        with_surface: bool = False,
    ) -> None:
        """Draw everything that is watched, due or not: the run stands still. `with_surface` draws the decision surface
        even if nobody watches it."""
        if self._surface_input and (with_surface or "surface" in topics):
            self._surface(step, scalars, FINE)
        if "filters" in topics:
            self._filters(step, experiment)

    def _moving_surface(self, step: int, scalars: dict[str, float]) -> None:
        """Draw on a grid as fine as several drawings a second allow."""
        instrument = self._policy.surface
        self._surface(step, scalars, MOVING[self._level])
        too_long = self._policy.budget * instrument.interval
        # A single look may have had to wait for others: it takes three to tell, or one that is far off.
        sure = instrument.looks >= 3 or instrument.cost > 5 * too_long
        if sure and instrument.cost > too_long and self._level < len(MOVING) - 1:
            self._level += 1
            instrument.restart()

    def _surface(self, step: int, scalars: dict[str, float], resolution: int) -> None:
        grid = self._grids.get(resolution)
        if grid is None:
            assert self._surface_input is not None
            try:
                grid = self._grids[resolution] = Grid(self._dataset, self._surface_input, resolution)
            except DataError:
                # Not every point of the plane can be preprocessed: between categories there is nothing.
                self._surface_input = None
                return
            # Compiling is paid once; counted as a look, it would put off the next one for many seconds.
            grid.values(self._programs, self._heads, scalars)
        begun = time.perf_counter()
        values = grid.values(self._programs, self._heads, scalars)
        assert values is not None  # nobody asked it to stop
        if np.isfinite(values).all():
            self._emit(events.Surface(run=self._run, step=step, values=values, extent=grid.extent))
        self._policy.spent(self._policy.surface, time.perf_counter() - begun)

    def _filters(self, step: int, experiment: Experiment) -> None:
        begun = time.perf_counter()
        found = first_filters(experiment, self._programs)
        if found is not None:
            self._emit(events.FirstLayer(run=self._run, step=step, node=found[0], filters=found[1]))
        self._policy.spent(self._policy.filters, time.perf_counter() - begun)


def first_filters(experiment: Experiment, programs: Programs) -> tuple[str, np.ndarray] | None:
    """The first layer with weights that read images, and those weights as (filters, height, width, channels).

    A convolution's weights are (h, w, channels, filters), a transposed one's (h, w, filters, channels); a dense layer's
    (h * w * channels, units) count when an image reaches it flattened and otherwise unchanged. None where no layer
    reads images.
    """
    report = programs.report
    components = {node.id: node.component for node in unrolled_network(experiment.network).nodes}
    for node_id in report.order:
        specs = {spec.name: spec for spec in report.nodes[node_id].parameters}
        if "weight" not in specs:
            continue
        weight = programs.state.backend.to_host(programs.state.parameters[f"{node_id}/weight"])
        if weight.ndim == 4:
            axis = 2 if isinstance(components[node_id], ConvTranspose2D) else 3
            return node_id, np.ascontiguousarray(np.moveaxis(weight, axis, 0))
        images = [shape for shape in programs.signature.inputs.values() if len(shape) == 3]
        if weight.ndim == 2 and len(images) == 1 and int(np.prod(images[0])) == weight.shape[0]:
            return node_id, np.ascontiguousarray(weight.T.reshape(-1, *images[0]))
        return None
    return None
