"""Convolutions in groups and with gaps. See `engine.ops.grouped_convolution`.

Two ways. Where every group is one channel, the products of each offset's pixels with its weights are added up, some
images at a time. Otherwise patches are laid out as a matrix, as a plain convolution's are, and multiplied, some groups
together. The gradient by the input is a convolution with the mirrored weights where it can be, and else added up offset
by offset, so that its bits do not depend on scheduling.

Work space by channel: products (images, rows, columns, channels), one row of repeated weights (columns, channels), two
rows of sums, and padded images. By runs of groups: patches (images, pixels, depth), packed weights (runs, depth,
filters of a run), results (images pixels, filters of a run), and padded images.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.kernels.reference.blocks import spans
from engine.ops.grouped_convolution import mirrored


def _padded(xp: Any, images: Any, padded: Any, margins: tuple[int, int]) -> Any:
    """The images in margins of zeros; as they are where there are none."""
    if not any(margins):
        return images
    count, height, width = images.shape[:3]
    top, left = margins
    part = padded[:count]
    xp.copyto(part[:, top : top + height, left : left + width], images)
    return part


def _offsets(images: Any, size: tuple[int, ...], out: tuple[int, ...], stride: int, dilation: int) -> Iterator[Any]:
    """(i, j, the pixels that offset (i, j) of the window meets: a view of (n, rows, columns, c))."""
    rows, columns = out
    for i in range(size[0]):
        for j in range(size[1]):
            down, along = (
                slice(k * dilation, k * dilation + stride * (count - 1) + 1, stride)
                for k, count in ((i, rows), (j, columns))
            )
            yield i, j, images[:, down, along]


# -- every group a channel ---------------------------------------------------------------------------------------------


def _filters(w: Any, channels: int) -> Iterator[Any]:
    """The weights (kh, kw, channels) of each channel's first filter, second filter, and so on: views."""
    each = w.reshape(*w.shape[:2], channels, -1)
    for k in range(each.shape[3]):
        yield each[:, :, :, k]


def _results(images: Any, channels: int) -> list[Any]:
    """The parts (n, rows, columns, channels) of a result that those filters yield: views."""
    each = images.reshape(*images.shape[:3], channels, -1)
    return [each[..., k] for k in range(each.shape[4])]


def _by_channel(
    xp: Any, x: Any, w: Any, y: Any, work: Any, tile: Any, padded: Any, stride: int, padding: int, dilation: int
) -> None:
    size, out, channels = w.shape[:2], y.shape[1:3], x.shape[3]
    for here, there in spans(x.shape[0], work.shape[0]):
        images = _padded(xp, x[here], padded, (padding, padding))
        t = work[there]
        for weights, target in zip(_filters(w, channels), _results(y[here], channels), strict=True):
            for i, j, pixels in _offsets(images, size, out, stride, dilation):
                xp.copyto(tile, weights[i, j])
                xp.multiply(pixels, tile, out=t if i or j else target)
                if i or j:
                    xp.add(target, t, out=target)


def _by_channel_input(
    xp: Any, dy: Any, w: Any, dx: Any, work: Any, tile: Any, padded: Any, stride: int, padding: int, dilation: int
) -> None:
    size, out, channels = w.shape[:2], dy.shape[1:3], dx.shape[3]
    for here, there in spans(dx.shape[0], work.shape[0]):
        image = padded[there] if padding else dx[here]
        image.fill(0)
        t = work[there]
        for weights, gradient in zip(_filters(w, channels), _results(dy[here], channels), strict=True):
            for i, j, pixels in _offsets(image, size, out, stride, dilation):
                xp.copyto(tile, weights[i, j])
                xp.multiply(gradient, tile, out=t)
                xp.add(pixels, t, out=pixels)
        if padding:
            xp.copyto(dx[here], image[:, padding:-padding, padding:-padding])


def _by_channel_weights(
    xp: Any, x: Any, dy: Any, dw: Any, work: Any, sums: Any, padded: Any, stride: int, padding: int, dilation: int
) -> None:
    size, out, channels = dw.shape[:2], dy.shape[1:3], x.shape[3]
    row, total = sums[0].reshape(-1), sums[1, 0]
    for here, there in spans(x.shape[0], work.shape[0]):
        images = _padded(xp, x[here], padded, (padding, padding))
        t = work[there]
        for target, gradient in zip(_filters(dw, channels), _results(dy[here], channels), strict=True):
            for i, j, pixels in _offsets(images, size, out, stride, dilation):
                xp.multiply(pixels, gradient, out=t)
                # Over rows first, whose inner loops are long.
                xp.sum(t.reshape(-1, row.shape[0]), axis=0, out=row)
                xp.sum(sums[0], axis=0, out=total if here.start else target[i, j])
                if here.start:
                    xp.add(target[i, j], total, out=target[i, j])


# -- groups of several channels ----------------------------------------------------------------------------------------


def _patches(xp: Any, images: Any, channels: slice, size: Any, out: Any, stride: int, dilation: int, work: Any) -> Any:
    """The windows of some channels as a matrix with one row for each output pixel."""
    count = images.shape[0]
    part = work[:count].reshape(count, *out, *size, -1)
    for i, j, pixels in _offsets(images, size, out, stride, dilation):
        xp.copyto(part[:, :, :, i, j], pixels[..., channels])
    return work[:count].reshape(-1, work.shape[2])


