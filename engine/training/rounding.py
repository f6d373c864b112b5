"""How far the gradient is off where matrix products round their factors: measured on the run's own first batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from engine.backend import MathMode
    from engine.training.loop import Loop

__all__ = ["gradient_error"]


def gradient_error(loop: Loop) -> float:
    """||g - g'|| / ||g|| of the gradient g of the next batch, all products in float32, and g' as the run's executor
    computes it; NaN where the loss is not finite. The same random numbers in both; the state is left as it was."""
    from engine.cuda_executor import CUDAExecutor

    executor = loop.programs.executor
    assert isinstance(executor, CUDAExecutor)
    program = loop.programs.train(loop.steps.batch_size).program
    step = min(loop.step, loop.total_steps - 1)
    fed = loop.steps.feed.look(step)
    indices = fed.indices[0][: program.batch_size]
    if len(indices) < program.batch_size:  # an epoch's last, short batch
        return float("nan")
    scalars = loop.steps.course.step(step)[1]
    xp, arenas = loop.state.backend.xp, loop.state.arenas
    kept = {name: loop.state.backend.copy(arenas[name]) for name in ("buffers", "gradients")}
    modes: tuple[MathMode, ...] = ("float32", executor.math)
    found = []
    try:
        for math in modes:
            bound = executor.bind(program, math=math)
            bound.gather(fed.arrays, indices)
            if not bound.differentiate(scalars, step, loop.experiment.seed):
                return float("nan")
            found.append(loop.state.backend.to_host(arenas["gradients"]).astype(np.float64))
            xp.copyto(arenas["buffers"], kept["buffers"])
    finally:
        for name, array in kept.items():
            xp.copyto(arenas[name], array)
    exact, rounded = found
    norm = float(np.linalg.norm(exact))
    return float(np.linalg.norm(exact - rounded)) / norm if norm else float("nan")
