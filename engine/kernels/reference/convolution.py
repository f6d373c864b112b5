"""Convolutions as matrix products over image patches. See `engine.ops.convolution`.

The patches of a few images at a time are laid out as a matrix (one row for each output pixel), so that one matrix
product does the arithmetic. The gradient by the input is gathered, never scattered, so that its bits do not depend on
scheduling.
"""

from __future__ import annotations

from typing import Any

from engine.ops.convolution import correlates, is_pointwise, lies_across


def _spread(xp: Any, images: Any, padded: Any, margins: tuple[int, int]) -> Any:
    """The images with margins of zeros, in `padded`; the images themselves where there are no margins."""
    if padded is None:
        return images
    count, height, width = images.shape[:3]
    top, left = margins
    part = padded[:count]
    xp.copyto(part[:, top : top + height, left : left + width], images)
    return part


def _clear(padded: Any) -> None:
    if padded is not None:
        padded.fill(0)


def _lay_out(xp: Any, images: Any, size: tuple[int, int], out: tuple[int, int], stride: int, patches: Any) -> Any:
    """Copy the windows of `images` into `patches`; returns them as a matrix with one row for each output pixel."""
    count, _, _, channels = images.shape
    by_image, by_row, by_column, by_channel = images.strides
    pixels, depth = count * out[0] * out[1], size[0] * size[1] * channels
    part = patches[:count]
    if lies_across(channels):
        shape: tuple[int, ...] = (*size, count, *out)
        strides: tuple[int, ...] = (by_row, by_column, by_image, stride * by_row, stride * by_column)
        matrix = part.reshape(depth, pixels).T
    else:
        shape = (count, *out, size[0], size[1] * channels)
        strides = (by_image, stride * by_row, stride * by_column, by_row, by_channel)
        matrix = part.reshape(pixels, depth)
    xp.copyto(part.reshape(shape), xp.lib.stride_tricks.as_strided(images, shape, strides))
    return matrix


def _correlate(
    xp: Any, x: Any, w: Any, y: Any, patches: Any, padded: Any, stride: int, margins: tuple[int, int]
) -> None:
    """y = x correlated with w (kh, kw, c_in, c_out), some images at a time."""
    size = w.shape[:2]
    out = y.shape[1:3]
    matrix = w.reshape(-1, w.shape[3])
    at_once = patches.shape[0]
    _clear(padded)
    for start in range(0, x.shape[0], at_once):
        here = slice(start, min(start + at_once, x.shape[0]))
        rows = _lay_out(xp, _spread(xp, x[here], padded, margins), size, out, stride, patches)
        xp.matmul(rows, matrix, out=y[here].reshape(-1, y.shape[3]))


def conv2d(
    xp: Any, x: Any, w: Any, y: Any, patches: Any = None, padded: Any = None, *, stride: int, padding: int
) -> None:
    if is_pointwise(w.shape[:2], stride, padding):
        xp.matmul(x.reshape(-1, x.shape[3]), w.reshape(w.shape[2:]), out=y.reshape(-1, y.shape[3]))
        return
    _correlate(xp, x, w, y, patches, padded, stride, (padding, padding))


def conv2d_input_gradient(
    xp: Any, dy: Any, w: Any, dx: Any, *work: Any, x_shape: tuple[int, ...], stride: int, padding: int
) -> None:
    size = w.shape[:2]
    if is_pointwise(size, stride, padding):
        xp.matmul(dy.reshape(-1, dy.shape[3]), w.reshape(w.shape[2:]).T, out=dx.reshape(-1, dx.shape[3]))
        return
    if correlates(size, stride, padding):
        mirrored, patches, *rest = work
        xp.copyto(mirrored, w[::-1, ::-1].transpose(0, 1, 3, 2))
        margins = (size[0] - 1 - padding, size[1] - 1 - padding)
        _correlate(xp, dy, mirrored, dx, patches, rest[0] if rest else None, 1, margins)
        return
    patches, *rest = work
    _gather(xp, dy, w, dx, patches, rest[0] if rest else None, stride, padding)


def _gather(xp: Any, dy: Any, w: Any, dx: Any, patches: Any, padded: Any, stride: int, padding: int) -> None:
    """dx from patches of gradients, added offset by offset."""
    height, width, channels = dx.shape[1:]
    rows, columns = dy.shape[1:3]
    transposed = w.reshape(-1, w.shape[3]).T
    at_once = patches.shape[0]
    for start in range(0, dx.shape[0], at_once):
        here = slice(start, min(start + at_once, dx.shape[0]))
        count = here.stop - here.start
        part = patches[:count]
        xp.matmul(dy[here].reshape(-1, dy.shape[3]), transposed, out=part.reshape(-1, part.shape[2]))
        windows = part.reshape(count, rows, columns, w.shape[0], w.shape[1], channels)
        image = dx[here] if padded is None else padded[:count]
        image.fill(0)
        for i in range(w.shape[0]):
            for j in range(w.shape[1]):
                target = image[:, i : i + stride * (rows - 1) + 1 : stride, j : j + stride * (columns - 1) + 1 : stride]
                xp.add(target, windows[:, :, :, i, j], out=target)
        if padded is not None:
            xp.copyto(dx[here], image[:, padding : padding + height, padding : padding + width])


def conv2d_weight_gradient(
    xp: Any,
    x: Any,
    dy: Any,
    dw: Any,
    partial: Any = None,
    patches: Any = None,
    padded: Any = None,
    *,
    size: tuple[int, int],
    stride: int,
    padding: int,
) -> None:
    matrix = dw.reshape(-1, dw.shape[3])
    if is_pointwise(size, stride, padding):
        xp.matmul(x.reshape(-1, x.shape[3]).T, dy.reshape(-1, dy.shape[3]), out=matrix)
        return
    out = dy.shape[1:3]
    at_once = patches.shape[0]
    _clear(padded)
    for start in range(0, x.shape[0], at_once):
        here = slice(start, min(start + at_once, x.shape[0]))
        rows = _lay_out(xp, _spread(xp, x[here], padded, (padding, padding)), size, out, stride, patches)
        target = partial if start else matrix
        xp.matmul(rows.T, dy[here].reshape(-1, dy.shape[3]), out=target)
        if start:
            xp.add(matrix, partial, out=matrix)


KERNELS = {
    "conv2d": conv2d,
    "conv2d_input_gradient": conv2d_input_gradient,
    "conv2d_weight_gradient": conv2d_weight_gradient,
}
