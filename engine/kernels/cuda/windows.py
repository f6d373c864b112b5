"""A filter that moves over an image, as numbers: see windows.cuh, which declares the same structures for the device."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.signatures import Pointer
from engine.ops.base import Call
from engine.ops.grouped_convolution import mirrored

__all__ = ["Divisor", "Filter", "Windows", "divisor"]


class Divisor(ctypes.Structure):
    """What a division by a fixed number needs."""

    _fields_ = [("by", ctypes.c_uint32), ("magic", ctypes.c_uint32), ("shift", ctypes.c_uint32)]


def divisor(number: int) -> Divisor:
    """For the division of numbers below 2^31 by `number` (Granlund and Montgomery 1994, "Division by invariant integers
    using multiplication", figure 4.1)."""
    assert 1 <= number < 2**31
    shift = (number - 1).bit_length()
    return Divisor(number, ((1 << 32) * ((1 << shift) - number)) // number + 1, shift)


class Windows(ctypes.Structure):
    """How a filter moves over an image: the last parameter but stages of the kernels that follow it."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("height", "width", "channels", "rows", "columns")),
        *((name, ctypes.c_int32) for name in ("filter_height", "filter_width", "stride", "top", "left", "dilation")),
        ("group", ctypes.c_int32),
        *((f"by_{name}", Divisor) for name in ("width", "height", "channels", "columns", "rows", "stride", "group")),
    ]


@dataclass(frozen=True)
class Filter:
    """A convolution's sizes: images (batch, height, width, channels), results (batch, rows, columns, filters), a filter
    of `size` pixels that lie `dilation` apart, zeros above and beside the image, and how channels are cut."""

    batch: int
    height: int
    width: int
    channels: int
    rows: int
    columns: int
    filters: int
    size: tuple[int, int]
    stride: int = 1
    top: int = 0
    left: int = 0
    dilation: int = 1
    groups: int = 1

    @classmethod
    def of(cls, call: Call, image: tuple[int, ...], result: tuple[int, ...], size: tuple[int, ...]) -> Filter:
        """Of a call of any of the convolutions, by the shapes of what it looks at and of what comes from that."""
        given = call.op.attributes()
        padding = given["padding"]
        (batch, height, width, channels), (_, rows, columns, filters) = image, result
        return cls(
            batch, height, width, channels, rows, columns, filters, (size[0], size[1]), given["stride"],
            padding, padding, given.get("dilation", 1), given.get("groups", 1),
        )  # fmt: skip

    @property
    def taps(self) -> int:
        """Pixels under the filter."""
        return self.size[0] * self.size[1]

    @property
    def depth(self) -> int:
        """Numbers under the filter of one group: the terms of a sum."""
        return self.taps * self.channels // self.groups

    @property
    def pixels(self) -> int:
        """Windows in an image."""
        return self.rows * self.columns

    @property
    def plain(self) -> bool:
        """Whether every window is one pixel, and every pixel has its window: then patches are the image itself."""
        return self.taps == 1 and self.stride == 1 and self.top == self.left == 0

    @property
    def by_channel(self) -> bool:
        """Whether every group is one channel, so that there is nothing to sum over but the window."""
        return self.groups == self.channels > 1

    def backwards(self) -> Filter | None:
        """How the mirrored filter moves over the results, which gives the images back; None where the gradient by the
        images is not a convolution (as in the reference, so that what is not finite spreads alike)."""
        margins = mirrored(self.size, self.stride, self.top, self.dilation)
        if margins is None:
            return None
        return Filter(
            self.batch, self.rows, self.columns, self.filters, self.height, self.width, self.channels, self.size,
            1, *margins, self.dilation, self.groups,
        )  # fmt: skip

    def windows(self) -> Windows:
        """For the device."""
        group = self.channels // self.groups
        by = (self.width, self.height, self.channels, self.columns, self.rows, self.stride, group)
        return Windows(
            self.height, self.width, self.channels, self.rows, self.columns, *self.size, self.stride, self.top,
            self.left, self.dilation, group, *map(divisor, by),
        )  # fmt: skip

    def taps_of(self, b: Binding) -> Pointer:
        """The `Tap`s of the elements of patches, which lie (groups, filter height, filter width, channels of a group):
        two int32 each."""
        group = self.channels // self.groups
        first, down, along, channel = np.indices((self.groups, *self.size, group), np.int32).reshape(4, -1)
        down, along = down * self.dilation, along * self.dilation
        offset = (down * self.width + along) * self.channels + first * group + channel
        return b.constants(np.stack([offset, down << 16 | along], axis=1))
