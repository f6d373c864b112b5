"""Pooling by passes over the offsets of a window. See `engine.ops.pooling`.

For each offset inside the window, a strided view of the image holds that pixel of every window; where padding reaches
over the edge, only the windows that see a pixel there take part. Maxima and sums are taken over rows first, whose
inner loops are long, then over columns, some images at a time.
"""

from __future__ import annotations

from typing import Any

from engine.kernels.reference.blocks import spans


def _along(length: int, count: int, offset: int, stride: int, padding: int) -> tuple[slice, slice]:
    """The windows (of `count`) whose pixel at `offset` lies inside an axis of `length`, and those pixels."""
    shift = offset - padding
    first = max(0, -(shift // stride)) if shift < 0 else 0
    last = min(count - 1, (length - 1 - shift) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0)
    start = first * stride + shift
    return slice(first, last + 1), slice(start, start + (last - first) * stride + 1, stride)


def _reduce(
    xp: Any, combine: Any, neutral: float, x: Any, y: Any, rows: Any, size: int, stride: int, padding: int
) -> None:
    """y = the windows of x combined by a ufunc with the neutral element `neutral`."""
    every = slice(None)
    for here, there in spans(x.shape[0], rows.shape[0]):
        for axis, source, target in ((1, x[here], rows[there]), (2, rows[there], y[here])):
            lead = (every,) * axis
            untouched = padding == 0
            if padding:
                target.fill(neutral)
            for offset in range(size):
                windows, pixels = _along(source.shape[axis], target.shape[axis], offset, stride, padding)
                part = target[(*lead, windows)]
                if untouched:
                    xp.copyto(part, source[(*lead, pixels)])
                    untouched = False
                else:
                    combine(part, source[(*lead, pixels)], out=part)


def max_pool(xp: Any, x: Any, y: Any, rows: Any, *, size: int, stride: int, padding: int) -> None:
    _reduce(xp, xp.maximum, -xp.inf, x, y, rows, size, stride, padding)


def _offsets(x: Any, y: Any, size: int, stride: int, padding: int) -> list[tuple[Any, Any]]:
    """(index into images, index into pooled images) for each offset in the window, row by row."""
    every = slice(None)
    vertical = [_along(x.shape[1], y.shape[1], i, stride, padding) for i in range(size)]
    horizontal = [_along(x.shape[2], y.shape[2], j, stride, padding) for j in range(size)]
    return [
        ((every, pixel_rows, pixel_columns), (every, rows, columns))
        for rows, pixel_rows in vertical
        for columns, pixel_columns in horizontal
    ]


def max_pool_gradient(
    xp: Any,
    x: Any,
    y: Any,
    dy: Any,
    dx: Any,
    open_: Any,
    equal: Any,
    share: Any,
    *,
    size: int,
    stride: int,
    padding: int,
) -> None:
    apart = stride >= size
    if not (apart and stride == size and padding == 0 and x.shape[1] % size == 0 and x.shape[2] % size == 0):
        dx.fill(0)
    offsets = _offsets(x, y, size, stride, padding)
    for here, there in spans(x.shape[0], open_.shape[0]):
        images, pooled, gradient, target = x[here], y[here], dy[here], dx[here]
        waiting = open_[there]
        waiting.fill(True)
        for pixels, windows in offsets:
            still, hit, part = waiting[windows], equal[there][windows], share[there][windows]
            xp.equal(images[pixels], pooled[windows], out=hit)
            xp.logical_and(hit, still, out=hit)
            xp.logical_xor(still, hit, out=still)
            xp.copyto(part, hit)
            if apart:
                xp.multiply(part, gradient[windows], out=target[pixels])
            else:
                xp.multiply(part, gradient[windows], out=part)
                xp.add(target[pixels], part, out=target[pixels])


def average_pool(xp: Any, x: Any, y: Any, rows: Any, *, size: int, stride: int, padding: int) -> None:
    _reduce(xp, xp.add, 0.0, x, y, rows, size, stride, padding)
    xp.multiply(y, 1.0 / (size * size), out=y)


def average_pool_gradient(
    xp: Any, dy: Any, dx: Any, rows: Any, *, size: int, stride: int, padding: int, x_shape: tuple[int, ...]
) -> None:
    every = slice(None)
    for here, there in spans(dx.shape[0], rows.shape[0]):
        for axis, source, target in ((2, dy[here], rows[there]), (1, rows[there], dx[here])):
            lead = (every,) * axis
            target.fill(0)
            for offset in range(size):
                windows, pixels = _along(target.shape[axis], source.shape[axis], offset, stride, padding)
                part = target[(*lead, pixels)]
                xp.add(part, source[(*lead, windows)], out=part)
        xp.multiply(dx[here], 1.0 / (size * size), out=dx[here])


def global_average_pool(xp: Any, x: Any, y: Any, columns: Any) -> None:
    batch, height, width, channels = x.shape
    xp.sum(x.reshape(batch, height, width * channels), axis=1, out=columns)
    xp.sum(columns.reshape(batch, width, channels), axis=1, out=y)
    xp.multiply(y, 1.0 / (height * width), out=y)


def global_average_pool_gradient(xp: Any, dy: Any, dx: Any, columns: Any, *, x_shape: tuple[int, ...]) -> None:
    batch, height, width, channels = dx.shape
    share = columns.reshape(batch, width, channels)
    xp.copyto(share, dy.reshape(batch, 1, channels))
    xp.multiply(columns, 1.0 / (height * width), out=columns)
    xp.copyto(dx.reshape(batch, height, width * channels), columns.reshape(batch, 1, width * channels))


KERNELS = {
    "max_pool": max_pool,
    "max_pool_gradient": max_pool_gradient,
    "average_pool": average_pool,
    "average_pool_gradient": average_pool_gradient,
    "global_average_pool": global_average_pool,
    "global_average_pool_gradient": global_average_pool_gradient,
}
