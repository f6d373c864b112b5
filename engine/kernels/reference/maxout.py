"""The largest of several pieces. See `engine.ops.maxout`."""

from __future__ import annotations

from typing import Any

from engine.kernels.reference.blocks import spans


def maxout(xp: Any, x: Any, y: Any, *, pieces: int) -> None:
    units = y.shape[-1]
    x, y = x.reshape(-1, pieces, units), y.reshape(-1, units)
    xp.copyto(y, x[:, 0])
    for piece in range(1, pieces):
        xp.maximum(y, x[:, piece], out=y)


def maxout_gradient(xp: Any, x: Any, y: Any, dy: Any, dx: Any, masks: Any, *, pieces: int) -> None:
    units = y.shape[-1]
    x, dx = x.reshape(-1, pieces, units), dx.reshape(-1, pieces, units)
    y, dy = y.reshape(-1, units), dy.reshape(-1, units)
    for here, there in spans(y.shape[0], masks.shape[1]):
        wins, free = masks[0, there], masks[1, there]
        free.fill(True)
        for piece in range(pieces):
            xp.equal(x[here, piece], y[here], out=wins)
            xp.logical_and(wins, free, out=wins)
            xp.logical_xor(free, wins, out=free)
            xp.multiply(dy[here], wins, out=dx[here, piece])


KERNELS = {"maxout": maxout, "maxout_gradient": maxout_gradient}