def _runs(channels: int, filters: int, packed: Any) -> Iterator[tuple[Any, slice, slice]]:
    """(packed weights, channels, filters) of each run of groups."""
    c, f = channels // packed.shape[0], filters // packed.shape[0]
    for r, weights in enumerate(packed):
        yield weights, slice(r * c, (r + 1) * c), slice(r * f, (r + 1) * f)


def _blocks(packed: Any, size: tuple[int, ...], groups: int) -> Iterator[tuple[int, Any]]:
    """(group, the place of its weights (kh, kw, channels, filters) in `packed`): views."""
    together = groups // packed.shape[0]
    depth, width = packed.shape[1] // (size[0] * size[1]), packed.shape[2]
    for g in range(groups):
        run = packed[g // together].reshape(*size, together, depth // together, together, width // together)
        yield g, run[:, :, g % together, :, g % together]


def _filters_of(w: Any, group: int, groups: int) -> Any:
    """The weights (kh, kw, channels of a group, filters) of one group: a view."""
    count = w.shape[3] // groups
    return w[..., group * count : (group + 1) * count]


def _pack(xp: Any, w: Any, packed: Any, groups: int, *, turned: bool = False) -> None:
    """The weights of each run of groups as a matrix, zero outside its blocks; where `turned`, mirrored and with
    channels and filters exchanged."""
    packed.fill(0)
    for g, place in _blocks(packed, w.shape[:2], groups):
        weights = _filters_of(w, g, groups)
        xp.copyto(place, weights[::-1, ::-1].transpose(0, 1, 3, 2) if turned else weights)


def _correlate(
    xp: Any,
    x: Any,
    weights: Any,
    y: Any,
    work: Any,
    results: Any,
    padded: Any,
    size: tuple[int, ...],
    stride: int,
    margins: tuple[int, int],
    dilation: int,
) -> None:
    """y = x correlated with packed weights, some images at a time."""
    for here, _ in spans(x.shape[0], work.shape[0]):
        images = _padded(xp, x[here], padded, margins)
        target = y[here].reshape(-1, y.shape[3])
        product = target if weights.shape[0] == 1 else results[: target.shape[0]]
        for run, channels, filters in _runs(x.shape[3], y.shape[3], weights):
            rows = _patches(xp, images, channels, size, y.shape[1:3], stride, dilation, work)
            xp.matmul(rows, run, out=product)
            if weights.shape[0] > 1:
                xp.copyto(target[:, filters], product)


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
    padded.fill(0)
    if groups == x.shape[3] > 1:
        _by_channel(xp, x, w, y, work, weights, padded, stride, padding, dilation)
        return
    _pack(xp, w, weights, groups)
    margins = (padding, padding)
    _correlate(xp, x, weights, y, work, results, padded, w.shape[:2], stride, margins, dilation)


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
    if groups == dx.shape[3] > 1:
        _by_channel_input(xp, dy, w, dx, work, weights, padded, stride, padding, dilation)
        return
    size, out = w.shape[:2], dy.shape[1:3]
    margins = mirrored(size, stride, padding, dilation)
    if margins is not None:
        padded.fill(0)
        _pack(xp, w, weights, groups, turned=True)
        _correlate(xp, dy, weights, dx, work, results, padded, size, 1, margins, dilation)
        return
    _pack(xp, w, weights, groups)
    for here, there in spans(dx.shape[0], work.shape[0]):
        image = padded[there] if padding else dx[here]
        image.fill(0)
        gradient, columns = dy[here].reshape(-1, dy.shape[3]), work[there]
        part = gradient if weights.shape[0] == 1 else results[: gradient.shape[0]]
        for run, channels, filters in _runs(dx.shape[3], dy.shape[3], weights):
            if weights.shape[0] > 1:
                xp.copyto(part, gradient[:, filters])
            xp.matmul(part, run.T, out=columns.reshape(part.shape[0], -1))
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
    padded.fill(0)
    if groups == x.shape[3] > 1:
        _by_channel_weights(xp, x, dy, dw, work, results, padded, stride, padding, dilation)
        return
    for here, _ in spans(x.shape[0], work.shape[0]):
        images = _padded(xp, x[here], padded, (padding, padding))
        gradient = dy[here].reshape(-1, dy.shape[3])
        part = gradient if weights.shape[0] == 1 else results[: gradient.shape[0]]
        for run, channels, filters in _runs(x.shape[3], dy.shape[3], weights):
            rows = _patches(xp, images, channels, size, dy.shape[1:3], stride, dilation, work)
            if weights.shape[0] > 1:
                xp.copyto(part, gradient[:, filters])
            xp.matmul(rows.T, part, out=run)
        for g, place in _blocks(weights, size, groups):
            target = _filters_of(dw, g, groups)
            if here.start:
                xp.add(target, place, out=target)
            else:
                xp.copyto(target, place)


KERNELS = {
    "grouped_conv2d": grouped_conv2d,
    "grouped_conv2d_input_gradient": grouped_conv2d_input_gradient,
    "grouped_conv2d_weight_gradient": grouped_conv2d_weight_gradient,
}
