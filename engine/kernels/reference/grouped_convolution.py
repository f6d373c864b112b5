"""Convolutions in groups and with gaps. See `engine.ops.grouped_convolution`.

Two ways. Where every group is one channel, the products of each offset's pixels with its weights are added up, some
images at a time. Otherwise each group's patches are laid out as a matrix, as a plain convolution's are, and multiplied.
Either way the gradient by the input is added up offset by offset, so that its bits do not depend on scheduling.

Work space by channel: products (images, rows, columns, channels, filters of a channel), one row of repeated weights
(columns, channels, filters of a channel), sums over a channel's filters, and padded images. By group: patches (images,
pixels, depth), packed weights (groups, depth, filters), results (images pixels, filters), and padded images.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.kernels.reference.blocks import spans


def _padded(xp: Any, images: Any, padded: Any, padding: int) -> Any:
    """The images in a margin of zeros; as they are where there is none."""
    if not padding:
        return images
    part = padded[: images.shape[0]]
    xp.copyto(part[:, padding:-padding, padding:-padding], images)
    return part


def _offsets(images: Any, size: tuple[int, ...], out: tuple[int, ...], stride: int, dilation: int) -> Iterator[Any]:
    """(i, j, the pixels that offset (i, j) of the window meets: a view of (n, rows, columns, c))."""
    rows, columns = out
    for i in range(size[0]):
        for j in range(size[1]):
            top, left = i * dilation, j * dilation
            yield (
                i,
                j,
                images[
                    :,
                    top : top + stride * (rows - 1) + 1 : stride,
                    left : left + stride * (columns - 1) + 1 : stride,
                ],
            )


def _patches(xp: Any, images: Any, group: slice, size: Any, out: Any, stride: int, dilation: int, patches: Any) -> Any:
    """The windows of a group's channels as a matrix with one row for each output pixel."""
    count = images.shape[0]
    channels = group.stop - group.start
    part = patches[:count].reshape(count, *out, *size, channels)
    for i, j, pixels in _offsets(images, size, out, stride, dilation):
        xp.copyto(part[:, :, :, i, j], pixels[..., group])
    return patches[:count].reshape(-1, patches.shape[2])


def _groups(channels: int, filters: int, groups: int) -> Iterator[tuple[int, slice, slice]]:
    """(number, channels, filters) of each group."""
    c, f = channels // groups, filters // groups
    for g in range(groups):
        yield g, slice(g * c, (g + 1) * c), slice(g * f, (g + 1) * f)


def _pack(xp: Any, w: Any, packed: Any) -> None:
    """packed (groups, depth, filters of a group) = w (kh, kw, channels of a group, filters)."""
    depth, filters = packed.shape[1:]
    matrix = w.reshape(depth, -1)
    for g in range(packed.shape[0]):
        xp.copyto(packed[g], matrix[:, g * filters : (g + 1) * filters])


def grouped_conv2d(
    xp: Any,
    x: Any,
    w: Any,
    y: Any,
    work: Any,
    weights: Any,
    results: Any,
    padded: Any,
    *,
    stride: int,
    padding: int,
    groups: int,
    dilation: int,
) -> None:
    size, out = w.shape[:2], y.shape[1:3]
    by_channel = groups == x.shape[3] > 1
    padded.fill(0)
    if not by_channel:
        _pack(xp, w, weights)
    for here, there in spans(x.shape[0], work.shape[0]):
        images = _padded(xp, x[here], padded, padding)
        if by_channel:
            t = work[there]
            target = y[here].reshape(t.shape)
            for i, j, pixels in _offsets(images, size, out, stride, dilation):
                xp.copyto(weights, w[i, j].reshape(1, *weights.shape[1:]))
                xp.multiply(pixels.reshape(*pixels.shape, 1), weights, out=t if i or j else target)
                if i or j:
                    xp.add(target, t, out=target)
            continue
        target = y[here].reshape(-1, y.shape[3])
        product = results[: target.shape[0]]
        for g, channels, filters in _groups(x.shape[3], y.shape[3], groups):
            rows = _patches(xp, images, channels, size, out, stride, dilation, work)
            xp.matmul(rows, weights[g], out=product)
            xp.copyto(target[:, filters], product)


def grouped_conv2d_input_gradient(
    xp: Any,
    dy: Any,
    w: Any,
    dx: Any,
    work: Any,
    weights: Any,
    results: Any,
    padded: Any,
    *,
    stride: int,
    padding: int,
    groups: int,
    dilation: int,
    x_shape: tuple[int, ...],
) -> None:
    size, out = w.shape[:2], dy.shape[1:3]
    by_channel = groups == dx.shape[3] > 1
    if not by_channel:
        _pack(xp, w, weights)
    for here, there in spans(dx.shape[0], work.shape[0]):
        image = padded[there] if padding else dx[here]
        image.fill(0)
        if by_channel:
            t = work[there]
            gradient = dy[here].reshape(t.shape)
            for i, j, pixels in _offsets(image, size, out, stride, dilation):
                xp.copyto(weights, w[i, j].reshape(1, *weights.shape[1:]))
                xp.multiply(gradient, weights, out=t)
                if t.shape[4] > 1:
                    xp.sum(t, axis=4, out=results[there])
                xp.add(pixels, results[there] if t.shape[4] > 1 else t.reshape(t.shape[:4]), out=pixels)
        else:
            gradient = dy[here].reshape(-1, dy.shape[3])
            part, columns = results[: gradient.shape[0]], work[there]
            for g, channels, filters in _groups(dx.shape[3], dy.shape[3], groups):
                xp.copyto(part, gradient[:, filters])
                xp.matmul(part, weights[g].T, out=columns.reshape(part.shape[0], -1))
                windows = columns.reshape(columns.shape[0], *out, *size, -1)
                for i, j, pixels in _offsets(image, size, out, stride, dilation):
                    target = pixels[..., channels]
                    xp.add(target, windows[:, :, :, i, j], out=target)
        if padding:
            xp.copyto(dx[here], image[:, padding:-padding, padding:-padding])


def grouped_conv2d_weight_gradient(
    xp: Any,
    x: Any,
    dy: Any,
    dw: Any,
    work: Any,
    weights: Any,
    results: Any,
    padded: Any,
    *,
    stride: int,
    padding: int,
    groups: int,
    dilation: int,
    size: tuple[int, int],
) -> None:
    out = dy.shape[1:3]
    by_channel = groups == x.shape[3] > 1
    padded.fill(0)
    for here, there in spans(x.shape[0], work.shape[0]):
        images = _padded(xp, x[here], padded, padding)
        first = here.start == 0
        if by_channel:
            t = work[there]
            gradient = dy[here].reshape(t.shape)
            for i, j, pixels in _offsets(images, size, out, stride, dilation):
                xp.multiply(pixels.reshape(*pixels.shape, 1), gradient, out=t)
                target = dw[i, j, 0]
                part = target if first else weights[0].reshape(-1)
                xp.sum(t.reshape(-1, part.shape[0]), axis=0, out=part)
                if not first:
                    xp.add(target, part, out=target)
            continue
        gradient = dy[here].reshape(-1, dy.shape[3])
        part = results[: gradient.shape[0]]
        matrix = dw.reshape(-1, dw.shape[3])
        for g, channels, filters in _groups(x.shape[3], dy.shape[3], groups):
            rows = _patches(xp, images, channels, size, out, stride, dilation, work)
            xp.copyto(part, gradient[:, filters])
            xp.matmul(rows.T, part, out=weights[g])
            target = matrix[:, filters]
            if first:
                xp.copyto(target, weights[g])
            else:
                xp.add(target, weights[g], out=target)


KERNELS = {
    "grouped_conv2d": grouped_conv2d,
    "grouped_conv2d_input_gradient": grouped_conv2d_input_gradient,
    "grouped_conv2d_weight_gradient": grouped_conv2d_weight_gradient,
}
